/** A bucket (or folder) that is open: what clients and workers share in one process. */
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { withSafeLogger } from "../host/logger.ts";
import { cancelTask, type CancelTaskOptions, type CancelTaskOutcome } from "./cancel.ts";
import { repairTasks, type RepairedTasks, type RepairOptions } from "./repair.ts";
import { getTask, submitTask, type SubmitOptions } from "./submit.ts";
import type { QueueContext, TaskRecord } from "./task.ts";
import { type Check, type ChecksOf, milliseconds, processHost, readArgument, readSettings } from "../settings.ts";
import { isStore } from "../store/is-store.ts";
import { leashStore } from "../store/leash.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { shown } from "../wire/duration.ts";
import { toPlain } from "../wire/json.ts";

/** Clocks of two machines, and of a machine and the store, may differ by this much. */
export const DEFAULT_SKEW_MARGIN_MS = 2_000;
/** An hour: clocks that are further apart are to be set, and a lease is three times as long. */
const LONGEST_SKEW_MARGIN_MS = 3_600_000;
/** How long a close waits for what a store does to end. */
const CLOSE_MS = 10_000;

/** Facts that one part of a process tells another, so that it need not ask the bucket. Hints only: nothing depends on them. */
export class ProcessEvents {
  readonly #ready = new Set<(taskId: string, availableAt: number) => void>();
  readonly #written = new Set<(runId: string) => void>();

  /** A task was made ready. */
  ready(taskId: string, availableAt: number): void {
    for (const listener of this.#ready) listener(taskId, availableAt);
  }

  /** The record of a run was written. Who wants to see it reads it: the writer keeps its own. */
  written(runId: string): void {
    for (const listener of this.#written) listener(runId);
  }

  /** Listens; returns how to stop. */
  onReady(listener: (taskId: string, availableAt: number) => void): () => void {
    this.#ready.add(listener);
    return () => this.#ready.delete(listener);
  }

  /** Listens; returns how to stop. */
  onWritten(listener: (runId: string) => void): () => void {
    this.#written.add(listener);
    return () => this.#written.delete(listener);
  }
}

/** An open bucket, which clients and workers of a process share. */
export interface QueueHandle extends AsyncDisposable {
  /** @internal */
  readonly context: QueueContext;
  /** @internal */
  readonly events: ProcessEvents;
  /** Aborts when the handle is closed. */
  readonly closed: AbortSignal;
  /**
   * Submits a task of any type and resolves with its id once the task is durable. With an idempotency key that was used before, it resolves
   * with the id of that task.
   * @throws {WorkflowError} `invalid` for a value that cannot be stored.
   * @throws {IdempotencyConflictError} when the key was used with another input.
   */
  submit(taskType: string, input: unknown, options?: SubmitOptions): Promise<string>;
  /** Reads a task; undefined when there is none. */
  task(taskId: string): Promise<TaskRecord | undefined>;
  /** Cancels a pending task, or asks the worker of a running task to stop. */
  cancelTask(taskId: string, options?: CancelTaskOptions): Promise<CancelTaskOutcome>;
  /** Finds tasks that have lost their index keys and puts the keys again, one page of the task log at a time. */
  repairTasks(options?: RepairOptions): Promise<RepairedTasks>;
  /**
   * Closes the handle; closing it twice is the same as once. Requests in progress and later ones throw `closed`. Stop the workers that
   * share the handle first: a worker that still runs stops by itself, and its tasks are taken over when its leases end. The call waits at
   * most ten seconds for the store, then logs a warning and resolves.
   * @throws what the disposal of the store throws.
   */
  close(): Promise<void>;
}

/** Options of `handleOf` and `connect`. */
export interface HandleOptions {
  /**
   * By how much the clocks of machines and of the store may differ, in milliseconds: 0 to an hour. A lease is used only until this margin
   * before its end, so that the `lease` of a worker must be at least three times as long.
   * @defaultValue 2000
   */
  readonly skewMarginMs?: number;
}

/** Puts tasks of any type on a queue and tells the process so. */
export function submitTo(context: QueueContext, events: ProcessEvents): QueueHandle["submit"] {
  return async (taskType, input, options) => {
    const task = await submitTask(context, taskType, input, options);
    events.ready(task.id, context.store.time().latest);
    return task.id;
  };
}

/** Checks of what may be set of a handle. */
export const HANDLE_CHECKS: { readonly skewMarginMs: Check<number> } = {
  skewMarginMs: milliseconds(0, LONGEST_SKEW_MARGIN_MS),
} satisfies ChecksOf<HandleOptions>;

/** @throws {WorkflowError} `invalid` for what is no open bucket: a url, or what `connect` returns before it was awaited. */
export function checkHandle(whose: string, handle: QueueHandle): void {
  const given: unknown = handle;
  if (typeof given === "object" && given !== null && "context" in given && "events" in given) return;
  const isPromise = typeof given === "object" && given !== null && "then" in given;
  const found = isPromise ? "a promise; await it" : shown(given);
  throw new WorkflowError("invalid", `${whose} is given an open bucket, which connect(url) resolves to, not ${found}`);
}

/**
 * Opens a bucket on a store of your own, for clients and workers. @throws {WorkflowError} `invalid` for options that make no sense.
 *
 * @example
 * ```ts
 * const host = nodeHost();
 * const store = meterStore(await openStore("s3://orders", host));
 * await using queue = handleOf(store, host);
 * ```
 */
export function handleOf(store: ObjectStore, host: Host, options: HandleOptions = {}): QueueHandle {
  readArgument("handleOf", "store", isStore, store);
  readArgument("handleOf", "host", processHost, host);
  const { skewMarginMs = DEFAULT_SKEW_MARGIN_MS } = readSettings("a connection", HANDLE_CHECKS, options);
  const closed = new AbortController();
  const context: QueueContext = { store: leashStore(store, closed.signal), host: withSafeLogger(host), skewMarginMs };
  const events = new ProcessEvents();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed.abort(new WorkflowError("closed", "this store is closed; open a new one"));
    closing ??= disposeWithin(CLOSE_MS, store, context.host);
    return closing;
  };
  return {
    context,
    events,
    closed: closed.signal,
    submit: submitTo(context, events),
    task: async (taskId) => {
      const task = await getTask(context, taskId);
      // Kept numbers are for those who write a task back.
      return task === undefined ? undefined : (toPlain(task) as TaskRecord);
    },
    cancelTask: (taskId, cancelOptions) => cancelTask(context, taskId, cancelOptions),
    repairTasks: (repairOptions) => repairTasks(context, repairOptions),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A store of a user may take as long as it likes, or for ever; who closes a bucket wants to go on. */
async function disposeWithin(ms: number, store: ObjectStore, host: Host): Promise<void> {
  const ended = new AbortController();
  const disposal = (async () => store[Symbol.asyncDispose]())().finally(() => ended.abort());
  await Promise.race([disposal, host.clock.sleep(ms, { signal: ended.signal })]);
  if (ended.signal.aborted) return disposal;
  host.logger.warn("the store is not disposed of in time; nobody waits for it any more", { store: store.url, ms });
}
