/** The interface to the process: time, randomness and logging. No other part of the project uses them directly. */

/** Options of `sleep`. */
export interface WaitOptions {
  /** Ends the wait when it aborts. */
  readonly signal?: AbortSignal;
}

/** The clock of a process. It is injected, so that tests can run on a virtual clock. */
export interface Clock {
  /** The wall time in milliseconds since 1970. It may jump. For the time of the store use `time` of the store. */
  now(): number;
  /** Milliseconds since an arbitrary origin, which never decrease. Leases are measured by it. */
  monotonic(): number;
  /**
   * Resolves after `ms` milliseconds and never sooner, or at once when the signal aborts. It never rejects. With `Infinity`, only the
   * signal ends it; with 0, less or `NaN`, other work runs once.
   */
  sleep(ms: number, options?: WaitOptions): Promise<void>;
}

/** The randomness of a process. It is injected, so that a simulation can be replayed from its seed. */
export interface Random {
  /** A number in [0, 1), uniformly distributed. */
  next(): number;
  /** A random UUID, version 4, lower case. */
  uuid(): string;
  /** A ULID whose time part is `now`, in milliseconds since 1970. */
  ulid(now: number): string;
}

/** The fields of a log line, by name. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A destination for log lines. `console` is one. */
export interface Logger {
  /** Logs a detail that only helps to find a fault. */
  debug(message: string, fields?: LogFields): void;
  /** Logs normal progress. */
  info(message: string, fields?: LogFields): void;
  /** Logs a problem that was handled, or may become one. */
  warn(message: string, fields?: LogFields): void;
  /** Logs a failure that needs attention. */
  error(message: string, fields?: LogFields): void;
}

/** What a process provides: clock, randomness and logger. */
export interface Host {
  /** The clock. */
  readonly clock: Clock;
  /** The randomness, for ids and jitter. */
  readonly random: Random;
  /** The destination of log lines. */
  readonly logger: Logger;
}
