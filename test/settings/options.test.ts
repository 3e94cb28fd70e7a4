/** Every object of options, crossed with what no option may be: each is refused by its name where it is given. */
import { expect, test } from "vitest";
import {
  connect,
  createLogger,
  FileStore,
  handleOf,
  meterStore,
  nodeHost,
  openStore,
  untypedWorkflow,
  Worker,
  WorkflowClient,
  WorkflowError,
} from "../../src/index.ts";
import { cost } from "../../src/cost/index.ts";
import { drawWorkflow } from "../../src/draw/index.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import {
  crashEverywhere,
  createTestKit,
  explore,
  LimitedBucket,
  model,
  paths,
  replay,
} from "../../src/testing/index.ts";

const host = nodeHost();
const flow = untypedWorkflow("w").step("a", () => 1);
const workflows = [flow];
const queue = handleOf(new MemoryStore({ clock: host.clock }), host);
const client = new WorkflowClient(queue, { workflows });
const run = await client.start("w", null, { id: "run" });

async function drain(seen: AsyncIterable<unknown>): Promise<void> {
  for await (const _one of seen);
}

/** Who takes options, as users call it. */
const ENTRANCES: Readonly<Record<string, (options: never) => unknown>> = {
  connect: (options) => connect("memory:", options),
  openStore: (options) => openStore("memory:", host, options),
  handleOf: (options) => handleOf(queue.context.store, host, options),
  Worker: (options) => new Worker(queue, { workflows, ...(options as object) }),
  WorkflowClient: (options) => new WorkflowClient(queue, options),
  start: (options) => client.start("w", null, options),
  get: (options) => client.get("run", options),
  exists: (options) => client.exists("run", options),
  explain: (options) => run.explain(options),
  next: (options) => run.next(options),
  signal: (options) => client.signal("run", "s", null, options),
  send: (options) => client.send("run", { type: "s" }, options),
  wait: (options) => client.wait("run", options),
  result: (options) => run.result(options),
  watch: (options) => drain(client.watch("run", options)),
  cancel: (options) => client.cancel("run", options),
  pause: (options) => run.pause(options),
  resume: (options) => client.resume("run", options),
  skip: (options) => client.skip("run", "a", options),
  retry: (options) => client.retry("run", options),
  terminate: (options) => run.terminate(options),
  list: (options) => drain(client.list(options)),
  "bulk filter": (options) => drain(client.bulk({ type: "pause" }, options, { dryRun: true })),
  bulk: (options) => drain(client.bulk({ type: "pause" }, {}, options)),
  submit: (options) => queue.submit("mail", null, options),
  idempotency: (idempotency) => queue.submit("mail", null, { idempotency }),
  cancelTask: (options) => queue.cancelTask("1", options),
  repairTasks: (options) => queue.repairTasks(options),
  cost: (options) => cost(flow, options as never),
  explore: (options) => explore(flow, options),
  replay: (options) => replay(flow, [], options),
  model: (options) => model(flow, options),
  paths: (options) => paths(flow, options),
  createTestKit: (options) => createTestKit({ workflows, workers: 0, ...(options as object) }),
  MemoryStore: (options) => new MemoryStore({ clock: host.clock, ...(options as object) }),
  createLogger: (options) => createLogger({ write: () => {}, ...(options as object) }),
  nodeHost: (options) => nodeHost(options),
  drawWorkflow: (options) => drawWorkflow(flow, options),
  FileStore: (options) => FileStore.open("nowhere", options),
  LimitedBucket: (options) => new LimitedBucket(options),
  crashEverywhere: (options) => crashEverywhere(flow, options),
  "bulk command": (command) => drain(client.bulk({ type: "pause", ...(command as object) }, {}, { dryRun: true })),
};

async function refusalOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(WorkflowError);
    expect(error).toMatchObject({ code: "invalid" });
    return (error as Error).message;
  }
  throw new Error("it was not refused");
}

test.each(Object.keys(ENTRANCES))("%s refuses a name that it does not know, and names those it knows", async (name) => {
  const said = await refusalOf(() => ENTRANCES[name]?.({ timout: "5s" } as never));
  expect(said).toMatch(/there is no option "timout"; there are \w+/);
});

test.each(Object.keys(ENTRANCES))("%s refuses null in the place of its options, in words", async (name) => {
  // Those that are called with more than what is given here.
  const spreads = ["Worker", "createTestKit", "MemoryStore", "createLogger", "bulk command"];
  const bare: Readonly<Record<string, () => unknown>> = {
    Worker: () => new Worker(queue, null as never),
    createTestKit: () => createTestKit(null as never),
    MemoryStore: () => new MemoryStore(null as never),
    createLogger: () => createLogger(null as never),
    "bulk command": () => drain(client.bulk(null as never)),
  };
  const call = spreads.includes(name) ? bare[name] : () => ENTRANCES[name]?.(null as never);
  expect(await refusalOf(() => call?.())).toMatch(/null/);
});

/** Arguments that are no options, and what else they were given as. */
const ARGUMENTS: Readonly<Record<string, (given: never) => unknown>> = {
  "Worker, bucket": (given) => new Worker(given, { workflows }),
  "WorkflowClient, bucket": (given) => new WorkflowClient(given),
  "handleOf, store": (given) => handleOf(given, host),
  "handleOf, host": (given) => handleOf(queue.context.store, given),
  "openStore, host": (given) => openStore("memory:", given),
  "openStore, url": (given) => openStore(given, host),
  "connect, url": (given) => connect(given),
  "meterStore, store": (given) => meterStore(given),
  "FileStore, folder": (given) => FileStore.open(given, { host }),
  "LimitedBucket, store": (given) => new LimitedBucket({}).limit(given, host),
  "LimitedBucket, host": (given) => new LimitedBucket({}).limit(queue.context.store, given),
  "start, workflow": (given) => client.start(given, undefined as never),
  "run, workflow": (given) => client.run("run", given),
  "crashEverywhere, workflow": (given) => crashEverywhere(given, { effects: () => 1 }),
  "cost, workflow": (given) => cost(given),
  "drawWorkflow, workflow": (given) => drawWorkflow(given),
};

test.each(Object.keys(ARGUMENTS))("%s: what it cannot be is refused in words", async (name) => {
  for (const given of [null, {}, 5.5, Number.NaN, true]) {
    const said = await refusalOf(() => ARGUMENTS[name]?.(given as never)).catch((error: unknown) => {
      throw new Error(`${name}: ${String(given)}`, { cause: error });
    });
    expect(said).not.toMatch(/undefined|is not a function/);
  }
});

const NO_COUNTS = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "5", null, 2n];
const NO_DURATIONS = [
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  1e308,
  "",
  "5 m",
  "5",
  "-5s",
  "1e3s",
  "11y",
  null,
  {},
  true,
  5n,
];
const NO_FLAGS = ["yes", 1, null];
const NO_TEXTS = [5, null, {}];

/** Entrance, option, what it may not be. */
const TABLE: readonly (readonly [entrance: string, option: string, bad: readonly unknown[]])[] = [
  ["connect", "skewMarginMs", [-1, Number.NaN, Number.POSITIVE_INFINITY, 3_600_001, "2s", null]],
  ["connect", "allowUnsafe", NO_FLAGS],
  ["connect", "create", NO_FLAGS],
  ["connect", "host", [null, {}, "here"]],
  ["openStore", "create", NO_FLAGS],
  ["Worker", "concurrency", [...NO_COUNTS, 10_001, 1e9]],
  ["Worker", "poll", [...NO_DURATIONS, 0, "2d"]],
  ["Worker", "lease", [...NO_DURATIONS, 0, "999ms", "5s", "2d"]],
  ["Worker", "shutdownGrace", NO_DURATIONS],
  ["Worker", "foreignPoll", [...NO_DURATIONS, 0, "2d"]],
  ["Worker", "id", ["", "a/b", "%".repeat(200), 5, null, "x".repeat(201)]],
  ["Worker", "workflows", [null, [], "w", {}, [null], [{}], ["w"]]],
  ["WorkflowClient", "workflows", [null, "w", [null], [{}]]],
  ["start", "id", ["", "a/b", ".", 5, null, "x".repeat(201)]],
  ["start", "timeout", NO_DURATIONS],
  ["get", "timeout", NO_DURATIONS],
  ["send", "signal", [null, {}, "stop"]],
  ["wait", "timeout", NO_DURATIONS],
  ["result", "timeout", NO_DURATIONS],
  ["watch", "timeout", NO_DURATIONS],
  ["watch", "signal", [null, {}, "stop"]],
  ["watch", "until", [null, "completed", true]],
  ["cancel", "compensate", NO_FLAGS],
  ["cancel", "reason", [...NO_TEXTS, "x".repeat(10_001)]],
  ["pause", "applied", NO_FLAGS],
  ["terminate", "reason", [...NO_TEXTS, "x".repeat(10_001)]],
  ["list", "limit", NO_COUNTS],
  ["list", "status", ["done", "", 5, null]],
  ["list", "type", NO_TEXTS],
  ["list", "prefix", NO_TEXTS],
  ["list", "olderThan", NO_DURATIONS],
  ["list", "onUnreadable", [null, true]],
  ["bulk filter", "limit", NO_COUNTS],
  ["bulk", "concurrency", [...NO_COUNTS, 1_001]],
  ["list", "timeout", NO_DURATIONS],
  ["list", "signal", [null, {}, "stop"]],
  ["bulk", "dryRun", NO_FLAGS],
  ["bulk", "signal", [null, {}, "stop"]],
  ["submit", "maxRetries", [-1, 1.5, Number.NaN, 2 ** 32, "3"]],
  ["submit", "maxReschedules", [-1, 1.5, Number.NaN, 2 ** 32]],
  ["submit", "timeoutMs", [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e308]],
  ["submit", "availableAt", [Number.NaN, Number.POSITIVE_INFINITY, 1e308, -1e15]],
  ["submit", "expiresAt", [Number.NaN, Number.POSITIVE_INFINITY, 1e308]],
  ["idempotency", "ttlMs", [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e308]],
  ["idempotency", "key", ["", 5, null]],
  ["idempotency", "scope", ["", "..", 5, null, "x".repeat(1_000)]],
  ["repairTasks", "limit", [...NO_COUNTS, 1_001]],
  ["repairTasks", "after", NO_TEXTS],
  ["cancelTask", "reason", NO_TEXTS],
  ["cost", "lease", [...NO_DURATIONS, 0, "5s", "2d"]],
  ["cost", "foreignPoll", [...NO_DURATIONS, 0, "2d"]],
  ["cost", "answer", NO_DURATIONS],
  ["cost", "duration", [null, "soon", true, -1, []]],
  ["cost", "waits", [null, "a"]],
  ["cost", "paths", [null, "all", {}]],
  ["FileStore", "host", [undefined, null, {}]],
  ["LimitedBucket", "writeIntervalMs", [-1, Number.NaN, Number.POSITIVE_INFINITY, "1s", null]],
  ["LimitedBucket", "orderedList", NO_FLAGS],
  ["crashEverywhere", "effects", [undefined, null, {}]],
  ["crashEverywhere", "play", [null, {}]],
  ["explore", "faults", [-1, 1.5, Number.NaN, "2", null]],
  ["explore", "kinds", ["failure", ["faliure"], null]],
  ["explore", "signals", [null, [], { go: null }, { go: { comes: 1 } }, { go: { form: "a" } }]],
  ["explore", "outputs", [null, [], { a: 7 }]],
  ["explore", "always", [true, null]],
  ["replay", "limit", NO_COUNTS.filter((value) => value !== Number.POSITIVE_INFINITY)],
  ["paths", "failures", [-1, 1.5, Number.NaN, "2", null]],
  ["paths", "waits", [null, [], { a: null }, { a: [null] }, { a: [{}] }, { a: [{ signal: 5 }] }]],
  ["model", "kind", ["longest", "", null]],
  ["createTestKit", "workers", [-1, 1.5, Number.NaN, "1"]],
  ["createTestKit", "startAt", [Number.NaN, -1, "2026", 1e308]],
  ["createTestKit", "patience", [...NO_DURATIONS, 0]],
  ["createTestKit", "worker", [null, 5, { lease: "2s" }, { concurrency: 0 }, { leese: "30s" }]],
  ["createTestKit", "workflows", [undefined, null]],
  ["MemoryStore", "clock", [undefined, null, {}]],
  ["MemoryStore", "versions", NO_FLAGS],
  ["MemoryStore", "etags", ["md5", "", null]],
  ["createLogger", "level", ["verbose", "", null]],
  ["createLogger", "format", ["logfmt", null]],
  ["createLogger", "write", [undefined, null, "stderr"]],
  ["nodeHost", "logger", [null, {}, "stderr"]],
  ["drawWorkflow", "format", ["png", "", null]],
  ["drawWorkflow", "snapshot", [null, "lit"]],
  ["resume", "reason", ["it is kept nowhere"]],
  ["retry", "reason", ["it is kept nowhere"]],
  ["skip", "reason", ["it is kept nowhere"]],
  ["bulk command", "type", ["stop", "skip", null]],
  ["bulk command", "compensate", [true]],
  ["bulk command", "reason", [...NO_TEXTS, "x".repeat(10_001)]],
];

test.each(TABLE)("%s refuses %s that makes no sense", async (entrance, option, bad) => {
  for (const value of bad) {
    const given = { ...(entrance === "idempotency" ? { key: "k" } : {}), [option]: value } as never;
    const said = await refusalOf(() => ENTRANCES[entrance]?.(given)).catch((error: unknown) => {
      throw new Error(
        `${entrance} with ${option}: ${typeof value === "bigint" ? `${value}n` : JSON.stringify(value)}`,
        {
          cause: error,
        },
      );
    });
    expect(said.length).toBeLessThan(500);
  }
});

test("a task that would expire before it may begin is refused, with both instants", async () => {
  const options = { availableAt: 2_000_000_000_000, expiresAt: 1_999_999_999_999 };
  await expect(queue.submit("mail", null, options)).rejects.toThrow("would expire (1999999999999) before it may begin");
});
