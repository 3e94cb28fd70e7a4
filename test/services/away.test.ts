/** The store is away for seconds: as long as the lease lives, what was done under it is tried again and nothing is done twice. */
import { describe, expect, test } from "vitest";
import { WorkflowError, workflow } from "../../src/index.ts";
import { createTask } from "../../src/queue/submit.ts";
import { startTick } from "../../src/run/wakeups/start.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { taskCodec } from "../../src/queue/task.ts";
import { TASKS_PREFIX } from "../../src/keys.ts";
import type { Outage, Process } from "../simulation/world/index.ts";
import { type Fleet, makeFleet } from "./fleet.ts";

/** A handler of so many milliseconds in front of a short one. */
function make(steps: { readonly firstMs: number; readonly secondMs: number }, outage: Outage): [Fleet, string[]] {
  const calls: string[] = [];
  const define = (process: Process) => [
    workflow("w")
      .step("a", async (ctx) => {
        calls.push(`a${ctx.attempt}`);
        await process.host.clock.sleep(steps.firstMs);
        return 1;
      })
      .step("b", {
        dependsOn: ["a"],
        run: async (ctx) => {
          calls.push(`b${ctx.attempt}`);
          await process.host.clock.sleep(steps.secondMs);
          return 2;
        },
      }),
  ];
  return [makeFleet(define, "away", { outages: [outage] }), calls];
}

async function play(fleet: Fleet): Promise<void> {
  fleet.worker("worker-1");
  const { client } = fleet.client("client", { outages: [] });
  await fleet.play(async () => (await client.start("w", null, { id: "r" })).wait(), 120_000);
  await fleet.world.advance(60_000);
}

/** What every task of the bucket has used up. */
async function retries(fleet: Fleet): Promise<readonly number[]> {
  const keys = await fleet.keys(TASKS_PREFIX);
  return Promise.all(
    keys.map(async (key) => {
      const read = await fleet.world.store.get(key);
      return read.kind === "found" ? taskCodec.decode(read.object.body, key).retry_count : 0;
    }),
  );
}

describe("an outage of six seconds, with a lease of thirty", () => {
  // The start takes some requests: the first handler begins within the first second.
  const cases: readonly (readonly [string, { firstMs: number; secondMs: number }, number])[] = [
    ["begins while a handler runs and outlasts it", { firstMs: 3_000, secondMs: 10 }, 2_000],
    ["begins while the next handler runs", { firstMs: 1_000, secondMs: 3_000 }, 2_500],
    ["meets the heartbeat of a long handler", { firstMs: 40_000, secondMs: 10 }, 9_000],
    ["meets a handed-off step just as it becomes long", { firstMs: 1_000, secondMs: 25_000 }, 10_000],
    ["meets a long handed-off step as it ends", { firstMs: 1_000, secondMs: 25_000 }, 25_000],
  ];
  test.each(cases)("%s: nothing runs twice, no retry is counted", async (_name, steps, fromMs) => {
    const [fleet, calls] = make(steps, { fromMs, untilMs: fromMs + 6_000 });
    await play(fleet);
    expect((await fleet.record("r")).status).toBe("completed");
    expect(calls).toEqual(["a1", "b1"]);
    expect(Math.max(...(await retries(fleet)))).toBe(0);
    expect(fleet.world.nowMs).toBeGreaterThan(fromMs + 6_000);
  });

  test("at any moment of a run costs no second call of a handler", async () => {
    for (let fromMs = 200; fromMs < 2_600; fromMs += 50) {
      const [fleet, calls] = make({ firstMs: 700, secondMs: 700 }, { fromMs, untilMs: fromMs + 6_000 });
      await play(fleet).catch((error: unknown) => expect.fail(`from ${fromMs}: ${String(error)}`));
      expect(calls, `from ${fromMs}`).toEqual(["a1", "b1"]);
      expect(await fleet.keys("leases/"), `from ${fromMs}`).toEqual([]);
    }
  });
});

test("an outage that outlasts the lease is given up, and the step runs again afterwards", async () => {
  const [fleet, calls] = make({ firstMs: 3_000, secondMs: 10 }, { fromMs: 2_000, untilMs: 62_000 });
  await play(fleet);
  expect((await fleet.record("r")).status).toBe("completed");
  expect(calls).toEqual(["a1", "a2", "b1"]);
});

test("a store that goes away under a poll is not asked for every task of its list, nor told of each", async () => {
  const idle = workflow("idle").step("a", () => 1);
  let isAway = true;
  let asked = 0;
  await using kit = await createTestKit({
    workflows: [idle],
    workers: 0,
    onRequest: ({ when, kind, key }) => {
      if (!isAway || kind !== "get" || when !== "before" || !key.startsWith("tasks/")) return;
      asked += 1;
      throw new WorkflowError("unavailable", "the store is away");
    },
  });
  for (let index = 0; index < 300; index += 1)
    await createTask(kit.queue.context, startTick.task({ id: `run-${index}`, type: "idle" }, {}));
  const worker = await kit.startWorker({ poll: "5s" });
  await kit.clock.advance("1s");
  // It polls once, and gives up after sixteen in a row.
  expect(asked).toBe(16);
  expect(kit.log.filter(({ message }) => message === "task could not be claimed")).toHaveLength(10);
  isAway = false;
  await kit.clock.advance("10m");
  // Their runs do not exist: each task was claimed and finished, which takes its key away.
  expect((await kit.store.list("ready/")).objects).toEqual([]);
  await worker.stop();
});
