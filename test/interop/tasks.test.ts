/** Plain tasks between the real Python package and our modules of the queue. The numbers are those of docs/interop.md. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leaseKey, taskKey } from "../../src/keys.ts";
import { cancelTask } from "../../src/queue/cancel.ts";
import { completeClaim, rescheduleClaim, retryClaim } from "../../src/queue/finish.ts";
import { checkLeases } from "../../src/queue/monitor.ts";
import { submitTask } from "../../src/queue/submit.ts";
import { millisOf, newTask, taskCodec, type TaskRecord } from "../../src/queue/task.ts";
import { later, reached, readTask, shape } from "./helpers.ts";
import { Peer, type PeerTask } from "./peer.ts";
import { type InteropServer, openServer, until, whyNoInterop } from "./server.ts";
import { startTaskWorker, take } from "./ts-worker.ts";

let server: InteropServer;

/** A rule of retries so quick that no test waits for it, and one whose window can be told. */
const QUICK = { initialMs: 10, maxMs: 10, multiplier: 1, jitter: 0 };
const WINDOW = { initialMs: 800, maxMs: 60_000, multiplier: 2, jitter: 0.25 };

/** Runs one task of a type in Python. */
async function runOnce(python: Peer, worker_id: string, type: string, result: unknown): Promise<void> {
  await python.work({ worker_id, handlers: { [type]: [[{ return: result }]] }, options: { max_tasks: 1 } });
  await python.worked(worker_id);
}

describe.skipIf(whyNoInterop() !== undefined)("tasks between Python and TypeScript", () => {
  beforeAll(async () => {
    server = await openServer();
  });
  afterAll(() => server.stop());

  test.concurrent("1: a task submitted here is run in Python, and the reverse", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const input = { name: "Zoë \u2028 😀", n: [1, 2.5, -7e300, null], nested: { a: { b: [{}] } } };
    const task = await submitTask(bucket.queue, "greet", input);
    await python.work({ worker_id: "py", handlers: { greet: [[{ echo: true }]] }, options: { max_tasks: 1 } });
    await python.worked("py");
    expect(await readTask(bucket, task.id)).toMatchObject({ status: "completed", output: input, attempt: 1 });

    const theirs = await python.submit("answer", input);
    const worker = startTaskWorker(bucket.queue, { answer: (given) => ({ answered: given.input }) });
    await reached(bucket, theirs.id, "completed");
    await worker.stop();
    expect(await python.get(theirs.id)).toMatchObject({ status: "completed", output: { answered: input }, attempt: 1 });
  });

  test.concurrent("2: a Python task completed here has the very bytes that Python leaves, and no key", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const options = { timeout_seconds: 77, max_retries: 2, max_reschedules: 4, ttl_seconds: 3_600 };
    const ours = await python.submit("count", { b: 1, a: [true] }, options);
    const claim = await take(bucket.queue, ours.id);
    expect((await completeClaim(bucket.queue, claim, { total: 2 })).kind).toBe("finished");
    expect(await python.get(ours.id)).toMatchObject({
      status: "completed",
      output: { total: 2 },
      lease_id: null,
      lease_expires_at: null,
      worker_id: null,
    });
    expect(await bucket.keys("ready/")).toEqual([]);
    expect(await bucket.keys("leases/")).toEqual([]);
    const theirs = await python.submit("count", { b: 1, a: [true] }, options);
    await runOnce(python, "py", "count", { total: 2 });
    expect(shape(await bucket.body(taskKey(ours.id)))).toBe(shape(await bucket.body(taskKey(theirs.id))));
  });

  test.concurrent("3: fifty tasks and workers of both kinds on all shards: each runs once, none is lost, no key stays", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const theirs = await python.call<PeerTask[]>("queue", "submit_many", {
      tasks: Array.from({ length: 25 }, (_, n) => ({ $tuple: ["race", { n }] })),
    });
    const mine = await Promise.all(
      Array.from({ length: 25 }, (_, n) => submitTask(bucket.queue, "race", { n: 25 + n })),
    );
    const ids = [...theirs, ...mine].map(({ id }) => id);
    const here: string[] = [];
    const race = { race: (task: TaskRecord) => here.push(task.id) };
    const workers = ["ts-1", "ts-2"].map((workerId) => startTaskWorker(bucket.queue, race, { workerId }));
    for (const worker_id of ["py-1", "py-2"]) await python.work({ worker_id, handlers: { race: [[{ return: 1 }]] } });
    for (const id of ids) await reached(bucket, id, "completed");
    for (const worker of workers) await worker.stop();
    const there = python.events.flatMap(({ event, task_id }) => (event === "begin" ? [task_id ?? ""] : []));
    expect([...here, ...there].toSorted()).toEqual(ids.toSorted());
    for (const id of ids) expect(await readTask(bucket, id)).toMatchObject({ attempt: 1, retry_count: 0 });
    expect(
      await until("no ready key", async () => ((await bucket.keys("ready/")).length === 0 ? [] : undefined)),
    ).toEqual([]);
    // Who loses a claim here leaves its lease key, which may be the winner's, to the next check of the monitor in its minute.
    await checkLeases(later(bucket.queue, 3_600_000), {
      ownIds: new Set(),
      repaired: new Map(),
      onUnreadable: (key, error) => expect.unreachable(`${key}: ${String(error)}`),
      canRun: () => false,
      onExpired: async (id) => expect.unreachable(id),
    });
    expect(await bucket.keys("leases/")).toEqual([]);
  });

  test.concurrent("9: an attempt that fails on one side is followed by one on the other, within the window of the delay", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const inWindow = (task: TaskRecord): void => {
      // Ours are two looks at the clock, between which the process may stand still for a moment.
      const delay = millisOf(task.available_at) - millisOf(task.updated_at);
      expect(delay).toBeGreaterThanOrEqual(0.75 * WINDOW.initialMs - 50);
      expect(delay).toBeLessThanOrEqual(1.25 * WINDOW.initialMs + 50);
    };
    const task = await submitTask(bucket.queue, "flaky", {}, { retryPolicy: WINDOW });
    const flaky = [[{ raise: "RetryableError", message: "come again" }]];
    await python.work({ worker_id: "py", handlers: { flaky }, options: { max_tasks: 1 } });
    await python.worked("py");
    const failed = await readTask(bucket, task.id);
    expect(failed).toMatchObject({ status: "pending", retry_count: 1, last_error: "RetryableError: come again" });
    inWindow(failed);
    const worker = startTaskWorker(bucket.queue, {
      flaky: () => "ours",
      "flaky.here": () => {
        throw new Error("come again");
      },
    });
    expect(await reached(bucket, task.id, "completed")).toMatchObject({ retry_count: 1, attempt: 2, output: "ours" });

    const retry_policy = { $retry_policy: { initial_interval_ms: WINDOW.initialMs } };
    const theirs = await python.submit("flaky.here", {}, { retry_policy });
    const again = await until("the first attempt here", async () => {
      const read = await readTask(bucket, theirs.id);
      return read.retry_count === 1 ? read : undefined;
    });
    await worker.stop();
    inWindow(again);
    await runOnce(python, "py-2", "flaky.here", "theirs");
    expect(await python.get(theirs.id)).toMatchObject({
      status: "completed",
      retry_count: 1,
      attempt: 2,
      output: "theirs",
      last_error: "come again",
    });
  });

  test.concurrent("13: members that Python does not know are dropped by its writes, kept by ours, and missed by nobody", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const task = await submitTask(bucket.queue, "extra", { n: 1 }, { retryPolicy: QUICK });
    const extended = (await bucket.body(taskKey(task.id))).replace(/\}$/u, ',"x_ours":{"deep":[1.50]},"another":null}');
    await bucket.store.put(taskKey(task.id), extended, "always");
    expect(await python.get(task.id)).toMatchObject({ status: "pending", input: { n: 1 } });
    await retryClaim(bucket.queue, await take(bucket.queue, task.id), "once", 0);
    expect(await bucket.body(taskKey(task.id))).toContain('"x_ours":{"deep":[1.50]},"another":null}');
    const handlers = { extra: [[{ raise: "RetryableError", message: "twice" }]] };
    await python.work({ worker_id: "py", handlers, options: { max_tasks: 1 } });
    await python.worked("py");
    expect(await bucket.body(taskKey(task.id))).not.toMatch(/x_ours|another/u);
    const worker = startTaskWorker(bucket.queue, { extra: () => "done" });
    expect(await reached(bucket, task.id, "completed")).toMatchObject({ attempt: 3, retry_count: 2, output: "done" });
    await worker.stop();
  });

  test.concurrent("14: instants with any fraction and either offset are read there; nanoseconds of theirs survive our writes", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const instants = [
      "2026-11-23T01:07:42Z",
      "2026-11-23T01:07:42.250Z",
      "2026-11-23T01:07:42.250001Z",
      "2026-11-23T01:07:42.250001002Z",
      "2026-11-23T01:07:42+00:00",
      "2026-11-23T02:07:42.250+01:00",
    ];
    for (const text of instants) {
      const id = bucket.host.random.uuid();
      const spec = { id, taskType: "instant", input: null, timeoutMs: 1_000, maxRetries: 0 };
      const task = { ...newTask(spec, 0), created_at: text, available_at: text, updated_at: text, expires_at: text };
      await bucket.store.put(taskKey(id), taskCodec.encode(task), "absent");
      const read = await python.get(id);
      for (const name of ["created_at", "available_at", "updated_at", "expires_at"])
        expect(millisOf(String(read?.[name]))).toBe(millisOf(text));
    }
    // Its first instant after a look at the clock is a whole second, the next ones are not.
    const precise = await until("a task with nanoseconds", async () => {
      const task = await python.submit("precise", null);
      const { created_at, available_at } = await readTask(bucket, task.id);
      return /\.\d{9}Z$/u.test(created_at) ? { id: task.id, created_at, available_at } : undefined;
    });
    const claim = await take(bucket.queue, precise.id);
    await completeClaim(bucket.queue, claim, null);
    const { created_at, available_at } = precise;
    expect(await readTask(bucket, precise.id)).toMatchObject({ status: "completed", created_at, available_at });
  });

  test.concurrent("15: each side cancels the tasks of the other, also between two attempts", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const task = await submitTask(bucket.queue, "doomed", {});
    await retryClaim(bucket.queue, await take(bucket.queue, task.id), "not yet", 600_000);
    expect(await bucket.keys("ready/")).toHaveLength(1);
    await python.call("queue", "cancel", { task_id: task.id, reason: "enough", cancelled_by: "user:bob" });
    expect(await bucket.keys("ready/")).toEqual([]);
    expect(await readTask(bucket, task.id)).toMatchObject({
      status: "cancelled",
      cancelled_by: "user:bob",
      last_error: "enough",
      retry_count: 1,
      completed_at: null,
    });
    // Twice is an error there and the same as once here.
    await expect(python.call("queue", "cancel", { task_id: task.id })).rejects.toThrow(/pending|status|Cancelled/iu);
    expect(await cancelTask(bucket.queue, task.id)).toEqual({ kind: "cancelled" });

    const theirs = await python.submit("doomed", {});
    expect(await cancelTask(bucket.queue, theirs.id, { reason: "späť", by: "ts" })).toEqual({ kind: "cancelled" });
    expect(await python.get(theirs.id)).toMatchObject({
      status: "cancelled",
      cancelled_by: "ts",
      last_error: "späť",
      cancelled_at: expect.any(String),
    });
    await expect(python.call("queue", "cancel", { task_id: theirs.id })).rejects.toThrow(/pending|status|Cancelled/iu);
    expect(await bucket.keys("ready/")).toEqual([]);
  });

  test.concurrent("16: a completion here is not lost to a cancel from Python, before it or at the same moment", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const run = async (ask: (id: string) => Promise<unknown>): Promise<PeerTask | null> => {
      const { id } = await submitTask(bucket.queue, "contested", {});
      const claim = await take(bucket.queue, id);
      const asked = ask(id);
      expect((await completeClaim(bucket.queue, claim, "done")).kind).toBe("finished");
      await asked;
      return python.get(id);
    };
    const request = (id: string): Promise<unknown> => python.call("queue", "request_cancellation", { task_id: id });
    for (let round = 0; round < 8; round += 1) {
      // Whether the flag is set, or comes too late, or loses the race, is its own affair.
      const task = await run((id) => request(id).catch(() => undefined));
      expect(task).toMatchObject({ status: "completed", output: "done" });
    }
    const { id } = await submitTask(bucket.queue, "contested", {});
    const claim = await take(bucket.queue, id);
    await request(id);
    expect((await completeClaim(bucket.queue, claim, "done")).kind).toBe("finished");
    expect(await python.get(id)).toMatchObject({ status: "completed", output: "done", cancel_requested: true });
    expect(await bucket.keys("leases/")).toEqual([]);
  });

  test.concurrent("17: reschedules count on both sides, and the limit fails the task in the same words", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const exceeded = { status: "failed", reschedule_count: 1, last_error: "Max reschedules (1) exceeded", attempt: 2 };
    const task = await submitTask(bucket.queue, "later", {}, { maxReschedules: 1 });
    await python.work({ worker_id: "py", handlers: { later: [[{ reschedule: 0 }]] } });
    expect(await reached(bucket, task.id, "failed")).toMatchObject(exceeded);

    const theirs = await python.submit("later.here", {}, { max_reschedules: 1 });
    await rescheduleClaim(bucket.queue, await take(bucket.queue, theirs.id), 0);
    expect(await python.get(theirs.id)).toMatchObject({ status: "pending", reschedule_count: 1, retry_count: 0 });
    await rescheduleClaim(bucket.queue, await take(bucket.queue, theirs.id), 0);
    expect(await python.get(theirs.id)).toMatchObject(exceeded);
    expect(shape(await bucket.body(taskKey(theirs.id))).replace("later.here", "later")).toBe(
      shape(await bucket.body(taskKey(task.id))),
    );
  });

  test.concurrent("19: a task that is scheduled is not run early, and one that expired is not run at all", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const at = bucket.store.time().latest + 2_000;
    const task = await submitTask(bucket.queue, "timed", {}, { availableAt: at });
    await python.work({ worker_id: "py", handlers: { timed: [[{ return: 1 }]] } });
    await python.begun("timed");
    expect(bucket.store.time().latest).toBeGreaterThanOrEqual(at);
    await reached(bucket, task.id, "completed");

    const stale = await submitTask(bucket.queue, "timed", {}, { expiresAt: bucket.store.time().earliest - 1_000 });
    const expired = await reached(bucket, stale.id, "expired");
    expect(expired).toMatchObject({ attempt: 0, expired_at: expect.any(String) });
    await until("the ready key is gone", async () => (await bucket.keys("ready/")).length === 0 || undefined);

    const expires_at = { $datetime: new Date(bucket.store.time().earliest - 1_000).toISOString() };
    const theirs = await python.submit("timed.here", {}, { expires_at });
    const worker = startTaskWorker(bucket.queue, { "timed.here": () => expect.unreachable("it has expired") });
    await reached(bucket, theirs.id, "expired");
    await worker.stop();
    expect(shape(await bucket.body(taskKey(theirs.id))).replace("timed.here", "timed")).toBe(
      shape(await bucket.body(taskKey(stale.id))),
    );
    expect(await bucket.keys("ready/")).toEqual([]);
  });

  test.concurrent("23: an extension in Python moves the lease key of a task of ours", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const task = await submitTask(bucket.queue, "slow", {}, { timeoutMs: 120_000 });
    const handlers = { slow: [[{ gate: "claimed" }, { extend: 600 }, { gate: "extended" }, { return: 1 }]] };
    await python.work({ worker_id: "py", handlers });
    await python.begun("slow");
    const before = await readTask(bucket, task.id);
    expect(await bucket.keys("leases/")).toEqual([leaseKey(task.id, millisOf(before.lease_expires_at ?? ""))]);
    await python.open("claimed");
    await python.event(({ event }) => event === "extended");
    const after = await readTask(bucket, task.id);
    expect(millisOf(after.lease_expires_at ?? "")).toBe(millisOf(before.lease_expires_at ?? "") + 600_000);
    expect(await bucket.keys("leases/")).toEqual([leaseKey(task.id, millisOf(after.lease_expires_at ?? ""))]);
    await python.open("extended");
    await reached(bucket, task.id, "completed");
    await until("the lease key is gone", async () => (await bucket.keys("leases/")).length === 0 || undefined);
  });
});
