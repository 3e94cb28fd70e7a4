/** Moving what is due from our own index to that of ready tasks. */
import { expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { dueKey, minuteStart, readyKey } from "../../src/keys.ts";
import { type DueTask, promoteDue } from "../../src/queue/promote.ts";
import type { QueueContext } from "../../src/queue/task.ts";
import { type Bench, ID, makeBench, put, SPEC, START } from "./fixtures.ts";

const idOf = (shard: string, n: number): string => `${shard}0000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** Moves, and gives what was moved and what was not. */
async function promote(queue: QueueContext, untilMs: number): Promise<{ moved: DueTask[]; failed: string[] }> {
  const moved: DueTask[] = [];
  const failed: string[] = [];
  await promoteDue(queue, untilMs, { onReady: (task) => moved.push(task), onFailed: (key) => failed.push(key) });
  return { moved, failed };
}

async function putDue(bench: Bench, count: number, at: number): Promise<void> {
  for (let n = 1; n <= count; n += 1) await bench.store.put(dueKey(idOf("b", n), at), "", "always");
}

test("moves what is nearly due from its own index to that of buquet", async () => {
  const bench = makeBench();
  const soon = START + 90_000;
  const late = START + 3_600_000;
  await put(bench, { ...SPEC, id: idOf("1", 1), availableAt: soon, ownOnly: true });
  await put(bench, { ...SPEC, id: idOf("2", 1), availableAt: late, ownOnly: true });
  expect((await promote(bench.queue, START)).moved).toEqual([]);
  const minute = readyKey(idOf("1", 1), soon).split("/")[2] ?? "";
  expect((await promote(bench.queue, soon)).moved).toEqual([{ id: idOf("1", 1), availableAt: minuteStart(minute) }]);
  expect(await bench.keys("ready/")).toEqual([readyKey(idOf("1", 1), soon)]);
  expect(await bench.keys("x-workflow/due/")).toEqual([dueKey(idOf("2", 1), late)]);
});

test("loses nothing when the mover dies between the two keys", async () => {
  const bench = makeBench();
  await put(bench, { availableAt: START + 90_000, ownOnly: true });
  const dead = bench.through({ delete: () => Promise.reject(new Error("the mover died")) });
  expect((await promote(dead, START + 90_000)).failed).toEqual([dueKey(ID, START + 90_000)]);
  expect(await bench.keys("ready/")).toEqual([readyKey(ID, START + 90_000)]);
  expect((await promote(bench.queue, START + 90_000)).moved).toHaveLength(1);
  expect(await bench.keys("x-workflow/due/")).toEqual([]);
});

test("2,000 timers that are overdue are moved at once, whatever becomes of one of them", async () => {
  const bench = makeBench();
  await putDue(bench, 2_000, START - 3_600_000);
  const bad = dueKey(idOf("b", 7), START - 3_600_000);
  const queue = bench.through({
    delete: (key, send) => (key === bad ? Promise.reject(new WorkflowError("unavailable", "no")) : send()),
  });
  const { moved, failed } = await promote(queue, START);
  expect(moved).toHaveLength(2_000);
  expect(failed).toEqual([bad]);
  expect(await bench.keys("x-workflow/due/")).toEqual([bad]);
});

test("a store that is away is not asked for each of 2,000 timers", async () => {
  const bench = makeBench();
  await putDue(bench, 2_000, START - 3_600_000);
  let asked = 0;
  const away = bench.through({
    put: () => {
      asked += 1;
      return Promise.reject(new WorkflowError("unavailable", "no answer"));
    },
  });
  await expect(promote(away, START)).rejects.toThrow("no answer");
  expect(asked).toBeLessThan(50);
});
