/**
 * Damaged and hostile objects: mutated golden records and hand-made ones, through every decoder and every reader. Only a `WorkflowError`
 * with code `data` that names the key may come out.
 */
import { expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { handleOf, type ObjectStore, type RunView, workflow, WorkflowClient, WorkflowError } from "../../src/index.ts";
import { stateKey } from "../../src/keys.ts";
import { idempotencyCodec } from "../../src/queue/idempotency.ts";
import { taskCodec } from "../../src/queue/task.ts";
import { workerCodec } from "../../src/queue/workers.ts";
import { readTimeline } from "../../src/inspect/history.ts";
import { signalCodec } from "../../src/run/inbox.ts";
import { recordCodec } from "../../src/run/record/codec.ts";
import { StoredPrograms } from "../../src/programs/stored-programs.ts";
import type { Codec } from "../../src/store/document.ts";
import { createTestKit, MemoryStore, type TestKit } from "../../src/testing/index.ts";
import { parseJson, stringifyJson, toPlain } from "../../src/wire/json.ts";
import { golden } from "../golden.ts";
import { setting } from "../setting.ts";
import { trip } from "../inspect/runs.ts";

const SEED = setting("SEED", 20_261_201);
const MUTATIONS = setting("MUTATIONS", 200);
const host = nodeHost();
const pick = <T>(random: () => number, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;

/** What takes the place of a member, as JSON text. */
const RUBBISH = [
  "null",
  "true",
  "0",
  "-1",
  "1.5",
  "1e300",
  "123456789012345678901234567890",
  '""',
  '"\\ud800"',
  '"__proto__"',
  "[]",
  "{}",
  "[[]]",
  '{"__proto__":{"status":"completed"}}',
  '{"constructor":{"prototype":1}}',
  '{"toJSON":1,"then":2}',
  "[".repeat(127) + "]".repeat(127),
] as const;

interface Spot {
  readonly parent: Record<string, unknown>;
  readonly name: string;
}

function spotsOf(value: unknown, spots: Spot[] = []): Spot[] {
  if (typeof value !== "object" || value === null) return spots;
  for (const [name, member] of Object.entries(value)) {
    spots.push({ parent: value as Record<string, unknown>, name });
    spotsOf(member, spots);
  }
  return spots;
}

/** A body with one or two members replaced, removed, doubled or cut. */
function mutate(random: () => number, body: string): string {
  const value = parseJson(body);
  for (let count = random() < 0.7 ? 1 : 2; count > 0; count -= 1) {
    const spot = pick(random, spotsOf(value));
    if (spot === undefined) return pick(random, RUBBISH);
    if (random() < 0.2) delete spot.parent[spot.name];
    else spot.parent[spot.name] = parseJson(pick(random, RUBBISH));
  }
  const text = stringifyJson(value);
  const kind = random();
  if (kind < 0.04) return text.slice(0, Math.floor(random() * text.length));
  if (kind < 0.06) return `\ufeff${text}`;
  if (kind < 0.08) return `[${text}]`;
  if (kind < 0.1) return text.replace("{", `{${text.slice(1, text.indexOf(","))},`);
  if (kind < 0.12) return text.replace(/"(?=[:,}])/u, "\u0000$&");
  return text;
}

function expectData(error: unknown, key: string, what: string): void {
  const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
  expect(error, `${what}: ${said}`).toBeInstanceOf(WorkflowError);
  expect(error, what).toMatchObject({ code: "data", message: expect.stringContaining(key) });
}

const codecs: readonly (readonly [string, Codec<unknown>])[] = [
  ["tasks", taskCodec as Codec<unknown>],
  ["workers", workerCodec as Codec<unknown>],
  ["idempotency", idempotencyCodec as Codec<unknown>],
  ["signals", signalCodec as Codec<unknown>],
  ["workflow-state", recordCodec as Codec<unknown>],
];

test.each(codecs)(`mutated objects of %s are read or refused as data (seed ${SEED})`, (folder, codec) => {
  const random = seededRandom(SEED);
  const objects = golden(folder);
  for (let round = 0; round < MUTATIONS; round += 1) {
    const { key, body } = pick(() => random.next(), objects);
    const mutated = mutate(() => random.next(), body);
    try {
      const value = codec.decode(mutated, key);
      // What was read can be written, and says the same then.
      expect(codec.encode(codec.decode(codec.encode(value), key))).toBe(codec.encode(value));
    } catch (error) {
      expectData(error, key, mutated.slice(0, 2_000));
    }
  }
});

const asks = workflow("asks")
  .step("pay", { run: () => ({ paid: 1 }), compensate: () => {} })
  .signal("approval", { dependsOn: ["pay"], timeout: "90d" })
  .step("later", { delay: "80d", dependsOn: ["pay"], run: () => 1 })
  .step("hold", {
    dependsOn: ["pay"],
    onFailure: "pause_workflow",
    run: async (ctx) => (await ctx.waitForSignal("go")) ?? null,
  });

const holds = ({ steps }: RunView): boolean => steps["hold"]?.status === "waiting";

/** Bodies of records in many states, from real runs. */
async function recordedBodies(kit: TestKit): Promise<readonly { readonly id: string; readonly body: string }[]> {
  const bodies: { id: string; body: string }[] = [];
  const run = await kit.client.start(asks, { n: 1 }, { id: "asks" });
  await kit.until(run, holds);
  await run.pause();
  await kit.idle();
  await run.resume();
  await run.signal("go", 1);
  await kit.idle();
  await run.cancel();
  await kit.idle();
  await kit.client.start(trip, undefined, { id: "trip" });
  await kit.idle();
  for (const id of ["asks", "trip"]) {
    for (const { versionId } of await kit.store.versions(stateKey(id))) {
      const read = await kit.store.getVersion(stateKey(id), versionId);
      if (read.kind === "found") bodies.push({ id, body: read.object.body });
    }
  }
  return bodies;
}

interface Reader {
  readonly store: ObjectStore;
  readonly client: WorkflowClient;
}

/** A bucket without versions, with the plans of another: a reader of hundreds of damaged records need not read each again. */
async function readerOf(kit: TestKit): Promise<Reader> {
  const store = new MemoryStore({ clock: host.clock, versions: false });
  for (const { key } of (await kit.store.list("x-workflow/")).objects) {
    const read = await kit.store.get(key);
    if (read.kind === "found") await store.put(key, read.object.body, "always");
  }
  return { store, client: new WorkflowClient(handleOf(store, host)) };
}

/** Everything that reads a run without changing it. */
async function readEverything({ store, client }: Reader, id: string): Promise<void> {
  const key = stateKey(id);
  const programs = new StoredPrograms(store, host, []);
  const reads: Readonly<Record<string, () => Promise<unknown>>> = {
    get: () => client.get(id),
    explain: () => client.explain(id),
    next: () => client.next(id),
    timeline: () => readTimeline(store, id, { programs }),
    bulk: async () => {
      for await (const _result of client.bulk({ type: "cancel" }, { prefix: id }, { dryRun: true }));
    },
    list: async () => {
      for await (const _view of client.list({
        prefix: id,
        onUnreadable: (_id, error) => expectData(error, key, "list"),
      }));
    },
  };
  for (const [name, read] of Object.entries(reads)) {
    try {
      await read();
    } catch (error) {
      // What is asked of a run without a machine cannot be answered, and that is said so.
      if (name === "next" && error instanceof WorkflowError && error.code === "unavailable") continue;
      expectData(error, name === "next" && String(error).includes("x-workflow/plans") ? "plans" : key, name);
    }
  }
}

test(`mutated records are read by every command of the client and by the history, or refused as data (seed ${SEED})`, async () => {
  await using kit = await createTestKit({ workflows: [asks, trip] });
  const bodies = await recordedBodies(kit);
  expect(bodies.length).toBeGreaterThan(10);
  const reader = await readerOf(kit);
  const random = seededRandom(SEED);
  for (let round = 0; round < MUTATIONS; round += 1) {
    const { id, body } = pick(() => random.next(), bodies);
    const machine = body.indexOf('"machine":');
    // Most of what is damaged is in the machine: the rest is plain.
    const parsed = parseJson(body) as Record<string, unknown>;
    const mutated =
      machine > 0 && random.next() < 0.7
        ? stringifyJson({
            ...parsed,
            machine: safely(() => parseJson(mutate(() => random.next(), stringifyJson(parsed["machine"])))),
          })
        : mutate(() => random.next(), body);
    await reader.store.put(stateKey(id), mutated, "always");
    await readEverything(reader, id);
  }
});

function safely(make: () => unknown): unknown {
  try {
    return make();
  } catch {
    return "rubbish";
  }
}

test(`workers survive mutated records and leave them as they are or go on (seed ${SEED})`, async () => {
  await using kit = await createTestKit({ workflows: [asks, trip] });
  const bodies = await recordedBodies(kit);
  const random = seededRandom(SEED);
  for (let round = 0; round < MUTATIONS / 10; round += 1) {
    const { id, body } = pick(() => random.next(), bodies);
    await kit.store.put(
      stateKey(id),
      mutate(() => random.next(), body),
      "always",
    );
    await kit.clock.advance("1m");
  }
  const run = await kit.client.start(asks, null, { id: "another" });
  await kit.until(run, holds);
});

test("what is nested 100,000 deep is refused before anything recurses, everywhere", async () => {
  await using kit = await createTestKit({ workflows: [asks] });
  const run = await kit.client.start(asks, null, { id: "deep" });
  await kit.client.start(asks, null, { id: "other" });
  await kit.until(run, holds);
  const read = await kit.store.get(stateKey("deep"));
  const body = read.kind === "found" ? read.object.body : "";
  for (const deep of [
    "[".repeat(100_000) + "]".repeat(100_000),
    '{"a":'.repeat(100_000) + "1.0" + "}".repeat(100_000),
  ]) {
    await kit.store.put(stateKey("deep"), body.replace('"data":null', `"data":${deep}`), "always");
    await readEverything(kit, "deep");
    await expect(kit.client.get("deep")).rejects.toMatchObject({ code: "data", message: /nested deeper than 128/ });
    const value = JSON.parse(deep.replace("1.0", "1")) as unknown;
    await expect(kit.client.start("asks", value)).rejects.toMatchObject({ code: "invalid" });
    await expect(kit.client.signal("other", "go", value)).rejects.toMatchObject({ code: "invalid" });
  }
});

test("brackets in texts are no nesting, and escaped quotes end nothing", () => {
  const text = `{"a":"${"[".repeat(500)}","b\\"[":["\\\\"],"c":"\\\\\\"[{"}`;
  expect(parseJson(text)).toEqual(JSON.parse(text));
});

test("a member twice counts as the last one says, whatever numbers stand beside it", () => {
  expect(toPlain(parseJson('{"a":1,"a":2}'))).toEqual({ a: 2 });
  expect(toPlain(parseJson('{"a":1,"a":2,"n":1.0}'))).toEqual({ a: 2, n: 1 });
});

test("a member named __proto__ is a member like others", () => {
  const text = '{"__proto__":{"x":1.0},"steps":{"__proto__":2}}';
  expect(stringifyJson(parseJson(text))).toBe(text);
  expect(Object.keys(toPlain(parseJson(text)) as object)).toEqual(["__proto__", "steps"]);
});

test("a record with a million wrong entries is refused in few words", () => {
  const body = JSON.stringify({ id: "r", status: "running", current_steps: Array.from({ length: 100_000 }, () => 1) });
  expect(() => recordCodec.decode(body, stateKey("r"))).toThrow(
    expect.objectContaining({ code: "data", message: expect.toSatisfy((text: string) => text.length < 1_500) }),
  );
});
