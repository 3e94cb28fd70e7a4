/** The shapes in buckets that allow less than S3: each ends as it must, and what that costs is bounded. */
import { describe, expect, test } from "vitest";
import { WorkflowClient } from "../../src/client/client.ts";
import { untypedWorkflow } from "../../src/define/workflow.ts";
import { stateKey } from "../../src/keys.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { Worker } from "../../src/services/worker.ts";
import { type BucketLimits, EXPRESS_LIMITS, LimitedBucket, R2_LIMITS } from "../../src/testing/limited-bucket.ts";
import { World } from "./world/index.ts";
import { type History, play, SHAPES } from "./play.ts";

/** Puts and deletes for the run; those of polls, registrations and sweeps come with time and are left out. */
function writesOf(history: History): number {
  return history.world.trace.filter(
    ({ kind, key }) =>
      kind !== "list" && kind !== "get" && !/^(?:workers|x-workflow\/(?:serving|plans|types))\//u.test(key),
  ).length;
}

const stateWrites = (history: History): number =>
  history.world.trace.filter(({ kind, key }) => kind === "put" && key.endsWith("/state.json")).length;

/** `.ci/run` plays every shape; otherwise one of eight. */
const STEP = process.env["CRASHES"] === "all" ? 1 : 8;
// A remote step needs a program that is not there.
const playable = Object.keys(SHAPES).filter((shape) => shape !== "remote");
const shapes = playable.filter((_, index) => index % STEP === 0);

describe.each([false, true])("with steps that may be long: %s", (long) => {
  test("one write of a key a second: three refusals for four writes at most, and no more is written", async () => {
    const all = { writes: 0, refused: 0, stateWrites: 0, free: 0 };
    for (const shape of shapes) {
      const free = await play("limits", { shapes: [shape], long });
      const history = await play("limits", { shapes: [shape], long, limits: R2_LIMITS });
      expect(history.problems, shape).toEqual([]);
      expect(history.refused, shape).toBeLessThanOrEqual(2 * writesOf(history));
      all.writes += writesOf(history);
      all.refused += history.refused;
      all.stateWrites += stateWrites(history);
      all.free += stateWrites(free);
    }
    console.log(`R2, long steps ${long}: ${JSON.stringify(all)}`);
    expect(all.refused).toBeGreaterThan(0);
    expect(all.refused).toBeLessThanOrEqual(0.75 * all.writes);
    // Other times, other histories; in all no run is written more often than it would be without limits.
    expect(all.stateWrites).toBeLessThanOrEqual(1.1 * all.free);
  });

  test("lists without order: not one request more while every folder fits a page", async () => {
    for (const shape of shapes) {
      const free = await play("limits", { shapes: [shape], long, limits: { versions: false } });
      const history = await play("limits", { shapes: [shape], long, limits: EXPRESS_LIMITS });
      expect(history.problems, shape).toEqual([]);
      expect(history.world.counters.total, shape).toBe(free.world.counters.total);
    }
  });
});

/** Sixty short steps at once, twenty at a time. */
async function fan(
  limits: BucketLimits,
): Promise<{ readonly sent: number; readonly refused: number; readonly seconds: number }> {
  const world = new World("fan", { rates: {}, latency: 20 });
  const bucket = new LimitedBucket(limits);
  let definition = untypedWorkflow("fan");
  const process = world.spawn("worker");
  const step = (): Promise<void> => process.host.clock.sleep(50 + process.host.random.next() * 200);
  for (let index = 0; index < 60; index += 1) definition = definition.step(`s${index}`, step);
  const handle = handleOf(bucket.limit(process.store, process.host), process.host);
  const client = new WorkflowClient(handle, { workflows: [definition] });
  const worker = new Worker(handle, { workflows: [definition], concurrency: 20 });
  void worker.start().then(() => client.start("fan", {}, { id: "run" }));
  const isDone = async (): Promise<boolean> => {
    const read = await world.store.get(stateKey("run"));
    return read.kind === "found" && decodeRecord(read.object.body, stateKey("run")).status === "completed";
  };
  expect((await world.run({ until: isDone })).kind).toBe("done");
  const sent = world.trace.filter(({ kind, key }) => kind === "put" && key === stateKey("run"));
  const { refused } = bucket;
  const seconds = ((sent.at(-1)?.sentAt ?? 0) - (sent[0]?.sentAt ?? 0)) / 1_000;
  process.crash();
  return { sent: sent.length, refused, seconds };
}

test("steps that end within a second are written together", async () => {
  const free = await fan({});
  const limited = await fan(R2_LIMITS);
  console.log(`sixty steps at once: ${JSON.stringify({ free, limited })}`);
  expect(limited.sent).toBeLessThanOrEqual(limited.seconds + 1);
  expect(limited.sent).toBeLessThan(free.sent);
  expect(limited.refused).toBeLessThanOrEqual(limited.sent);
});

test("forty workers that start at once where one has started before do not queue for the keys that all of them publish", async () => {
  const world = new World("many", { rates: {}, latency: 20 });
  const bucket = new LimitedBucket(R2_LIMITS);
  const definition = untypedWorkflow("many").step("a", () => 1);
  let started = 0;
  const start = async (name: string): Promise<void> => {
    const { store, host } = world.spawn(name);
    await new Worker(handleOf(bucket.limit(store, host), host), { workflows: [definition], id: name }).start();
    started += 1;
  };
  void start("first");
  await world.run({ until: () => started === 1 });
  for (let index = 0; index < 40; index += 1) void start(`worker-${index}`);
  expect((await world.run({ until: () => started === 41 })).kind).toBe("done");
  expect(bucket.refused).toBe(0);
});
