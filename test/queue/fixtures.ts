/** A queue on the store in memory, with a clock that the test moves and chance from a seed. */
import type { Clock, Host } from "../../src/host/host.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { taskKey } from "../../src/keys.ts";
import { type Claim, claimTask } from "../../src/queue/claim.ts";
import { createTask } from "../../src/queue/submit.ts";
import { type QueueContext, taskCodec, type TaskRecord, type TaskSpec } from "../../src/queue/task.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { GetOutcome, ObjectStore, PutCondition, PutOutcome } from "../../src/store/object-store.ts";

/** 2026-11-23T01:07:42.250Z, a quarter into a second and 42 seconds into a minute. */
export const START = Date.UTC(2026, 10, 23, 1, 7, 42, 250);
export const SKEW_MS = 2_000;
export const LEASE_MS = 30_000;
export const ID = "a1b2c3d4-0000-4000-8000-000000000001";

/** A queue and the handles by which a test moves it. */
export interface Bench {
  readonly queue: QueueContext;
  readonly store: MemoryStore;
  /** Lets time pass. */
  pass(ms: number): void;
  /** All keys under a prefix. */
  keys(prefix: string): Promise<readonly string[]>;
  /** The task as it stands; throws when it is missing. */
  task(id?: string): Promise<TaskRecord>;
  /** The same bucket for another worker, whose requests pass through hooks. */
  through(hooks: Hooks): QueueContext;
}

/** What happens to requests on their way. Each gets the request and how to send it. */
export interface Hooks {
  readonly get?: (key: string, send: () => Promise<GetOutcome>) => Promise<GetOutcome>;
  readonly put?: (
    key: string,
    body: string,
    condition: PutCondition,
    send: () => Promise<PutOutcome>,
  ) => Promise<PutOutcome>;
  readonly delete?: (key: string, send: () => Promise<void>) => Promise<void>;
  /** How far the store's clock may be from the truth, either way, in milliseconds. */
  readonly unsureMs?: number;
}

/** A store whose requests pass through hooks. */
function intercepted(store: ObjectStore, hooks: Hooks): ObjectStore {
  return {
    url: store.url,
    capabilities: store.capabilities,
    get: (key) => hooks.get?.(key, () => store.get(key)) ?? store.get(key),
    put: (key, body, condition) =>
      hooks.put?.(key, body, condition, () => store.put(key, body, condition)) ?? store.put(key, body, condition),
    delete: (key) => hooks.delete?.(key, () => store.delete(key)) ?? store.delete(key),
    list: (prefix, options) => store.list(prefix, options),
    versions: (key) => store.versions(key),
    getVersion: (key, version) => store.getVersion(key, version),
    time: () => {
      const { earliest, latest } = store.time();
      return { earliest: earliest - (hooks.unsureMs ?? 0), latest: latest + (hooks.unsureMs ?? 0) };
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** A fresh queue. A sleep moves the clock and ends at once. */
export function makeBench(seed = 1): Bench {
  let now = START;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now - START,
    sleep: async (ms) => {
      now += ms;
    },
  };
  const silent = (): void => {};
  const logger = { debug: silent, info: silent, warn: silent, error: silent };
  const host: Host = { clock, random: seededRandom(seed), logger };
  const store = new MemoryStore({ clock });
  const queue: QueueContext = { store, host, skewMarginMs: SKEW_MS };
  return {
    queue,
    store,
    pass: (ms) => {
      now += ms;
    },
    keys: async (prefix) => (await store.list(prefix)).objects.map(({ key }) => key),
    task: async (id = ID) => {
      const read = await store.get(taskKey(id));
      if (read.kind === "missing") throw new Error(`${id} is missing`);
      return taskCodec.decode(read.object.body, taskKey(id));
    },
    through: (hooks) => ({ ...queue, store: intercepted(store, hooks) }),
  };
}

/** What most tests put on the queue. */
export const SPEC: TaskSpec = { id: ID, taskType: "mail", input: { to: "x" }, timeoutMs: 300_000, maxRetries: 3 };

/** Puts a task. */
export async function put(bench: Bench, changes: Partial<TaskSpec> = {}): Promise<void> {
  await createTask(bench.queue, { ...SPEC, ...changes });
}

/** Claims a task that must be free. */
export async function claim(
  bench: Bench,
  options: { id?: string; worker?: string; leaseMs?: number } = {},
): Promise<Claim> {
  const { id = ID, worker = "worker-1", leaseMs = LEASE_MS } = options;
  const answer = await claimTask(bench.queue, id, { workerId: worker, leaseMs, accepts: () => true });
  if (answer.kind !== "claimed") throw new Error(`the task is ${answer.kind}`);
  return answer.claim;
}

/** Puts a task and claims it. */
export async function putAndClaim(bench: Bench, changes: Partial<TaskSpec> = {}): Promise<Claim> {
  await put(bench, changes);
  return claim(bench, changes.id === undefined ? {} : { id: changes.id });
}

/** A reply that is lost after the request was carried out. */
export async function loseReply(send: () => Promise<PutOutcome>): Promise<PutOutcome> {
  await send();
  return { kind: "unknown", cause: new Error("the reply is lost") };
}

/** A place where a request stands still until the test lets it go. */
export interface Gate {
  /** Resolves when the first request stands here. */
  readonly reached: Promise<void>;
  open(): void;
  stand(): Promise<void>;
}

/** A closed gate. */
export function makeGate(): Gate {
  let arrive = (): void => {};
  let open = (): void => {};
  const reached = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    reached,
    open: () => open(),
    stand: () => {
      arrive();
      return opened;
    },
  };
}
