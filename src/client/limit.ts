/** Limits a call: by a timeout and by an abort signal. */
import { TimeoutError } from "../errors.ts";
import type { Clock } from "../host/host.ts";
import { joinSignals, untilAborted } from "../host/signals.ts";
import {
  abortSignal,
  type Check,
  type ChecksOf,
  checkMembers,
  duration,
  readSettings,
  refuseSettings,
} from "../settings.ts";
import type { Duration } from "../wire/duration.ts";

/** The options of every call of a client. */
export interface WaitLimits {
  /**
   * The longest time that the call may take: `"30s"` or milliseconds. The call ends on time even while the store does not answer.
   * @defaultValue no limit
   */
  readonly timeout?: Duration;
  /** Ends the call and its requests when it aborts. @defaultValue none */
  readonly signal?: AbortSignal;
}

/** The checks of these options. */
export const LIMIT_CHECKS: { readonly timeout: Check<number>; readonly signal: Check<AbortSignal> } = {
  timeout: duration(0),
  signal: abortSignal,
} satisfies ChecksOf<WaitLimits>;

/** The outcome of work under a limit. */
export type Limited<T> = { readonly kind: "done"; readonly value: T } | { readonly kind: "over" };

/** The limit of one call. It leaves no listeners or timers behind between two pieces of work. */
export class Limit {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number;

  /** @throws {WorkflowError} `invalid` for limits that make no sense. */
  constructor(clock: Clock, limits: WaitLimits) {
    checkMembers((why) => refuseSettings("a call", why), "they", limits);
    const { timeout, signal } = readSettings("a call", LIMIT_CHECKS, {
      timeout: limits.timeout,
      signal: limits.signal,
    });
    this.#clock = clock;
    this.#signal = signal;
    this.#deadline = timeout === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + timeout;
  }

  /** The milliseconds that are left. */
  get leftMs(): number {
    return this.#deadline - this.#clock.monotonic();
  }

  get isOver(): boolean {
    return this.leftMs <= 0 || this.#signal?.aborted === true;
  }

  /** Does work that is abandoned when the limit is reached: `signal` aborts then. */
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

  /** Does work within the limit. @throws what `error` returns when the limit is reached first. */
  async run<T>(late: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const done = await this.within(work);
    if (done.kind === "over") throw this.error(late);
    return done.value;
  }

  /** The error of a call whose limit was reached: the reason of the signal, or a `TimeoutError`. */
  error(message: string): unknown {
    return this.#signal?.aborted === true ? this.#signal.reason : new TimeoutError(message);
  }
}

/**
 * Items of a source within a limit, which begins with the first of them. When it comes, the signal of the source aborts.
 * @throws what `error` of the limit says when that comes first.
 */
export async function* eachWithin<T>(
  clock: Clock,
  limits: WaitLimits,
  late: string,
  source: (signal: AbortSignal) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const limit = new Limit(clock, limits);
  const over = new AbortController();
  const items = source(over.signal);
  try {
    for (;;) {
      const next = await limit.run(late, () => items.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    if (limit.isOver) over.abort(limit.error(late));
    // A source that still works ends with its requests; nothing waits for it.
    void items.return(undefined).catch(() => {});
  }
}
