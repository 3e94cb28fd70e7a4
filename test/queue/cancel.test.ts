/** Calling a task off from outside. */
import { expect, test } from "vitest";
import { taskKey } from "../../src/keys.ts";
import { cancelTask } from "../../src/queue/cancel.ts";
import { completeClaim, retryClaim } from "../../src/queue/finish.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { claim, ID, loseReply, makeBench, makeGate, put, putAndClaim, START } from "./fixtures.ts";

test("cancels a pending task and takes it off the index, parked or not", async () => {
  for (const availableAt of [START, START + 86_400_000]) {
    const bench = makeBench();
    await put(bench, { availableAt, ownOnly: true });
    bench.pass(1_000);
    expect(await cancelTask(bench.queue, ID, { reason: "no", by: "bob" })).toEqual({ kind: "cancelled" });
    const at = formatInstant(START + 1_000);
    expect(await bench.task()).toMatchObject({
      status: "cancelled",
      last_error: "no",
      cancelled_by: "bob",
      cancelled_at: at,
      updated_at: at,
      completed_at: null,
    });
    expect(await bench.keys("")).toEqual([taskKey(ID)]);
  }
});

test("cancels a task that waits for its next attempt", async () => {
  const bench = makeBench();
  await retryClaim(bench.queue, await putAndClaim(bench), "again", 30_000);
  expect(await cancelTask(bench.queue, ID)).toEqual({ kind: "cancelled" });
  expect(await bench.task()).toMatchObject({ status: "cancelled", last_error: "again", retry_count: 1 });
  expect(await bench.keys("ready/")).toEqual([]);
});

test("asks the worker of a running task to stop, and no more", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  expect(await cancelTask(bench.queue, ID)).toEqual({ kind: "requested" });
  expect(await bench.task()).toEqual({ ...held.task, cancel_requested: true });
});

test("is the same twice, and says what stands in the way", async () => {
  const bench = makeBench();
  expect(await cancelTask(bench.queue, ID)).toEqual({ kind: "missing" });
  expect(await cancelTask(bench.queue, "not-a-uuid")).toEqual({ kind: "missing" });
  const held = await putAndClaim(bench);
  await cancelTask(bench.queue, ID);
  expect(await cancelTask(bench.queue, ID)).toEqual({ kind: "requested" });
  await completeClaim(bench.queue, held, null);
  expect(await cancelTask(bench.queue, ID)).toEqual({ kind: "over", status: "completed" });
  const other = makeBench();
  await put(other);
  await cancelTask(other.queue, ID, { reason: "first" });
  const before = await other.task();
  other.pass(1_000);
  expect(await cancelTask(other.queue, ID.toUpperCase(), { reason: "second" })).toEqual({ kind: "cancelled" });
  expect(await other.task()).toEqual(before);
});

test("finds the task running when a claimer was faster, and cancelled when its own reply was lost", async () => {
  const bench = makeBench();
  await put(bench);
  const gate = makeGate();
  const slow = bench.through({
    put: async (_key, _body, _condition, send) => {
      await gate.stand();
      return send();
    },
  });
  const wish = cancelTask(slow, ID);
  await gate.reached;
  await claim(bench);
  gate.open();
  expect(await wish).toEqual({ kind: "requested" });
  expect(await bench.task()).toMatchObject({ status: "running", cancel_requested: true });

  const other = makeBench();
  await put(other);
  const lost = other.through({ put: (_key, _body, _condition, send) => loseReply(send) });
  expect(await cancelTask(lost, ID)).toEqual({ kind: "cancelled" });
  expect(await other.keys("ready/")).toEqual([]);
});
