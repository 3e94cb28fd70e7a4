/** A worker: finds tasks, drives their runs, keeps the indexes in repair, and stops cleanly. Any number of them share a bucket. */
import { registeredDefinition } from "../define/registered.ts";
import { catchStrays } from "../host/stray-errors.ts";
import { StoredPrograms } from "../programs/stored-programs.ts";
import { getTask } from "../queue/submit.ts";
import type { QueueContext } from "../queue/task.ts";
import { RunWriters } from "../run/commit.ts";
import { EFFECTS } from "../run/effects/effects.ts";
import { interferenceIn } from "../run/foreign/changes.ts";
import { type Interference, noteInterference } from "../run/foreign/interference.ts";
import { checkHandle, type QueueHandle, submitTo } from "../queue/handle.ts";
import { isDriven } from "../run/outbox.ts";
import type { RunRecord } from "../run/record/record.ts";
import { newsOf } from "../run/view.ts";
import { WAKE_UPS } from "../run/wakeups/wake-ups.ts";
import { leashStore } from "../store/leash.ts";
import { Announcer } from "./announcer.ts";
import { Claimer } from "./claimer.ts";
import type { ClaimedTaskContext } from "./claimed-task.ts";
import { Drivers } from "./drivers.ts";
import { ForeignPoll } from "./foreign-poll.ts";
import { LeaseMonitor } from "./lease-monitor.ts";
import { LeaseWatch } from "./lease.ts";
import { Registry } from "./registry.ts";
import { Lifecycle, type Service } from "./service.ts";
import { Sweeper } from "./sweeper.ts";
import { TestSignals } from "./test-signals.ts";
import { TimerPromoter } from "./timer-promoter.ts";
import { type ResolvedWorkerOptions, resolveWorkerOptions, type WorkerOptions } from "./worker-options.ts";
import { latestNow, serviceLoop, WorkerLog, type WorkerScope } from "./worker-scope.ts";

/** The part of the grace of a stop that is kept for handing back: a fifth, */
const HAND_BACK_SHARE = 5;
/** but no more than this, */
const LONGEST_HAND_BACK_MS = 2_000;
/** and a stop may always take so long. */
const SHORTEST_STOP_MS = 500;
/** How often the active index is looked through. */
const SWEEP_MS = 60_000;

/** The services of a worker that has begun. */
interface Services {
  /** Those that find work, and look after the indexes. */
  readonly finders: readonly Service[];
  readonly drivers: Drivers;
  readonly announcer: Announcer;
  /** Tells running handlers that the grace is over. */
  halt(): void;
  /** Takes back what was hung on the connection and the process. */
  unlisten(): void;
}

/**
 * Runs the steps of the workflows that it is given, until it is stopped. Any number of workers share a bucket.
 *
 * @example
 * ```ts
 * await using queue = await connect("s3://orders");
 * await using worker = new Worker(queue, { workflows: [order], concurrency: 20, lease: "1m" });
 * await worker.start();
 * ```
 */
export class Worker implements Service {
  /** The name under which it claims tasks: the option `id`. */
  readonly id: string;
  /**
   * Awaitable facts for our tests: nothing in production listens.
   * @internal
   */
  readonly signals: TestSignals = new TestSignals();
  readonly #handle: QueueHandle;
  readonly #options: ResolvedWorkerOptions;
  readonly #stopMs: number;
  readonly #life: Lifecycle;
  /** Nothing that this worker still does when its stop has resolved reaches the bucket. */
  readonly #queue: QueueContext;
  readonly #log: WorkerLog;
  readonly #registry: Registry;
  readonly #programs: StoredPrograms;
  readonly #writers: RunWriters;
  #services: Services | undefined;

  /** Checks the options; call `start` to begin. @throws {WorkflowError} `invalid` for options or definitions that cannot work. */
  constructor(handle: QueueHandle, options: WorkerOptions) {
    checkHandle("a worker", handle);
    this.#handle = handle;
    this.#options = resolveWorkerOptions(options, handle.context);
    const { id, workflows, graceMs } = this.#options;
    this.id = id;
    this.#stopMs = Math.max(graceMs, SHORTEST_STOP_MS);
    const { host, store } = handle.context;
    this.#life = new Lifecycle({
      name: "worker",
      clock: host.clock,
      stopMs: this.#stopMs,
      begin: (stopping) => this.#begin(stopping),
      end: () => this.#end(),
      unfinished: (error) => this.#tellUnfinished(error),
    });
    this.#queue = { ...handle.context, store: leashStore(store, this.#life.over) };
    this.#log = new WorkerLog(host.logger, id);
    this.#registry = new Registry(this.#queue, id, workflows, WAKE_UPS);
    this.#programs = new StoredPrograms(this.#queue.store, host, workflows.map(registeredDefinition));
    this.#writers = this.#makeWriters();
  }

  /**
   * Publishes what is served, registers and begins to work. Resolves once it polls; calls that come together are one. When it throws,
   * nothing is left behind and it may be called again.
   * @throws {WorkflowError} `unavailable` when the store does not answer; `closed` when it was stopped, also meanwhile.
   */
  start(): Promise<void> {
    return this.#life.start();
  }

  /**
   * Takes nothing new, lets handlers end within the grace, hands the steps of the others back and withdraws what it announced. May be called
   * at any moment and again: every call resolves when all is durable, at the end of the grace at the latest, and none rejects. What could
   * not be handed back or withdrawn by then expires by itself, leases when they run out and announcements within 75 s, and the log says
   * so. From then on nothing of this worker reaches the bucket, whatever handlers that do not listen to `ctx.signal` still do.
   */
  stop(): Promise<void> {
    return this.#life.stop();
  }

  /** Stops it: see `stop`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // ------------------------------------------------------------------ life

  async #begin(stopping: AbortSignal): Promise<void> {
    await this.#programs.publish();
    stopping.throwIfAborted();
    // A start that failed has ended with its services.
    const services = this.#compose();
    this.#services = services;
    await services.announcer.start();
    stopping.throwIfAborted();
    await Promise.all([services.drivers, ...services.finders].map((service) => service.start()));
  }

  /** After how much of a stop handlers that have not ended are told to. */
  get #haltMs(): number {
    const handBackMs = Math.min(LONGEST_HAND_BACK_MS, this.#stopMs / HAND_BACK_SHARE);
    return Math.min(this.#options.graceMs, this.#stopMs - handBackMs);
  }

  async #end(): Promise<void> {
    const services = this.#services;
    if (services === undefined) return;
    const drained = new AbortController();
    const draining = drain(services).then(() => drained.abort());
    await this.#queue.host.clock.sleep(this.#haltMs, { signal: drained.signal });
    services.halt();
    try {
      await Promise.all([draining, services.announcer.stop()]);
      this.#services = undefined;
    } finally {
      services.unlisten();
    }
  }

  /** The handle was closed under it: nothing can be written any more, so nothing is waited for. */
  #abandon(): void {
    this.#log.error(
      "the store was closed while this worker ran; it stops, and its steps are taken over when their leases have run out",
    );
    this.#services?.halt();
    void this.stop();
  }

  #tellUnfinished(error: unknown): void {
    this.#services?.announcer.tellUnfinished(error);
    for (const { runId, taskIds } of this.#services?.drivers.held ?? []) {
      const message = "a step could not be handed back; it is taken over when its lease has run out";
      this.#log.warn(message, error, { run: runId, task: taskIds[0] });
    }
  }

  // ------------------------------------------------------------------ parts

  #compose(): Services {
    const { concurrency, pollMs, leaseMs } = this.#options;
    const halting = new AbortController();
    const scope: WorkerScope = {
      id: this.id,
      queue: this.#queue,
      leaseMs,
      stopMs: this.#stopMs,
      stopping: this.#life.stopping,
      halting: halting.signal,
      over: this.#life.over,
      closed: this.#handle.closed,
      log: this.#log,
      signals: this.signals,
    };
    const registry = this.#registry;
    const drivers: Drivers = new Drivers(scope, {
      registry,
      concurrency,
      context: this.#contextOf(scope, (taskId) => drivers.requestCancel(taskId)),
      onFree: () => claimer.wake(),
      onDriven: (taskId, end) => claimer.driven(taskId, end.kind === "left" && end.isUnreadable === true),
    });
    const place = { isFull: () => drivers.isFull, take: drivers.take.bind(drivers) };
    const claimer = new Claimer(scope, { registry, pollMs, ...place });
    const onReady = (taskId: string, availableAt: number): void => claimer.hint(taskId, availableAt);
    const finders = [
      claimer,
      new LeaseMonitor(scope, {
        registry,
        firstPauseMs: pollMs,
        ownTaskIds: () => drivers.held.flatMap(({ taskIds }) => taskIds),
        ...place,
      }),
      new TimerPromoter(scope, { onReady: (taskId, availableAt) => claimer.hintAbout(taskId, availableAt) }),
      this.#sweeperOf(scope, onReady),
      ...(registry.isForeign ? [this.#foreignPollOf(scope, onReady)] : []),
    ];
    const announcer = new Announcer(scope, {
      store: this.#handle.context.store,
      workflows: registry.announcement(),
      counts: () => drivers.counts,
    });
    return { finders, drivers, announcer, halt: () => halting.abort(), unlisten: this.#listen(onReady) };
  }

  #sweeperOf(scope: WorkerScope, onReady: (taskId: string, availableAt: number) => void): Service {
    const sweeper = new Sweeper(scope.queue, { types: this.#registry.names, onReady, stop: scope.stopping });
    return serviceLoop(scope, { name: "sweeper", restMs: SWEEP_MS, turn: () => sweeper.turn() });
  }

  #foreignPollOf(scope: WorkerScope, onReady: (taskId: string, availableAt: number) => void): Service {
    const { foreignPollMs: periodMs } = this.#options;
    const poll = new ForeignPoll({
      queue: scope.queue,
      programs: this.#programs,
      types: this.#registry.names,
      periodMs,
      onReady,
      onUnreadable: (run, error) => scope.log.warn("run could not be looked at", error, { run }),
    });
    return serviceLoop(scope, { name: "foreign poll", restMs: periodMs, turn: () => poll.turn() });
  }

  #contextOf(scope: WorkerScope, requestCancel: (taskId: string) => boolean): ClaimedTaskContext {
    const { queue, leaseMs } = scope;
    const { events } = this.#handle;
    return {
      queue,
      writers: this.#writers,
      dispatch: {
        queue,
        effects: EFFECTS,
        onReady: (taskId, availableAt) => events.ready(taskId, availableAt),
        requestCancel,
      },
      workerId: this.id,
      leaseMs,
      leaseWatch: new LeaseWatch(queue, leaseMs, this.id),
      handlerOf: (name, ref) => this.#registry.handlerOf(name, ref),
      checkVersion: (record) => this.#registry.checkVersion(record),
      isDriven: async (taskId) => isDriven(await getTask(queue, taskId)),
      halt: scope.halting,
      stopping: scope.stopping,
      catchesStrays: this.#options.catchUnhandledRejections,
      stepQueue: { submit: submitTo(queue, events) },
      log: queue.host.logger,
    };
  }

  /** Hears of tasks of this process that are ready, of a connection that is closed, and of stray rejections. */
  #listen(onReady: (taskId: string, availableAt: number) => void): () => void {
    const { closed, events } = this.#handle;
    const abandon = (): void => this.#abandon();
    closed.addEventListener("abort", abandon, { once: true });
    const stops = [
      () => closed.removeEventListener("abort", abandon),
      events.onReady(onReady),
      ...(this.#options.catchUnhandledRejections ? [catchStrays(this.#queue.host.logger)] : []),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  #makeWriters(): RunWriters {
    const { store, host } = this.#queue;
    return new RunWriters({
      store,
      host,
      programs: this.#programs,
      effects: EFFECTS,
      patienceMs: this.#options.leaseMs,
      onWritten: (record, facts, before) => {
        for (const { level, message, fields } of newsOf(before, record, facts))
          host.logger[level](message, { worker: this.id, ...fields });
        this.#handle.events.written(record.id);
        this.signals.emit({ signal: "committed", run: record.id, status: record.status, facts });
        const did = interferenceIn(facts);
        if (did !== undefined) void this.#tellInterference(record, did);
      },
    });
  }

  async #tellInterference(record: RunRecord, did: Interference["did"]): Promise<void> {
    const { id: run, type: workflow } = record;
    const message = `a worker of another program claimed a tick of this run and ${did} it; see docs/mixed-fleets.md`;
    this.#log.warn(message, undefined, { run, workflow });
    try {
      await noteInterference(this.#queue.store, { workflow, run, did, seen_at: latestNow(this.#queue) });
    } catch (error) {
      this.#log.warn("that could not be noted for doctor", error, { run, workflow });
    }
  }
}

/** Resolves when nothing looks for work and nothing is driven any more. A turn that was under way may still have claimed a task. */
async function drain({ finders, drivers }: Services): Promise<void> {
  await Promise.all(finders.map((service) => service.stop()));
  await drivers.stop();
}
