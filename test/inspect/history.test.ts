/** A run's history: one frame for each version of its record, whatever stands there, and cheap to follow. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type GetOutcome,
  meterStore,
  type ObjectStore,
  FileStore,
  RunNotFoundError,
  usageSince,
  WorkflowError,
} from "../../src/index.ts";
import { nodeHost } from "../../src/host/node.ts";
import { planKey, stateKey } from "../../src/keys.ts";
import { createTestKit, MemoryStore, type TestKit } from "../../src/testing/index.ts";
import { detailsOf, follow, read, slow, trip } from "./runs.ts";

const START = Date.UTC(2026, 0, 1);

type Json = Record<string, unknown>;

/** Bodies of all versions of a record, oldest first. */
async function bodiesOf(store: ObjectStore, id: string): Promise<Json[]> {
  const versions = (await store.versions(stateKey(id))).toReversed();
  return Promise.all(
    versions.map(async ({ versionId }) => {
      const got = await store.getVersion(stateKey(id), versionId);
      return JSON.parse(got.kind === "found" ? got.object.body : "null") as Json;
    }),
  );
}

const machineOf = (body: Json | undefined): Json => body?.["machine"] as Json;

/** A run of the trip to its end, and its id. */
async function travel(kit: TestKit): Promise<string> {
  const run = await kit.client.start(trip);
  await kit.until(run, "waiting_signal");
  await kit.clock.advance("1m");
  await run.signal("answer", { yes: true });
  await run.wait();
  return run.id;
}

/** The store with something between; what is not named goes through. */
function between(store: ObjectStore, change: Partial<ObjectStore>): ObjectStore {
  return {
    url: store.url,
    capabilities: store.capabilities,
    get: (...words) => store.get(...words),
    put: (...words) => store.put(...words),
    delete: (...words) => store.delete(...words),
    list: (...words) => store.list(...words),
    versions: (...words) => store.versions(...words),
    getVersion: (...words) => store.getVersion(...words),
    time: () => store.time(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    ...change,
  };
}

describe("a timeline", () => {
  test("has a frame for each write, with what the write stored", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const id = await travel(kit);
    const timeline = await read(kit.store, id);
    expect(timeline).toMatchObject({ id, plan: trip.plan, notes: [] });
    const bodies = await bodiesOf(kit.store, id);
    expect(timeline.frames.map(({ snapshot }) => snapshot)).toEqual(bodies.map((body) => machineOf(body)["snapshot"]));
    expect(timeline.frames.map(({ status }) => status)).toEqual(bodies.map(({ status }) => status));
    const versions = (await kit.store.versions(stateKey(id))).map(({ versionId }) => versionId).toReversed();
    expect(timeline.frames.map(({ version }) => version)).toEqual(versions);
    expect(timeline.frames.map(({ events }) => events.join("; "))).toEqual([
      "created",
      "started",
      "quote completed",
      "book flight completed",
      "book_hotel completed",
      "confirm waits for a signal",
      "signal answer was taken",
      "confirm completed",
      "pay, attempt 1: PermanentError: the card is empty; pay failed",
      "book flight was undone",
      "book_hotel was undone",
    ]);
    expect(timeline.frames.map(({ applied }) => applied?.map(({ type }) => type).join())).toEqual([
      "xstate.init",
      "start",
      "step.done",
      "step.done",
      "step.done",
      "step.waiting",
      "signal.received",
      "step.done",
      "step.failed",
      "undo.done",
      "undo.done",
    ]);
    expect(timeline.frames.map(({ at }) => (at ?? 0) - START)).toEqual([0, 0, 0, 0, 0, 0, ...Array(5).fill(60_000)]);
  });

  test("shows steps, waits, timers, what a handler was given, who holds and who wrote", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const id = await travel(kit);
    const { frames } = await read(kit.store, id);
    const bodies = await bodiesOf(kit.store, id);
    const asked = detailsOf(frames[5]);
    expect(Object.keys(asked.steps)).toEqual(["quote", "book flight", "book_hotel", "confirm", "pay"]);
    expect(asked.steps["book flight"]).toMatchObject({ phase: "completed", attempt: 1, result: { seat: "1A" } });
    expect(asked.steps["confirm"]).toMatchObject({ phase: "waiting" });
    expect(asked.steps["pay"]).toEqual({ phase: "pending", attempt: 0 });
    const until = "2026-01-01T01:00:00+00:00";
    expect(asked.waits).toEqual([{ signal: "answer", step: "confirm", until }]);
    expect(asked.timers).toEqual([{ timer: "deadline", step: "confirm", dueAt: until }]);
    const given = detailsOf(frames[6]);
    expect(given.given).toEqual([
      { step: "confirm", signals: [{ signal: "answer", id: expect.any(String), payload: { yes: true } }] },
    ]);
    expect(Object.keys(given.taken)).toEqual(["answer"]);
    expect(given.steps["confirm"]).toMatchObject({ phase: "running", wake: 1 });
    const undoing = detailsOf(frames[8]);
    expect(undoing).toMatchObject({ outcome: "failed", error: { message: "PermanentError: the card is empty" } });
    expect(undoing.steps["pay"]).toMatchObject({
      phase: "failed",
      outcome: "never",
      error: "PermanentError: the card is empty",
    });
    expect(undoing.steps["book_hotel"]).toMatchObject({ phase: "completed", undo: "running" });
    const { by } = machineOf(bodies[8])["write"] as { by: string };
    expect(undoing.writtenBy).toBe(by);
    expect(undoing.executions).toMatchObject([
      { kind: "undo", step: "book flight", owner: `${by} attempt 1` },
      { kind: "undo", step: "book_hotel", owner: null },
    ]);
    expect(undoing.outbox).toContainEqual({ id: "create:undo:book_hotel:1:0", by });
    expect(detailsOf(frames[10]).steps["book_hotel"]).toMatchObject({ undo: "done" });
  });

  test("shows delays and signal nodes with the instants at which they are due", async () => {
    await using kit = await createTestKit({ workflows: [slow] });
    const run = await kit.client.start(slow);
    await kit.idle();
    const delayed = detailsOf((await read(kit.store, run.id)).frames.at(-1));
    expect(delayed.steps["first"]).toMatchObject({ phase: "delaying" });
    expect(delayed.timers).toEqual([{ timer: "delay", step: "first", dueAt: "2026-01-01T00:05:00+00:00" }]);
    await kit.until(run, "waiting_signal");
    const { frames } = await read(kit.store, run.id);
    const began = new Date(frames.at(-1)?.at ?? 0).toISOString().slice(0, 10);
    expect(detailsOf(frames.at(-1)).waits).toMatchObject([{ signal: "go", step: "go" }]);
    expect(detailsOf(frames.at(-1)).waits[0]?.until).toContain(began);
    expect(frames.flatMap(({ events }) => events)).toContain("the delay of first is over");
  });

  test("calls a step terminated that was not over when its run was terminated", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const run = await kit.client.start(trip);
    await kit.until(run, "waiting_signal");
    await run.terminate();
    await run.wait();
    const { steps } = detailsOf((await read(kit.store, run.id)).frames.at(-1));
    expect(Object.values(steps).map(({ phase }) => phase)).toEqual([
      "completed",
      "completed",
      "completed",
      "terminated",
      "terminated",
    ]);
  });

  test("keeps equal parts of frames once", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const { frames } = await read(kit.store, await travel(kit));
    const [a, b] = [detailsOf(frames[9]), detailsOf(frames[10])];
    expect(b.steps["quote"]).toBe(a.steps["quote"]);
    expect(b.steps["book_hotel"]).not.toBe(a.steps["book_hotel"]);
  });

  test("holds nothing of the process", async () => {
    process.env["AWS_SECRET_ACCESS_KEY"] = "do-not-tell-7d1c";
    try {
      await using kit = await createTestKit({ workflows: [trip] });
      expect(JSON.stringify(await read(kit.store, await travel(kit)))).not.toContain("do-not-tell-7d1c");
    } finally {
      delete process.env["AWS_SECRET_ACCESS_KEY"];
    }
  });

  test("is not there for a run that never was, or an id that cannot be", async () => {
    for (const versions of [true, false]) {
      const store = new MemoryStore({ clock: nodeHost().clock, versions });
      await expect(read(store, "nobody")).rejects.toThrow(RunNotFoundError);
    }
    const store = new MemoryStore({ clock: nodeHost().clock });
    await expect(read(store, "a/b")).rejects.toThrow("it holds a slash");
  });
});

describe("what others left", () => {
  test("a foreign write, garbage, a newer layout and a delete are frames that say so", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const id = await travel(kit);
    const key = stateKey(id);
    const bodies = await bodiesOf(kit.store, id);
    const [, , third = {}] = bodies;
    const { machine, ...plain } = third;
    const steps = { ...(plain["steps"] as Json), "book flight": { status: "failed", attempt: 1 } };
    await kit.store.put(key, JSON.stringify({ ...plain, status: "paused", steps }), "always");
    await kit.store.put(key, JSON.stringify(third), "always");
    await kit.store.put(key, JSON.stringify({ ...third, status: "paused" }), "always");
    await kit.store.put(key, "<html>not a record", "always");
    await kit.store.put(
      key,
      JSON.stringify({ ...third, status: "paused", machine: { ...(machine as Json), layout: 99 } }),
      "always",
    );
    await kit.store.put(
      key,
      JSON.stringify({ ...third, machine: { ...(machine as Json), snapshot: { status: "active", value: "nowhere" } } }),
      "always",
    );
    await kit.store.delete(key);
    const timeline = await read(kit.store, id);
    const last = timeline.frames.slice(bodies.length);
    expect(last).toHaveLength(7);
    const [foreign, whole, kept, garbage, newer, odd, deleted] = last;
    expect(foreign).toMatchObject({
      status: "paused",
      snapshot: null,
      events: expect.arrayContaining(["another program: paused", "another program: book flight failed"]),
      note: expect.stringContaining("dropped the machine"),
    });
    expect(detailsOf(foreign).steps["book flight"]).toEqual({ phase: "failed", attempt: 1 });
    expect(whole).toMatchObject({ events: ["quote completed"], status: "running" });
    expect(whole?.snapshot).toEqual(timeline.frames[2]?.snapshot);
    expect(kept).toMatchObject({ events: ["another program: paused"], status: "paused" });
    expect(garbage).toMatchObject({ status: "paused", snapshot: null, details: {} });
    expect(garbage?.events[0]).toMatch(/^cannot be read: /);
    expect(newer).toMatchObject({ status: "paused", snapshot: null });
    expect(newer?.note).toContain("update this program");
    expect(odd).toMatchObject({ snapshot: null, note: expect.stringContaining("does not fit its plan") });
    expect(detailsOf(odd).steps["quote"]).toMatchObject({ phase: "completed" });
    expect(deleted).toMatchObject({ events: ["deleted"], snapshot: null });
    expect(timeline.plan).toEqual(trip.plan);
  });

  test("a run that begins with garbage, or is nothing else, is shown all the same", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const key = stateKey("odd");
    await kit.store.put(key, "[", "always");
    const timeline = await read(kit.store, "odd");
    expect(timeline.frames).toMatchObject([{ status: "pending", snapshot: null }]);
    expect(timeline.plan.steps).toEqual([]);
    expect(timeline.notes?.[0]).toContain("no version of the run can be read");
  });

  test("without its plan a run is shown with the steps that it names; with the definition at hand, whole", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const id = await travel(kit);
    const key = planKey(trip.planHash);
    await kit.store.delete(key);
    const bare = await read(kit.store, id);
    expect(bare.plan.steps.map(({ name }) => name).toSorted()).toEqual(
      trip.plan.steps.map(({ name }) => name).toSorted(),
    );
    expect(bare.notes).toEqual([expect.stringContaining(`the bucket has no plan ${trip.planHash}`)]);
    expect(bare.frames.every(({ snapshot, note }) => snapshot === null && note !== undefined)).toBe(true);
    expect(detailsOf(bare.frames.at(-1)).steps["book_hotel"]).toMatchObject({ result: { room: 7 } });
    expect(await read(kit.store, id, [trip])).toMatchObject({ plan: trip.plan, notes: [] });
    await kit.store.put(key, '{"plan":7}', "always");
    expect((await read(kit.store, id)).notes).toEqual([expect.stringContaining("is not a plan that can be read")]);
  });

  test("the record of another program, which never had a machine, is shown by its workflow's name", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    await travel(kit);
    const at = "2026-01-01T00:00:00+00:00";
    const body = {
      id: "f",
      type: "trip",
      status: "running",
      steps: { quote: { status: "running", attempt: 1 } },
      created_at: at,
      updated_at: at,
    };
    await kit.store.put(stateKey("f"), JSON.stringify(body), "always");
    const timeline = await read(kit.store, "f");
    expect(timeline.plan).toEqual(trip.plan);
    expect(timeline.frames).toMatchObject([{ at: START, status: "running", events: ["another program: running"] }]);
  });
});

describe("a store", () => {
  test("without versions gives what is there now, and says so; who follows collects what is seen", async () => {
    const host = nodeHost();
    const store = new MemoryStore({ clock: host.clock, versions: false });
    await using kit = await createTestKit({ workflows: [trip] });
    const bodies = await bodiesOf(kit.store, await travel(kit));
    const id = String(bodies[0]?.["id"]);
    const key = stateKey(id);
    await store.put(key, JSON.stringify(bodies[1]), "always");
    const next = follow(store, id);
    const first = await next();
    expect(first.frames).toMatchObject([{ status: "running", events: ["started"] }]);
    expect(first.notes?.[0]).toContain("memory: keeps no versions");
    expect(await next()).toBe(first);
    await store.put(key, JSON.stringify(bodies[8]), "always");
    const second = await next();
    expect(second.frames.map(({ status }) => status)).toEqual(["running", "compensating"]);
    expect(second.frames[0]).toBe(first.frames[0]);
    await store.delete(key);
    expect((await next()).frames.at(-1)).toMatchObject({ events: ["deleted"] });
  });

  test("that keeps only the newest versions is told of", async () => {
    const folder = await mkdtemp(join(tmpdir(), "buquet-history-"));
    try {
      const store = await FileStore.open(folder, { host: nodeHost(), versions: 20 });
      await using kit = await createTestKit({ workflows: [trip] });
      const [first = {}, second = {}] = await bodiesOf(kit.store, await travel(kit));
      const id = String(first["id"]);
      await store.put(stateKey(id), JSON.stringify(first), "always");
      expect((await read(store, id, [trip])).notes).toEqual([]);
      for (let index = 0; index < 30; index += 1) {
        const updated_at = `2026-01-01T00:00:${index + 10}+00:00`;
        await store.put(stateKey(id), JSON.stringify({ ...second, updated_at }), "always");
      }
      const timeline = await read(store, id, [trip]);
      expect(timeline.frames.length).toBeLessThan(31);
      expect(timeline.notes).toEqual([expect.stringContaining(`began at ${String(first["created_at"])}`)]);
      expect(timeline.frames.at(-1)?.at).toBe(START + 39_000);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("with thousands of versions is asked for a few at once, each once", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const [, template = {}] = await bodiesOf(kit.store, await travel(kit));
    const id = String(template["id"]);
    const write = machineOf(template)["write"] as Json;
    for (let index = 0; index < 2_500; index += 1) {
      const machine = { ...machineOf(template), write: { ...write, id: `w${index}` } };
      await kit.store.put(stateKey(id), JSON.stringify({ ...template, machine }), "always");
    }
    let open = 0;
    let most = 0;
    const metered = meterStore(
      between(kit.store, {
        getVersion: async (key, versionId) => {
          open += 1;
          most = Math.max(most, open);
          await Promise.resolve();
          open -= 1;
          return kit.store.getVersion(key, versionId);
        },
      }),
    );
    const timeline = await read(metered, id);
    expect(timeline.frames).toHaveLength(2_511);
    expect(most).toBe(16);
    expect(metered.usage().requests).toMatchObject({ get: 2, versions: 3, getVersion: 2_511, list: 0, put: 0 });
    // The input, the results and all else that did not change are in memory once.
    expect(new Set(timeline.frames.slice(11).map(({ details }) => details)).size).toBe(1);
  });
});

describe("who follows a run", () => {
  test("pays one GET while nothing happens, and for what is new when something does", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const run = await kit.client.start(trip);
    await kit.until(run, "waiting_signal");
    const metered = meterStore(kit.store);
    const next = follow(metered, run.id);
    const first = await next();
    let before = metered.usage();
    for (let asked = 0; asked < 5; asked += 1) expect(await next()).toBe(first);
    expect(usageSince(before, metered.usage()).requests).toMatchObject({ get: 5, versions: 0, getVersion: 0 });
    await run.signal("answer", { yes: true });
    await run.wait();
    before = metered.usage();
    const second = await next();
    const newCount = second.frames.length - first.frames.length;
    expect(newCount).toBe(5);
    expect(second.frames.slice(0, first.frames.length)).toEqual(first.frames);
    expect(usageSince(before, metered.usage()).requests).toMatchObject({ get: 1, versions: 1, getVersion: newCount });
    expect(second).toEqual(await read(kit.store, run.id));
  });

  test("shares one reading with everybody who asks meanwhile", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const id = await travel(kit);
    const metered = meterStore(kit.store);
    const next = follow(metered, id);
    const [a, b] = await Promise.all([next(), next()]);
    expect(a).toBe(b);
    expect(metered.usage().requests.versions).toBe(1);
  });

  test("loses nothing when the store fails in the middle", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const id = await travel(kit);
    let left = 7;
    const store = between(kit.store, {
      getVersion: async (key, versionId): Promise<GetOutcome> => {
        left -= 1;
        if (left === 0) throw new WorkflowError("unavailable", "the store does not answer");
        return kit.store.getVersion(key, versionId);
      },
    });
    const next = follow(store, id);
    await expect(next()).rejects.toThrow("the store does not answer");
    expect(await next()).toEqual(await read(kit.store, id));
  });

  test("loses nothing when a plan cannot be read in the middle", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const id = await travel(kit);
    let broken = true;
    const store = between(kit.store, {
      get: async (key): Promise<GetOutcome> => {
        if (broken && key === planKey(trip.planHash))
          throw new WorkflowError("unavailable", "the store does not answer");
        return kit.store.get(key);
      },
    });
    const next = follow(store, id);
    await expect(next()).rejects.toThrow("the store does not answer");
    broken = false;
    expect(await next()).toEqual(await read(kit.store, id));
  });

  test("hears of versions that went while they were read", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const id = await travel(kit);
    const [, third] = (await kit.store.versions(stateKey(id))).map(({ versionId }) => versionId);
    const store = between(kit.store, {
      getVersion: async (key, versionId): Promise<GetOutcome> =>
        versionId === third ? { kind: "missing" } : kit.store.getVersion(key, versionId),
    });
    const timeline = await read(store, id);
    expect(timeline.frames).toHaveLength(10);
    expect(timeline.notes).toEqual(["1 more could not be read: the store removed them meanwhile"]);
  });
});
