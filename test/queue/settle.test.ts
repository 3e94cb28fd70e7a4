/** Tasks of steps that are over, and tasks that must never start again. */
import { expect, test } from "vitest";
import { dueKey, leaseKey, readyKey, taskKey } from "../../src/keys.ts";
import { claimTask } from "../../src/queue/claim.ts";
import { cancelTask } from "../../src/queue/cancel.ts";
import { completeClaim, failClaim, rescheduleClaim, retryClaim } from "../../src/queue/finish.ts";
import { renewClaim } from "../../src/queue/renew.ts";
import { fenceTask, settleTask } from "../../src/queue/settle.ts";
import { createRunningTask } from "../../src/queue/submit.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { claim, ID, LEASE_MS, makeBench, makeGate, put, putAndClaim, SPEC, START } from "./fixtures.ts";

const OUTPUT = { success: true, result: 1, step: "a" };

test("puts the whole task of a short step at once", async () => {
  const bench = makeBench();
  await settleTask(bench.queue, SPEC, { status: "completed", output: OUTPUT });
  const at = formatInstant(START);
  expect(await bench.task()).toMatchObject({ status: "completed", attempt: 1, output: OUTPUT, completed_at: at });
  expect(await bench.keys("")).toEqual([taskKey(ID)]);
});

test.each([
  ["ready", {}],
  ["parked", { availableAt: START + 3_600_000, ownOnly: true }],
])("completes a pending task that is %s and takes it off the index", async (_where, spec) => {
  const bench = makeBench();
  await put(bench, spec);
  await settleTask(bench.queue, SPEC, { status: "completed", output: OUTPUT });
  expect(await bench.task()).toMatchObject({ status: "completed", output: OUTPUT });
  expect(await bench.keys("")).toEqual([taskKey(ID)]);
});

test("leaves a task that runs under somebody else's lease to its holder, and puts its lease key", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  await bench.store.delete(leaseKey(ID, START + LEASE_MS));
  await settleTask(bench.queue, SPEC, { status: "completed", output: OUTPUT });
  expect(await bench.task()).toEqual(held.task);
  expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + LEASE_MS)]);
});

test("changes nothing about a task that is over", async () => {
  const bench = makeBench();
  await failClaim(bench.queue, await putAndClaim(bench), "broken");
  const before = await bench.task();
  bench.pass(1_000);
  await settleTask(bench.queue, SPEC, { status: "completed", output: OUTPUT });
  expect(await bench.task()).toEqual(before);
});

test("fences a task that has no object with a tombstone, which a late put as running meets", async () => {
  const bench = makeBench();
  expect(await fenceTask(bench.queue, SPEC)).toEqual({ kind: "absent" });
  expect(await bench.task()).toMatchObject({ status: "cancelled", attempt: 0, cancelled_at: formatInstant(START) });
  expect(
    await createRunningTask(bench.queue, SPEC, { workerId: "w", leaseMs: LEASE_MS, mayGoOn: () => false }),
  ).toEqual({ kind: "refused" });
});

test("fences a pending task, and says whether it was ever begun", async () => {
  const bench = makeBench();
  await put(bench);
  expect(await fenceTask(bench.queue, SPEC)).toEqual({ kind: "pending", attempt: 0 });
  expect(await bench.task()).toMatchObject({ status: "cancelled" });
  expect(await bench.keys("ready/")).toEqual([]);
  expect(await claimTask(bench.queue, ID, { workerId: "w", leaseMs: LEASE_MS, accepts: () => true })).toEqual({
    kind: "gone",
  });
  const begun = makeBench();
  await retryClaim(begun.queue, await putAndClaim(begun), "again", 0);
  expect(await fenceTask(begun.queue, SPEC)).toEqual({ kind: "pending", attempt: 1 });
});

test("takes a parked task off both indexes when it is fenced", async () => {
  const bench = makeBench();
  await put(bench, { availableAt: START + 3_600_000, ownOnly: true });
  expect(await bench.keys("x-workflow/")).toEqual([dueKey(ID, START + 3_600_000)]);
  await fenceTask(bench.queue, SPEC);
  expect(await bench.keys("")).toEqual([taskKey(ID)]);
});

test("asks the holder of a running task to stop, and waits for its word", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  expect(await fenceTask(bench.queue, SPEC)).toEqual({ kind: "running", attempt: 1 });
  expect(await fenceTask(bench.queue, SPEC)).toEqual({ kind: "running", attempt: 1 });
  expect(await bench.task()).toEqual({ ...held.task, cancel_requested: true });
  expect(await completeClaim(bench.queue, held, OUTPUT)).toEqual({ kind: "finished" });
  expect(await fenceTask(bench.queue, SPEC)).toEqual({ kind: "over", status: "completed", attempt: 1 });
});

test("a holder that gives a task back while it is fenced does not delay it", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  // Somebody asked before, and the holder knows of that: what it finds out says nothing of a later fence.
  await cancelTask(bench.queue, ID);
  const renewed = await renewClaim(bench.queue, held, LEASE_MS);
  if (renewed.kind !== "renewed") expect.fail("it is held");
  const gate = makeGate();
  const slow = bench.through({
    put: async (key, _body, condition, send) => {
      if (key === taskKey(ID) && condition !== "absent") await gate.stand();
      return send();
    },
  });
  const given = rescheduleClaim(slow, renewed.claim, 3_600_000);
  await gate.reached;
  bench.pass(1_000);
  expect(await fenceTask(bench.queue, SPEC)).toEqual({ kind: "running", attempt: 1 });
  gate.open();
  expect(await given).toEqual({ kind: "finished" });
  const { status, available_at } = await bench.task();
  expect(status).toBe("pending");
  expect(Date.parse(available_at)).toBeLessThan(START + 1_000);
});

test("meets a claimer that was faster", async () => {
  const bench = makeBench();
  await put(bench);
  const gate = makeGate();
  const slow = bench.through({
    put: async (key, _body, condition, send) => {
      if (key === taskKey(ID) && condition !== "absent") await gate.stand();
      return send();
    },
  });
  const fence = fenceTask(slow, SPEC);
  await gate.reached;
  await claim(bench);
  gate.open();
  expect(await fence).toEqual({ kind: "running", attempt: 1 });
  expect(await bench.task()).toMatchObject({ status: "running", cancel_requested: true });
  expect(await bench.keys("ready/")).not.toContain(readyKey(ID, START));
});
