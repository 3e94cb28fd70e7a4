/** The context that handlers receive, and the types of what is stored of their results. */
import type { Logger } from "../host/host.ts";
import type { Duration } from "../wire/duration.ts";

/** Any JSON value. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/**
 * Checks that a type can be stored as JSON: parts that cannot become `never`. A member may be `undefined` and is then left out, as
 * `JSON.stringify` does. A plain `undefined` is stored as null. `unknown` is accepted.
 */
export type JsonResult<T> = T extends undefined | void ? T : JsonMember<T>;

/** The check of `JsonResult` for a member of an object. */
export type JsonMember<T> = unknown extends T
  ? T
  : T extends JsonValue | undefined
    ? T
    : T extends bigint | symbol | Error | ((...args: never[]) => unknown)
      ? never
      : T extends readonly unknown[]
        ? { [K in keyof T]: JsonElement<T[K]> }
        : T extends object
          ? { [K in keyof T]: JsonMember<T[K]> }
          : never;

/** The check of `JsonResult` for an element of a list, where `undefined` is not allowed. */
export type JsonElement<T> = unknown extends T ? T : T extends undefined ? never : JsonMember<T>;

/** The type of a result after it was stored: what dependents and the undo receive. Members that may be `undefined` may be missing. */
export type Stored<R> = unknown extends R ? R : R extends undefined | void ? null : Kept<R>;

/** The type of a member after it was stored. */
export type Kept<T> = T extends JsonValue
  ? T
  : T extends readonly unknown[]
    ? { [K in keyof T]: Kept<T[K]> }
    : T extends object
      ? [T] extends [Lossless<T>]
        ? T
        : KeptMembers<T>
      : T;

/** Equal to `T` if storing `T` loses nothing. */
export type Lossless<T> = { [K in keyof T]: LosslessMember<T[K]> };
/** The type of a member if storing it loses nothing; otherwise `never`. */
export type LosslessMember<T> = unknown extends T
  ? T
  : T extends JsonValue
    ? T
    : T extends undefined
      ? never
      : T extends object
        ? Lossless<T>
        : T;

/** An object whose members may be missing where they may be undefined. A name of its own, so that declarations of recursive types end. */
export type KeptMembers<T> = {
  [K in keyof MayBeMissing<T>]: K extends keyof T ? Kept<Exclude<T[K], undefined>> : never;
};
/** The members of `KeptMembers`, without their types. */
export type MayBeMissing<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: T[K];
};

/** The queue that the worker uses, for tasks of other programs. */
export interface StepQueue {
  /**
   * Submits a task of any type and resolves with its id once the task is durable.
   * @throws {WorkflowError} `closed` once the attempt is over.
   */
  submit(taskType: string, input: unknown): Promise<string>;
}

/** Options of `ctx.waitForSignal`. */
export interface WaitForSignalOptions {
  /** The longest wait: `"7d"` or milliseconds. @defaultValue no limit */
  readonly timeout?: Duration;
}

/**
 * What the handler of a step receives. A handler that is written outside the definition names its types: `(ctx: StepContext<Input, {
 * charge: Receipt }>) => …`, with the results that it reads and, as the third type, the payloads of the signals that it waits for.
 */
export interface StepContext<
  Input = JsonValue,
  Results = Readonly<Record<never, never>>,
  Signals = Readonly<Record<never, never>>,
> {
  /** The id of the run. */
  readonly runId: string;
  /** The name of the workflow. */
  readonly workflow: string;
  /** The name of the step. */
  readonly step: string;
  /**
   * The number of the attempt, from 1. It grows with every attempt that failed, timed out or lost its worker. `RescheduleError` and a
   * wake-up by a signal do not change it; a new generation begins at 1.
   */
  readonly attempt: number;
  /** The generation of the step, from 1. It grows when an operator has the step run again. */
  readonly generation: number;
  /** The input of the run. Each attempt gets its own copy, made when it is first read. */
  readonly input: Input;
  /** The results of the steps in `dependsOn`, by name. Each attempt gets its own copies, made when they are first read. */
  readonly results: Results;
  /**
   * Aborts when the attempt is over (timeout, lost lease, shutdown of the worker) or when the run has asked the step to stop. Pass it on to
   * everything that can be aborted.
   */
  readonly signal: AbortSignal;
  /**
   * A key that is the same for all attempts of the step, on any worker. Pass it on to whatever must happen once. Its form is `{run
   * id}:{step}:{number}`, both names escaped by `encodeURIComponent`. The number begins at 1 and changes only when an operator has the step
   * run again after it is known not to have happened, or was undone.
   */
  readonly idempotencyKey: string;
  /** Extends the lease now. The worker extends leases by itself, so that few handlers need this. */
  heartbeat(): Promise<void>;
  /** Whether the run has asked this step to stop. */
  isCancelled(): boolean;
  /**
   * Waits for a signal without holding a worker. The handler ends here and runs **again from its top** when the signal arrives; payloads
   * that were received before are returned again, in the order of the calls. Effects before the call must be idempotent. Resolves with
   * undefined when the wait timed out.
   */
  waitForSignal<N extends SignalName<Signals>>(
    name: N,
    options?: WaitForSignalOptions,
  ): Promise<SignalPayload<Signals, N> | undefined>;
  /** A logger whose lines name the run, the step and the attempt. */
  readonly log: Logger;
  /** Submits tasks for other programs on the bucket. */
  readonly queue: StepQueue;
}

/** What the undo of a step receives. An undo cannot wait for signals. */
export interface UndoContext<
  Input = JsonValue,
  Results = Readonly<Record<never, never>>,
  Signals = Readonly<Record<never, never>>,
> extends Omit<StepContext<Input, Results, Signals>, "waitForSignal"> {
  /** `completed`: the step completed. `unknown`: the step may or may not have had effects, and has no result. */
  readonly outcome: "completed" | "unknown";
}

/** The names of signals that a workflow accepts: the declared ones, or any. */
export type SignalName<Signals> = [keyof Signals] extends [never] ? string : keyof Signals & string;

/** The payload type of a declared signal; `unknown` for other names. */
export type SignalPayload<Signals, N> = N extends keyof Signals ? Signals[N] : unknown;
