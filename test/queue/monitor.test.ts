/** Leases that ran out, and the repair of the index on the way. */
import { expect, test } from "vitest";
import { leaseKey, minuteOf, readyKey, taskKey } from "../../src/keys.ts";
import { claimTask, takeOverTask } from "../../src/queue/claim.ts";
import { completeClaim, rescheduleClaim } from "../../src/queue/finish.ts";
import { checkLeases, type MonitorOptions } from "../../src/queue/monitor.ts";
import { renewClaim } from "../../src/queue/renew.ts";
import { type QueueContext, taskCodec } from "../../src/queue/task.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { goldenObject } from "../golden.ts";
import { ID, LEASE_MS, makeBench, makeGate, put, putAndClaim, SKEW_MS, START } from "./fixtures.ts";

const OTHER = "b1b2c3d4-0000-4000-8000-000000000002";
const OVER_MS = LEASE_MS + SKEW_MS + 1;
const IN_A_MINUTE = 120_000;

/** A monitor that runs nothing itself, and remembers between its looks. */
function makeMonitor(changes: Partial<MonitorOptions> = {}): (queue: QueueContext) => Promise<readonly string[]> {
  const repaired = new Map<string, number>();
  return async (queue) => {
    const unreadable: string[] = [];
    await checkLeases(queue, {
      ownIds: new Set(),
      repaired,
      onUnreadable: (key) => unreadable.push(key),
      canRun: () => false,
      onExpired: () => Promise.resolve(),
      ...changes,
    });
    return unreadable;
  };
}
const look = makeMonitor();

test("hands a task whose lease is over to whoever can run it, and touches no other", async () => {
  const bench = makeBench();
  await putAndClaim(bench);
  bench.pass(OVER_MS + 60_000);
  await putAndClaim(bench, { id: OTHER });
  const handed: string[] = [];
  const options: Partial<MonitorOptions> = {
    canRun: () => true,
    onExpired: async (taskId) => {
      handed.push(taskId);
      await takeOverTask(bench.queue, taskId, { workerId: "w", leaseMs: LEASE_MS, handlerMayHaveBegun: () => true });
    },
  };
  await makeMonitor(options)(bench.queue);
  expect(handed).toEqual([ID]);
  expect(await bench.task()).toMatchObject({ status: "running", attempt: 2, retry_count: 1, worker_id: "w" });
  expect(await bench.task(OTHER)).toMatchObject({ status: "running", attempt: 1 });
});

test("waits for the margin of skew, and for every clock (C-10)", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(LEASE_MS + SKEW_MS);
  await look(bench.queue);
  bench.pass(1);
  await look(bench.through({ unsureMs: 1 }));
  expect(await bench.task()).toEqual(held.task);
  await look(bench.queue);
  expect(await bench.task()).toMatchObject({ status: "pending" });
});

test("puts a task that it cannot run back as buquet's monitor does, with its backoff and in its words", async () => {
  const bench = makeBench();
  await putAndClaim(bench, { taskType: "crash_retry", input: {}, timeoutMs: 2_000 });
  bench.pass(OVER_MS);
  await look(bench.queue);
  const task = await bench.task();
  const { body, key } = goldenObject("tasks", "pending-after-lease-timeout");
  const theirs = taskCodec.decode(body, key);
  const { id, shard, created_at, available_at, updated_at } = task;
  expect(taskCodec.encode(task)).toBe(taskCodec.encode({ ...theirs, id, shard, created_at, available_at, updated_at }));
  const delayMs = Date.parse(available_at) - (START + OVER_MS);
  expect(delayMs).toBeGreaterThanOrEqual(750);
  expect(delayMs).toBeLessThan(1_250);
  expect(await bench.keys("ready/")).toEqual([readyKey(ID, Date.parse(available_at))]);
  // It stays until the next check: the put of the ready key may have been lost.
  expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + LEASE_MS)]);
});

test("fails a task that it cannot run when its retries are used up, and leaves no worker in it", async () => {
  const bench = makeBench();
  await putAndClaim(bench, { taskType: "crash_exhausted", input: {}, timeoutMs: 2_000, maxRetries: 0 });
  bench.pass(OVER_MS);
  await look(bench.queue);
  const task = await bench.task();
  const { body, key } = goldenObject("tasks", "failed-after-lease-timeout");
  const theirs = taskCodec.decode(body, key);
  const { id, shard, created_at, available_at, updated_at, completed_at } = task;
  expect(taskCodec.encode(task)).toBe(
    taskCodec.encode({ ...theirs, worker_id: null, id, shard, created_at, available_at, updated_at, completed_at }),
  );
  expect(completed_at).toBe(formatInstant(START + OVER_MS));
  expect([...(await bench.keys("ready/")), ...(await bench.keys("leases/"))]).toEqual([]);
});

test("never fails a task of a run: whoever claims it next records that its worker was lost", async () => {
  const bench = makeBench();
  await putAndClaim(bench, { taskType: "workflow.step:order:charge", maxRetries: 0 });
  bench.pass(OVER_MS);
  await look(bench.queue);
  expect(await bench.task()).toMatchObject({ status: "pending", retry_count: 1, max_retries: 0 });
});

test("leaves a lease alone that was extended while it looked", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(OVER_MS);
  const gate = makeGate();
  const slow = bench.through({
    put: async (key, _body, _condition, send) => {
      if (key === taskKey(ID)) await gate.stand();
      return send();
    },
  });
  const looked = look(slow);
  await gate.reached;
  const renewed = await renewClaim(bench.queue, held, LEASE_MS);
  gate.open();
  await looked;
  expect(renewed.kind).toBe("renewed");
  expect(await bench.task()).toMatchObject({ status: "running", lease_id: held.leaseId, retry_count: 0 });
});

test("skips the tasks that its own process holds", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(OVER_MS);
  await makeMonitor({ ownIds: new Set([ID]) })(bench.queue);
  expect(await bench.task()).toEqual(held.task);
});

test("reads no task whose lease cannot be over yet (C-20)", async () => {
  const bench = makeBench();
  for (let n = 0; n < 20; n += 1) await putAndClaim(bench, { id: `c0000000-0000-4000-8000-0000000000${n + 10}` });
  let reads = 0;
  const counted = bench.through({
    get: (_key, send) => {
      reads += 1;
      return send();
    },
  });
  await look(counted);
  expect(reads).toBe(0);
});

test("deletes the lease key of a task that is over (C-21)", async () => {
  const bench = makeBench();
  await completeClaim(bench.queue, await putAndClaim(bench), null);
  await bench.store.put(leaseKey(ID, START), "", "always");
  await look(bench.queue);
  expect(await bench.keys("leases/")).toEqual([]);
  expect(await bench.task()).toMatchObject({ status: "completed" });
});

test("puts the key of a newer lease before it deletes the one of an older minute (C-21)", async () => {
  const bench = makeBench();
  await putAndClaim(bench);
  await bench.store.delete(leaseKey(ID, START + LEASE_MS));
  await bench.store.put(leaseKey(ID, START - IN_A_MINUTE), "", "always");
  await look(bench.queue);
  expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + LEASE_MS)]);
});

test("deletes the lease key of a missing task only when it is old", async () => {
  const bench = makeBench();
  await bench.store.put(leaseKey(ID, START), "", "always");
  bench.pass(5 * 60_000);
  await look(bench.queue);
  expect(await bench.keys("leases/"), "its task may be on its way").toHaveLength(1);
  bench.pass(60_000);
  await look(bench.queue);
  expect(await bench.keys("leases/")).toEqual([]);
});

test("gives a pending task with a lease key its ready key, every five minutes, and leaves the lease key to its claimer", async () => {
  const bench = makeBench();
  await put(bench);
  await bench.store.delete(readyKey(ID, START));
  await bench.store.put(leaseKey(ID, START), "", "always");
  const monitor = makeMonitor();
  await monitor(bench.queue);
  expect(await bench.keys("")).toEqual([leaseKey(ID, START), readyKey(ID, START), taskKey(ID)]);
  await bench.store.delete(readyKey(ID, START));
  bench.pass(299_000);
  await monitor(bench.queue);
  expect(await bench.keys("ready/")).toEqual([]);
  bench.pass(1_000);
  await monitor(bench.queue);
  expect(await bench.keys("ready/")).toEqual([readyKey(ID, START)]);
});

test("deletes nothing when a task cannot be read, and looks at the others all the same (C-5, C-8, C-19)", async () => {
  const bench = makeBench();
  await putAndClaim(bench);
  await putAndClaim(bench, { id: OTHER });
  const third = "d1b2c3d4-0000-4000-8000-000000000003";
  await putAndClaim(bench, { id: third });
  await bench.store.put(taskKey(ID), '{"status":"poison"}', "always");
  const failing = bench.through({
    get: (key, send) => (key === taskKey(OTHER) ? Promise.reject(new Error("503")) : send()),
  });
  bench.pass(OVER_MS);
  const minute = minuteOf(START + LEASE_MS);
  expect(await look(failing)).toEqual([`leases/a/${minute}/${ID}`, `leases/b/${minute}/${OTHER}`]);
  expect(await bench.keys("leases/")).toHaveLength(3);
  expect(await bench.task(OTHER)).toMatchObject({ status: "running" });
  expect(await bench.task(third)).toMatchObject({ status: "pending" });
});

test("finds the task whose new ready key a late DELETE of its old claimer took away (C-6)", async () => {
  const bench = makeBench();
  await put(bench, { retryPolicy: { initialMs: 0, maxMs: 0, multiplier: 1, jitter: 0 } });
  const gate = makeGate();
  const stalled = bench.through({
    delete: async (key, send) => {
      if (key.startsWith("ready/")) await gate.stand();
      return send();
    },
  });
  // A short lease, so that everything happens within one minute: the old ready key and the new one are the same key.
  const late = claimTask(stalled, ID, { workerId: "slow", leaseMs: 5_000, accepts: () => true });
  await gate.reached;
  bench.pass(5_000 + SKEW_MS + 1);
  const monitor = makeMonitor();
  await monitor(bench.queue);
  const { available_at } = await bench.task();
  expect(readyKey(ID, Date.parse(available_at))).toBe(readyKey(ID, START));
  gate.open();
  await late;
  expect(await bench.task()).toMatchObject({ status: "pending" });
  expect(await bench.keys("ready/"), "the late DELETE took it").toEqual([]);
  await monitor(bench.queue);
  expect(await bench.keys("ready/")).toEqual([readyKey(ID, START)]);
});

test("keeps the token of a task when the one who puts it back dies before its ready key", async () => {
  const bench = makeBench();
  await putAndClaim(bench);
  bench.pass(OVER_MS);
  const dead = bench.through({
    put: (key, _body, _condition, send) => (key.startsWith("ready/") ? Promise.reject(new Error("dead")) : send()),
  });
  expect(await look(dead)).toHaveLength(1);
  expect(await bench.task()).toMatchObject({ status: "pending" });
  expect(await bench.keys("ready/")).toEqual([]);
  await makeMonitor()(bench.queue);
  expect(await bench.keys("ready/")).toHaveLength(1);
});

test("looks at every page of lease keys (C-21, C-26)", async () => {
  const bench = makeBench();
  for (let n = 0; n < 1_005; n += 1) {
    const id = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    await bench.store.put(leaseKey(id, START - 3_600_000), "", "always");
  }
  await putAndClaim(bench);
  bench.pass(OVER_MS);
  await look(bench.queue);
  expect(await bench.task()).toMatchObject({ status: "pending" });
});

test("keeps few lease keys of a task that is given back again and again, the newest always", async () => {
  const bench = makeBench();
  const monitor = makeMonitor();
  const minutes = 30;
  await put(bench);
  for (let minute = 0; minute < minutes; minute += 1) {
    const answer = await claimTask(bench.queue, ID, { workerId: "w", leaseMs: LEASE_MS, accepts: () => true });
    if (answer.kind !== "claimed") return expect.fail(answer.kind);
    await rescheduleClaim(bench.queue, answer.claim, 60_000);
    bench.pass(60_000);
    await monitor(bench.queue);
  }
  // One for each of the five minutes in which somebody slow may still be about to claim, and those of this minute and the last.
  const kept = await bench.keys("leases/");
  expect(kept.length).toBeLessThanOrEqual(7);
  expect(kept.at(-1)).toBe(leaseKey(ID, START + (minutes - 1) * 60_000 + LEASE_MS));
  bench.pass(3_600_000);
  await monitor(bench.queue);
  // Nobody wrote it since, so nobody who stood still is known to be too late.
  expect(await bench.keys("leases/")).toEqual(kept);
});

test("never takes the only lease key of a pending task, however old, nor one whose claimer can still win", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(3_600_000);
  // It stood still for an hour, nobody took its task, and it gives it back: the key of then is all that leads here beside the ready key.
  await rescheduleClaim(bench.queue, held, 0);
  await look(bench.queue);
  expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + LEASE_MS)]);
  const slow = bench.through({
    put: async (key, body, condition, send) => {
      if (key !== taskKey(ID)) return send();
      bench.pass(3_600_000);
      await look(bench.queue);
      return send();
    },
  });
  const answer = await claimTask(slow, ID, { workerId: "w", leaseMs: LEASE_MS, accepts: () => true });
  expect(answer.kind).toBe("claimed");
  const { lease_expires_at } = await bench.task();
  expect(await bench.keys("leases/")).toContain(leaseKey(ID, Date.parse(lease_expires_at ?? "")));
});

test("reads a task once, however many lease keys it has", async () => {
  const bench = makeBench();
  await put(bench);
  for (let minute = 0; minute < 5; minute += 1)
    await bench.store.put(leaseKey(ID, START + minute * 60_000), "", "always");
  bench.pass(600_000);
  let reads = 0;
  await look(bench.through({ get: (_key, send) => ((reads += 1), send()) }));
  expect(reads).toBe(1);
});
