/** The surroundings of one service, on a bucket in memory under a virtual clock. */
import type { Clock } from "../../src/host/host.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import type { LogLine } from "../../src/testing/time/process.ts";
import { collectLog } from "../../src/testing/time/process.ts";
import { KitTime, type TestClock } from "../../src/testing/time/kit-time.ts";
import { createTask } from "../../src/queue/submit.ts";
import type { QueueContext, TaskSpec } from "../../src/queue/task.ts";
import { TestSignals } from "../../src/services/test-signals.ts";
import { WorkerLog, type WorkerScope } from "../../src/services/worker-scope.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { ID, SPEC, START } from "../queue/fixtures.ts";

/** A scope with what a test moves it by. */
export interface Surroundings {
  readonly scope: WorkerScope;
  /** The bucket as it is: what goes through `scope.queue` may fail. */
  readonly store: MemoryStore;
  readonly clock: TestClock;
  readonly log: readonly LogLine[];
  readonly stopping: AbortController;
  /** Puts a task on the queue. Its id ends in `number`. */
  put(number: number, changes?: Partial<TaskSpec>): Promise<string>;
  keys(prefix: string): Promise<readonly string[]>;
}

/** `through`: what becomes of the requests of the service. */
export function makeSurroundings(
  through: (store: ObjectStore, clock: Clock) => ObjectStore = (store) => store,
): Surroundings {
  const time = new KitTime(START, 4_000, async () => 0);
  const clock = time.freeClock;
  const log: LogLine[] = [];
  const host = { clock, random: seededRandom(1), logger: collectLog(log, () => clock.now()) };
  const store = new MemoryStore({ clock });
  const queue: QueueContext = { store: through(store, clock), host, skewMarginMs: 2_000 };
  const stopping = new AbortController();
  const scope: WorkerScope = {
    id: "worker-1",
    queue,
    leaseMs: 30_000,
    stopMs: 10_000,
    stopping: stopping.signal,
    halting: new AbortController().signal,
    over: new AbortController().signal,
    closed: new AbortController().signal,
    log: new WorkerLog(host.logger, "worker-1"),
    signals: new TestSignals(),
  };
  return {
    scope,
    store,
    clock: time.clock,
    log,
    stopping,
    put: async (number, changes = {}) => {
      const id = `${ID.slice(0, -3)}${String(number).padStart(3, "0")}`;
      await createTask({ ...queue, store }, { ...SPEC, id, ...changes });
      return id;
    },
    keys: async (prefix) => (await store.list(prefix)).objects.map(({ key }) => key),
  };
}

/** A store of which some requests fail. */
export function failing(
  store: ObjectStore,
  fails: (request: "get" | "put" | "delete" | "list", key: string) => Error | undefined,
): ObjectStore {
  const check = (request: "get" | "put" | "delete" | "list", key: string): void => {
    const error = fails(request, key);
    if (error !== undefined) throw error;
  };
  return {
    url: store.url,
    capabilities: store.capabilities,
    get: async (key, ...rest) => (check("get", key), store.get(key, ...rest)),
    put: async (key, ...rest) => (check("put", key), store.put(key, ...rest)),
    delete: async (key, ...rest) => (check("delete", key), store.delete(key, ...rest)),
    list: async (prefix, ...rest) => (check("list", prefix), store.list(prefix, ...rest)),
    versions: (key) => store.versions(key),
    getVersion: (...words) => store.getVersion(...words),
    time: () => store.time(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
