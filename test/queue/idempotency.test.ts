/** One task for one key. */
import { expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { idempotencyKey, readyKey, taskKey } from "../../src/keys.ts";
import { completeClaim } from "../../src/queue/finish.ts";
import { IdempotencyConflictError, idempotencyCodec, keyDigest } from "../../src/queue/idempotency.ts";
import { type SubmitOptions, submitTask } from "../../src/queue/submit.ts";
import type { QueueContext, TaskRecord } from "../../src/queue/task.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { golden, goldenObject } from "../golden.ts";
import { claim, loseReply, makeBench, makeGate, START } from "./fixtures.ts";

const ORDER = { order_id: "ORD-123" };
const DAY_MS = 86_400_000;

const charge = (
  queue: QueueContext,
  options: Partial<NonNullable<SubmitOptions["idempotency"]>> = {},
): Promise<TaskRecord> =>
  submitTask(queue, "charge_customer", ORDER, { idempotency: { key: "k-task-type", ...options } });

test.each(golden("idempotency"))("reads the record $name and writes the same bytes", ({ key, body }) => {
  expect(idempotencyCodec.encode(idempotencyCodec.decode(body, key))).toBe(body);
});

test("writes the record that buquet writes", async () => {
  const bench = makeBench();
  const { id } = await charge(bench.queue);
  const { key, body } = goldenObject("idempotency", "task-type");
  const theirs = idempotencyCodec.decode(body, key);
  const expected = body
    .replaceAll(theirs.task_id, id)
    .replace(theirs.task_key, taskKey(id))
    .replace(theirs.created_at, formatInstant(START))
    .replace(theirs.expires_at, formatInstant(START + 30 * DAY_MS))
    .replace(`tasks/1/${id}`, `tasks/${id.slice(0, 1)}/${id}`);
  expect(await bench.store.get(key)).toMatchObject({ object: { body: expected } });
});

test.each([
  ["k-custom", "my ns/1", "custom"],
  ["k-queue", "queue", "queue"],
  ["k-queue2", "Queue", "queue2"],
])("files key %s of scope %s where buquet files it", async (key, scope, name) => {
  const bench = makeBench();
  await charge(bench.queue, { key, scope });
  expect(await bench.keys("idempotency/")).toEqual([goldenObject("idempotency", name).key]);
});

test("gives the same task for the same key, whatever became of it", async () => {
  const bench = makeBench();
  const first = await charge(bench.queue);
  const held = await claim(bench, { id: first.id });
  await completeClaim(bench.queue, held, { ok: true });
  bench.pass(29 * DAY_MS);
  expect(await charge(bench.queue)).toMatchObject({ id: first.id, status: "completed", output: { ok: true } });
  expect(await bench.keys("tasks/")).toEqual([taskKey(first.id)]);
  expect(await bench.keys("ready/")).toEqual([]);
});

test("refuses another input under the same key, and takes the same one in another order", async () => {
  const bench = makeBench();
  const submit = (input: unknown): Promise<TaskRecord> =>
    submitTask(bench.queue, "t", input, { idempotency: { key: "k" } });
  const { id } = await submit({ a: 1, b: [0.1, null] });
  expect((await submit({ b: [0.1, null], a: 1 })).id).toBe(id);
  await expect(submit({ a: 1, b: [0.1] })).rejects.toThrow(IdempotencyConflictError);
  expect(await bench.keys("tasks/")).toHaveLength(1);
});

test("keeps scopes apart and types within one scope together", async () => {
  const bench = makeBench();
  const submit = async (type: string, scope?: string): Promise<string> =>
    (await submitTask(bench.queue, type, 1, { idempotency: { key: "k", ...(scope === undefined ? {} : { scope }) } }))
      .id;
  const ids = [await submit("a"), await submit("b"), await submit("a", "queue"), await submit("a", "mine")];
  expect(new Set(ids).size).toBe(4);
  expect(await submit("b", "queue")).toBe(ids[2]);
});

test("makes a new task when the record is past its time, and not a moment before", async () => {
  const bench = makeBench();
  const first = await charge(bench.queue, { ttlMs: 60_000 });
  bench.pass(60_000);
  expect((await charge(bench.queue, { ttlMs: 60_000 })).id).toBe(first.id);
  bench.pass(1);
  const second = await charge(bench.queue, { ttlMs: 60_000 });
  expect(second.id).not.toBe(first.id);
  expect((await charge(bench.queue)).id).toBe(second.id);
});

test("makes one task of twenty submissions at once, also when the record has just expired", async () => {
  for (const age of [0, 31 * DAY_MS]) {
    const bench = makeBench();
    if (age > 0) await charge(bench.queue);
    bench.pass(age);
    const ids = await Promise.all(Array.from({ length: 20 }, () => charge(bench.queue)));
    expect(new Set(ids.map(({ id }) => id)).size).toBe(1);
    expect(await bench.keys("tasks/")).toHaveLength(age > 0 ? 2 : 1);
  }
});

test("makes one task when a submitter stands still between its record and its task (C-1)", async () => {
  const bench = makeBench();
  const gate = makeGate();
  const slow = bench.through({
    put: async (key, _body, _condition, send) => {
      if (key.startsWith("tasks/")) await gate.stand();
      return send();
    },
  });
  const first = charge(slow);
  await gate.reached;
  const second = await charge(bench.queue);
  gate.open();
  expect((await first).id).toBe(second.id);
  expect(await bench.keys("tasks/")).toEqual([taskKey(second.id)]);
});

test("makes the task of a submitter that died after its record, and the ready key of one that died after its task (C-2)", async () => {
  for (const fatal of ["tasks/", "ready/"]) {
    const bench = makeBench();
    const dead = bench.through({
      put: (key, _body, _condition, send) =>
        key.startsWith(fatal) ? Promise.reject(new Error("the submitter died")) : send(),
    });
    await expect(charge(dead)).rejects.toThrow("died");
    bench.pass(5_000);
    const { id, available_at } = await charge(bench.queue);
    expect(await bench.keys("tasks/")).toEqual([taskKey(id)]);
    expect(await bench.keys("ready/")).toEqual([readyKey(id, Date.parse(available_at))]);
  }
});

test("knows its own record when the reply to the put is lost (C-9)", async () => {
  const bench = makeBench();
  let lost = 0;
  const queue = bench.through({
    put: (key, _body, _condition, send) => {
      if (!key.startsWith("idempotency/") || lost > 0) return send();
      lost += 1;
      return loseReply(send);
    },
  });
  const { id } = await charge(queue);
  expect((await charge(bench.queue)).id).toBe(id);
  expect(await bench.keys("tasks/")).toEqual([taskKey(id)]);
});

test("names the key of a record that it cannot read", async () => {
  const bench = makeBench();
  const key = idempotencyKey("charge_customer", keyDigest("charge_customer", "k-task-type"));
  await bench.store.put(key, '{"key":"k"}', "always");
  await expect(charge(bench.queue)).rejects.toThrow(WorkflowError);
  await expect(charge(bench.queue)).rejects.toThrow(key);
});
