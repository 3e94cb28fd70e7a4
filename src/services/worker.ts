/** A worker: finds tasks, drives their runs, keeps the indexes in repair, and stops cleanly. Any number of them share a bucket. */
import { checkHandle, type QueueHandle, submitTo } from "../run/handle.ts";
import { servingKey, stateKey } from "../keys.ts";
import { type Claim, claimTask, takeOverTask } from "../queue/claim.ts";
import { checkLeases } from "../queue/monitor.ts";
import { ReadyLister, type ReadyTask } from "../queue/poll.ts";
import { promoteDue } from "../queue/promote.ts";
import type { QueueContext } from "../queue/task.ts";
import { getTask } from "../queue/submit.ts";
import { deregisterWorker, registerWorker } from "../queue/workers.ts";
import { RunWriters } from "../run/commit.ts";
import type { DispatchContext } from "../run/effects/effect.ts";
import { EFFECTS } from "../run/effects/effects.ts";
import { interferenceIn } from "../run/foreign/changes.ts";
import { type Interference, noteInterference } from "../run/foreign/interference.ts";
import type { RunRecord } from "../run/record/record.ts";
import { recordCodec } from "../run/record/codec.ts";
import { servingCodec } from "../programs/announcements.ts";
import { StoredPrograms } from "../programs/stored-programs.ts";
import { isDriven } from "../run/outbox.ts";
import { isTick } from "../run/tasks.ts";
import { newsOf } from "../run/view.ts";
import { insist, isUnanswered } from "../store/again.ts";
import { readDocument } from "../store/document.ts";
import { leashStore } from "../store/leash.ts";
import { workThrough } from "../store/work-through.ts";
import { Chain, type ChainContext } from "./chain.ts";
import { WAKE_UPS } from "../run/wakeups/wake-ups.ts";
import { FewLines } from "./few-lines.ts";
import { ForeignPoll } from "./foreign-poll.ts";
import { Hints } from "./hints.ts";
import { PutOff } from "./put-off.ts";
import { Served } from "./served.ts";
import { Lifecycle, Loop, type LoopOptions, type Service } from "./service.ts";
import { registeredDefinition } from "../define/registered.ts";
import { catchStrays } from "../host/stray-errors.ts";
import { Sweeper } from "./sweeper.ts";
import { LeaseWatch } from "./lease.ts";
import { TestSignals } from "./test-signals.ts";
import { resolveWorkerOptions, type WorkerOptions } from "./worker-options.ts";
import { reasonOf } from "../host/error-data.ts";

/** The part of the grace of a stop that is kept for handing back: a fifth, */
const HAND_BACK_SHARE = 5;
/** but no more than this, */
const LONGEST_HAND_BACK_MS = 2_000;
/** and a stop may always take so long. */
const SHORTEST_STOP_MS = 500;
/** How often leases are looked through; two thirds of the default lease, so that a crash is found within two lease periods. */
const MONITOR_SHARE = 2 / 3;
/** How often the active index is looked through. */
const SWEEP_MS = 60_000;
/** How often tasks that are nearly due are moved to the ready ones. */
const DUE_MS = 60_000;
/** How often a worker says that it lives: two puts. */
const SERVING_MS = 60_000;
/** A task that this worker cannot run is asked for again after this at first, then each time after twice as long, */
const IGNORE_MS = 300_000;
/** and the task of a run that it cannot read after this; others may be able to. */
const UNREADABLE_MS = 60_000;
/** No pause is longer. */
const LONGEST_IGNORE_MS = 3_600_000;
/** When the store did not answer for a task, this is the longest pause. */
const LONGEST_SILENCE_MS = 60_000;

/** A task that may be ready: found by a list, or known to this process. */
type FoundTask = Pick<ReadyTask, "id"> & Partial<ReadyTask>;

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
  readonly #queue: QueueContext;
  readonly #handle: QueueHandle;
  readonly #served: Served;
  readonly #programs: StoredPrograms;
  readonly #writers: RunWriters;
  readonly #concurrency: number;
  readonly #pollMs: number;
  readonly #leaseMs: number;
  readonly #leaseWatch: LeaseWatch;
  readonly #graceMs: number;
  readonly #stopMs: number;
  readonly #foreignPollMs: number;
  readonly #catchesStrays: boolean;
  readonly #life: Lifecycle;
  #halt = new AbortController();
  readonly #chains = new Map<string, Chain>();
  readonly #running = new Set<Promise<void>>();
  readonly #repaired = new Map<string, number>();
  /** Tasks by id that were asked for in vain. */
  readonly #putOff: PutOff;
  /** Tasks whose leases could not be looked at. One that is not for us is no such task: when its holder dies it has to be given back. */
  readonly #putOffLeases: PutOff;
  readonly #hints = new Hints();
  readonly #sweeper: Sweeper;
  #poller: Loop | undefined;
  #announcer: Loop | undefined;
  #loops: readonly Loop[] = [];
  #isAnnounced = false;
  #unlisten: () => void = () => {};
  #startedAt = 0;
  #done = 0;
  #failed = 0;

  /** Checks the options; call `start` to begin. @throws {WorkflowError} `invalid` for options or definitions that cannot work. */
  constructor(handle: QueueHandle, options: WorkerOptions) {
    checkHandle("a worker", handle);
    this.#handle = handle;
    const { id, workflows, concurrency, pollMs, leaseMs, graceMs, foreignPollMs, ...rest } = resolveWorkerOptions(
      options,
      handle.context,
    );
    this.id = id;
    this.#concurrency = concurrency;
    this.#pollMs = pollMs;
    this.#leaseMs = leaseMs;
    this.#leaseWatch = new LeaseWatch(handle.context, leaseMs, id);
    this.#graceMs = graceMs;
    this.#foreignPollMs = foreignPollMs;
    this.#catchesStrays = rest.catchUnhandledRejections;
    this.#stopMs = Math.max(graceMs, SHORTEST_STOP_MS);
    this.#life = new Lifecycle({
      name: "worker",
      clock: handle.context.host.clock,
      stopMs: this.#stopMs,
      begin: (stopping) => this.#begin(stopping),
      end: (over) => this.#end(over),
      unfinished: (error) => this.#tellUnfinished(error),
    });
    // Nothing that this worker still does when its stop has resolved reaches the bucket.
    this.#queue = { ...handle.context, store: leashStore(handle.context.store, this.#life.over) };
    this.#putOff = new PutOff(this.#queue.host.clock);
    this.#putOffLeases = new PutOff(this.#queue.host.clock);
    this.#served = new Served(this.#queue, this.id, workflows, WAKE_UPS);
    this.#programs = new StoredPrograms(this.#queue.store, this.#queue.host, workflows.map(registeredDefinition));
    this.#sweeper = new Sweeper(this.#queue, {
      types: this.#served.names,
      onReady: (id, at) => this.#hint(id, at),
      stop: this.#life.stopping,
    });
    this.#writers = new RunWriters({
      store: this.#queue.store,
      host: this.#queue.host,
      programs: this.#programs,
      effects: EFFECTS,
      patienceMs: this.#leaseMs,
      onWritten: (record, facts, before) => {
        for (const { level, message, fields } of newsOf(before, record, facts))
          this.#queue.host.logger[level](message, { worker: this.id, ...fields });
        this.#handle.events.written(record.id);
        this.signals.emit({ signal: "committed", run: record.id, status: record.status, facts });
        const did = interferenceIn(facts);
        if (did !== undefined) void this.#tellInterference(record, did);
      },
    });
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
    // A start that failed has ended with it.
    this.#halt = new AbortController();
    this.#startedAt = this.#now();
    await this.#programs.publish();
    stopping.throwIfAborted();
    this.#isAnnounced = true;
    await this.#announce();
    stopping.throwIfAborted();
    const closed = (): void => this.#abandon();
    this.#handle.closed.addEventListener("abort", closed, { once: true });
    const unlisten = [
      () => this.#handle.closed.removeEventListener("abort", closed),
      this.#handle.events.onReady((taskId, availableAt) => this.#hint(taskId, availableAt)),
      ...(this.#catchesStrays ? [catchStrays(this.#queue.host.logger)] : []),
    ];
    this.#unlisten = () => {
      for (const stop of unlisten) stop();
    };
    this.#poller = this.#loop("poll", { restMs: this.#pollMs, turn: () => this.#poll() });
    this.#announcer = this.#every(SERVING_MS, () => this.#announce(), SERVING_MS);
    this.#loops = [
      this.#poller,
      this.#every(this.#leaseMs * MONITOR_SHARE, () => this.#monitor()),
      this.#every(SWEEP_MS, () => this.#sweep()),
      this.#every(DUE_MS, () => this.#promote(this.#life.stopping)),
      this.#announcer,
      ...(this.#served.isForeign ? [this.#pollForeign()] : []),
    ];
    await Promise.all(this.#loops.map((loop) => loop.start()));
  }

  /** After how much of a stop handlers that have not ended are told to. */
  get #haltMs(): number {
    return Math.min(this.#graceMs, this.#stopMs - Math.min(LONGEST_HAND_BACK_MS, this.#stopMs / HAND_BACK_SHARE));
  }

  /** The handle was closed under it: nothing can be written any more, so nothing is waited for. */
  #abandon(): void {
    this.#log(
      "error",
      "the store was closed while this worker ran; it stops, and its steps are taken over when their leases have run out",
    );
    this.#halt.abort();
    void this.stop();
  }

  async #end(over: AbortSignal): Promise<void> {
    const drained = new AbortController();
    const draining = this.#drain().then(() => drained.abort());
    await this.#queue.host.clock.sleep(this.#haltMs, { signal: drained.signal });
    this.#halt.abort();
    try {
      await Promise.all([draining, this.#withdraw(over)]);
    } finally {
      this.#unlisten();
    }
  }

  /** Resolves when no loop turns and no chain is driven any more. A poll that was under way may still have begun one. */
  async #drain(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    const promoted = this.#promoteOnceMore();
    while (this.#running.size > 0) await Promise.all(this.#running);
    await promoted;
  }

  /** Others leave runs to a worker that is announced: one that has ended must not be. */
  async #withdraw(over: AbortSignal): Promise<void> {
    // An announcement under way would come after its own withdrawal.
    await this.#announcer?.stop();
    if (!this.#isAnnounced) return;
    const store = leashStore(this.#handle.context.store, over);
    await store.delete(servingKey(this.id));
    await deregisterWorker({ ...this.#queue, store }, this.id);
    this.#isAnnounced = false;
  }

  #tellUnfinished(error: unknown): void {
    if (this.#isAnnounced)
      this.#log("warn", "this worker could not withdraw its announcement; it expires by itself within 75 s", error);
    for (const chain of this.#chains.values())
      this.#log("warn", "a step could not be handed back; it is taken over when its lease has run out", error, {
        run: chain.runId,
        task: chain.taskIds[0],
      });
  }

  // ------------------------------------------------------------------ loops

  #loop(name: string, options: Pick<LoopOptions, "firstRestMs" | "restMs" | "turn">): Loop {
    return new Loop({
      name,
      clock: this.#handle.context.host.clock,
      stopMs: this.#stopMs,
      failed: (error) => {
        if (!this.#handle.closed.aborted) this.#log("warn", `${name} failed; tried again`, error);
      },
      ...options,
    });
  }

  /** Turns at once, so that a worker that lives for seconds looks too, and then again and again. */
  #every(periodMs: number, turn: () => Promise<void>, firstRestMs = 0): Loop {
    return this.#loop("maintenance", { firstRestMs, restMs: periodMs, turn });
  }

  /**
   * What fell due while it lived is there for others at once. Runs and leases are looked at by the next worker as it starts: of them
   * nothing comes sooner.
   */
  async #promoteOnceMore(): Promise<void> {
    if (this.#loops.length === 0) return;
    try {
      await this.#promote(this.#halt.signal);
    } catch (error) {
      this.#log("warn", "due tasks could not be moved once more; the next worker moves them", error);
    }
  }

  readonly #lister = new ReadyLister();
  #nextListAt = 0;

  /** One turn of the poll: hints of this process first, then one LIST when it is time. Returns how long to rest. */
  async #poll(): Promise<number> {
    const { clock } = this.#queue.host;
    await this.#tryTasks(this.#dueHints());
    if (!this.#isFull() && clock.monotonic() >= this.#nextListAt) {
      const found = await this.#lister.list(this.#queue);
      const claimed = await this.#tryTasks(this.#readyTasks(found));
      this.signals.emit({ signal: "polled", found: found.length, claimed });
      if (claimed === 0) this.#nextListAt = clock.monotonic() + this.#pollMs;
    }
    if (this.#isFull()) return this.#pollMs;
    return Math.max(1, Math.min(this.#nextListAt - clock.monotonic(), this.#hints.nextAt - this.#now()));
  }

  /** The tasks of a list, as long as there is a place for them. A crowd that nobody here runs keeps no hint of this process waiting. */
  *#readyTasks(found: readonly ReadyTask[]): Generator<FoundTask> {
    for (const task of found) {
      yield* this.#dueHints();
      if (this.#isFull() || this.#life.stopping.aborted) return;
      // Asked for before, and not due yet.
      if ((this.#hints.at(task.id) ?? 0) <= this.#now()) yield task;
    }
  }

  /** The tasks that this process knows to be due, as long as there is a place for them. */
  *#dueHints(): Generator<FoundTask> {
    const now = this.#now();
    while (!this.#isFull() && !this.#life.stopping.aborted) {
      const id = this.#hints.takeDue(now);
      if (id === undefined) return;
      yield { id };
    }
  }

  /** Tries to claim tasks, one after the other, and says how many of a list it got. @throws when the store is away. */
  async #tryTasks(tasks: Iterable<FoundTask>): Promise<number> {
    const lines = this.#lines();
    let claimed = 0;
    await workThrough(tasks, {
      work: async ({ id, foundAt }) => {
        if ((await this.#tryTask(id, foundAt)) && foundAt !== undefined) claimed += 1;
      },
      onFailed: ({ id }, error) => {
        lines.warn("task could not be claimed", error, { task: id });
        this.#failedFor(this.#putOff, id, error);
      },
    }).finally(() => lines.end());
    return claimed;
  }

  async #monitor(): Promise<void> {
    const lines = this.#lines();
    await checkLeases(this.#queue, {
      ownIds: new Set([...this.#chains.values()].flatMap((chain) => chain.taskIds)),
      repaired: this.#repaired,
      isPutOff: (taskId) => this.#putOffLeases.has(taskId),
      onUnreadable: (key, error, taskId) => {
        this.#failedFor(this.#putOffLeases, taskId, error);
        lines.warn("lease could not be looked at", error, { key });
      },
      canRun: async (task) => !this.#isFull() && !this.#life.stopping.aborted && (await this.#served.canRun(task)),
      onExpired: async (taskId) => {
        const taken = await takeOverTask(this.#queue, taskId, {
          workerId: this.id,
          leaseMs: this.#leaseMs,
          handlerMayHaveBegun: (task) => !isTick(task.task_type),
        });
        if (taken.kind !== "claimed") return;
        this.#log("info", "took over a task whose worker is gone", undefined, { task: taskId });
        this.#take(taken.claim);
      },
    }).finally(() => lines.end());
  }

  async #sweep(): Promise<void> {
    await this.#sweeper.turn();
  }

  #pollForeign(): Loop {
    const poll = new ForeignPoll({
      queue: this.#queue,
      programs: this.#programs,
      types: this.#served.names,
      periodMs: this.#foreignPollMs,
      onReady: (id, at) => this.#hint(id, at),
      onUnreadable: (run, error) => this.#log("warn", "run could not be looked at", error, { run }),
    });
    return this.#every(this.#foreignPollMs, () => poll.turn());
  }

  async #promote(stop: AbortSignal): Promise<void> {
    const lines = this.#lines();
    await promoteDue(this.#queue, this.#now() + 2 * DUE_MS, {
      // The index knows the minute; who made the task here knows the moment.
      onReady: ({ id, availableAt }) => {
        if (this.#hints.at(id) === undefined) this.#hint(id, availableAt);
      },
      onFailed: (key, error) => lines.warn("due task could not be moved", error, { key }),
      stop,
    }).finally(() => lines.end());
  }

  async #announce(): Promise<void> {
    const seen = { worker_id: this.id, seen_at: this.#now(), workflows: this.#served.announcement() };
    await Promise.all([
      this.#queue.store.put(servingKey(this.id), servingCodec.encode(seen), "always"),
      registerWorker(this.#queue, {
        workerId: this.id,
        startedAt: this.#startedAt,
        tasksCompleted: this.#done,
        tasksFailed: this.#failed,
      }),
    ]);
  }

  async #tellInterference(record: RunRecord, did: Interference["did"]): Promise<void> {
    const { id: run, type: workflow } = record;
    const message = `a worker of another program claimed a tick of this run and ${did} it; see docs/mixed-fleets.md`;
    this.#log("warn", message, undefined, { run, workflow });
    try {
      await noteInterference(this.#queue.store, { workflow, run, did, seen_at: this.#now() });
    } catch (error) {
      this.#log("warn", "that could not be noted for doctor", error, { run, workflow });
    }
  }

  // ------------------------------------------------------------------ tasks

  #hint(taskId: string, availableAt: number): void {
    if (this.#life.stopping.aborted) return;
    const isNext = availableAt < this.#hints.nextAt;
    this.#hints.set(taskId, availableAt);
    if (isNext) this.#poller?.wake();
  }

  async #tryTask(taskId: string, foundAt?: string): Promise<boolean> {
    if (this.#putOff.has(taskId)) return false;
    const answer = await claimTask(this.#queue, taskId, {
      workerId: this.id,
      leaseMs: this.#leaseMs,
      accepts: (task) => this.#served.accepts(task),
      ...(foundAt === undefined ? {} : { foundAt }),
    });
    if (answer.kind === "claimed") {
      this.#take(answer.claim);
      return true;
    }
    if (answer.kind === "not_mine") this.#putOff.add(taskId, IGNORE_MS, LONGEST_IGNORE_MS);
    if (answer.kind === "not_due") this.#hints.set(taskId, Math.max(answer.availableAt, this.#now() + 1));
    return false;
  }

  /** What the store did not answer for is asked for again soon; what cannot be read stays so until somebody mends it. */
  #failedFor(putOff: PutOff, taskId: string, error: unknown): void {
    putOff.add(taskId, this.#pollMs, isUnanswered(error) ? LONGEST_SILENCE_MS : LONGEST_IGNORE_MS);
  }

  #take(claim: Claim): void {
    const work = this.#drive(claim).catch((error: unknown) => {
      this.#failed += 1;
      if (this.#life.over.aborted) return;
      this.#log("error", "chain failed; its lease runs out and it is tried again", error, { task: claim.task.id });
    });
    this.#running.add(work);
    void work.finally(() => {
      this.#running.delete(work);
      this.#poller?.wake();
    });
  }

  async #drive(claim: Claim): Promise<void> {
    const wakeUp = this.#served.wakeUpOf(claim.task);
    if (wakeUp === undefined) return;
    const { runId } = wakeUp;
    const workflow = wakeUp.workflow ?? (await this.#typeOf(runId, claim));
    const chain = new Chain(this.#chainContext(), claim, workflow ?? "", runId);
    this.#chains.set(claim.task.id, chain);
    try {
      const end = await chain.run(wakeUp);
      this.#done += 1;
      if (end.kind === "left" && end.isUnreadable === true)
        this.#putOff.add(claim.task.id, UNREADABLE_MS, LONGEST_IGNORE_MS);
      else this.#putOff.forget(claim.task.id);
      this.signals.emit({ signal: "driven", run: runId, task: claim.task.id, end: end.kind });
    } finally {
      this.#chains.delete(claim.task.id);
    }
  }

  async #typeOf(runId: string, claim: Claim): Promise<string | undefined> {
    const { host, store } = this.#queue;
    const read = await insist(
      host,
      () => host.clock.monotonic() < claim.leaseUntil,
      () => readDocument(store, stateKey(runId), recordCodec),
    );
    return read.kind === "found" ? read.value.type : undefined;
  }

  #chainContext(): ChainContext {
    const dispatch: DispatchContext = {
      queue: this.#queue,
      effects: EFFECTS,
      onReady: (taskId, availableAt) => this.#handle.events.ready(taskId, availableAt),
      onUnwanted: (taskId) => this.#discourage(taskId),
    };
    return {
      queue: this.#queue,
      writers: this.#writers,
      dispatch,
      workerId: this.id,
      leaseMs: this.#leaseMs,
      leaseWatch: this.#leaseWatch,
      handlerOf: (name, ref) => this.#served.handlerOf(name, ref),
      checkVersion: (record) => this.#served.checkVersion(record),
      isDriven: async (taskId) => isDriven(await getTask(this.#queue, taskId)),
      halt: this.#halt.signal,
      stopping: this.#life.stopping,
      catchesStrays: this.#catchesStrays,
      stepQueue: { submit: submitTo(this.#queue, this.#handle.events) },
      log: this.#queue.host.logger,
    };
  }

  /** Whether a chain of this worker holds the task. */
  #discourage(taskId: string): boolean {
    return [...this.#chains.values()].some((chain) => chain.discourage(taskId));
  }

  #isFull(): boolean {
    return this.#running.size >= this.#concurrency;
  }

  #now(): number {
    return Math.round(this.#queue.store.time().latest);
  }

  #lines(): FewLines {
    return new FewLines(this.#queue.host.logger, { worker: this.id });
  }

  #log(level: "info" | "warn" | "error", message: string, error?: unknown, fields: Record<string, unknown> = {}): void {
    const reason = error === undefined ? {} : { reason: reasonOf(error) };
    this.#queue.host.logger[level](message, { worker: this.id, ...fields, ...reason });
  }
}
