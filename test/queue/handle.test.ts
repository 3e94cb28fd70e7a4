/** What a user of an open bucket can do with tasks. */
import { expect, test } from "vitest";
import { handleOf } from "../../src/queue/handle.ts";
import { IdempotencyConflictError } from "../../src/index.ts";
import { taskKey } from "../../src/keys.ts";
import { makeBench, START } from "./fixtures.ts";

test("submits once for a key, looks up, cancels and repairs", async () => {
  const bench = makeBench();
  const handle = handleOf(bench.store, bench.queue.host);
  const heard: string[] = [];
  handle.events.onReady((taskId) => heard.push(taskId));
  const options = { idempotency: { key: "order-7" }, availableAt: START + 5_000 };
  const id = await handle.submit("mail", { to: "x" }, options);
  expect(await handle.submit("mail", { to: "x" }, options)).toBe(id);
  expect(heard).toEqual([id, id]);
  await expect(handle.submit("mail", { to: "y" }, options)).rejects.toThrow(IdempotencyConflictError);
  expect(await handle.task(id)).toMatchObject({
    status: "pending",
    input: { to: "x" },
    retry_policy: { initial_interval_ms: 1_000, max_interval_ms: 60_000, multiplier: 2, jitter_percent: 0.25 },
  });
  for (const key of await bench.keys("ready/")) await bench.store.delete(key);
  bench.pass(120_000);
  expect(await handle.repairTasks()).toEqual({ repaired: [id], next: undefined });
  expect(await handle.cancelTask(id, { reason: "late" })).toEqual({ kind: "cancelled" });
  expect(await handle.task(id)).toMatchObject({ status: "cancelled", last_error: "late" });
  expect(await handle.task("no-uuid")).toBeUndefined();
  expect((await bench.keys("")).filter((key) => !key.startsWith("idempotency/"))).toEqual([taskKey(id)]);
});
