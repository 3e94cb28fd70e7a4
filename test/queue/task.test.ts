/** The task object: what buquet wrote is read and written back; what we write is what buquet would have written. */
import { expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { taskKey } from "../../src/keys.ts";
import { completeClaim, failClaim, rescheduleClaim, retryClaim } from "../../src/queue/finish.ts";
import { renewClaim } from "../../src/queue/renew.ts";
import { cancelTask } from "../../src/queue/cancel.ts";
import { claimTask } from "../../src/queue/claim.ts";
import { submitTask } from "../../src/queue/submit.ts";
import { isTaskOver, newTask, taskCodec, type TaskStatus } from "../../src/queue/task.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { golden, goldenObject } from "../golden.ts";
import { type Bench, claim, ID, LEASE_MS, makeBench, put, putAndClaim, SPEC, START } from "./fixtures.ts";

test.each(golden("tasks"))("reads $name and writes the same bytes", ({ key, body }) => {
  const written = taskCodec.encode(taskCodec.decode(body, key));
  expect(written).toBe(body.replace('{"":0,"10":1,"9":2,', '{"9":2,"10":1,"":0,'));
});

/** A body with what differs from task to task blanked. */
function shape(body: string): string {
  return body
    .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/gu, '"<instant>"')
    .replaceAll(/"[\da-f]{8}-[\da-f-]{27}"/gu, '"<uuid>"')
    .replace(/"shard":"."/u, '"shard":"<digit>"');
}

/** What a golden task looks like, and ours after the same history. */
async function compare(bench: Bench, name: string, id: string = ID): Promise<void> {
  const { body } = goldenObject("tasks", name);
  expect(shape(taskCodec.encode(await bench.task(id)))).toBe(shape(body));
}

test("submits a plain task byte for byte as buquet does", async () => {
  const { body, key } = goldenObject("tasks", "pending-plain");
  const theirs = taskCodec.decode(body, key);
  const bench = makeBench();
  const { id } = await submitTask(bench.queue, theirs.task_type, theirs.input);
  const expected = body
    .replaceAll(theirs.id, id)
    .replace(`"shard":"${theirs.shard}"`, `"shard":"${id.slice(0, 1)}"`)
    .replaceAll(theirs.created_at, formatInstant(START));
  expect(await bench.store.get(taskKey(id))).toMatchObject({ object: { body: expected } });
});

test("submits every option as buquet does", async () => {
  const bench = makeBench();
  const { id } = await submitTask(
    bench.queue,
    "all_opts",
    { n: 1 },
    {
      timeoutMs: 77_000,
      maxRetries: 0,
      retryPolicy: { initialMs: 500, maxMs: 8_000, multiplier: 1.5, jitter: 0.1 },
      availableAt: START + 86_400_000,
      maxReschedules: 4,
      expiresAt: START + 2 * 86_400_000,
    },
  );
  await compare(bench, "pending-all-options", id);
  expect(await bench.task(id)).toMatchObject({
    available_at: formatInstant(START + 86_400_000),
    expires_at: formatInstant(START + 2 * 86_400_000),
  });
});

test("claims, extends and completes with the members of buquet", async () => {
  const bench = makeBench();
  await put(bench, { taskType: "hrun", input: { x: 1 } });
  const held = await claim(bench, { worker: "worker-golden" });
  await compare(bench, "running");
  expect((await renewClaim(bench.queue, held, LEASE_MS)).kind).toBe("renewed");
  await compare(bench, "running-extended");
  await completeClaim(bench.queue, held, { a: 0.5, b: 1, ok: true });
  const { body } = goldenObject("tasks", "completed");
  expect(shape(taskCodec.encode(await bench.task()))).toBe(shape(body.replace('"a":100.0', '"a":0.5')));
});

test("fails, tries again and reschedules with the members of buquet", async () => {
  const histories: Record<string, (bench: Bench) => Promise<unknown>> = {
    "failed-permanent": async (bench) => failClaim(bench.queue, await claim(bench), "PermanentError: bad card"),
    "pending-after-retry": async (bench) => retryClaim(bench.queue, await claim(bench), "RetryableError: again", 1_000),
    "pending-rescheduled": async (bench) => rescheduleClaim(bench.queue, await claim(bench), 90_000),
  };
  for (const [name, act] of Object.entries(histories)) {
    const bench = makeBench();
    await put(bench, { taskType: `f_${name.replaceAll("-", "_")}`, input: {} });
    await act(bench);
    await compare(bench, name);
  }
});

test("cancels and expires with the members of buquet", async () => {
  const cancelled = makeBench();
  await put(cancelled, { taskType: "c1", input: {} });
  await cancelTask(cancelled.queue, ID, { reason: "no longer needed", by: "user:bob" });
  await compare(cancelled, "cancelled-reason-by");
  const plain = makeBench();
  await put(plain, { taskType: "c2", input: {} });
  await cancelTask(plain.queue, ID);
  await compare(plain, "cancelled-plain");
  const running = makeBench();
  await putAndClaim(running, { taskType: "hcr", input: {} });
  await cancelTask(running.queue, ID);
  const { body } = goldenObject("tasks", "running-cancel-requested");
  expect(shape(taskCodec.encode(await running.task()))).toBe(shape(body.replace("worker-golden", "worker-1")));
  const expired = makeBench();
  await put(expired, { taskType: "e2", input: {}, expiresAt: START - 1 });
  await claimTask(expired.queue, ID, { workerId: "w", leaseMs: LEASE_MS, accepts: () => true });
  await compare(expired, "expired-at-claim");
});

test("fails a task that was rescheduled too often in the words of buquet", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench, { taskType: "f_failed_max_reschedules", input: {}, maxReschedules: 0 });
  await rescheduleClaim(bench.queue, held, 5_000);
  await compare(bench, "failed-max-reschedules");
});

const plain = (): Record<string, unknown> =>
  JSON.parse(taskCodec.encode(newTask(SPEC, START))) as Record<string, unknown>;

test.each<[string, (task: Record<string, unknown>) => void]>([
  ["no input", (task) => delete task["input"]],
  ["no id", (task) => delete task["id"]],
  ["an id that is no UUID", (task) => (task["id"] = "../../etc/passwd")],
  ["the id of another task", (task) => (task["id"] = ID.replace("a1", "a2"))],
  ["an unknown status", (task) => (task["status"] = "sleeping")],
  ["a status that is null", (task) => (task["status"] = null)],
  ["a date without a time", (task) => (task["created_at"] = "2026-01-28")],
  ["the 30th of February", (task) => (task["available_at"] = "2026-02-30T00:00:00Z")],
  ["a negative count", (task) => (task["attempt"] = -1)],
  ["a count beyond 32 bits", (task) => (task["retry_count"] = 4_294_967_296)],
  [
    "a policy without jitter",
    (task) => (task["retry_policy"] = { initial_interval_ms: 1, max_interval_ms: 1, multiplier: 1 }),
  ],
  ["a fraction of a second", (task) => (task["timeout_seconds"] = 1.5)],
])("refuses a task with %s and names the key", (_name, spoil) => {
  const task = plain();
  spoil(task);
  const key = taskKey(ID);
  expect(() => taskCodec.decode(JSON.stringify(task), key)).toThrow(WorkflowError);
  expect(() => taskCodec.decode(JSON.stringify(task), key)).toThrow(key);
});

test.each(["null", "[]", "7", "{", "", "\ufeff{}"])("refuses the body %j", (body) => {
  expect(() => taskCodec.decode(body, taskKey(ID))).toThrow(/is not a task that can be read/);
});

test("fills in what buquet fills in, and drops the nulls that it omits", () => {
  const { id, shard, task_type, input, created_at, available_at, updated_at } = plain();
  const least = {
    id,
    shard,
    task_type,
    input,
    created_at,
    available_at,
    updated_at,
    expires_at: null,
    input_ref: null,
  };
  const task = taskCodec.decode(JSON.stringify(least), taskKey(ID));
  expect(taskCodec.encode(task)).toBe(taskCodec.encode(newTask(SPEC, START)));
});

test("keeps members that it does not know, instants to the nanosecond, and numbers digit for digit", () => {
  const body = taskCodec
    .encode(newTask(SPEC, START))
    .replace('"input":{"to":"x"}', '"input":{"n":[1.0,12345678901234567890,1e-6,0.0000001]}')
    .replace(`"created_at":"${formatInstant(START)}"`, '"created_at":"2026-11-23 01:07:42.250000001+00:00"')
    .replace(/\}$/u, ',"priority":7.50,"__proto__":{"a":1},"constructor":null}');
  expect(taskCodec.encode(taskCodec.decode(body, taskKey(ID)))).toBe(body);
});

test("knows which tasks are over", () => {
  const over: TaskStatus[] = ["completed", "failed", "cancelled", "archived", "expired"];
  for (const status of over) expect(isTaskOver({ ...newTask(SPEC, START), status })).toBe(true);
  for (const status of ["pending", "running"] as const)
    expect(isTaskOver({ ...newTask(SPEC, START), status })).toBe(false);
});

test("caps a timeout at ten years, because longer ones kill every worker of buquet that meets them (C-8)", () => {
  expect(newTask({ ...SPEC, timeoutMs: Number.MAX_SAFE_INTEGER }, START).timeout_seconds).toBe(315_360_000);
  expect(newTask({ ...SPEC, timeoutMs: 1 }, START).timeout_seconds).toBe(1);
});

test("survives a migration of shards that left the old shard in the body (C-16)", async () => {
  const bench = makeBench();
  await put(bench);
  const read = await bench.store.get(taskKey(ID));
  if (read.kind === "missing") throw new Error("missing");
  await bench.store.put(taskKey(ID), read.object.body.replace('"shard":"a"', '"shard":"a1"'), "always");
  const held = await claim(bench);
  expect(await completeClaim(bench.queue, held, null)).toEqual({ kind: "finished" });
  expect(await bench.keys("tasks/")).toEqual([taskKey(ID)]);
  expect(await bench.task()).toMatchObject({ status: "completed", shard: "a" });
});

test("never writes a body twice, though the clock stands still, so equal etags mean equal contents (C-25)", async () => {
  const bench = makeBench();
  const bodies: string[] = [];
  const seen = bench.through({
    put: (key, body, _condition, send) => {
      if (key.startsWith("tasks/")) bodies.push(body);
      return send();
    },
  });
  const still = { ...bench, queue: seen };
  await put(still, { retryPolicy: { initialMs: 0, maxMs: 0, multiplier: 1, jitter: 0 } });
  for (const finish of [rescheduleClaim, rescheduleClaim]) await finish(seen, await claim(still, { leaseMs: 0 }), 0);
  await retryClaim(seen, await claim(still, { leaseMs: 0 }), "again", 0);
  await retryClaim(seen, await claim(still, { leaseMs: 0 }), "again", 0);
  await completeClaim(seen, await claim(still, { leaseMs: 0 }), null);
  expect(bodies).toHaveLength(11);
  expect(new Set(bodies).size).toBe(bodies.length);
});
