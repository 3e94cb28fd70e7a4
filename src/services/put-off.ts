/** What cannot be worked on here is asked for again after pauses that grow, so that it costs the others next to nothing. */
import type { Clock } from "../host/host.ts";

/** Most things that are remembered: some megabytes. Beyond that the one that was put off first is asked for again. */
const MOST_REMEMBERED = 50_000;

interface Pause {
  /** On the monotonic clock. */
  readonly until: number;
  readonly pauseMs: number;
}

/** Things by their ids, each put off for twice as long as the last time. Known to this process alone: others may be able to. */
export class PutOff {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #pauses = new Map<string, Pause>();

  constructor(clock: Clock, most: number = MOST_REMEMBERED) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Whether it is not to be asked for yet. */
  has(id: string): boolean {
    return (this.#pauses.get(id)?.until ?? Number.NEGATIVE_INFINITY) > this.#clock.monotonic();
  }

  /** Puts it off: for `firstMs` at first, then each time for twice as long, `longestMs` at most. Returns for how long. */
  add(id: string, firstMs: number, longestMs: number): number {
    const known = this.#pauses.get(id);
    const pauseMs = Math.min(longestMs, known === undefined ? firstMs : Math.max(firstMs, 2 * known.pauseMs));
    this.#pauses.delete(id);
    this.#pauses.set(id, { until: this.#clock.monotonic() + pauseMs, pauseMs });
    const [first] = this.#pauses.keys();
    if (this.#pauses.size > this.#most && first !== undefined) this.#pauses.delete(first);
    return pauseMs;
  }

  /** It works now. */
  forget(id: string): void {
    this.#pauses.delete(id);
  }
}
