import type { Clock, WaitOptions } from "../../host/host.ts";
import type { Life } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** The clock of one process: its own offset and drift over the virtual time. */
export class SimulatedClock implements Clock {
  /** What the wall clock shows more than the true time, in milliseconds. */
  offsetMs: number;
  readonly #scheduler: Scheduler;
  readonly #life: Life;
  readonly #startAt: number;
  readonly #pace: number;

  constructor(scheduler: Scheduler, life: Life, startAt: number, offsetMs: number, driftPpm: number) {
    this.#scheduler = scheduler;
    this.#life = life;
    this.#startAt = startAt;
    this.offsetMs = offsetMs;
    this.#pace = 1 + driftPpm / 1_000_000;
  }

  now(): number {
    return Math.floor(this.#startAt + this.offsetMs + this.#scheduler.now * this.#pace);
  }

  monotonic(): number {
    return this.#scheduler.now * this.#pace;
  }

  sleep(ms: number, options: WaitOptions = {}): Promise<void> {
    const { signal } = options;
    return new Promise((resolve) => {
      if (!this.#life.alive) return;
      if (signal?.aborted === true) return resolve();
      let over = false;
      const wake = (): void => {
        if (over) return;
        over = true;
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const timer = ms === Number.POSITIVE_INFINITY ? undefined : this.#life.deliver(ms / this.#pace, wake);
      const stop = (): void => {
        if (timer !== undefined) this.#scheduler.cancel(timer);
        if (this.#life.alive) wake();
      };
      signal?.addEventListener("abort", stop, { once: true });
    });
  }
}
