/** What the process lends us: time, chance and a place for log lines. Nothing else in the project touches them directly. */

/** Options of every wait. */
export interface WaitOptions {
  /** Ends the wait when it aborts. */
  readonly signal?: AbortSignal;
}

/** Time, injected so that a whole fleet can run on a virtual clock. */
export interface Clock {
  /** Wall time in milliseconds since 1970 (may jump; for server time ask the store). */
  now(): number;
  /** Milliseconds that only grow, from an arbitrary origin. Leases are judged by it. */
  monotonic(): number;
  /**
   * Resolves after `ms` milliseconds and never sooner, however long that is, or at once when the signal aborts. Never rejects. For
   * `Infinity` only the signal ends it; what is not above 0 (`NaN` too) lets others run once.
   */
  sleep(ms: number, options?: WaitOptions): Promise<void>;
}

/** Chance, injected so that a history can be replayed from its seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A random UUID, version 4, lower case. */
  uuid(): string;
  /** A ULID whose time part is `now` (milliseconds). */
  ulid(now: number): string;
}

/** Fields of a log line, by name. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A place for log lines. */
export interface Logger {
  /** Details that only help to find a fault. */
  debug(message: string, fields?: LogFields): void;
  /** What happened as it should. */
  info(message: string, fields?: LogFields): void;
  /** What went wrong and was dealt with, or may go wrong. */
  warn(message: string, fields?: LogFields): void;
  /** What went wrong and needs somebody. */
  error(message: string, fields?: LogFields): void;
}

/** All of them together. */
export interface Host {
  /** Time. */
  readonly clock: Clock;
  /** Randomness: ids and jitter. */
  readonly random: Random;
  /** Where log lines go. */
  readonly logger: Logger;
}
