/** One command for many runs: which it takes, what it tells, and that one failure keeps nobody else. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  type BulkCommand,
  type BulkOptions,
  type BulkResult,
  type ListRunsOptions,
  PermanentError,
  workflow,
} from "../../src/index.ts";
import { stateKey } from "../../src/keys.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";
import { errorOf, waiter } from "./setup.ts";

const failing = workflow("failing").step("a", (ctx) => {
  if (ctx.generation === 1) throw new PermanentError("no");
  return ctx.generation;
});

async function bulk(
  kit: TestKit,
  command: BulkCommand,
  filter: ListRunsOptions = {},
  options: BulkOptions = {},
): Promise<BulkResult[]> {
  const results: BulkResult[] = [];
  for await (const result of kit.client.bulk(command, filter, options)) results.push(result);
  return results.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Two that wait, three that failed, in time. */
async function fill(kit: TestKit): Promise<void> {
  for (const id of ["w-1", "w-2"]) {
    await kit.client.start(waiter, null, { id });
    await kit.until({ id }, "waiting_signal");
  }
  for (const id of ["f-1", "f-2", "f-3"]) {
    await kit.clock.advance("1d");
    await (await kit.client.start(failing, null, { id })).wait();
  }
}
const statuses = async (kit: TestKit): Promise<Record<string, string>> => {
  const found: Record<string, string> = {};
  for await (const { id, status } of kit.client.list()) found[id] = status;
  return found;
};

describe("a bulk command", () => {
  test("takes the runs that it would change, and workers apply it", async () => {
    await using kit = await createTestKit({ workflows: [waiter, failing] });
    await fill(kit);
    const results = await bulk(kit, { type: "retry" });
    expect(results).toEqual(
      ["f-1", "f-2", "f-3"].map((id) => ({
        id,
        type: "failing",
        status: "failed",
        outcome: "accepted",
        leads: { status: "running", starts: ["a"], undoes: [], waits: [], delays: [] },
      })),
    );
    await kit.idle();
    expect(await statuses(kit)).toEqual({
      "f-1": "completed",
      "f-2": "completed",
      "f-3": "completed",
      "w-1": "waiting_signal",
      "w-2": "waiting_signal",
    });
    expect(await bulk(kit, { type: "retry" })).toEqual([]);
  });

  test("only tells with dryRun, and puts nothing", async () => {
    await using kit = await createTestKit({ workflows: [waiter, failing] });
    await fill(kit);
    await kit.idle();
    const keys = async (): Promise<string[]> =>
      (await kit.store.list("", { limit: 1_000 })).objects.map(({ key }) => key);
    const before = await keys();
    const results = await bulk(kit, { type: "cancel", reason: "why" }, {}, { dryRun: true });
    expect(results).toMatchObject([
      { id: "w-1", outcome: "would", status: "waiting_signal", leads: { status: "cancelled" } },
      { id: "w-2", outcome: "would" },
    ]);
    await kit.idle();
    expect(await keys()).toEqual(before);
  });

  test("is narrowed by every filter, and the limit counts what is changed", async () => {
    await using kit = await createTestKit({ workflows: [waiter, failing] });
    await fill(kit);
    const ids = async (command: BulkCommand, filter: ListRunsOptions): Promise<string[]> =>
      (await bulk(kit, command, filter, { dryRun: true })).map(({ id }) => id);
    expect(await ids({ type: "retry" }, { prefix: "f-2" })).toEqual(["f-2"]);
    expect(await ids({ type: "retry" }, { type: "waiter" })).toEqual([]);
    expect(await ids({ type: "terminate" }, { status: "waiting_signal" })).toEqual(["w-1", "w-2"]);
    expect(await ids({ type: "terminate" }, { status: "failed" })).toEqual([]);
    expect(await ids({ type: "retry" }, { olderThan: "36h" })).toEqual(["f-1"]);
    expect(await ids({ type: "retry" }, { olderThan: "9d" })).toEqual([]);
    // Three failed runs come before those that can be paused.
    expect(await ids({ type: "pause" }, { limit: 1 })).toEqual(["w-1"]);
  });

  test("tells of a run that cannot be told, and goes on with the others", async () => {
    await using kit = await createTestKit({ workflows: [waiter, failing] });
    await fill(kit);
    await kit.store.put(stateKey("f-2"), "{", "always");
    const results = await bulk(kit, { type: "retry" }, {}, { concurrency: 1 });
    expect(results).toMatchObject([
      { id: "f-1", outcome: "accepted" },
      { id: "f-2", outcome: "failed", error: expect.stringContaining("workflow/f-2/state.json") },
      { id: "f-3", outcome: "accepted" },
    ]);
    expect(Object.keys(await statuses(kit))).not.toContain("f-2");
  });

  test("counts only runs that are changed to its limit", async () => {
    await using kit = await createTestKit({ workflows: [waiter, failing] });
    await fill(kit);
    await kit.store.put(stateKey("f-1"), "{", "always");
    const results = await bulk(kit, { type: "retry" }, { limit: 1 }, { dryRun: true });
    expect(results.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(["f-1 failed", "f-2 would"]);
  });

  test("works on no more runs at a time than it is told", async () => {
    await using kit = await createTestKit({ workflows: [waiter], workers: 0 });
    for (let index = 0; index < 12; index += 1) await kit.client.start(waiter, null, { id: `w-${index}` });
    let now = 0;
    let most = 0;
    const put = kit.store.put.bind(kit.store);
    kit.store.put = async (key, body, condition) => {
      const isTask = key.startsWith("tasks/");
      if (isTask) most = Math.max(most, (now += 1));
      try {
        // The store in memory answers within a turn of the loop: whoever may go on has gone on by then.
        for (let turn = 0; turn < 5; turn += 1) await setImmediate();
        return await put(key, body, condition);
      } finally {
        if (isTask) now -= 1;
      }
    };
    expect(await bulk(kit, { type: "pause" }, {}, { concurrency: 3 })).toHaveLength(12);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(3);
  });

  test("is refused with filters or options that make no sense", async () => {
    await using kit = await createTestKit({ workflows: [waiter], workers: 0 });
    for (const [filter, options, message] of [
      [{ limit: 0 }, {}, "limit is 0; it must be a whole number from 1"],
      [{ status: "done" }, {}, 'status is "done"; it must be pending'],
      [{ olderThan: "soon" }, {}, '"soon" is not a duration'],
      [{}, { concurrency: 0 }, "concurrency is 0; it must be a whole number from 1"],
    ] as const)
      expect((await errorOf(bulk(kit, { type: "pause" }, filter as never, options))).message).toContain(message);
  });
});

test("a skip of a step that is not held is refused", async () => {
  const holds = workflow("holds").step("a", {
    onFailure: "pause_workflow",
    run: () => {
      throw new PermanentError("no");
    },
  });
  await using kit = await createTestKit({ workflows: [holds, waiter] });
  const run = await kit.client.start(holds, null, { id: "h" });
  await kit.until(run, "paused");
  expect((await errorOf(run.skip("b"))).message).toBe('step "b" of run h is not held; held is a');
  await run.skip("a", { applied: true });
  expect(await run.wait()).toMatchObject({ status: "completed" });
  const other = await kit.client.start(waiter, null, { id: "w" });
  await kit.until(other, "waiting_signal");
  expect((await errorOf(other.skip("wait"))).message).toBe('step "wait" of run w is not held; none is');
  await other.terminate({ applied: true });
  expect(await other.get()).toMatchObject({ status: "cancelled", error: { type: "Terminated" } });
});
