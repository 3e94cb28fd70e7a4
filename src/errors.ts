/**
 * The errors of this package.
 *
 * An application may load this package more than once (two versions in a monorepo, a bundle beside `node_modules`), and minifiers rename
 * classes. Errors are therefore not recognized by the identity of their class: each class has a constant name and a brand under
 * `Symbol.for`, which all copies share, and `instanceof` checks the brand.
 */
import type { Duration } from "./wire/duration.ts";

/**
 * The kind of an error, named by what the caller can do: `invalid` (fix the call), `not_found` (check the id and the bucket), `conflict`
 * (the id or key is used for something else), `timeout` (it was not over in time and continues; wait again), `failed` and `cancelled` (the
 * run ended so), `unavailable` (try again), `closed` (open a new one), `data` (repair the bucket), `internal` (report it).
 */
export type ErrorCode =
  | "invalid"
  | "not_found"
  | "conflict"
  | "timeout"
  | "failed"
  | "cancelled"
  | "unavailable"
  | "closed"
  | "data"
  | "internal";

/** Options of the errors of this package. */
export interface WorkflowErrorOptions {
  /** The error that caused this one. */
  readonly cause?: unknown;
}

type ErrorClass = { readonly prototype: object };

/** Gives a class its brand and its name. The name is on the prototype, where those of the language have theirs. */
export function brand(errorClass: ErrorClass, name: string): void {
  const mark = Symbol.for(`buquet-workflow/${name}`);
  Object.defineProperties(errorClass.prototype, {
    name: { value: name, writable: true, configurable: true },
    [mark]: { value: true },
  });
  Object.defineProperty(errorClass, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this === errorClass) return carries(value, mark);
      // A subclass that a user wrote inherits this function: for it the prototypes decide, as ever.
      return Function.prototype[Symbol.hasInstance].call(this as CallableFunction, value);
    },
  });
}

/** Whether a value has a brand. What was thrown may be a proxy whose traps throw. */
function carries(value: unknown, mark: symbol): boolean {
  if (typeof value !== "object" || value === null) return false;
  try {
    return (value as Readonly<Record<symbol, unknown>>)[mark] === true;
  } catch {
    return false;
  }
}

/**
 * The base of every error that this package throws deliberately. Branch on `code`: messages are for people and may change.
 *
 * @example
 * ```ts
 * const run = client.run("order-123");
 * const result = await run.result().catch((error: unknown) => {
 *   if (error instanceof WorkflowError && error.code === "failed") return undefined;
 *   throw error;
 * });
 * ```
 */
export class WorkflowError extends Error {
  static {
    brand(this, "WorkflowError");
  }

  /** What the caller can do about it. */
  readonly code: ErrorCode;

  /** Applications rarely construct these errors. */
  constructor(code: ErrorCode, message: string, options: WorkflowErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Whether a value is an error of this package, from any installed copy of it, and has this code if one is given.
 *
 * @example
 * ```ts
 * try {
 *   await client.start("order", { item: "book" }, { id: "order-123" });
 * } catch (error) {
 *   if (!isWorkflowError(error, "conflict")) throw error;
 *   console.log("order-123 was started with another input");
 * }
 * ```
 */
export function isWorkflowError(value: unknown, code?: ErrorCode): value is WorkflowError {
  return value instanceof WorkflowError && (code === undefined || value.code === code);
}

/** Thrown when the run does not exist in this bucket. Code `not_found`. */
export class RunNotFoundError extends WorkflowError {
  static {
    brand(this, "RunNotFoundError");
  }

  /** The id that was asked for. */
  readonly runId: string;

  constructor(runId: string) {
    super("not_found", `run ${JSON.stringify(runId)} does not exist; check the id and the bucket`);
    this.runId = runId;
  }
}

/** Thrown when a call was not over in time. The run continues. Code `timeout`. */
export class TimeoutError extends WorkflowError {
  static {
    brand(this, "TimeoutError");
  }

  constructor(message: string) {
    super("timeout", message);
  }
}

/** Why a run failed, was cancelled or is paused. */
export interface FailureReason {
  /** `StepFailed`, `WorkerLost`, `SignalTimeout`, `CompensationFailed`, `Terminated` … */
  readonly type: string;
  /** What went wrong, in one line. */
  readonly message: string;
  /** The step that it concerns; undefined when it concerns the whole run. */
  readonly step?: string;
  /** The attempt of the step, from 1. */
  readonly attempt?: number;
  /** When it happened, as text. */
  readonly at?: string;
}

/**
 * Thrown by `result` when the run failed. Code `failed`. `cause` is what the handler threw, as an error with its name, message, code,
 * stack, causes and JSON members.
 */
export class WorkflowFailedError extends WorkflowError {
  static {
    brand(this, "WorkflowFailedError");
  }

  /** The id of the run. */
  readonly runId: string;
  /** The reason that the record holds. */
  readonly error: FailureReason | undefined;

  constructor(runId: string, message: string, error: FailureReason | undefined, options: WorkflowErrorOptions = {}) {
    super("failed", message, options);
    this.runId = runId;
    this.error = error;
  }
}

/** Thrown by `result` when the run was cancelled or terminated. Code `cancelled`. */
export class WorkflowCancelledError extends WorkflowError {
  static {
    brand(this, "WorkflowCancelledError");
  }

  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string, message: string) {
    super("cancelled", message);
    this.runId = runId;
  }
}

/**
 * A handler throws this error to be retried. An ordinary error has the same effect; this one states the intention. It uses up one retry.
 *
 * @example
 * ```ts
 * workflow("order").step("charge", async () => {
 *   const response = await fetch("https://payments.example.com", { method: "POST" });
 *   if (response.status === 429) throw new RetryableError("too many requests");
 * });
 * ```
 */
export class RetryableError extends Error {
  static {
    brand(this, "RetryableError");
  }
}

/**
 * A handler throws this error to fail the step without further retries. It states that the attempt had no effects: the step is not undone,
 * and it gets a new idempotency key when an operator has it run again. If you are not sure, throw an ordinary error.
 *
 * @example
 * ```ts
 * workflow("order").step("charge", async () => {
 *   const response = await fetch("https://payments.example.com", { method: "POST" });
 *   if (response.status === 402) throw new PermanentError("the card was declined");
 * });
 * ```
 */
export class PermanentError extends Error {
  static {
    brand(this, "PermanentError");
  }
}

/**
 * A handler throws this error to run again after `delay`. It uses up no retry, `ctx.attempt` does not change, and no worker is held
 * meanwhile.
 *
 * @example
 * ```ts
 * workflow("report").step("download", async () => {
 *   const response = await fetch("https://reports.example.com/today");
 *   if (response.status === 404) throw new RescheduleError("10m", "the report is not there yet");
 * });
 * ```
 */
export class RescheduleError extends Error {
  static {
    brand(this, "RescheduleError");
  }

  /** `"30s"` or milliseconds. */
  readonly delay: Duration;

  /** `delay` is `"30s"` or milliseconds. A delay that is not valid fails the step. */
  constructor(delay: Duration, message?: string) {
    super(message ?? `reschedule after ${String(delay)}`);
    this.delay = delay;
  }
}
