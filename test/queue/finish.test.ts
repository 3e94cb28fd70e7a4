/** Ending an attempt under one's own lease. */
import { expect, test } from "vitest";
import { leaseKey, readyKey, taskKey } from "../../src/keys.ts";
import { cancelTask } from "../../src/queue/cancel.ts";
import { type Claim, takeOverTask } from "../../src/queue/claim.ts";
import { completeClaim, failClaim, type FinishOutcome, rescheduleClaim, retryClaim } from "../../src/queue/finish.ts";
import { renewClaim } from "../../src/queue/renew.ts";
import type { QueueContext, TaskRecord } from "../../src/queue/task.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { claim, ID, LEASE_MS, loseReply, makeBench, putAndClaim, SKEW_MS, START } from "./fixtures.ts";

type Finish = (queue: QueueContext, held: Claim) => Promise<FinishOutcome>;

/** Every way to end an attempt, and what it leaves. */
const WAYS: readonly [string, Finish, Partial<TaskRecord>][] = [
  ["complete", (queue, held) => completeClaim(queue, held, { ok: 1 }), { status: "completed", output: { ok: 1 } }],
  ["fail", (queue, held) => failClaim(queue, held, "broken"), { status: "failed", last_error: "broken" }],
  [
    "retry",
    (queue, held) => retryClaim(queue, held, "again", 2_000),
    { status: "pending", retry_count: 1, last_error: "again" },
  ],
  [
    "reschedule",
    (queue, held) => rescheduleClaim(queue, held, 2_000),
    { status: "pending", reschedule_count: 1, retry_count: 0, last_error: null },
  ],
];
const RELEASED = { lease_id: null, lease_expires_at: null, worker_id: null, attempt: 1 };

test.each(WAYS)("%s releases the lease and says when", async (_way, finish, left) => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(1_000);
  expect(await finish(bench.queue, held)).toEqual({ kind: "finished" });
  const at = formatInstant(START + 1_000);
  expect(await bench.task()).toMatchObject({ ...left, ...RELEASED, updated_at: at });
  if (left.status === "pending") {
    expect(await bench.task()).toMatchObject({ available_at: formatInstant(START + 3_000), completed_at: null });
    expect(await bench.keys("ready/")).toEqual([readyKey(ID, START + 3_000)]);
    // It is the token until the ready key is claimed: a late DELETE of the old ready key may still take the new one.
    expect(await bench.keys("leases/")).toEqual([leaseKey(ID, START + LEASE_MS)]);
  } else {
    expect(await bench.task()).toMatchObject({ completed_at: at, available_at: formatInstant(START) });
    expect([...(await bench.keys("ready/")), ...(await bench.keys("leases/"))]).toEqual([]);
  }
});

test.each(WAYS)("%s is not lost when a flag is set between the claim and the end (C-7)", async (_way, finish, left) => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  expect(await cancelTask(bench.queue, ID)).toEqual({ kind: "requested" });
  expect(await finish(bench.queue, held)).toEqual({ kind: "finished" });
  expect(await bench.task()).toMatchObject({ ...left, ...RELEASED, cancel_requested: true });
});

test.each(WAYS)(
  "%s works with the claim of before an extension, and leaves no lease key of either (C-12)",
  async (_way, finish, left) => {
    const bench = makeBench();
    const held = await putAndClaim(bench);
    bench.pass(29_000);
    const first = await renewClaim(bench.queue, held, LEASE_MS);
    bench.pass(29_000);
    if (first.kind === "renewed") await renewClaim(bench.queue, first.claim, LEASE_MS);
    const extended = leaseKey(ID, START + 58_000 + LEASE_MS);
    expect(await bench.keys("leases/")).toEqual([extended]);
    expect(await finish(bench.queue, held)).toEqual({ kind: "finished" });
    expect(await bench.task()).toMatchObject({ ...left, ...RELEASED });
    expect(await bench.keys("leases/")).toEqual(left.status === "pending" ? [extended] : []);
  },
);

test.each(WAYS)("%s changes nothing under somebody else's lease, nor twice", async (_way, finish) => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  bench.pass(LEASE_MS + SKEW_MS + 1);
  await takeOverTask(bench.queue, ID, { workerId: "w", leaseMs: LEASE_MS, handlerMayHaveBegun: () => true });
  const before = await bench.task();
  expect(await finish(bench.queue, held)).toEqual({ kind: "lost" });
  expect(await bench.task()).toEqual(before);
  expect(await bench.keys("leases/")).toContain(leaseKey(ID, START + LEASE_MS + SKEW_MS + 1 + LEASE_MS));

  const twice = makeBench();
  const own = await putAndClaim(twice);
  await finish(twice.queue, own);
  const ended = await twice.task();
  twice.pass(1_000);
  expect(await finish(twice.queue, own)).toEqual({ kind: "lost" });
  expect(await twice.task()).toEqual(ended);
});

test.each(WAYS)("%s counts as done once when the reply is lost (C-9)", async (_way, finish, left) => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  let sent = 0;
  const queue = bench.through({
    put: (key, _body, _condition, send) => {
      if (key !== taskKey(ID)) return send();
      sent += 1;
      return loseReply(send);
    },
  });
  expect(await finish(queue, held)).toEqual({ kind: "finished" });
  expect(sent).toBe(1);
  expect(await bench.task()).toMatchObject({ ...left, ...RELEASED });
  expect(await bench.keys("ready/")).toHaveLength(left.status === "pending" ? 1 : 0);
});

test("writes nothing that buquet cannot read: half a character in an error, an output that is undefined (C-8)", async () => {
  const bench = makeBench();
  await failClaim(bench.queue, await putAndClaim(bench), 'cut \ud83d \\ud83d "\ude00\ud83d\ude00"');
  const read = await bench.store.get(taskKey(ID));
  const body = read.kind === "found" ? read.object.body : "";
  expect(body).toContain('"last_error":"cut \\ufffd \\\\ud83d \\"\\ufffd\u{1f600}\\""');
  const other = makeBench();
  await completeClaim(other.queue, await putAndClaim(other), undefined);
  expect(await other.store.get(taskKey(ID))).toMatchObject({
    object: { body: expect.stringContaining('"output":null,') as string },
  });
});

test("reschedules as often as the task allows and then fails it", async () => {
  const bench = makeBench();
  let held = await putAndClaim(bench, { maxReschedules: 2 });
  for (const count of [1, 2]) {
    await rescheduleClaim(bench.queue, held, 0);
    expect(await bench.task()).toMatchObject({ status: "pending", reschedule_count: count });
    held = await claim(bench);
  }
  expect(await rescheduleClaim(bench.queue, held, 0)).toEqual({ kind: "finished" });
  expect(await bench.task()).toMatchObject({
    status: "failed",
    reschedule_count: 2,
    last_error: "Max reschedules (2) exceeded",
    completed_at: formatInstant(START),
    available_at: formatInstant(START),
  });
  expect([...(await bench.keys("ready/")), ...(await bench.keys("leases/"))]).toEqual([]);
});

test("reschedules without limit when the task names none", async () => {
  const bench = makeBench();
  let held = await putAndClaim(bench);
  for (let count = 1; count <= 20; count += 1) {
    await rescheduleClaim(bench.queue, held, 0);
    held = await claim(bench);
  }
  expect(held.task).toMatchObject({ reschedule_count: 20, attempt: 21, retry_count: 0 });
});

test("ends a task that is gone without making it again", async () => {
  const bench = makeBench();
  const held = await putAndClaim(bench);
  await bench.store.delete(taskKey(ID));
  expect(await completeClaim(bench.queue, held, null)).toEqual({ kind: "lost" });
  expect(await bench.keys("tasks/")).toEqual([]);
});
