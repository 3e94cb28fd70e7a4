/** Heartbeats. */
import { expect, test } from "vitest";
import { leaseKey, taskKey } from "../../src/keys.ts";
import { cancelTask } from "../../src/queue/cancel.ts";
import { type Claim, takeOverTask } from "../../src/queue/claim.ts";
import { completeClaim } from "../../src/queue/finish.ts";
import { renewClaim } from "../../src/queue/renew.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { type Bench, ID, LEASE_MS, loseReply, makeBench, putAndClaim, SKEW_MS, START } from "./fixtures.ts";

async function renew(bench: Bench, held: Claim, queue = bench.queue): Promise<Claim> {
  const renewed = await renewClaim(queue, held, LEASE_MS);
  if (renewed.kind === "lost") throw new Error("lost");
  return renewed.claim;
}

test("extends from now, and moves the lease key to its new minute", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(25_000);
  const first = await renew(bench, held);
  expect(first.leaseUntil).toBe(25_000 + LEASE_MS - SKEW_MS);
  bench.pass(25_000);
  const second = await renew(bench, first);
  expect(await bench.task()).toEqual({
    ...held.task,
    lease_expires_at: formatInstant(START + 50_000 + LEASE_MS),
    updated_at: formatInstant(START + 50_000),
  });
  expect(second.leaseId).toBe(held.leaseId);
  expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + 50_000 + LEASE_MS)]);
  expect(leaseKey(ID, START + 50_000 + LEASE_MS)).not.toBe(leaseKey(ID, START + LEASE_MS));
});

test("costs one put within a minute: its key stands already, and a monitor puts back what others took", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  await bench.store.delete(leaseKey(ID, START + LEASE_MS));
  bench.pass(1_000);
  await renew(bench, held);
  expect(await bench.keys("leases/")).toEqual([]);
});

test("cannot extend the lease of somebody else, nor one that is over (C-17)", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(LEASE_MS + SKEW_MS + 1);
  await takeOverTask(bench.queue, ID, { workerId: "worker-2", leaseMs: LEASE_MS, handlerMayHaveBegun: () => true });
  const before = await bench.task();
  expect(await renewClaim(bench.queue, held, LEASE_MS)).toEqual({ kind: "lost" });
  expect(await bench.task()).toEqual(before);
  const ended = makeBench();
  const own = await putAndClaim(ended);
  await completeClaim(ended.queue, own, null);
  expect(await renewClaim(ended.queue, own, LEASE_MS)).toEqual({ kind: "lost" });
});

test("extends over a flag that was set meanwhile, and hears of it (C-7, C-13)", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  await cancelTask(bench.queue, ID);
  const renewed = await renew(bench, held);
  expect(renewed.task.cancel_requested).toBe(true);
  expect(await bench.task()).toMatchObject({ cancel_requested: true, status: "running" });
});

test("is renewed once though the reply is lost (C-9)", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(5_000);
  let lost = 0;
  const queue = bench.through({
    put: (key, _body, _condition, send) => (key === taskKey(ID) && (lost += 1) === 1 ? loseReply(send) : send()),
  });
  const renewed = await renew(bench, held, queue);
  expect(renewed.task).toEqual(await bench.task());
  expect(await renewClaim(bench.queue, renewed, LEASE_MS)).toMatchObject({ kind: "renewed" });
});
