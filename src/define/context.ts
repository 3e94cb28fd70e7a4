/** What a handler is given. */
import type { Logger } from "../host/host.ts";
import type { Duration } from "../wire/duration.ts";

/** Values that JSON can say. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/**
 * What a type must be to be kept as JSON; what cannot be kept becomes `never`. A member may be `undefined`: it is left out, as
 * `JSON.stringify` does. Of `unknown` the compiler cannot tell. A plain `undefined` is kept as null.
 */
export type JsonResult<T> = T extends undefined | void ? T : JsonMember<T>;

/** A member of a result. */
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

/** An entry of a list, where nothing can be left out. */
export type JsonElement<T> = unknown extends T ? T : T extends undefined ? never : JsonMember<T>;

/** What is kept of a result, and what its dependents and its undo are given: members that may be `undefined` may be missing. */
export type Stored<R> = unknown extends R ? R : R extends undefined | void ? null : Kept<R>;

/** What is kept of a member. */
export type Kept<T> = T extends JsonValue
  ? T
  : T extends readonly unknown[]
    ? { [K in keyof T]: Kept<T[K]> }
    : T extends object
      ? [T] extends [Lossless<T>]
        ? T
        : KeptMembers<T>
      : T;

/** Equal to `T` when nothing of it can be left out. */
export type Lossless<T> = { [K in keyof T]: LosslessMember<T[K]> };
/** A member of which nothing can be left out; else `never`. */
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

/** Puts tasks on the queue that the worker uses. */
export interface StepQueue {
  /** Puts a task of any type, and resolves with its id once it is durable. Refused once the attempt is over. */
  submit(taskType: string, input: unknown): Promise<string>;
}

/** Options of `ctx.waitForSignal`. */
export interface WaitForSignalOptions {
  /** Longest wait, `"7d"` or milliseconds; absent: for ever. */
  readonly timeout?: Duration;
}

/**
 * Everything that a step's handler knows. For handlers that are written apart: `(ctx: StepContext<Input, { charge: Receipt }>) => …`, with
 * the results that it reads and, as the third type, the payloads of the signals that it waits for by name.
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
   * The retries that were used up, and 1: grows with every attempt that failed, timed out or lost its worker, in place or over the queue.
   * `RescheduleError` and a wake by a signal leave it as it is; a new generation begins at 1.
   */
  readonly attempt: number;
  /** Counts from 1; grows when an operator has the step tried again. */
  readonly generation: number;
  /** The input of the run. A copy for this attempt, made when it is read: to change it changes nothing else. */
  readonly input: Input;
  /** Results of the steps named in `dependsOn`. Each is a copy for this attempt, made when it is read. */
  readonly results: Results;
  /** Aborts when the attempt is over (timeout, lost lease, end of the grace of a stop) or the run does not want the step any more. */
  readonly signal: AbortSignal;
  /**
   * The same over attempts, restarts, wakes and hand-off: give it to whatever must happen once. `{run id}:{step}:{number}`, both names as
   * `encodeURIComponent` writes them, so that no two steps share one. The number counts from 1 and changes only when an operator has a
   * step run again that is known not to have happened, or was undone.
   */
  readonly idempotencyKey: string;
  /** Extends the lease now. The worker does that by itself, so few handlers need it. */
  heartbeat(): Promise<void>;
  /** Whether the run was asked to stop while this handler runs. */
  isCancelled(): boolean;
  /**
   * Waits without holding a worker: the handler ends here and runs **again from its top** when the signal comes, and each payload that
   * was given is handed back in call order. Effects before it must be idempotent. `undefined`: the time is up.
   */
  waitForSignal<N extends SignalName<Signals>>(
    name: N,
    options?: WaitForSignalOptions,
  ): Promise<SignalPayload<Signals, N> | undefined>;
  /** Log lines that name the run, the step and the attempt. */
  readonly log: Logger;
  /** Puts tasks for other programs on the bucket. */
  readonly queue: StepQueue;
}

/** What an undo knows beside. */
export interface UndoContext<
  Input = JsonValue,
  Results = Readonly<Record<never, never>>,
  Signals = Readonly<Record<never, never>>,
> extends Omit<StepContext<Input, Results, Signals>, "waitForSignal"> {
  /** `unknown`: the step may or may not have happened, and has no result. */
  readonly outcome: "completed" | "unknown";
}

/** Names that a workflow takes: those it declares, else any. */
export type SignalName<Signals> = [keyof Signals] extends [never] ? string : keyof Signals & string;

/** The payload of a declared signal; of others nothing is known. */
export type SignalPayload<Signals, N> = N extends keyof Signals ? Signals[N] : unknown;
