/**
 * The clock of the server, from the `Date` header of replies.
 *
 * A header D (whole seconds) in a reply to a request that was sent at t0 and received at t1 (monotonic) says that the time of the server lay
 * in [D, D + 1 s) at some moment between them. Its offset to the monotonic clock therefore lies in [D − t1, D + 1 s − t0]. The intersection
 * of such intervals shrinks towards the round trip (K. Marzullo, "Maintaining the Time in a Distributed System", 1984). It is widened with
 * age, because clocks drift, and restarted when a reply contradicts it.
 */
import type { Clock } from "../host/host.ts";
import type { TimeBounds } from "./object-store.ts";

const RESOLUTION_MS = 1_000;
/** Clocks drift by less than this: 100 parts in a million. */
const DRIFT = 1e-4;
/** Before the first answer the local clock may be wrong by this much. */
const UNKNOWN_MS = 60_000;

/** An estimate that improves with every reply. */
export class ServerClock {
  readonly #clock: Clock;
  #low = Number.NEGATIVE_INFINITY;
  #high = Number.POSITIVE_INFINITY;
  #at = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds one reply: its `Date` in milliseconds, and when the request was sent and the reply received. */
  observe(dateMs: number, sentAt: number, receivedAt: number): void {
    const low = dateMs - receivedAt;
    const high = dateMs + RESOLUTION_MS - sentAt;
    const aged = this.#aged(receivedAt);
    const contradicts = low > aged.high || high < aged.low;
    this.#low = contradicts ? low : Math.max(low, aged.low);
    this.#high = contradicts ? high : Math.min(high, aged.high);
    this.#at = receivedAt;
  }

  /** Bounds on the server's time now. */
  time(): TimeBounds {
    const now = this.#clock.monotonic();
    const { low, high } = this.#aged(now);
    if (!Number.isFinite(low))
      return { earliest: this.#clock.now() - UNKNOWN_MS, latest: this.#clock.now() + UNKNOWN_MS };
    return { earliest: now + low, latest: now + high };
  }

  #aged(now: number): { low: number; high: number } {
    const drift = Math.max(0, now - this.#at) * DRIFT;
    return { low: this.#low - drift, high: this.#high + drift };
  }
}
