/** What the fleet costs and how fast it recovers, counted on the virtual clock. */
import { expect, test } from "vitest";
import { WorkflowClient } from "../../src/client/client.ts";
import { handleOf } from "../../src/queue/handle.ts";
import type { AnyWorkflow } from "../../src/define/workflow.ts";
import { workflow } from "../../src/index.ts";
import { stateKey } from "../../src/keys.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { Worker } from "../../src/services/worker.ts";
import { setting, WHOLE } from "../setting.ts";
import { DEFAULT_LEASE_MS } from "../../src/services/worker-options.ts";
import { Chance, mixSeed, type Process, World } from "./world/index.ts";

const RECOVERIES = WHOLE ? 40 : 10;
const PARKED = setting("PARKED", 1_000);
const DAY_MS = 24 * 60 * 60_000;

/** From the kill of the worker inside its handler to the next start of that handler. */
async function measureRecovery(seed: string): Promise<number> {
  const world = new World(seed, { rates: {}, latency: { minMs: 5, maxMs: 60 }, keepTrace: false });
  const starts: { at: number; process: Process }[] = [];
  const spawn = (name: string): void => {
    const process = world.spawn(name);
    const definition = workflow("slow").step("a", async () => {
      starts.push({ at: world.nowMs, process });
      await process.host.clock.sleep(45_000);
    });
    void new Worker(handleOf(process.store, process.host), { workflows: [definition], id: name }).start();
  };
  spawn("worker-1");
  spawn("worker-2");
  const client = world.spawn("client");
  const definition = workflow("slow").step("a", async () => {});
  await world.advance(new Chance(mixSeed(seed, "start")).between(1_000, 60_000));
  void new WorkflowClient(handleOf(client.store, client.host), { workflows: [definition] }).start(
    "slow",
    {},
    { id: "r" },
  );
  await world.run({ until: () => starts.length > 0 });
  await world.advance(new Chance(mixSeed(seed, "kill")).between(0, 44_000));
  const killedAt = world.nowMs;
  starts[0]?.process.crash();
  await world.run({ until: () => starts.length > 1, maxVirtualMs: 600_000 });
  return (starts[1]?.at ?? Number.POSITIVE_INFINITY) - killedAt;
}

test("a killed worker's step runs again within two lease periods", async () => {
  const leases: number[] = [];
  for (let index = 0; index < RECOVERIES; index += 1)
    leases.push((await measureRecovery(`recovery-${index}`)) / DEFAULT_LEASE_MS);
  leases.sort((a, b) => a - b);
  const show = (part: number): string => (leases[Math.floor(part * (leases.length - 1))] ?? 0).toFixed(2);
  console.log(`recovery in lease periods: least ${show(0)}, median ${show(0.5)}, most ${show(1)} of ${RECOVERIES}`);
  expect(leases.at(-1)).toBeLessThanOrEqual(2);
});

function parkedWorkflow(): AnyWorkflow {
  return workflow("parked")
    .signal("answer", { timeout: "30d" })
    .step("tell", { dependsOn: ["answer"], run: () => 1 });
}

/** A bucket in which one run is parked, by a worker that is gone. */
async function parkOne(): Promise<ReadonlyMap<string, string>> {
  const world = new World("park", { rates: {}, versions: false });
  const process = world.spawn("worker");
  void new Worker(handleOf(process.store, process.host), { workflows: [parkedWorkflow()] }).start();
  const client = world.spawn("client");
  void new WorkflowClient(handleOf(client.store, client.host), { workflows: [parkedWorkflow()] }).start(
    "parked",
    {},
    { id: "ID" },
  );
  await world.advance(10_000);
  process.crash();
  const found = await world.store.get(stateKey("ID"));
  expect(found.kind === "found" && decodeRecord(found.object.body, stateKey("ID")).status).toBe("waiting_signal");
  const objects = new Map<string, string>();
  for (let after = ""; ;) {
    const page = await world.store.list("", { after });
    for (const { key } of page.objects) {
      const read = await world.store.get(key);
      if (read.kind === "found") objects.set(key, read.object.body);
    }
    const last = page.objects.at(-1);
    if (!page.truncated || last === undefined) return objects;
    after = last.key;
  }
}

/** Requests of one worker in a day beside so many parked runs, by kind; then a short run is started beside them. */
async function measureDay(parked: number): Promise<{ day: Record<string, number>; run: number }> {
  const world = new World("day", { rates: {}, versions: false, keepTrace: false, latency: 20 });
  const copies: [string, string][] = [];
  for (const [key, body] of await parkOne()) {
    // What belongs to the run is there for each of them; tasks get an id of their own.
    if (!key.includes("ID") && !key.startsWith("tasks/") && !key.includes("/due/")) {
      if (key.includes("plans") || key.includes("types")) copies.push([key, body]);
      continue;
    }
    const task = /[0-9a-f]{8}-[0-9a-f-]{27}/u.exec(key)?.[0];
    for (let index = 0; index < parked; index += 1) {
      const id = `run-${String(index).padStart(6, "0")}`;
      const mine = task === undefined ? "" : `${task.slice(0, 24)}${index.toString(16).padStart(12, "0")}`;
      const swap = (text: string): string =>
        (task === undefined ? text : text.replaceAll(task, mine)).replaceAll("ID", id);
      copies.push([swap(key), swap(body)]);
    }
  }
  copies.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, body] of copies) await world.store.put(key, body, "always");
  const process = world.spawn("worker");
  const short = workflow("short")
    .step("a", () => 1)
    .step("b", { dependsOn: ["a"], run: () => 2 });
  const workflows = [parkedWorkflow(), short];
  void new Worker(handleOf(process.store, process.host), { workflows }).start();
  await world.advance(10_000);
  const before = { ...world.counters.byKind };
  // Its next check comes a day after it was parked.
  await world.advance(DAY_MS - 60_000);
  const day = Object.fromEntries(
    Object.entries(world.counters.byKind).map(([kind, count]) => [
      kind,
      count - (before[kind as keyof typeof before] ?? 0),
    ]),
  );
  const client = world.spawn("client");
  void new WorkflowClient(handleOf(client.store, client.host), { workflows }).start("short", {}, { id: "short" });
  const asked = world.counters.total;
  await world.advance(20_000);
  return { day, run: world.counters.total - asked };
}

test(`${PARKED} parked runs cost no request in a day, and do not slow others`, { timeout: 600_000 }, async () => {
  const none = await measureDay(0);
  const many = await measureDay(PARKED);
  console.log(
    `a worker's day beside ${PARKED} parked runs: ${JSON.stringify(many.day)}; beside none: ${JSON.stringify(none.day)}`,
  );
  expect(many).toEqual(none);
  expect(none.day["list"]).toBeGreaterThan(0);
});

/** From the acknowledged start in another process until the first handler runs, for each of so many starts. */
async function measurePickUp(starts: number): Promise<readonly number[]> {
  const world = new World("pick-up", { rates: {}, latency: { minMs: 5, maxMs: 60 }, keepTrace: false });
  const begun = new Map<string, number>();
  const define = (): AnyWorkflow[] => [
    workflow("short").step("a", (ctx) => {
      begun.set(ctx.runId, world.nowMs);
      return 1;
    }),
  ];
  const worker = world.spawn("worker");
  void new Worker(handleOf(worker.store, worker.host), { workflows: define() }).start();
  const client = world.spawn("client");
  const from = new WorkflowClient(handleOf(client.store, client.host), { workflows: define() });
  const chance = new Chance(mixSeed("pick-up", "starts"));
  const waited: number[] = [];
  for (let index = 0; index < starts; index += 1) {
    await world.advance(chance.between(20_000, 40_000));
    const id = `run-${index}`;
    let startedAt = Number.NaN;
    void from.start("short", null, { id }).then(() => {
      startedAt = world.nowMs;
    });
    await world.run({ until: () => begun.has(id) && !Number.isNaN(startedAt), maxVirtualMs: 60_000 });
    waited.push((begun.get(id) ?? Number.POSITIVE_INFINITY) - startedAt);
  }
  return waited.toSorted((a, b) => a - b);
}

test("one idle worker picks up what another process made ready in 3 s (p50) and 6 s (p99)", async () => {
  const waited = await measurePickUp(500);
  const at = (part: number): number => waited[Math.ceil(part * waited.length) - 1] ?? Number.POSITIVE_INFINITY;
  console.log(
    `picked up after ${at(0.5).toFixed(0)} ms (p50), ${at(0.99).toFixed(0)} ms (p99), ${at(1).toFixed(0)} ms (most) of ${waited.length} starts`,
  );
  expect(at(0.5)).toBeLessThanOrEqual(3_000);
  expect(at(0.99)).toBeLessThanOrEqual(6_000);
});
