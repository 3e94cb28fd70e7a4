/**
 * The errors of this package.
 *
 * An application may load this package more than once (a monorepo with two versions, a bundle beside `node_modules`), and a minifier renames
 * classes. So no error is told by the identity of its class: each class carries a brand under `Symbol.for`, which all copies share, and a
 * constant name. `instanceof` asks for the brand.
 */
import type { Duration } from "./wire/duration.ts";

/**
 * What happened, named by what the caller must do about it: `invalid` (fix the call), `not_found` (check the id and the bucket), `conflict`
 * (the id or key is taken by something else), `timeout` (it was not over in time and goes on; wait again), `failed` and `cancelled` (so the
 * run ended), `unavailable` (retry), `closed` (make a new one), `data` (repair the bucket), `internal` (report it).
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

/** Options of every error of this package. */
export interface WorkflowErrorOptions {
  /** What led to it, as for every `Error`. */
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
 * Everything that this package throws on purpose. The message is for people and not part of the API; branch on `code`.
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

  /** What the caller must do about it. */
  readonly code: ErrorCode;

  /** Programs that use the package rarely need it: they catch. */
  constructor(code: ErrorCode, message: string, options: WorkflowErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Whether a value is an error of this package (of any copy of it), and has this code if one is given.
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

/** The run does not exist in this bucket. Code `not_found`. */
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

/** `wait` gave up before the run ended; the run goes on. Code `timeout`. */
export class TimeoutError extends WorkflowError {
  static {
    brand(this, "TimeoutError");
  }

  constructor(message: string) {
    super("timeout", message);
  }
}

/** Why a run failed, as its record says. */
export interface FailureReason {
  /** `StepFailed`, `WorkerLost`, `SignalTimeout`, `CompensationFailed`, `Terminated` … */
  readonly type: string;
  /** What went wrong, in one line. */
  readonly message: string;
  /** The step that it happened to; absent: it is about the whole run. */
  readonly step?: string;
  /** The attempt of the step, from 1. */
  readonly attempt?: number;
  /** When, as text. */
  readonly at?: string;
}

/**
 * Thrown by `result` when the run ended `failed`. Code `failed`. `cause` is what the handler threw, as a real error with its name, message,
 * code, stack, causes and those of its members that are JSON.
 */
export class WorkflowFailedError extends WorkflowError {
  static {
    brand(this, "WorkflowFailedError");
  }

  /** The id of the run. */
  readonly runId: string;
  /** The record's error: type, message, step. */
  readonly error: FailureReason | undefined;

  constructor(runId: string, message: string, error: FailureReason | undefined, options: WorkflowErrorOptions = {}) {
    super("failed", message, options);
    this.runId = runId;
    this.error = error;
  }
}

/** Thrown by `result` when the run ended `cancelled`. Code `cancelled`. */
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
 * A step throws it to be tried again. Any other error means the same; this one says that it is meant. Costs a retry.
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
 * A step throws it to fail at once, without a retry. It says that the step had no effect: the step is not undone, and gets a new idempotency
 * key when an operator has it run again. Throw an ordinary error when you are not sure.
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
 * A step throws it to be run again after `delay`. Costs no retry, `ctx.attempt` stays the same, and no worker is held meanwhile.
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

  /** Duration such as `"30s"`, or milliseconds. */
  readonly delay: Duration;

  /** `delay`: `"30s"` or milliseconds. A delay that cannot be fails the step for good. */
  constructor(delay: Duration, message?: string) {
    super(message ?? `reschedule after ${String(delay)}`);
    this.delay = delay;
  }
}
