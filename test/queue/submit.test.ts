/** Putting tasks on the queue. */
import { expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { dueKey, leaseKey, readyKey, taskKey } from "../../src/keys.ts";
import { createRunningTask, createTask, getTask, submitTask } from "../../src/queue/submit.ts";
import { taskCodec } from "../../src/queue/task.ts";
import { claim, ID, LEASE_MS, loseReply, makeBench, put, SPEC, START } from "./fixtures.ts";

test("puts the task first and then its ready key, in the minute in which it is due", async () => {
  const bench = makeBench();
  const order: string[] = [];
  const queue = bench.through({
    put: (key, _body, _condition, send) => {
      order.push(key);
      return send();
    },
  });
  await createTask(queue, { ...SPEC, availableAt: START + 120_000 });
  expect(order).toEqual([taskKey(ID), readyKey(ID, START + 120_000)]);
});

test("makes a task once: the second finds the first and gives it the ready key that it lost (C-2)", async () => {
  const bench = makeBench();
  const dead = bench.through({
    put: (key, _body, _condition, send) =>
      key.startsWith("ready/") ? Promise.reject(new Error("the submitter died")) : send(),
  });
  await expect(createTask(dead, SPEC)).rejects.toThrow("died");
  expect(await bench.keys("ready/")).toEqual([]);
  bench.pass(1_000);
  expect(await createTask(bench.queue, { ...SPEC, input: "other" })).toMatchObject({
    kind: "exists",
    task: { input: { to: "x" } },
  });
  expect(await bench.keys("ready/")).toEqual([readyKey(ID, START)]);
});

test("gives a running task that exists its lease key, and one that is over none", async () => {
  const bench = makeBench();
  await put(bench);
  const held = await claim(bench);
  await bench.store.delete(leaseKey(ID, START + LEASE_MS));
  await put(bench);
  expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + LEASE_MS)]);
  expect(held.task.attempt).toBe(1);
  expect(await bench.keys("ready/")).toEqual([]);
});

test("counts a task as made when the reply to its put is lost (C-9)", async () => {
  const bench = makeBench();
  let lost = 0;
  const queue = bench.through({
    put: (key, _body, condition, send) => {
      if (condition !== "absent" || lost > 0) return send();
      lost += 1;
      return loseReply(send);
    },
  });
  expect(await createTask(queue, SPEC)).toMatchObject({ kind: "created" });
  expect(lost).toBe(1);
  expect(await bench.keys("ready/")).toEqual([readyKey(ID, START)]);
});

test("asks again when a conflict is answered for a key that turns out free (C-24)", async () => {
  const bench = makeBench();
  let refused = 0;
  const queue = bench.through({
    put: async (_key, _body, condition, send) => {
      if (condition !== "absent" || refused > 0) return send();
      refused += 1;
      return { kind: "conflict" };
    },
  });
  expect(await createTask(queue, SPEC)).toMatchObject({ kind: "created" });
  expect(await bench.task()).toMatchObject({ status: "pending" });
});

test("parks what only we run and is due later than a minute from now, and shows everything else", async () => {
  const bench = makeBench();
  const at = START + 61_000;
  await put(bench, { availableAt: at, ownOnly: true });
  expect(await bench.keys("")).toEqual([taskKey(ID), dueKey(ID, at)]);
  const soon = makeBench();
  await put(soon, { availableAt: START + 60_000, ownOnly: true });
  expect(await soon.keys("ready/")).toEqual([readyKey(ID, START + 60_000)]);
});

test("puts a task as running with its lease, unless its key is taken", async () => {
  const bench = makeBench();
  const options = { workerId: "w", leaseMs: LEASE_MS, mayGoOn: () => false };
  expect(await createRunningTask(bench.queue, SPEC, options)).toMatchObject({ kind: "claimed" });
  expect(await bench.task()).toMatchObject({ status: "running", attempt: 1, worker_id: "w" });
  expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + LEASE_MS)]);
  expect(await createRunningTask(bench.queue, SPEC, options)).toEqual({ kind: "refused" });
});

test("answers with the task as it stands in the bucket", async () => {
  const bench = makeBench();
  const submitted = await submitTask(bench.queue, "mail", { to: "x" }, { availableAt: START + 5_000 });
  const found = await getTask(bench.queue, submitted.id.toUpperCase());
  expect(found).toEqual(await bench.task(submitted.id));
  expect(taskCodec.encode(submitted)).toBe(taskCodec.encode(await bench.task(submitted.id)));
  expect(await getTask(bench.queue, ID)).toBeUndefined();
  expect(await getTask(bench.queue, "../x")).toBeUndefined();
});

test.each<[string, Parameters<typeof submitTask>]>(
  [
    ["a type that is empty", ["", 1]],
    ["a type that climbs", ["a/../b", 1]],
    ["an input that is not JSON", ["t", { a: 1n }]],
    ["half a character", ["t", "\ud800"]],
    ["a negative timeout", ["t", 1, { timeoutMs: -1 }]],
    ["an endless timeout", ["t", 1, { timeoutMs: Number.POSITIVE_INFINITY }]],
    ["retries beyond 32 bits", ["t", 1, { maxRetries: 2 ** 32 }]],
    ["half a retry", ["t", 1, { maxRetries: 0.5 }]],
    ["a time that is none", ["t", 1, { availableAt: Number.NaN }]],
    ["a time beyond all calendars", ["t", 1, { expiresAt: 1e17 }]],
    ["a policy that is none", ["t", 1, { retryPolicy: { initialMs: 1, maxMs: 1, multiplier: Number.NaN, jitter: 0 } }]],
    ["jitter above one", ["t", 1, { retryPolicy: { initialMs: 1, maxMs: 1, multiplier: 1, jitter: 1.5 } }]],
    ["a delay beyond ten years", ["t", 1, { retryPolicy: { initialMs: 1, maxMs: 1e308, multiplier: 1, jitter: 0 } }]],
    ["a policy that shrinks", ["t", 1, { retryPolicy: { initialMs: 9, maxMs: 1, multiplier: 1, jitter: 0 } }]],
    [
      "a policy with a member too many",
      ["t", 1, { retryPolicy: { initialMs: 1, maxMs: 1, multiplier: 1, jitter: 0, factor: 2 } as never }],
    ],
    ["half a policy", ["t", 1, { retryPolicy: { initialMs: 1 } as never }]],
    ["retries that wait for longer than ten years in all", ["t", 1, { maxRetries: 2 ** 32 - 1 }]],
    ["a scope that is empty", ["t", 1, { idempotency: { key: "k", scope: "" } }]],
    ["a key that is half a character", ["t", 1, { idempotency: { key: "\udc00" } }]],
    ["a key that is kept for ever", ["t", 1, { idempotency: { key: "k", ttlMs: 1e15 } }]],
  ].map(
    ([name, call]) => [name, [makeBench().queue, ...(call as unknown[])]] as [string, Parameters<typeof submitTask>],
  ),
)("refuses %s and writes nothing", async (_name, call) => {
  await expect(submitTask(...call)).rejects.toThrow(WorkflowError);
  expect((await call[0].store.list("")).objects).toEqual([]);
});
