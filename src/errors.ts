/** What the caller must do about it: fix the call, retry, make a new one, repair the bucket, report it. */
export type ErrorCode = "invalid" | "unavailable" | "closed" | "data" | "internal";

/** Options of every error of this package. */
export interface WorkflowErrorOptions {
  readonly cause?: unknown;
}

/** Everything that this package throws on purpose. The message is for people and not part of the API; branch on `code` or on the class. */
export class WorkflowError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options: WorkflowErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** The run does not exist in this bucket. */
export class RunNotFoundError extends WorkflowError {
  readonly runId: string;

  constructor(runId: string) {
    super("invalid", `run ${JSON.stringify(runId)} does not exist; check the id and the bucket`);
    this.runId = runId;
  }
}

/** `wait` gave up before the run ended; the run goes on. */
export class TimeoutError extends WorkflowError {
  constructor(message: string) {
    super("unavailable", message);
  }
}

/** Thrown by `result` when the run ended `failed`. */
export class WorkflowFailedError extends WorkflowError {
  readonly runId: string;
  /** The record's error: type, message, step. */
  readonly error: unknown;

  constructor(runId: string, message: string, error: unknown) {
    super("invalid", message);
    this.runId = runId;
    this.error = error;
  }
}

/** Thrown by `result` when the run ended `cancelled`. */
export class WorkflowCancelledError extends WorkflowError {
  readonly runId: string;

  constructor(runId: string, message: string) {
    super("invalid", message);
    this.runId = runId;
  }
}

/** A step throws it to be tried again (like any ordinary error, but said on purpose). */
export class RetryableError extends Error {
  override readonly name = "RetryableError";
}

/** A step throws it to fail at once, without retry. It vouches that nothing happened: the step is not undone. */
export class PermanentError extends Error {
  override readonly name = "PermanentError";
}

/** A step throws it to be run again after `delay`; costs no retry. */
export class RescheduleError extends Error {
  override readonly name = "RescheduleError";
  /** Duration such as `"30s"`, or milliseconds. */
  readonly delay: string | number;

  constructor(delay: string | number, message?: string) {
    super(message ?? `reschedule after ${String(delay)}`);
    this.delay = delay;
  }
}
