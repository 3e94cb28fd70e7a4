/** Finding things in a bucket whose lists have no order and begin nowhere but at the beginning. */
import { expect, test } from "vitest";
import { listRuns } from "../../src/client/runs.ts";
import { activeKey, dueKey, leaseKey, minuteStart, readyKey, stateKey } from "../../src/keys.ts";
import { checkLeases } from "../../src/queue/monitor.ts";
import { ReadyLister } from "../../src/queue/poll.ts";
import { promoteDue } from "../../src/queue/promote.ts";
import { repairTasks } from "../../src/queue/repair.ts";
import type { QueueContext } from "../../src/queue/task.ts";
import { sweepOnce } from "../services/sweep.ts";
import { meterStore } from "../../src/store/metered.ts";
import { EXPRESS_LIMITS, LimitedBucket } from "../../src/testing/limited-bucket.ts";
import { type Bench, ID, makeBench, put, SPEC, START } from "./fixtures.ts";

const idOf = (shard: string, n: number): string => `${shard}0000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

function setup() {
  const bench = makeBench();
  const limited = meterStore(new LimitedBucket(EXPRESS_LIMITS).limit(bench.store, bench.queue.host));
  const queue: QueueContext = { ...bench.queue, store: limited };
  return { bench, queue, lists: () => limited.usage().requests.list };
}

async function crowd(bench: Bench, shard: string, count: number): Promise<void> {
  for (let n = 1; n <= count; n += 1) await bench.store.put(readyKey(idOf(shard, n), START - 3_600_000), "", "always");
}

test("ready tasks that fit a page are found with one request, oldest first", async () => {
  const { bench, queue, lists } = setup();
  const ids = ["f", "0", "7", "a", "3"].map((shard) => idOf(shard, 1));
  for (const [age, id] of ids.entries()) await put(bench, { ...SPEC, id, availableAt: START + (age - 5) * 60_000 });
  await put(bench, { ...SPEC, id: idOf("1", 9), availableAt: START + 60_000 });
  expect((await new ReadyLister().list(queue)).map(({ id }) => id)).toEqual(ids);
  expect(lists()).toBe(1);
});

test("ready tasks are found behind thousands that nobody here runs, within one round, and again after it", async () => {
  const { bench, queue, lists } = setup();
  await crowd(bench, "0", 1_500);
  await crowd(bench, "a", 2_500);
  await put(bench);
  await put(bench, { ...SPEC, id: idOf("f", 1) });
  const lister = new ReadyLister();
  for (let round = 1; round <= 2; round += 1) {
    const seen = new Set<string>();
    const before = lists();
    while (seen.size < 4_002 && lists() - before < 40) for (const { id } of await lister.list(queue)) seen.add(id);
    expect(seen.size).toBe(4_002);
    // One for all, sixteen shards, one more page for shard 0 and two for shard a; the end of the round before.
    expect(lists() - before).toBeLessThanOrEqual(20 + round);
  }
});

test("what is due is moved, earliest first, though it lies on any page", async () => {
  const { bench, queue, lists } = setup();
  for (let n = 1; n <= 1_500; n += 1)
    await bench.store.put(dueKey(idOf("b", n), START + (n + 2) * 60_000), "", "always");
  const due: string[] = [];
  await promoteDue(queue, START + 5 * 60_000, {
    onReady: ({ id }) => due.push(id),
    onFailed: (key, error) => expect.fail(`${key}: ${String(error)}`),
  });
  expect(due).toEqual([idOf("b", 1), idOf("b", 2), idOf("b", 3)]);
  expect(lists()).toBe(2);
  expect(await bench.keys("ready/")).toHaveLength(3);
  expect((await bench.keys("x-workflow/due/"))[0]).toBe(dueKey(idOf("b", 4), START + 6 * 60_000));
});

test("a lease that is over is found among thousands that are not", async () => {
  const { bench, queue } = setup();
  for (let n = 1; n <= 1_200; n += 1) await bench.store.put(leaseKey(idOf("c", n), START + 3_600_000), "", "always");
  await put(bench, { ...SPEC, id: ID });
  await bench.store.put(leaseKey(ID, START - 120_000), "", "always");
  const repaired = new Map<string, number>();
  await checkLeases(queue, {
    ownIds: new Set(),
    repaired,
    onUnreadable: (key, error) => expect.fail(`${key}: ${String(error)}`),
    canRun: () => true,
    onExpired: async () => {},
  });
  expect([...repaired.keys()]).toEqual([ID]);
});

test("the sweeper looks at the runs whose time has come and at no others", async () => {
  const { bench, queue } = setup();
  const old = START - 2 * 3_600_000;
  for (let n = 1; n <= 1_200; n += 1) await bench.store.put(activeKey(`later-${n}`, START + 3_600_000), "", "always");
  for (const id of ["b", "a", "c"]) await bench.store.put(activeKey(id, old), "", "always");
  const swept = await sweepOnce(queue);
  expect(swept.map(({ runId, action }) => `${runId} ${action}`)).toEqual(["a forgotten", "b forgotten", "c forgotten"]);
  const [first] = await bench.keys("x-workflow/active/");
  expect(minuteStart(first?.split("/")[2] ?? "")).toBeGreaterThan(START);
});

test("tasks without a key are repaired page by page", async () => {
  const { bench, queue } = setup();
  const ids = ["0", "3", "9", "c", "f"].map((shard) => idOf(shard, 1));
  for (const id of ids) {
    await put(bench, { ...SPEC, id, availableAt: START - 3_600_000 });
    await bench.store.delete(readyKey(id, START - 3_600_000));
  }
  const repaired: string[] = [];
  let pages = 0;
  for (let after: string | undefined; ;) {
    const page = await repairTasks(queue, { limit: 2, ...(after === undefined ? {} : { after }) });
    pages += 1;
    repaired.push(...page.repaired);
    after = page.next;
    if (after === undefined) break;
  }
  expect(pages).toBe(3);
  expect(repaired.toSorted()).toEqual(ids);
});

test("runs are listed by id, each once, also by the beginning of their names", async () => {
  const { bench, queue } = setup();
  const record = (id: string): string =>
    JSON.stringify({
      id,
      type: "t",
      definition_hash: "sha256:0",
      status: "running",
      current_steps: [],
      data: null,
      steps: {},
      signals: {},
      created_at: "2026-11-23T00:00:00+00:00",
      updated_at: "2026-11-23T00:00:00+00:00",
      orchestrator_task_id: ID,
    });
  for (const id of ["order-2", "order-10", "order", "other"]) {
    await bench.store.put(stateKey(id), record(id), "always");
    for (const step of ["a", "b"]) await bench.store.put(`workflow/${id}/steps/${step}.json`, "1", "always");
  }
  const idsOf = async (prefix?: string): Promise<string[]> => {
    const ids: string[] = [];
    for await (const view of listRuns(queue.store, prefix === undefined ? {} : { prefix }, expect.unreachable))
      ids.push(view.id);
    return ids;
  };
  expect(await idsOf()).toEqual(["order-10", "order-2", "order", "other"]);
  expect(await idsOf("order-")).toEqual(["order-10", "order-2"]);
});
