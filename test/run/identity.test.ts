/** What an object says of itself is believed only at the key that it names. */
import { expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { type RunView, workflow, WorkflowError } from "../../src/index.ts";
import { planKey, signalKey, stateKey, typeKey } from "../../src/keys.ts";
import { createTask } from "../../src/queue/submit.ts";
import { idempotencyCodec } from "../../src/queue/idempotency.ts";
import { taskCodec } from "../../src/queue/task.ts";
import { workerCodec } from "../../src/queue/workers.ts";
import { signalCodec } from "../../src/run/inbox.ts";
import { recordCodec } from "../../src/run/record/codec.ts";
import { listAnnouncements, announcementCodec } from "../../src/programs/announcements.ts";
import { commandTick } from "../../src/run/wakeups/command.ts";
import { StoredPrograms } from "../../src/programs/stored-programs.ts";
import type { Codec } from "../../src/store/document.ts";
import { errorOf } from "../client/setup.ts";
import { goldenObject } from "../golden.ts";
import { stored } from "../stored.ts";

const host = nodeHost();
const undone: string[] = [];
const order = workflow("order")
  .step("pay", { run: () => "paid", compensate: (ctx) => void undone.push(ctx.runId) })
  .step("wait", { dependsOn: ["pay"], run: async (ctx) => (await ctx.waitForSignal("go")) ?? null });

test("a cancel of a copied run touches neither the copy nor the run that it was copied from", async () => {
  undone.length = 0;
  await using kit = await createTestKit({ workflows: [order] });
  const run = await kit.client.start(order, null, { id: "A" });
  await kit.until(run, "waiting_signal");
  for (const { key } of (await kit.store.list("workflow/A/")).objects) {
    const read = await kit.store.get(key);
    if (read.kind === "found") await kit.store.put(key.replace("/A/", "/B/"), read.object.body, "always");
  }
  const before = await kit.store.get(stateKey("A"));
  for (const ask of [
    () => kit.client.cancel("B"),
    () => kit.client.terminate("B"),
    () => kit.client.retry("B"),
    () => kit.client.skip("B", "wait"),
    () => kit.client.signal("B", "go", 1),
    () => kit.client.get("B"),
    () => kit.client.explain("B"),
    () => kit.client.next("B"),
    () => kit.client.start("order", null, { id: "B" }),
  ]) {
    const error = await errorOf(ask());
    expect(error).toBeInstanceOf(WorkflowError);
    expect(error).toMatchObject({ code: "data", message: expect.stringContaining(stateKey("A")) });
    expect(error.message).toContain(stateKey("B"));
  }
  const cancelled = [];
  for await (const result of kit.client.bulk({ type: "cancel" }, { prefix: "B" })) cancelled.push(result);
  expect(cancelled).toMatchObject([{ id: "B", outcome: "failed", error: expect.stringContaining(stateKey("A")) }]);
  await kit.idle();
  expect(await kit.store.get(stateKey("A"))).toEqual(before);
  expect(undone).toEqual([]);
  await kit.client.signal("A", "go", 1);
  expect(await run.result()).toEqual({ wait: 1 });
});

test("a worker that is told to cancel a copied run leaves it and the other alone", async () => {
  await using kit = await createTestKit({ workflows: [order] });
  const run = await kit.client.start(order, null, { id: "A" });
  await kit.until(run, "waiting_signal");
  const read = await kit.store.get(stateKey("A"));
  if (read.kind === "found") await kit.store.put(stateKey("B"), read.object.body, "always");
  const now = await kit.store.get(stateKey("B"));
  const command = { type: "cancel", compensate: true } as const;
  const queue = { store: kit.store, host: host, skewMarginMs: 0 };
  await createTask(queue, commandTick.task({ id: "B", type: "order" }, { id: "c", command, at: 1 }));
  await kit.clock.advance("2m");
  expect(await kit.store.get(stateKey("B"))).toEqual(now);
  expect((await kit.client.get("A")).status).toBe("waiting_signal");
  expect(undone).toEqual([]);
});

const goldens: readonly (readonly [string, Codec<never>, string, string])[] = [
  ["a task", taskCodec as never, "tasks", "pending-plain"],
  ["a registration", workerCodec as never, "workers", "registered"],
  ["an idempotency record", idempotencyCodec as never, "idempotency", "task-type"],
  ["a signal", signalCodec as never, "signals", "client-signal"],
  ["a run record", recordCodec as never, "workflow-state", "started"],
];

test.each(goldens)("%s that was copied to another key is refused with both keys", (_what, codec, folder, name) => {
  const { key, body } = goldenObject(folder, name);
  codec.decode(body, key);
  const other = key.replace(/[0-9a-z](?=[^0-9a-z]*\.json$|\/state\.json$)/u, (last) => (last === "0" ? "1" : "0"));
  expect(other).not.toBe(key);
  expect(() => codec.decode(body, other)).toThrow(
    expect.objectContaining({ code: "data", message: expect.stringContaining(`${other} says that it is ${key}`) }),
  );
});

test("a signal counts under its own name alone, and a run of any id may be signalled", () => {
  const segment = "2026-01-01T00:00:00+00:00_0dbf277c-c687-4ed6-b549-e2a0fb4c2d2a.json";
  const body = signalCodec.encode({ id: segment.slice(-41, -5), name: "go", payload: stored(1), created_at: "x" });
  expect(signalCodec.decode(body, signalKey("a b", "go", segment)).payload.read()).toBe(1);
  expect(() => signalCodec.decode(body, signalKey("a b", "stop", segment))).toThrow("says that it is");
});

test("a plan, the name of a workflow and the announcement of a worker count under their own keys alone", async () => {
  await using kit = await createTestKit({ workflows: [order] });
  await kit.client.start(order);
  await kit.idle();
  const programs = new StoredPrograms(kit.store, host, []);
  const copy = async (from: string, to: string): Promise<void> => {
    const read = await kit.store.get(from);
    if (read.kind === "found") await kit.store.put(to, read.object.body, "always");
  };
  await copy(planKey(order.planHash), planKey("sha256:0"));
  expect(await errorOf(programs.byHash("sha256:0"))).toMatchObject({
    code: "data",
    message: expect.stringContaining(planKey(order.planHash)),
  });
  await copy(typeKey("order"), typeKey("refund"));
  expect(await errorOf(programs.byName("refund"))).toMatchObject({
    code: "data",
    message: expect.stringContaining(typeKey("order")),
  });
  const body = announcementCodec.encode({ worker_id: "w", seen_at: 1_000, workflows: [] });
  await kit.store.put("x-workflow/serving/v.json", body, "always");
  const told: string[] = [];
  const seen = await listAnnouncements(kit.store, 1_000, ({ message }) => void told.push(message));
  expect(seen.map(({ worker_id }) => worker_id)).not.toContain("w");
  expect(told).toEqual([expect.stringContaining("x-workflow/serving/v.json says that it is")]);
});

test("list passes over what cannot be read and tells of it; by default in the log", async () => {
  await using kit = await createTestKit({ workflows: [order] });
  for (const id of ["a", "b", "c"]) await kit.client.start(order, null, { id });
  await kit.idle();
  await kit.store.put(stateKey("b"), "[".repeat(100_000), "always");
  const told: string[] = [];
  const ids = async (views: AsyncIterable<RunView>): Promise<string[]> => {
    const seen = [];
    for await (const { id } of views) seen.push(id);
    return seen;
  };
  expect(await ids(kit.client.list({ onUnreadable: (id, error) => void told.push(`${id} ${error.code}`) }))).toEqual([
    "a",
    "c",
  ]);
  expect(told).toEqual(["b data"]);
  expect(await ids(kit.client.list())).toEqual(["a", "c"]);
});
