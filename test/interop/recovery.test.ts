/** What one side leaves behind and the other finds: leases, index keys, registrations. The numbers are those of docs/interop.md. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leaseKey, LEASES_PREFIX, parseIndexKey, READY_PREFIX, readyKey, taskKey, workerKey } from "../../src/keys.ts";
import { requestCancellation } from "../../src/queue/cancel.ts";
import { completeClaim } from "../../src/queue/finish.ts";
import { checkLeases, type MonitorOptions } from "../../src/queue/monitor.ts";
import { renewClaim } from "../../src/queue/renew.ts";
import { repairTasks } from "../../src/queue/repair.ts";
import { createTask, submitTask } from "../../src/queue/submit.ts";
import { millisOf, type TaskRecord } from "../../src/queue/task.ts";
import { registerWorker } from "../../src/queue/workers.ts";
import { listWorkers } from "../queue/list-workers.ts";
import { makeGate } from "../queue/fixtures.ts";
import { idIn, later, proxyBefore, reached, readTask, withStore } from "./helpers.ts";
import { Peer } from "./peer.ts";
import { type Bucket, type InteropServer, openServer, until, whyNoInterop } from "./server.ts";
import { startTaskWorker, take } from "./ts-worker.ts";

let server: InteropServer;

const HOUR_MS = 3_600_000;
const QUICK = { initialMs: 10, maxMs: 10, multiplier: 1, jitter: 0 };
const MONITOR = { with_monitor: true, monitor_check_interval_s: 1 };

/** A monitor of ours beside workers that cannot run what it finds. */
const watching = (): MonitorOptions => ({
  ownIds: new Set(),
  repaired: new Map(),
  onUnreadable: (key, error) => expect.unreachable(`${key}: ${String(error)}`),
  canRun: () => false,
  onExpired: async (id) => expect.unreachable(id),
});

/** Has our monitor look until it has released a task. */
async function released(bucket: Bucket, id: string): Promise<void> {
  const options = watching();
  await until("our monitor releases the task", async () => {
    await checkLeases(bucket.queue, options);
    return (await readTask(bucket, id)).status === "running" ? undefined : true;
  });
}

/** A worker in a process of its own claims a task and is killed. */
async function claimAndDie(bucket: Bucket, id: string, leaseMs: number): Promise<string> {
  const child = spawn(process.execPath, ["--import", "tsx", resolve("test/interop/claimer.ts"), id, String(leaseMs)], {
    env: { ...process.env, ...bucket.env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  child.kill("SIGKILL");
  await once(child, "close");
  return said.toString().trim();
}

describe.skipIf(whyNoInterop() !== undefined)("recovery between Python and TypeScript", () => {
  beforeAll(async () => {
    server = await openServer();
  });
  afterAll(() => server.stop());

  test.concurrent("10: Python's monitor takes back a task whose worker here was killed, and Python runs it", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const task = await submitTask(bucket.queue, "fatal", {}, { retryPolicy: QUICK });
    const lease = await claimAndDie(bucket, task.id, 2_000);
    expect(await readTask(bucket, task.id)).toMatchObject({ status: "running", lease_id: lease, attempt: 1 });
    await python.work({ worker_id: "py", handlers: { fatal: [[{ return: "saved" }]] }, options: MONITOR });
    expect(await reached(bucket, task.id, "completed")).toMatchObject({
      output: "saved",
      attempt: 2,
      retry_count: 1,
      last_error: "Timeout - task exceeded lease duration",
    });
  });

  test.concurrent("10: our monitor takes back a task whose Python process was killed, and a worker here runs it", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const retry_policy = { $retry_policy: { initial_interval_ms: 10 } };
    const task = await python.submit("fatal", {}, { timeout_seconds: 1, retry_policy });
    await python.work({ worker_id: "py", handlers: { fatal: [[{ gate: "never" }]] } });
    await python.begun("fatal");
    await python.kill();
    await released(bucket, task.id);
    const worker = startTaskWorker(bucket.queue, { fatal: () => "saved" });
    expect(await reached(bucket, task.id, "completed")).toMatchObject({
      output: "saved",
      attempt: 2,
      retry_count: 1,
      last_error: "Timeout - task exceeded lease duration",
    });
    await worker.stop();
  });

  test.concurrent("16: Python loses its completion to a flag that is set meanwhile; our monitor gets the task run again (C-7)", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using proxy = await proxyBefore(server);
    await using python = await Peer.start(bucket, { S3_ENDPOINT: proxy.endpoint });
    const gate = makeGate();
    proxy.reset(({ kind, body }) =>
      kind === "replace" && body.includes('"status":"completed"') ? { kind: "delay", until: gate.stand() } : undefined,
    );
    const task = await submitTask(bucket.queue, "lost", {}, { timeoutMs: 1_000, retryPolicy: QUICK });
    await python.work({ worker_id: "py", handlers: { lost: [[{ return: "first" }]] }, options: { max_tasks: 1 } });
    await gate.reached;
    await requestCancellation(bucket.queue, task.id);
    gate.open();
    await released(bucket, task.id);
    const calls = python.events.filter(({ event }) => event === "begin");
    expect(calls).toHaveLength(1);
    expect(await readTask(bucket, task.id)).toMatchObject({ status: "pending", output: null, cancel_requested: true });
    const worker = startTaskWorker(bucket.queue, { lost: () => "second" });
    expect(await reached(bucket, task.id, "completed")).toMatchObject({ output: "second", attempt: 2 });
    await worker.stop();
  });

  test.concurrent("17: Python loses a reschedule to a flag that was set before it; our monitor gets the task run again (C-12)", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const task = await submitTask(bucket.queue, "later", {}, { timeoutMs: 1_000, retryPolicy: QUICK });
    const later = [[{ gate: "flagged" }, { reschedule: 0 }]];
    await python.work({ worker_id: "py", handlers: { later }, options: { max_tasks: 1 } });
    await python.begun("later");
    await requestCancellation(bucket.queue, task.id);
    await python.open("flagged");
    await released(bucket, task.id);
    expect(await readTask(bucket, task.id)).toMatchObject({ status: "pending", reschedule_count: 0, retry_count: 1 });
    const worker = startTaskWorker(bucket.queue, { later: () => "done" });
    expect(await reached(bucket, task.id, "completed")).toMatchObject({ output: "done", attempt: 2 });
    await worker.stop();
  });

  test.concurrent("23: a lease that we extend is respected by Python's monitor", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const { host, queue } = bucket;
    const spec = { taskType: "held", input: {}, timeoutMs: 60_000, maxRetries: 3, retryPolicy: QUICK };
    // The monitor looks at the shards in their order: once it has released the last one it has looked at the first.
    const [kept, decoy] = [idIn(host, "0"), idIn(host, "f")];
    for (const id of [kept, decoy]) await createTask(queue, { ...spec, id });
    const claim = await take(queue, kept, 1_000);
    const first = claim.task.lease_expires_at ?? "";
    const renewed = await renewClaim(queue, claim, 3_600_000);
    if (renewed.kind === "lost") throw new Error("the lease is lost");
    await take(queue, decoy, 1_000);
    await python.work({ worker_id: "py", handlers: {}, options: MONITOR });
    const back = await reached(bucket, decoy, "pending");
    expect(millisOf(back.updated_at)).toBeGreaterThan(millisOf(first));
    expect(await readTask(bucket, kept)).toMatchObject({ status: "running", lease_id: claim.leaseId, attempt: 1 });
    expect(await bucket.keys("leases/0/")).toContain(
      leaseKey(kept, millisOf(renewed.claim.task.lease_expires_at ?? "")),
    );
    expect((await completeClaim(queue, renewed.claim, "mine")).kind).toBe("finished");
  });

  test.concurrent("25: twelve tasks that Python cannot run hide a later one from it; ours finds all of them and frees it (C-3)", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const { host, queue } = bucket;
    // One minute for all, so that ids alone order the keys.
    const spec = { input: {}, timeoutMs: 60_000, maxRetries: 3, availableAt: bucket.store.time().earliest - 120_000 };
    for (let n = 0; n < 12; n += 1) await createTask(queue, { ...spec, id: idIn(host, "a", "1"), taskType: "ts.only" });
    const hidden = idIn(host, "a", "9");
    await createTask(queue, { ...spec, id: hidden, taskType: "py" });
    await python.work({ worker_id: "py", handlers: { py: [[{ return: "found" }]] } });
    // A worker of Python goes through the shards in their order: twice past the last one is once through all of them.
    for (let round = 0; round < 2; round += 1) {
      const passing = idIn(host, "f");
      await createTask(queue, { ...spec, id: passing, taskType: "py" });
      await reached(bucket, passing, "completed");
    }
    expect(await readTask(bucket, hidden)).toMatchObject({ status: "pending", attempt: 0 });
    // A worker of ours that has the other type only makes room: no task is out of its sight.
    const worker = startTaskWorker(queue, { "ts.only": () => "here" });
    expect(await reached(bucket, hidden, "completed")).toMatchObject({ output: "found" });
    await worker.stop();
  });

  test.concurrent("28: registrations are alike, ours and theirs are listed here, and a dead process shows as silent", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using proxy = await proxyBefore(server);
    await using python = await Peer.start(bucket, { S3_ENDPOINT: proxy.endpoint });
    const startedAt = Math.floor(bucket.store.time().earliest);
    const register = (): Promise<void> =>
      registerWorker(bucket.queue, { workerId: "ts", startedAt, tasksCompleted: 3, tasksFailed: 1 });
    await register();
    await bucket.store.put(workerKey("broken"), '{"worker_id":"broken"}', "always");
    await python.work({ worker_id: "py", handlers: {}, options: MONITOR });
    // Python's monitor reads every registration and goes on, the one that it cannot parse included.
    const path = encodeURIComponent(workerKey("ts")).replaceAll("%2F", "/");
    await until(
      "Python's monitor has read ours twice",
      async () =>
        proxy.requests.filter((request) => request.kind === "get" && request.path.includes(path)).length >= 2 ||
        undefined,
    );
    const pattern = (body: string): string =>
      body
        .replaceAll(/"\d{4}-[^"]*Z"/gu, '"<instant>"')
        .replace(/"(ts|py)"/u, '"<id>"')
        .replaceAll(/:\d+/gu, ":<count>");
    expect(pattern(await bucket.body(workerKey("ts")))).toBe(pattern(await bucket.body(workerKey("py"))));
    await register();
    const unreadable: string[] = [];
    const onUnreadable = (key: string): void => void unreadable.push(key);
    const alive = await listWorkers(bucket.queue, { onUnreadable });
    expect(alive.map(({ workerId, silent }) => [workerId, silent])).toEqual([
      ["py", false],
      ["ts", false],
    ]);
    expect(alive[1]).toMatchObject({ startedAt, tasksCompleted: 3, tasksFailed: 1 });
    expect(unreadable).toEqual([workerKey("broken")]);
    await python.kill();
    const after = await listWorkers(later(bucket.queue, 80_000), { onUnreadable });
    expect(after.map(({ workerId, silent }) => [workerId, silent])).toEqual([
      ["py", true],
      ["ts", true],
    ]);
  });

  test.concurrent("30: our sweeps beside busy Python workers delete no live key and lose no task, and bring back those whose ready keys were deleted", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const liveKey = (task: TaskRecord): string | undefined => {
      if (task.status === "pending") return readyKey(task.id, millisOf(task.available_at));
      return task.status === "running" ? leaseKey(task.id, millisOf(task.lease_expires_at ?? "")) : undefined;
    };
    const isLive = async (key: string): Promise<boolean> =>
      key === liveKey(await readTask(bucket, parseIndexKey(key)?.id ?? ""));
    const deleted: string[] = [];
    const wrong: string[] = [];
    // Due two minutes ago, so that a repair takes every one that is still pending for stuck.
    const availableAt = bucket.store.time().earliest - 120_000;
    // Python holds it until the sweeps have met it often enough, however fast the machine is.
    const held = await submitTask(bucket.queue, "held", {}, { availableAt, timeoutMs: HOUR_MS });
    await python.work({ worker_id: "py-0", handlers: { held: [[{ gate: "met" }, { return: 1 }]] } });
    await python.begun("held");
    /** How often the monitor read that task: once on each look. */
    let met = 0;
    const queue = withStore(bucket.queue, {
      // A monitor looks at a lease in its last minute. This one cannot tell the hour, so it looks at every lease at any time.
      time: () => {
        const { earliest, latest } = bucket.store.time();
        return { earliest, latest: latest + 2 * HOUR_MS };
      },
      get: (key, ...rest) => {
        if (key === taskKey(held.id)) met += 1;
        return bucket.store.get(key, ...rest);
      },
      delete: async (key) => {
        const before = await isLive(key);
        await bucket.store.delete(key);
        deleted.push(key);
        if (before || (await isLive(key))) wrong.push(key);
      },
    });
    let busy = true;
    let repairs = 0;
    const options = watching();
    const monitor = async (): Promise<void> => {
      while (busy) await checkLeases(queue, options);
    };
    const repair = async (): Promise<void> => {
      for (; busy; repairs += 1) await repairTasks(bucket.queue);
    };
    // As if somebody had died between this key and its claim: one that may go, beside the live one.
    const leaveKey = (id: string) => bucket.store.put(leaseKey(id, availableAt), "", "always");
    const submit = (count: number) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          const task = await submitTask(bucket.queue, "busy", {}, { availableAt, retryPolicy: QUICK });
          await leaveKey(task.id);
          return task;
        }),
      );
    const sweeping = Promise.all([monitor(), repair()]);
    const busyHandler = [[{ raise: "RetryableError", message: "again" }], [{ sleep: 0.1 }, { return: 1 }]];
    for (const worker_id of ["py-1", "py-2"]) await python.work({ worker_id, handlers: { busy: busyHandler } });
    const done: TaskRecord[] = [];
    const round = async (number: number): Promise<void> => {
      await leaveKey(held.id);
      const tasks = await submit(15);
      done.push(...(await Promise.all(tasks.map(({ id }) => reached(bucket, id, "completed")))));
      // Work that ran ahead of slow sweeps would make each sweep longer than the one before.
      await until("both sweeps have come by", async () => (Math.min(met, repairs) >= number ? true : undefined));
    };
    // A sweep that failed ends the rounds: nobody would come by any more.
    for (let number = 1; number <= 3; number += 1) await Promise.race([round(number), sweeping]);
    busy = false;
    await sweeping;
    expect(await bucket.keys(LEASES_PREFIX)).toContain(liveKey(await readTask(bucket, held.id)));
    await python.open("met");
    done.push(await reached(bucket, held.id, "completed"));
    const calls = python.events.filter(({ event }) => event === "begin");
    expect(calls).toHaveLength(done.reduce((sum, task) => sum + 1 + task.retry_count, 0));
    for (const task of done) expect(task.attempt).toBe(task.retry_count + 1);
    expect(deleted).not.toEqual([]);
    expect(wrong).toEqual([]);
    // A repair that read a task just before it was claimed puts its ready key again; whoever of us lists it takes it away.
    const cleaner = startTaskWorker(bucket.queue, {});
    await until("no ready key", async () => (await bucket.keys(READY_PREFIX)).length === 0 || undefined);
    await cleaner.stop();

    const lost = await Promise.all(
      Array.from({ length: 10 }, () => submitTask(bucket.queue, "lost", {}, { availableAt })),
    );
    for (const { id } of lost) await bucket.store.delete(readyKey(id, availableAt));
    expect(await bucket.keys(READY_PREFIX)).toEqual([]);
    expect((await repairTasks(bucket.queue)).repaired.toSorted()).toEqual(lost.map(({ id }) => id).toSorted());
    await python.work({ worker_id: "py-3", handlers: { lost: [[{ return: 1 }]] } });
    for (const { id } of lost) expect(await reached(bucket, id, "completed")).toMatchObject({ attempt: 1 });
  });
});
