/** Taking a task, and taking it over. */
import { expect, test } from "vitest";
import { dueKey, leaseKey, readyKey, taskKey } from "../../src/keys.ts";
import { claimTask, type ClaimOptions, type ClaimOutcome, takeOverTask } from "../../src/queue/claim.ts";
import { completeClaim, retryClaim } from "../../src/queue/finish.ts";
import type { QueueContext } from "../../src/queue/task.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { claim, ID, LEASE_MS, loseReply, makeBench, makeGate, put, putAndClaim, SKEW_MS, START } from "./fixtures.ts";

const tryClaim = (queue: QueueContext, changes: Partial<ClaimOptions> = {}): Promise<ClaimOutcome> =>
  claimTask(queue, ID, { workerId: "worker-2", leaseMs: LEASE_MS, accepts: () => true, ...changes });

const takeOver = (queue: QueueContext, handlerMayHaveBegun = true): Promise<ClaimOutcome> =>
  takeOverTask(queue, ID, { workerId: "worker-2", leaseMs: LEASE_MS, handlerMayHaveBegun: () => handlerMayHaveBegun });

test("takes a lease of its own length, whatever the timeout of the attempt is", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench, { timeoutMs: 600_000 });
  expect(await bench.task()).toEqual(held.task);
  expect(held.task).toMatchObject({
    status: "running",
    attempt: 1,
    retry_count: 0,
    worker_id: "worker-1",
    lease_expires_at: formatInstant(START + LEASE_MS),
    updated_at: formatInstant(START),
  });
  expect(held.task.lease_id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4/u);
  // By its own clock the holder stops a margin before the others may begin.
  expect(held.leaseUntil).toBe(LEASE_MS - SKEW_MS);
});

test("reads once, puts the lease key before the claim, and deletes the ready key after it (C-4, C-20)", async () => {
  const bench = makeBench();
  await put(bench);
  const order: string[] = [];
  const note = <T>(what: string, send: () => Promise<T>): Promise<T> => {
    order.push(what);
    return send();
  };
  const queue = bench.through({
    get: (key, send) => note(`GET ${key}`, send),
    put: (key, _body, _condition, send) => note(`PUT ${key}`, send),
    delete: (key, send) => note(`DELETE ${key}`, send),
  });
  expect((await tryClaim(queue)).kind).toBe("claimed");
  expect(order).toEqual([
    `GET ${taskKey(ID)}`,
    `PUT ${leaseKey(ID, START + LEASE_MS)}`,
    `PUT ${taskKey(ID)}`,
    `DELETE ${readyKey(ID, START)}`,
  ]);
});

test("deletes the due key too of a task that was due later than it was made", async () => {
  const bench = makeBench();
  await put(bench, { availableAt: START + 120_000, ownOnly: true });
  expect(await bench.keys("x-workflow/due/")).toEqual([dueKey(ID, START + 120_000)]);
  bench.pass(120_000);
  expect((await tryClaim(bench.queue)).kind).toBe("claimed");
  expect(await bench.keys("x-workflow/due/")).toEqual([]);
});

test("does not claim what is not due, not its own, held, over or missing", async () => {
  const bench = makeBench();
  expect(await tryClaim(bench.queue)).toEqual({ kind: "gone" });
  await put(bench, { availableAt: START + 10 });
  expect(await tryClaim(bench.queue)).toEqual({ kind: "not_due", availableAt: START + 10 });
  bench.pass(10);
  expect(await tryClaim(bench.queue, { accepts: (task) => task.task_type === "sms" })).toEqual({ kind: "not_mine" });
  expect(await bench.task()).toMatchObject({ status: "pending", attempt: 0 });
  expect(await bench.keys("leases/")).toEqual([]);
  const held = await claim(bench);
  expect(await tryClaim(bench.queue)).toEqual({ kind: "refused" });
  await completeClaim(bench.queue, held, null);
  expect(await tryClaim(bench.queue)).toEqual({ kind: "gone" });
});

test("deletes the ready key under which it found a task that is over, or one that is long missing (C-3)", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  await completeClaim(bench.queue, held, null);
  await bench.store.put(readyKey(ID, START), "", "always");
  expect(await tryClaim(bench.queue, { foundAt: readyKey(ID, START) })).toEqual({ kind: "gone" });
  expect(await bench.keys("ready/")).toEqual([]);

  const orphan = makeBench();
  await orphan.store.put(readyKey(ID, START), "", "always");
  orphan.pass(5 * 60_000);
  await tryClaim(orphan.queue, { foundAt: readyKey(ID, START) });
  expect(await orphan.keys("ready/"), "its task may be on its way").toHaveLength(1);
  orphan.pass(60_000);
  await tryClaim(orphan.queue, { foundAt: readyKey(ID, START) });
  expect(await orphan.keys("ready/")).toEqual([]);
});

test("lets one of two claimers win, and the loser leaves the lease key alone", async () => {
  const bench = makeBench();
  await put(bench);
  const gate = makeGate();
  const slow = bench.through({
    put: async (key, _body, _condition, send) => {
      if (key === taskKey(ID)) await gate.stand();
      return send();
    },
  });
  const second = tryClaim(slow);
  await gate.reached;
  const winner = await claim(bench);
  gate.open();
  expect(await second).toEqual({ kind: "refused" });
  expect(await bench.task()).toMatchObject({ attempt: 1, lease_id: winner.leaseId });
  expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + LEASE_MS)]);
});

test("knows its own claim by the lease id when the reply is lost, and that it has none when the request is (C-9)", async () => {
  const bench = makeBench();
  await put(bench);
  const replyLost = bench.through({
    put: (key, _body, _condition, send) => (key === taskKey(ID) ? loseReply(send) : send()),
  });
  expect(await tryClaim(replyLost)).toMatchObject({ kind: "claimed", claim: { task: { attempt: 1 } } });
  expect(await bench.keys("ready/")).toEqual([]);

  const other = makeBench();
  await put(other);
  const requestLost = other.through({
    put: async (key, _body, _condition, send) =>
      key === taskKey(ID) ? { kind: "unknown", cause: new Error("the request is lost") } : send(),
  });
  expect(await tryClaim(requestLost)).toEqual({ kind: "refused" });
  expect((await tryClaim(other.queue)).kind).toBe("claimed");
});

test("marks a task that is past its time, once every clock says so, and takes it off the index", async () => {
  const bench = makeBench();
  await put(bench, { expiresAt: START + 1_000 });
  bench.pass(500);
  const unsure = bench.through({ unsureMs: 600 });
  expect(await tryClaim(unsure), "it may be past its time").toEqual({ kind: "refused" });
  expect(await bench.task()).toMatchObject({ status: "pending" });
  bench.pass(500);
  expect(await tryClaim(bench.queue)).toEqual({ kind: "gone" });
  const at = formatInstant(START + 1_000);
  expect(await bench.task()).toMatchObject({ status: "expired", expired_at: at, updated_at: at, attempt: 0 });
  expect(await bench.keys("ready/")).toEqual([]);
});

test("claims a task a moment before it expires", async () => {
  const bench = makeBench();
  await put(bench, { expiresAt: START + 1 });
  expect((await tryClaim(bench.queue)).kind).toBe("claimed");
});

test("takes over when the lease is over on every clock, the margin for skew included (C-10)", async () => {
  const bench = makeBench();
  await putAndClaim(bench);
  bench.pass(LEASE_MS + SKEW_MS);
  expect(await takeOver(bench.queue)).toEqual({ kind: "refused" });
  bench.pass(1);
  expect(await takeOver(bench.through({ unsureMs: 1 }))).toEqual({ kind: "refused" });
  const taken = await takeOver(bench.queue);
  expect(taken).toMatchObject({
    kind: "claimed",
    claim: { task: { attempt: 2, retry_count: 1, worker_id: "worker-2" } },
  });
});

test("counts a lost attempt only when its handler may have begun", async () => {
  const bench = makeBench();
  await putAndClaim(bench);
  bench.pass(LEASE_MS + SKEW_MS + 1);
  expect(await takeOver(bench.queue, false)).toMatchObject({ claim: { task: { attempt: 2, retry_count: 0 } } });
});

test("does not take over what is pending again, over or gone", async () => {
  const bench = makeBench();
  expect(await takeOver(bench.queue)).toEqual({ kind: "gone" });
  await retryClaim(bench.queue, await putAndClaim(bench), "again", 0);
  expect(await takeOver(bench.queue)).toEqual({ kind: "refused" });
  await completeClaim(bench.queue, await claim(bench), null);
  expect(await takeOver(bench.queue)).toEqual({ kind: "gone" });
});
