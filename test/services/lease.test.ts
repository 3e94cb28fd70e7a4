/** A lease is kept while single requests hang, for however long the timeout of the store lets them. */
import { describe, expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { taskKey } from "../../src/keys.ts";
import { claimTask } from "../../src/queue/claim.ts";
import { createTask } from "../../src/queue/submit.ts";
import { millisOf, type QueueContext, taskCodec } from "../../src/queue/task.ts";
import { KeptLease } from "../../src/services/lease.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { PutOutcome } from "../../src/store/object-store.ts";
import { KitTime } from "../../src/testing/time/kit-time.ts";
import { ID, SPEC, START } from "../queue/fixtures.ts";

const LEASES = 6;

/** What becomes of a renewal that hangs. */
const FATES: Readonly<
  Record<string, (send: () => Promise<PutOutcome>, hang: () => Promise<void>) => Promise<PutOutcome>>
> = {
  "lands at once, and its answer hangs": async (send, hang) => {
    const answer = await send();
    await hang();
    return answer;
  },
  "hangs, and lands late": async (send, hang) => {
    await hang();
    return send();
  },
  "hangs, and is given up": async (_send, hang) => {
    await hang();
    return { kind: "unknown", cause: new WorkflowError("unavailable", "the request timed out") };
  },
  "lands at once, hangs, and is given up": async (send, hang) => {
    await send();
    await hang();
    return { kind: "unknown", cause: new WorkflowError("unavailable", "the request timed out") };
  },
};

/** Holds a task for six leases while one put of it hangs at any moment, and says how often the lease was found to be over. */
async function holdWhileHanging(fate: string, leaseMs: number, skewMarginMs: number, hangMs: number) {
  const time = new KitTime(START, 4_000, async () => Number.POSITIVE_INFINITY);
  const clock = time.freeClock;
  const silent = (): void => {};
  const host = { clock, random: seededRandom(1), logger: { debug: silent, info: silent, warn: silent, error: silent } };
  const store = new MemoryStore({ clock });
  const queue: QueueContext = { store, host, skewMarginMs };
  await createTask(queue, SPEC);
  const claimed = await claimTask(queue, ID, { workerId: "worker-1", leaseMs, accepts: () => true });
  if (claimed.kind !== "claimed") throw new Error(`the task is ${claimed.kind}`);
  let puts = 0;
  let hangs = false;
  const hang = async (): Promise<void> => {
    hangs = true;
    await clock.sleep(hangMs);
    hangs = false;
  };
  const put = store.put.bind(store);
  Object.assign(store, {
    put: (...args: Parameters<typeof put>): Promise<PutOutcome> => {
      if (!args[0].startsWith("tasks/")) return put(...args);
      puts += 1;
      return hangs ? put(...args) : FATES[fate]!(() => put(...args), hang);
    },
  });
  const lease = new KeptLease(queue, claimed.claim, leaseMs);
  let over = 0;
  let shortened = 0;
  let highest = 0;
  for (let elapsed = 0; elapsed < LEASES * leaseMs; elapsed += leaseMs / 50) {
    await time.clock.advance(leaseMs / 50);
    if (!lease.isLive()) over += 1;
    const read = await store.get(taskKey(ID));
    if (read.kind === "missing") throw new Error("the task is gone");
    const expiresAt = millisOf(taskCodec.decode(read.object.body, taskKey(ID)).lease_expires_at ?? "");
    if (expiresAt < highest) shortened += 1;
    highest = Math.max(highest, expiresAt);
    // What the holder believes is never later than what others read, by the margin for clocks. (The bucket has whole milliseconds.)
    expect(lease.claim.leaseUntil).toBeLessThan(expiresAt - START - skewMarginMs + 1);
  }
  lease.stop();
  return { over, shortened, lost: lease.lost.aborted, puts };
}

describe.each(Object.keys(FATES))("a renewal that %s", (fate) => {
  test.each([
    [6_000, 2_000, 5_000],
    [6_000, 2_000, 60_000],
    [1_000, 0, 5_000],
    [30_000, 2_000, 60_000],
  ])(
    "costs no lease of %i ms with a margin of %i ms, when it hangs for %i ms",
    async (leaseMs, skewMarginMs, hangMs) => {
      const held = await holdWhileHanging(fate, leaseMs, skewMarginMs, hangMs);
      expect(held).toMatchObject({ over: 0, shortened: 0, lost: false });
      expect(held.puts).toBeGreaterThan(LEASES);
    },
  );
});
