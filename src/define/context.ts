/** What a handler is given. */
import type { Logger } from "../host/host.ts";

/** Values that JSON can say. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** What a result type must be to be JSON; anything else becomes `never`, which does not compile. Plain `undefined` is stored as null. */
export type JsonResult<T> = T extends undefined | void ? T : JsonMember<T>;

type JsonMember<T> = T extends JsonValue
  ? T
  : T extends
        | bigint
        | symbol
        | undefined
        | ((...args: never[]) => unknown)
        | Date
        | Map<unknown, unknown>
        | Set<unknown>
        | RegExp
    ? never
    : T extends object
      ? { [K in keyof T]: JsonMember<T[K]> }
      : never;

/** Puts tasks on the queue that the worker uses. */
export interface StepQueue {
  submit(taskType: string, input: unknown): Promise<string>;
}

/** Options of `ctx.waitForSignal`. */
export interface WaitForSignalOptions {
  /** Longest wait, `"7d"` or milliseconds; absent: for ever. */
  readonly timeout?: string | number;
}

/** Everything that a step's handler knows. */
export interface StepContext<Input, Results, Signals> {
  readonly runId: string;
  readonly workflow: string;
  readonly step: string;
  /** Counts from 1; grows with every retry and every lost worker. */
  readonly attempt: number;
  /** Counts from 1; grows when an operator has the step tried again. */
  readonly generation: number;
  readonly input: Input;
  /** Results of the steps named in `dependsOn`. */
  readonly results: Results;
  /** Aborts when the attempt is over: timeout, lost lease, shutdown. */
  readonly signal: AbortSignal;
  /**
   * The same over attempts, restarts, wakes and hand-off: give it to whatever must happen once. `{run id}:{step}:{number}`, both names as
   * `encodeURIComponent` writes them, so that no two steps share one. The number counts from 1 and changes only when an operator has a
   * step run again that is known not to have happened, or was undone.
   */
  readonly idempotencyKey: string;
  /** Extends the lease now; it is also extended by itself. */
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
  readonly log: Logger;
  readonly queue: StepQueue;
}

/** What an undo knows beside. */
export interface UndoContext<Input, Results, Signals> extends Omit<
  StepContext<Input, Results, Signals>,
  "waitForSignal"
> {
  /** `unknown`: the step may or may not have happened, and has no result. */
  readonly outcome: "completed" | "unknown";
}

/** Names that a workflow takes: those it declares, else any. */
export type SignalName<Signals> = [keyof Signals] extends [never] ? string : keyof Signals & string;

/** The payload of a declared signal; of others nothing is known. */
export type SignalPayload<Signals, N> = N extends keyof Signals ? Signals[N] : unknown;
