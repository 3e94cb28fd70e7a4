/** The client: starts, follows and controls runs. Everything that it asks of a run is a durable task. */
import type { AnyEvent, AnyWorkflow, EventOf, OutputOf, SignalsOf } from "../define/workflow.ts";
import {
  RunNotFoundError,
  TimeoutError,
  WorkflowCancelledError,
  WorkflowError,
  WorkflowFailedError,
} from "../errors.ts";
import { definitionOrName } from "../define/definitions.ts";
import { copied, readArgument } from "../settings.ts";
import { errorOf } from "../host/error-data.ts";
import { stateKey } from "../keys.ts";
import { checkRunId, checkSignalName } from "../names.ts";
import { checkFits } from "../run/record/check-fits.ts";
import { checkHandle, type QueueHandle } from "../queue/handle.ts";
import type { Program } from "../programs/programs.ts";
import { isOver, type RunRecord } from "../run/record/record.ts";
import { recordCodec } from "../run/record/codec.ts";
import { isTerminated } from "../run/view.ts";
import { startRun } from "../run/start.ts";
import { StoredPrograms } from "../programs/stored-programs.ts";
import { registeredDefinition } from "../define/registered.ts";
import { joinSignals } from "../host/signals.ts";
import type { QueueContext } from "../queue/task.ts";
import { readDocument } from "../store/document.ts";
import { leashStore } from "../store/leash.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { shown } from "../wire/duration.ts";
import { bulkCommand, type BulkOptions, type BulkResult } from "./bulk.ts";
import { type BulkCommand, checkHeld, commandFor } from "./commands.ts";
import { explainRun } from "./explain.ts";
import { eachWithin, Limit, type WaitLimits } from "./limit.ts";
import { nextOfRun, type RunNext } from "./next.ts";
import {
  checkCallOptions,
  checkClientOptions,
  checkCommandOptions,
  checkStartOptions,
  checkWatchOptions,
} from "./options.ts";
import { type ListRunsOptions, listRuns, type RunListOptions } from "./runs.ts";
import { Sender } from "./sender.ts";
import { checkSignal, checkWanted, signalOf, takePayload } from "./signals.ts";
import type { EventGiven, EventTo, InputArguments, Meant, PayloadNamed, PayloadTo, SignalNameOf } from "./typed.ts";
import { snapshotOfGiven, takeInput } from "./values.ts";
import { type RunView, runViewOf } from "./view.ts";
import { lazyMembers, type StoredValue } from "../wire/value.ts";

/** How long a call waits for a command to be applied when it is not told how long. */
const APPLIED_TIMEOUT = "60s";
/** How often a follower asks when the run is driven by another process. */
const FIRST_ASK_MS = 100;
const LONGEST_ASK_MS = 2_000;

/** Options of `WorkflowClient`. */
export interface ClientOptions<Workflows extends readonly AnyWorkflow[] = readonly AnyWorkflow[]> {
  /**
   * Definitions. They give typed inputs, results and signals, and their schemas check what is sent. Workflows that are not given here are
   * found in the bucket by name.
   * @defaultValue none
   */
  readonly workflows?: Workflows;
}

/**
 * Options of `start`. A call that timed out may have started the run; the same call with the same `id` finds out and starts no second one.
 */
export interface StartOptions extends WaitLimits {
  /**
   * The id of the run: 1 to 200 bytes without a slash. Starting again with the same id and the same input returns the same run.
   * @defaultValue `wf-` and a ULID
   */
  readonly id?: string;
}

/** Options of `watch`. When the limit is reached, the iteration ends; the run is not affected. */
export interface WatchOptions extends WaitLimits {
  /** Ends the iteration after the first view for which it returns true. @defaultValue the end of the run */
  readonly until?: (view: RunView) => boolean;
}

/**
 * Options of every command. `timeout` and `signal` limit the call; a command that is durable is applied in any case. With `applied`, the
 * default of `timeout` is `"60s"`, because no worker may be running.
 */
export interface CommandOptions extends WaitLimits {
  /** Whether to wait until a worker has applied the command. @defaultValue false */
  readonly applied?: boolean;
}

/** Options of the commands that stop or pause a run. Other commands refuse a reason. */
export interface ReasonedCommandOptions extends CommandOptions {
  /** The reason, for people: at most 10,000 characters. @defaultValue none */
  readonly reason?: string;
}

/** Options of `cancel`. */
export interface CancelOptions extends ReasonedCommandOptions {
  /** Whether completed steps are undone. @defaultValue true */
  readonly compensate?: boolean;
}

/**
 * A handle of a run. `Output` is what `result` returns, `Event` what `send` accepts, `Signals` the payloads that `signal` accepts by name.
 * `RunOf<typeof order>` is the type for a definition.
 */
export interface Run<Output = unknown, Event = unknown, Signals = unknown> {
  /** The id under which it was started. */
  readonly id: string;
  /** Only for the compiler: it does not exist at run time. */
  readonly types?: { readonly event: Event; readonly signals: Signals };
  /** Whether `start` created the run; false when the run existed with the same input. Undefined on a handle that `run` returned. */
  readonly created?: boolean;
  /**
   * Waits until the run has ended, whatever its status, and resolves with its last view.
   * @throws {TimeoutError} when it has not ended in time.
   */
  wait(options?: WaitLimits): Promise<RunView>;
  /**
   * Waits until the run has ended and resolves with its output.
   * @throws {WorkflowFailedError} when it failed.
   * @throws {WorkflowCancelledError} when it was cancelled.
   * @throws {TimeoutError} when it has not ended in time.
   */
  result(options?: WaitLimits): Promise<Output>;
  /**
   * Sends a signal by its name. Resolves with the id of the signal once it is durable.
   * @throws {WorkflowError} `invalid` as `WorkflowClient.signal` does.
   */
  signal<R, const N extends SignalNameOf<R>>(
    this: R,
    name: N,
    payload: PayloadTo<R, N>,
    options?: WaitLimits,
  ): Promise<string>;
  /**
   * Sends an event, `{ type, ...payload }`. Resolves with its id once it is durable.
   * @throws {WorkflowError} `invalid` as `WorkflowClient.send` does.
   */
  send<R>(this: R, event: EventTo<R>, options?: WaitLimits): Promise<string>;
  /** Stops the run and undoes its completed steps. Resolves once the command is durable; with `applied`, once a worker has applied it. */
  cancel(options?: CancelOptions): Promise<void>;
  /** Pauses the run: running handlers may end, and nothing new starts until `resume`. */
  pause(options?: ReasonedCommandOptions): Promise<void>;
  /** Resumes a paused run. Held steps are tried again. */
  resume(options?: CommandOptions): Promise<void>;
  /**
   * Continues after a held step as if it had completed with the result null.
   * @throws {WorkflowError} `invalid` when the step is not held.
   */
  skip(step: string, options?: CommandOptions): Promise<void>;
  /** Reopens a failed run; see `WorkflowClient.retry`. */
  retry(options?: CommandOptions): Promise<void>;
  /**
   * Ends the run at once, as cancelled. Running handlers are not awaited and nothing is undone. `error.type` of the run is `Terminated`,
   * and its unfinished steps have the status `terminated`.
   */
  terminate(options?: ReasonedCommandOptions): Promise<void>;
  /** Reads the run as it is now. */
  get(options?: WaitLimits): Promise<RunView>;
  /** Explains why the run does not move: one sentence for each reason; empty when it is over. */
  explain(options?: WaitLimits): Promise<readonly string[]>;
  /** Lists what can happen next and where it leads; see `WorkflowClient.next`. */
  next(options?: WaitLimits): Promise<RunNext>;
  /**
   * Yields every state of the run that is observed, from now until it is over. While another process drives the run, this costs one GET
   * every 0.1 to 2 s.
   */
  watch(options?: WatchOptions): AsyncIterable<RunView>;
}

/** The type of the runs of a definition. */
export type RunOf<W> = Run<OutputOf<W>, EventOf<W>, SignalsOf<W>>;

/**
 * Starts, follows and controls runs. Calls are typed by the definitions in `workflows`. Every call accepts a `timeout` and a `signal`: it
 * throws a `TimeoutError` when the time is up, and the reason of the signal when that aborts, even while the store does not answer. What
 * was sent by then may still arrive. Without limits, a call waits for the store.
 *
 * @example
 * ```ts
 * const client = new WorkflowClient(await connect("s3://orders"), { workflows: [order] });
 * const run = await client.start("order", { item: "book" }, { id: "order-123" });
 * const { ship } = await run.result({ timeout: "5m" });
 * ```
 */
export class WorkflowClient<const Workflows extends readonly AnyWorkflow[] = readonly AnyWorkflow[]> {
  /** Only for the compiler: it does not exist at run time. */
  declare readonly types?: { readonly workflows: Workflows };
  readonly #handle: QueueHandle;
  readonly #workflows = new Map<string, AnyWorkflow>();
  readonly #programs: StoredPrograms;
  readonly #others = new WeakMap<AnyWorkflow, StoredPrograms>();
  readonly #published = new Set<string>();
  readonly #sender: Sender;

  /** Makes a client; sends no request. @throws {WorkflowError} `invalid` for options or definitions that cannot work. */
  constructor(handle: QueueHandle, options: ClientOptions<Workflows> = {}) {
    checkHandle("a client", handle);
    this.#handle = handle;
    this.#sender = new Sender(handle);
    checkClientOptions(options);
    const workflows: readonly AnyWorkflow[] = options.workflows ?? [];
    for (const workflow of workflows) this.#workflows.set(workflow.name, workflow);
    this.#programs = new StoredPrograms(handle.context.store, handle.context.host, workflows.map(registeredDefinition));
  }

  /**
   * Starts a run of a workflow, given by its definition or its name. Starting again with the same id and the same input (after its schema
   * was applied) returns the same run; `created` tells whether this call created it.
   * @throws {IdempotencyConflictError} when the id belongs to a run of another workflow or with another input; nothing is changed.
   * @throws {WorkflowError} `invalid` for an unknown name, or an input that the schema refuses.
   */
  start<C, const W extends AnyWorkflow | string>(
    this: C,
    workflow: W,
    ...input: InputArguments<Meant<C, W>>
  ): Promise<RunOf<Meant<C, W>>>;
  async start(workflow: AnyWorkflow | string, input?: unknown, options: StartOptions = {}): Promise<Run> {
    readArgument("start", "workflow", definitionOrName, workflow);
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const definition = typeof workflow === "string" ? this.#workflows.get(name) : workflow;
    const { host, store } = this.#handle.context;
    checkStartOptions(options);
    const id = options.id ?? `wf-${host.random.ulid(Math.round(store.time().latest))}`;
    checkRunId(id);
    const data = await takeInput(definition, input);
    const late = `the store has not taken the start of run ${shown(id)} in time; it may still be there: start it again with the same id`;
    const started = await this.#limit(options).run(late, (signal) =>
      this.#start(this.#bound(signal), { id, name, definition, data }),
    );
    this.#handle.events.ready(started.taskId, store.time().latest);
    return { ...this.run(id, definition), created: started.created };
  }

  async #start(
    queue: QueueContext,
    given: { id: string; name: string; definition: AnyWorkflow | undefined; data: StoredValue },
  ): ReturnType<typeof startRun> {
    const { id, name, definition, data } = given;
    const programs = definition === undefined ? this.#programs : this.#programsOf(definition);
    const program = await programs.byName(name);
    if (program === undefined) {
      throw new WorkflowError(
        "invalid",
        `no workflow ${JSON.stringify(name)} is known here or was ever served on ${queue.store.url}; give its definition (the option workflows of the client, --workflows on the command line), or start a worker that serves it`,
      );
    }
    if (!this.#published.has(program.planHash)) {
      await programs.publishPlan(name);
      this.#published.add(program.planHash);
    }
    return startRun(queue, { id, program, data });
  }

  /** Returns a handle of an existing run; sends no request. @throws {WorkflowError} `invalid` for an id that cannot be one. */
  run<C, const W extends AnyWorkflow | string = AnyWorkflow>(this: C, id: string, workflow?: W): RunOf<Meant<C, W>>;
  run(id: string, workflow?: AnyWorkflow | string): Run {
    checkRunId(id);
    if (workflow !== undefined) readArgument("run", "workflow", definitionOrName, workflow);
    const definition = typeof workflow === "string" ? this.#workflows.get(workflow) : workflow;
    return {
      id,
      wait: (options) => this.wait(id, options),
      result: (options) => this.result(id, options, definition),
      signal: (name: string, payload: unknown, options?: WaitLimits) =>
        this.#sendSignal(id, name, payload, options, definition),
      send: (event: AnyEvent, options?: WaitLimits) => this.#sendEvent(id, event, options, definition),
      cancel: (options) => this.cancel(id, options),
      pause: (options) => this.pause(id, options),
      resume: (options) => this.resume(id, options),
      skip: (step, options) => this.skip(id, step, options),
      retry: (options) => this.retry(id, options),
      terminate: (options) => this.terminate(id, options),
      get: (options) => this.get(id, options),
      explain: (options) => this.explain(id, options),
      next: (options) => this.next(id, options),
      watch: (options) => this.watch(id, options),
    };
  }

  /** Reads the run as it is now. @throws {RunNotFoundError} when it does not exist. */
  get(id: string, options: WaitLimits = {}): Promise<RunView> {
    return this.#call(options, lateRead(id), async ({ store }) => runViewOf(await readRecord(store, id)));
  }

  /**
   * Explains why the run does not move: one sentence for each reason; empty when it is over.
   * @throws {RunNotFoundError} when it does not exist.
   */
  explain(id: string, options: WaitLimits = {}): Promise<readonly string[]> {
    return this.#call(options, lateRead(id), async (queue) => explainRun(queue, await readRecord(queue.store, id)));
  }

  /**
   * Lists what can happen to the run next and where it leads: open waits, timers, running handlers, and the commands that would change
   * something. Waits have the JSON Schema of their payload when this client was given the definition.
   * @throws {RunNotFoundError} when it does not exist.
   * @throws {WorkflowError} `unavailable` when its program cannot be read.
   */
  next(id: string, options: WaitLimits = {}): Promise<RunNext> {
    return this.#call(options, lateRead(id), async ({ store }) => {
      const record = await readRecord(store, id);
      return nextOfRun(record, await this.#programOf(record), this.#workflows.get(record.type));
    });
  }

  /** Whether the run exists. */
  async exists(id: string, options: WaitLimits = {}): Promise<boolean> {
    checkRunId(id);
    const read = await this.#call(options, lateRead(id), ({ store }) => store.get(stateKey(id)));
    return read.kind === "found";
  }

  /**
   * Waits until the run has ended, whatever its status, and resolves with its last view.
   * @throws {TimeoutError} when it has not ended in time; the run continues.
   * @throws the reason of `signal` when that aborts first.
   */
  async wait(id: string, options: WaitLimits = {}): Promise<RunView> {
    for await (const view of this.watch(id, options)) {
      if (isOver(view.status)) return view;
    }
    options.signal?.throwIfAborted();
    throw new TimeoutError(`run ${id} has not ended; it goes on`);
  }

  /**
   * Waits until the run has ended and resolves with its output: what `output` of the definition returns, otherwise the results of the last
   * steps by name.
   * @throws {WorkflowFailedError} when it failed.
   * @throws {WorkflowCancelledError} when it was cancelled.
   * @throws {TimeoutError} when it has not ended in time; the run continues.
   * @throws the reason of `signal` when that aborts first.
   */
  result<W extends AnyWorkflow = AnyWorkflow>(id: string, options?: WaitLimits, definition?: W): Promise<OutputOf<W>>;
  async result(id: string, options: WaitLimits = {}, definition?: AnyWorkflow): Promise<unknown> {
    checkWatchOptions(options);
    const limit = this.#limit(options);
    const view = await this.wait(id, options);
    if (view.status === "failed") {
      const { error, failure } = view;
      const cause = failure === undefined ? {} : { cause: errorOf(failure) };
      throw new WorkflowFailedError(id, `run ${id} failed: ${error?.message ?? "no reason given"}`, error, cause);
    }
    if (view.status === "cancelled") {
      const how = isTerminated(view) ? "terminated" : "cancelled";
      throw new WorkflowCancelledError(id, `run ${id} was ${how}: ${view.error?.message ?? "no reason given"}`);
    }
    const workflow = definition ?? this.#workflows.get(view.type);
    const resultOf = (name: string): unknown => view.steps[name]?.result ?? null;
    const names = Object.keys(view.steps);
    if (workflow?.makeOutput !== undefined)
      return workflow.makeOutput(
        lazyMembers(
          {},
          names.map((name) => [name, () => resultOf(name)]),
        ),
      );
    const late = `run ${id} has ended, but its definition could not be read in time`;
    const program = workflow?.plan ?? (await limit.run(late, () => this.#programOf(view.record)));
    const needed = new Set(program?.steps.flatMap((step) => step.dependsOn));
    return Object.fromEntries(names.filter((name) => !needed.has(name)).map((name) => [name, resultOf(name)]));
  }

  /**
   * Yields every state of the run that is observed, from now until it is over or `until` returns true. The iteration also ends, without an
   * error, when the time is up or the signal aborts.
   */
  async *watch(id: string, options: WatchOptions = {}): AsyncGenerator<RunView> {
    checkWatchOptions(options);
    const limit = this.#limit(options);
    let seen = "";
    const isSeen = options.until ?? hasEnded;
    let askMs = FIRST_ASK_MS;
    for (;;) {
      const wake = new AbortController();
      const unlisten = this.#handle.events.onWritten((written) => {
        if (written === id) wake.abort();
      });
      const rest = joinSignals(wake.signal, options.signal, this.#handle.closed);
      try {
        const answer = await limit.within(async (signal) => runViewOf(await readRecord(this.#bound(signal).store, id)));
        if (answer.kind === "over") return;
        const view = answer.value;
        const version = view.record.machine?.write.id ?? view.updatedAt;
        if (version !== seen) {
          seen = version;
          askMs = FIRST_ASK_MS;
          yield view;
        }
        if (isSeen(view) || limit.isOver) return;
        await this.rest(id, { askMs, leftMs: limit.leftMs }, rest.signal);
        askMs = Math.min(askMs * 1.5, LONGEST_ASK_MS);
      } finally {
        rest.release();
        unlisten();
      }
    }
  }

  /**
   * Waits until the record of a run is to be read again: until the signal aborts, or for `askMs`, and no longer than `leftMs`. The client of a
   * test kit lets virtual time pass here.
   * @internal
   */
  protected rest(
    _id: string,
    { askMs, leftMs }: { readonly askMs: number; readonly leftMs: number },
    signal: AbortSignal,
  ): Promise<void> {
    return this.#handle.context.host.clock.sleep(Math.min(askMs, leftMs), { signal });
  }

  /**
   * Sends a signal to a run. Resolves with the id of the signal once it is durable.
   * @throws {RunNotFoundError} when the run does not exist.
   * @throws {WorkflowError} `invalid` when the run is over, the name is not declared, or the schema refuses the payload.
   */
  signal<C, const N extends string>(
    this: C,
    id: string,
    name: N,
    payload: PayloadNamed<C, N>,
    options?: WaitLimits,
  ): Promise<string>;
  signal(id: string, name: string, payload: unknown, options?: WaitLimits): Promise<string> {
    return this.#sendSignal(id, name, payload, options, undefined);
  }

  async #sendSignal(
    id: string,
    name: string,
    payload: unknown,
    options: WaitLimits | undefined,
    definition: AnyWorkflow | undefined,
  ): Promise<string> {
    checkSignalName(name);
    // Now: who calls may change it while the record is read.
    const given = snapshotOfGiven("the payload", payload);
    return this.#call(options, lateSignal(id, name), async (queue) => {
      const record = await readRecord(queue.store, id);
      checkSignal(record, await this.#programOf(record), name);
      const taken = await takePayload(definition ?? this.#workflows.get(record.type), name, given);
      return this.#sender.signal(queue, record, name, taken);
    });
  }

  /**
   * Sends an event of the workflow, `{ type, ...payload }`: a declared signal, or the signal of a node. With a definition, or on the handle
   * that `start` returned, the compiler knows the events. Resolves with the id of the signal once it is durable.
   * @throws {RunNotFoundError} when the run does not exist.
   * @throws {WorkflowError} `invalid` as `signal` does, and when the run can never accept the event.
   */
  send<W extends AnyWorkflow = AnyWorkflow, const T extends string = string, C = unknown>(
    this: C,
    id: string,
    event: EventGiven<C, W, T>,
    options?: WaitLimits,
    definition?: W,
  ): Promise<string>;
  send(id: string, event: AnyEvent, options?: WaitLimits, definition?: AnyWorkflow): Promise<string> {
    return this.#sendEvent(id, event, options, definition);
  }

  async #sendEvent(
    id: string,
    event: AnyEvent,
    options: WaitLimits | undefined,
    definition: AnyWorkflow | undefined,
  ): Promise<string> {
    const { name, payload } = signalOf(snapshotOfGiven("the event", event) as AnyEvent);
    return this.#call(options, lateSignal(id, name), async (queue) => {
      const record = await readRecord(queue.store, id);
      const program = await this.#programOf(record);
      checkSignal(record, program, name);
      checkWanted(record, program, name);
      const taken = await takePayload(definition ?? this.#workflows.get(record.type), name, payload);
      return this.#sender.signal(queue, record, name, taken);
    });
  }

  /**
   * Stops the run and undoes its completed steps. Cancelling a run that is over or already stopping changes nothing.
   * @throws {RunNotFoundError} when it does not exist.
   */
  cancel(id: string, options: CancelOptions = {}): Promise<void> {
    return this.#command(id, { type: "cancel" }, options);
  }

  /** Pauses the run: running handlers may end, and nothing new starts until `resume`. @throws {RunNotFoundError} when it does not exist. */
  pause(id: string, options: ReasonedCommandOptions = {}): Promise<void> {
    return this.#command(id, { type: "pause" }, options);
  }

  /** Resumes a paused run. Held steps are tried again. @throws {RunNotFoundError} when it does not exist. */
  resume(id: string, options: CommandOptions = {}): Promise<void> {
    return this.#command(id, { type: "resume" }, options);
  }

  /**
   * Continues after a held step as if it had completed with the result null.
   * @throws {RunNotFoundError} when the run does not exist.
   * @throws {WorkflowError} `invalid` when the step is not held.
   */
  async skip(id: string, step: string, options: CommandOptions = {}): Promise<void> {
    await this.#command(id, { type: "skip", step }, options);
  }

  /**
   * Ends the run at once, as cancelled. Running handlers are not awaited and nothing is undone. `error.type` of the run is `Terminated`,
   * and its unfinished steps have the status `terminated`.
   * @throws {RunNotFoundError} when it does not exist.
   */
  terminate(id: string, options: ReasonedCommandOptions = {}): Promise<void> {
    return this.#command(id, { type: "terminate" }, options);
  }

  /**
   * Reopens a failed run: steps that failed, were held, were not reached or were undone run as new generations. A completed step does not
   * run again, unless its undo ran; if the undo failed, the step runs again under the same idempotency key. The run stays failed until a
   * worker has applied the command, so that `wait` and `result` would return at once: pass `{ applied: true }` first. Several retries of
   * one failure count once.
   * @throws {RunNotFoundError} when it does not exist.
   * @throws {WorkflowError} `invalid` when the run is not failed.
   */
  retry(id: string, options: CommandOptions = {}): Promise<void> {
    return this.#command(id, { type: "retry" }, options);
  }

  /**
   * Gives one command to every run that matches the filter and would be changed by it, and yields the outcome for each. A run for which it
   * fails does not stop the others. `limit` counts the runs that are changed.
   * @throws {WorkflowError} `invalid` for filters or options that make no sense.
   *
   * @example
   * ```ts
   * for await (const run of client.bulk({ type: "retry" }, { type: "orders", olderThan: "1h" }, { dryRun: true }))
   *   console.log(run.id, run.status, "→", run.leads?.status);
   * ```
   */
  bulk(command: BulkCommand, filter: ListRunsOptions = {}, options: BulkOptions = {}): AsyncGenerator<BulkResult> {
    const [of, given, to] = [copied(filter), copied(command), copied(options)];
    const late = "the command has not been given to all runs in time; to some it may have been: ask again";
    return eachWithin(this.#handle.context.host.clock, to, late, (signal) => {
      const queue = this.#bound(signal);
      const context = {
        store: queue.store,
        programOf: (record: RunRecord) => this.#programOf(record),
        give: (record: RunRecord, one: BulkCommand) => this.#give(queue, record, one).then(() => {}),
      };
      return bulkCommand(context, given, of, to);
    });
  }

  /**
   * Lists the runs in the bucket, by id. A run whose record cannot be read is skipped and reported to `onUnreadable`, or logged. Each run
   * that is read costs one GET, whether it matches or not, and some hundreds of runs cost one LIST; `prefix` and `limit` reduce both.
   * @throws {WorkflowError} `invalid` for a limit or status that makes no sense.
   */
  list(options: RunListOptions = {}): AsyncGenerator<RunView> {
    const { host } = this.#handle.context;
    const warn = (id: string, error: WorkflowError): void =>
      host.logger.warn("run left out: its record cannot be read", { run: id, reason: error.message });
    const given = copied(options);
    return eachWithin(host.clock, given, "not all runs could be listed in time", (signal) =>
      listRuns(this.#bound(signal).store, given, given.onUnreadable ?? warn),
    );
  }

  async #command(id: string, command: Parameters<typeof commandFor>[1], options: CancelOptions): Promise<void> {
    checkCommandOptions(command.type, options);
    const { signal, applied = false, timeout = applied ? APPLIED_TIMEOUT : undefined, reason, compensate } = options;
    const given = {
      ...command,
      ...(reason === undefined ? {} : { reason }),
      ...(compensate === undefined ? {} : { compensate }),
    };
    const limit = this.#limit({
      ...(timeout === undefined ? {} : { timeout }),
      ...(signal === undefined ? {} : { signal }),
    });
    const late = `the store has not taken ${given.type} for run ${shown(id)} in time; it may still be given: ask again`;
    const sent = await limit.run(late, async (until) => {
      const queue = this.#bound(until);
      const record = await readRecord(queue.store, id);
      if (given.type === "skip") checkHeld(record, await this.#programOf(record), given.step);
      return this.#give(queue, record, given);
    });
    if (!applied) return;
    const isApplied = ({ status, record: { machine } }: RunView): boolean =>
      machine?.applied.includes(sent) === true || (isOver(status) && !(given.type === "retry" && status === "failed"));
    let last: RunView | undefined;
    const left = { timeout: Math.max(0, limit.leftMs), ...(signal === undefined ? {} : { signal }) };
    for await (const view of this.watch(id, { until: isApplied, ...left })) last = view;
    if (last === undefined || !isApplied(last))
      throw limit.error(`${given.type} is durable, but no worker has applied it to run ${id} yet; one will`);
  }

  /** Puts a command for a run. Returns its id, by which the record names it once it is applied. */
  async #give(queue: QueueContext, record: RunRecord, given: Parameters<typeof commandFor>[1]): Promise<string> {
    return this.#sender.command(queue, record, commandFor(record, given, queue.store.capabilities.versions));
  }

  #limit(options: WaitLimits): Limit {
    return new Limit(this.#handle.context.host.clock, options);
  }

  /** Does what a call asks for within its limit. `late`: what it throws when the time is up. */
  async #call<T>(options: WaitLimits = {}, late: string, work: (queue: QueueContext) => Promise<T>): Promise<T> {
    checkCallOptions(options);
    return this.#limit(options).run(late, (signal) => work(this.#bound(signal)));
  }

  /** The bucket for one call: its requests end with the signal. */
  #bound(signal: AbortSignal): QueueContext {
    const { context } = this.#handle;
    return { ...context, store: leashStore(context.store, signal) };
  }

  /** A definition that this client was not given is compiled once, for as long as somebody holds it. */
  #programsOf(definition: AnyWorkflow): StoredPrograms {
    if (this.#workflows.get(definition.name)?.planHash === definition.planHash) return this.#programs;
    const { store, host } = this.#handle.context;
    const programs =
      this.#others.get(definition) ?? new StoredPrograms(store, host, [registeredDefinition(definition)]);
    this.#others.set(definition, programs);
    return programs;
  }

  async #programOf(record: RunRecord): Promise<Program | undefined> {
    if (record.machine === undefined) return undefined;
    const program = await this.#programs.byHash(record.machine.plan_hash);
    if (program !== undefined) checkFits(record, program);
    return program;
  }
}

const hasEnded = ({ status }: RunView): boolean => isOver(status);

const lateRead = (id: string): string => `the store has not answered for run ${shown(id)} in time; ask again`;

const lateSignal = (id: string, name: string): string =>
  `the store has not taken ${shown(name)} for run ${shown(id)} in time; it may still be given, and given twice when it is sent again`;

async function readRecord(store: ObjectStore, id: string): Promise<RunRecord> {
  checkRunId(id);
  const read = await readDocument(store, stateKey(id), recordCodec);
  if (read.kind === "missing") throw new RunNotFoundError(id);
  return read.value;
}
