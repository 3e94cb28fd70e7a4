/** How long a call may wait: for a time, and until a signal. */
import { TimeoutError } from "../errors.ts";
import type { Clock } from "../host/host.ts";
import { joinSignals, untilAborted } from "../host/signals.ts";
import { type Duration, parseDuration } from "../wire/duration.ts";

/** Options of every call that may wait. */
export interface WaitLimits {
  /** Longest wait, `"30s"` or milliseconds; absent: for ever. The call ends on time, also while the store does not answer. */
  readonly timeout?: Duration;
  /** Ends the waiting, and the request under way, when it aborts. */
  readonly signal?: AbortSignal;
}

/** What became of work under a limit. */
export type Limited<T> = { readonly kind: "done"; readonly value: T } | { readonly kind: "over" };

/** The limit of one call. Nothing of it is left behind between two pieces of work. */
export class Limit {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number;

  constructor(clock: Clock, { timeout, signal }: WaitLimits) {
    this.#clock = clock;
    this.#signal = signal;
    this.#deadline = timeout === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + parseDuration(timeout);
  }

  /** Milliseconds until the time is up. */
  get leftMs(): number {
    return this.#deadline - this.#clock.monotonic();
  }

  get isOver(): boolean {
    return this.leftMs <= 0 || this.#signal?.aborted === true;
  }

  /** Does work that is abandoned when the limit comes first: `signal` aborts then. */
  async within<T>(work: (signal: AbortSignal) => Promise<T>): Promise<Limited<T>> {
    const late = new AbortController();
    const ended = new AbortController();
    const limit = joinSignals(late.signal, this.#signal);
    if (this.#deadline < Number.POSITIVE_INFINITY)
      void this.#clock.sleep(this.leftMs, { signal: ended.signal }).then(() => late.abort());
    try {
      return { kind: "done", value: await untilAborted(limit.signal, () => work(limit.signal)) };
    } catch (error) {
      if (limit.signal.aborted) return { kind: "over" };
      throw error;
    } finally {
      limit.release();
      ended.abort();
    }
  }

  /** What a call throws whose limit came first: the reason of the signal, or that the time is up. */
  error(message: string): unknown {
    return this.#signal?.aborted === true ? this.#signal.reason : new TimeoutError(message);
  }
}
