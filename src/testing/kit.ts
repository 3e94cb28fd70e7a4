/**
 * An engine for tests of workflows: a real client and real workers on a store in memory, with a clock that the test moves. Nothing polls or
 * sleeps in real time, and the same seed gives the same ids, jitter and order.
 */
import { ProcessEvents, handleOf, type QueueHandle } from "../queue/handle.ts";
import type { Run, WorkflowClient } from "../client/client.ts";
import type { RunView } from "../client/view.ts";
import { explainRun } from "../client/explain.ts";
import { type Duration, parseDuration } from "../wire/duration.ts";
import { definitions } from "../define/definitions.ts";
import type { AnyWorkflow, ErasedHandlers } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { seededRandom } from "../host/seeded.ts";
import {
  ACTIVE_PREFIX,
  DUE_PREFIX,
  LEASES_PREFIX,
  minuteStart,
  parseIndexKey,
  READY_PREFIX,
  stateKey,
} from "../keys.ts";
import { getTask } from "../queue/submit.ts";
import { isOver, type RunRecord } from "../run/record/record.ts";
import { recordCodec } from "../run/record/codec.ts";
import { callback, type ChecksOf, count, duration, milliseconds, objectWith, readSettings } from "../settings.ts";
import type { TestSignals } from "../services/test-signals.ts";
import { Worker } from "../services/worker.ts";
import { resolveWorkerOptions, type WorkerOptions } from "../services/worker-options.ts";
import { readDocument } from "../store/document.ts";
import { MemoryStore } from "../store/memory.ts";
import { SkippingClient } from "./kit-client.ts";
import { storeOf, type WorkerRequest } from "./kit-store.ts";
import { KitTime, type TestClock } from "./time/kit-time.ts";
import { collectLog, type Life, type LogLine } from "./time/process.ts";

export type { WorkerRequest } from "./kit-store.ts";
export type { TestClock } from "./time/kit-time.ts";

const NEW_YEAR_2026 = 1_767_225_600_000;
const DEFAULT_PATIENCE_MS = 4_000;
/** The year 9000: what a run puts off by ten years still has a year of four digits. */
const LATEST_START_MS = 221_845_392_000_000;
/** Tasks are announced inside the kit; the poll only finds what a crash left behind. */
const KIT_POLL_MS = 60_000;

/** Tasks that are due later are moved to the index of ready ones at least so long before. */
const PROMOTED_MS = 180_000;

/** Options of `createTestKit`. */
export interface TestKitOptions {
  /** The workflows that its workers run and its client knows. */
  readonly workflows: readonly AnyWorkflow[];
  /** How many workers are started with the kit. @defaultValue 1 */
  readonly workers?: number;
  /** Options of every worker. @defaultValue those of `Worker`, with `poll: "60s"` */
  readonly worker?: Omit<WorkerOptions, "workflows" | "id">;
  /** The virtual time at the beginning, in milliseconds since 1970. @defaultValue 2026-01-01T00:00:00Z */
  readonly startAt?: number;
  /** The seed of ids and jitter. @defaultValue 1 */
  readonly seed?: number;
  /**
   * Called for every request of a worker, before it is sent and after it was carried out. It may crash the worker.
   * @defaultValue nothing
   */
  readonly onRequest?: (request: WorkerRequest) => void;
  /** The *real* time after which a wait that nothing can end gives up and explains why. @defaultValue "4s" */
  readonly patience?: Duration;
}

const CHECKS = {
  workflows: definitions,
  workers: count(0, 1_000),
  worker: objectWith<NonNullable<TestKitOptions["worker"]>>(),
  startAt: milliseconds(0, LATEST_START_MS),
  seed: count(Number.MIN_SAFE_INTEGER),
  onRequest: callback,
  patience: duration(1),
} satisfies ChecksOf<TestKitOptions>;

/** A worker of a kit. */
export interface TestWorker {
  /** The name under which it claims tasks: `worker-1`, `worker-2` …, or the option `id`. */
  readonly id: string;
  /** Whether it runs: it has neither crashed nor been stopped. */
  readonly alive: boolean;
  /**
   * Facts that our tests await.
   * @internal
   */
  readonly signals: TestSignals;
  /** Kills it as `kill -9` does: it writes nothing any more, its leases end, and another worker takes over. */
  crash(): void;
  /** Stops it cleanly. Time passes as needed. */
  stop(): Promise<void>;
}

/**
 * What `createTestKit` resolves with. It is not typed by its workflows, so that handlers may use it (`kit.clock.sleep`): start runs by
 * definition, `kit.client.start(order, …)`, to have inputs checked by the compiler.
 */
export interface TestKit extends AsyncDisposable {
  /** A client for which virtual time passes while it waits: `await run.result()` skips delays, retries and timeouts. */
  readonly client: WorkflowClient;
  /** The virtual clock of client, workers and handlers. */
  readonly clock: TestClock;
  /** The store, in memory. */
  readonly store: MemoryStore;
  /** The open bucket that the client and the workers share. */
  readonly queue: QueueHandle;
  /** Every line that workers and handlers have logged. */
  readonly log: readonly LogLine[];
  /** All workers, including those that have crashed or stopped. */
  readonly workers: readonly TestWorker[];
  /** Starts another worker, by default with the options of the others. */
  startWorker(options?: Partial<WorkerOptions>): Promise<TestWorker>;
  /** Resolves when everything has happened that can happen without time passing, handlers included. */
  idle(): Promise<void>;
  /**
   * Lets a handler wait for the test: `await kit.hold(promise)` counts as a sleep without an end. Time passes and `idle` resolves while a
   * handler is held.
   */
  hold<T>(promise: Promise<T>): Promise<T>;
  /**
   * Lets time pass until the run has this status, or `wanted` returns true.
   * @throws {WorkflowError} `invalid` when the run ends without that.
   */
  until(run: Pick<Run, "id">, wanted: RunView["status"] | ((view: RunView) => boolean)): Promise<RunView>;
}

/**
 * Makes an engine for tests: a real client and real workers on a store in memory, with a virtual clock. Time stands still until
 * `clock.advance` is called or somebody waits for a run. It does not pass while a handler works, unless the handler sleeps on `kit.clock`.
 * @throws {WorkflowError} `invalid` for options that are not valid.
 *
 * @example
 * ```ts
 * await using kit = await createTestKit({ workflows: [approval] });
 * const run = await kit.client.start(approval, { amount: 10 });
 * await kit.clock.advance("6d");
 * await run.signal("approval", { approver: "manager@example.com" });
 * expect(await run.result()).toEqual({ wait_approval: { approved_by: "manager@example.com" } });
 * ```
 */
export async function createTestKit(options: TestKitOptions): Promise<TestKit> {
  const { workers = 1 } = readSettings("a test kit", CHECKS, options, ["workflows"]);
  const kit = new Kit(options);
  kit.checkWorkers();
  for (let index = 0; index < workers; index += 1) await kit.startWorker();
  return kit;
}

class Kit implements TestKit {
  readonly client: WorkflowClient;
  readonly clock: TestClock;
  readonly store: MemoryStore;
  readonly log: LogLine[] = [];
  readonly #time: KitTime;
  readonly #options: TestKitOptions;
  readonly #events = new ProcessEvents();
  readonly queue: QueueHandle;
  readonly #workers: KitWorker[] = [];

  constructor(options: TestKitOptions) {
    this.#options = { ...options, workflows: [...options.workflows] };
    this.#time = new KitTime(
      options.startAt ?? NEW_YEAR_2026,
      parseDuration(options.patience ?? DEFAULT_PATIENCE_MS),
      () => this.#quietUntil(),
    );
    this.clock = this.#time.clock;
    this.store = new MemoryStore({ clock: this.#time.freeClock });
    // Whoever puts a task or writes a record may end a wait for something from outside.
    this.#events.onReady(() => this.#time.changed());
    this.#events.onWritten(() => this.#time.changed());
    this.queue = { ...handleOf(this.store, this.#hostOf(this.#time.freeClock, 0)), events: this.#events };
    this.client = new SkippingClient(this.queue, { workflows: options.workflows }, (id, ms, signal) =>
      this.#time.skipUntil(
        this.#time.sleep(ms, { signal }),
        () => this.#isStuck(id),
        () => this.#explain(id),
      ),
    );
  }

  get workers(): readonly TestWorker[] {
    return this.#workers;
  }

  /** Also where no worker is started yet. @throws {WorkflowError} `invalid` for settings that a worker would refuse. */
  checkWorkers(): void {
    const { worker, workflows } = this.#options;
    if (worker !== undefined) resolveWorkerOptions({ ...worker, workflows }, this.queue.context);
  }

  async startWorker(options: Partial<WorkerOptions> = {}): Promise<TestWorker> {
    const life = this.#time.makeLife();
    const index = this.#workers.length + 1;
    const host = this.#hostOf(this.#time.clockOf(life), index);
    const workflows = options.workflows ?? this.#options.workflows;
    const id = options.id ?? `worker-${index}`;
    const store = storeOf(this.store, life, (when, kind, key) =>
      this.#options.onRequest?.({ worker: id, when, kind, key }),
    );
    const handle = { ...handleOf(store, host), events: this.#events };
    const worker = new Worker(handle, {
      poll: KIT_POLL_MS,
      ...this.#options.worker,
      ...options,
      id,
      workflows: workflows.map((workflow) => this.#observed(workflow, life)),
    });
    const started = new KitWorker(worker, life, this.#time, workflows);
    this.#workers.push(started);
    await worker.start();
    return started;
  }

  idle(): Promise<void> {
    return this.#time.idle();
  }

  hold<T>(promise: Promise<T>): Promise<T> {
    return this.#time.hold(promise);
  }

  async until(run: Pick<Run, "id">, wanted: RunView["status"] | ((view: RunView) => boolean)): Promise<RunView> {
    const holds = typeof wanted === "string" ? (view: RunView): boolean => view.status === wanted : wanted;
    for await (const view of this.client.watch(run.id)) {
      if (holds(view)) return view;
      if (isOver(view.status))
        throw new WorkflowError("invalid", `run ${run.id} is ${view.status}: ${view.error?.message ?? "it completed"}`);
    }
    throw new WorkflowError("internal", `run ${run.id} is not followed any more`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) worker.crash();
  }

  #hostOf(clock: Host["clock"], index: number): Host {
    const random = seededRandom((this.#options.seed ?? 1) * 1_000 + index);
    return { clock, random, logger: collectLog(this.log, () => clock.now()) };
  }

  /** The same workflow, with handlers that the clock knows of. */
  #observed(workflow: AnyWorkflow, life: Life): AnyWorkflow {
    const observe =
      (step: string, kind: "step" | "undo of step", handler: NonNullable<ErasedHandlers["compensate"]>) =>
      (context: unknown, result?: unknown): unknown => {
        const { runId, signal } = context as { readonly runId: string; readonly signal: AbortSignal };
        return this.#time.handle(`the ${kind} ${JSON.stringify(step)} of run ${runId}`, life, signal, () =>
          handler(context, result),
        );
      };
    const handlers = [...workflow.handlers].map(([step, { run, compensate }]): [string, ErasedHandlers] => [
      step,
      {
        ...(run === undefined ? {} : { run: observe(step, "step", run) }),
        ...(compensate === undefined ? {} : { compensate: observe(step, "undo of step", compensate) }),
      },
    ]);
    return { ...workflow, handlers: new Map(handlers) };
  }

  async #record(id: string): Promise<RunRecord | undefined> {
    const read = await readDocument(this.store, stateKey(id), recordCodec);
    return read.kind === "found" ? read.value : undefined;
  }

  /** Whether only something from outside can move the run: then no time needs to pass for it. */
  async #isStuck(id: string): Promise<boolean> {
    const living = this.#workers.filter((worker) => worker.alive);
    const record = await this.#record(id);
    if (record === undefined || living.length === 0) return true;
    const serving = living.flatMap((worker) => worker.workflows).filter((workflow) => workflow.name === record.type);
    if (serving.length === 0) return true;
    const { machine } = record;
    if (machine === undefined) return true;
    if (record.status === "pending" || machine.timers.length > 0) return false;
    const handlerOf = (execution: { readonly kind: "run" | "undo"; readonly step: string }): boolean =>
      serving.some((workflow) => {
        const handlers = workflow.handlers.get(execution.step);
        return (execution.kind === "run" ? handlers?.run : handlers?.compensate) !== undefined;
      });
    if (machine.executions.some(handlerOf)) return false;
    return !(await this.#hasTokens(id));
  }

  /** When the indexes of the bucket next have something to do for a worker; now, while a task is leased or ready. */
  async #quietUntil(): Promise<number> {
    const first = async (prefix: string): Promise<number> => {
      const page = await this.store.list(prefix);
      const minutes = page.objects.flatMap(({ key }) => parseIndexKey(key)?.minute ?? []);
      return Math.min(...minutes.map(minuteStart));
    };
    if (await this.#isAnyLeased()) return this.clock.now();
    const [ready, due, active] = await Promise.all([READY_PREFIX, DUE_PREFIX, ACTIVE_PREFIX].map(first));
    return Math.min(ready ?? 0, (due ?? 0) - PROMOTED_MS, active ?? 0);
  }

  /** The lease key of a task that waits for its next attempt stays in the index: the task itself says whether it is leased. */
  async #isAnyLeased(): Promise<boolean> {
    const page = await this.store.list(LEASES_PREFIX);
    const tasks = page.objects.map(({ key }) => getTask(this.queue.context, parseIndexKey(key)?.id ?? ""));
    return (await Promise.all(tasks)).some((task) => task?.status === "running");
  }

  /** A wake-up of this run on the queue, or a lease that a dead worker left: both are found by a living worker in time. */
  async #hasTokens(id: string): Promise<boolean> {
    if (await this.#isAnyLeased()) return true;
    const ready = await this.store.list(READY_PREFIX);
    for (const { key } of ready.objects) {
      const entry = parseIndexKey(key);
      const task = entry === undefined ? undefined : await getTask(this.queue.context, entry.id);
      const input = task?.input as { readonly workflow_id?: unknown } | null | undefined;
      if (task?.task_type.startsWith("workflow.tick:") === true && input?.workflow_id === id) return true;
    }
    return false;
  }

  async #explain(id: string): Promise<string> {
    const record = await this.#record(id);
    const reasons = record === undefined ? ["it does not exist"] : await explainRun(this.queue.context, record);
    return `run ${id} does not go on by itself: ${reasons.join("; ")}`;
  }
}

class KitWorker implements TestWorker {
  readonly workflows: readonly AnyWorkflow[];
  readonly #worker: Worker;
  readonly #life: Life;
  readonly #time: KitTime;

  constructor(worker: Worker, life: Life, time: KitTime, workflows: readonly AnyWorkflow[]) {
    this.#worker = worker;
    this.#life = life;
    this.#time = time;
    this.workflows = workflows;
  }

  get id(): string {
    return this.#worker.id;
  }

  get alive(): boolean {
    return this.#life.alive;
  }

  get signals(): TestSignals {
    return this.#worker.signals;
  }

  crash(): void {
    this.#life.crash();
    this.#time.changed();
  }

  async stop(): Promise<void> {
    if (!this.alive) return;
    await this.#time.skipUntil(this.#worker.stop());
    this.#life.crash();
  }
}
