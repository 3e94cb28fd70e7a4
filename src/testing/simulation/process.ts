import type { Clock, Host, LogFields, Logger, Random, WaitOptions } from "../../host/host.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import type { Action, Scheduler } from "./scheduler.ts";

/** One line that a process logged. `at` is virtual milliseconds since the world began. */
export interface LogLine {
  readonly at: number;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields?: LogFields;
}

/** A simulated process: what its code may touch, and the ways to hurt it. */
export interface Process {
  readonly name: string;
  /** How often the name was spawned before. */
  readonly restarts: number;
  readonly host: Host;
  /** Its faulty view of the one store of the world. */
  readonly store: ObjectStore;
  /** What it logged. */
  readonly log: readonly LogLine[];
  readonly alive: boolean;
  readonly frozen: boolean;
  /** Store calls of this name so far, counted over restarts. */
  readonly calls: number;
  /** Kills it: nothing it waits for is ever answered. What is on its way to the store may arrive. Quiet when dead. */
  crash(): void;
  /** Stops its time: no answers, no timers. Its requests on the way still arrive. */
  freeze(): void;
  /** Lets it go on: everything held back comes now, in an order drawn by chance. */
  thaw(): void;
  /** Moves its wall clock (not the monotonic one) by so many milliseconds. */
  jumpClock(ms: number): void;
}

/** Whether a process lives, and the deliveries held back while it is frozen. */
export class Life {
  alive = true;
  frozen = false;
  readonly #scheduler: Scheduler;
  #held: (() => void)[] = [];

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Plans something that happens *to the process*: never when it is dead, later when it is frozen. */
  deliver(delayMs: number, act: () => void): Action {
    return this.#scheduler.schedule(delayMs, () => this.#arrive(act));
  }

  crash(): void {
    this.alive = false;
    this.#held = [];
  }

  thaw(): void {
    this.frozen = false;
    const held = this.#held;
    this.#held = [];
    for (const act of held) this.deliver(0, act);
  }

  #arrive(act: () => void): void {
    if (!this.alive) return;
    if (this.frozen) this.#held.push(act);
    else act();
  }
}

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

/** A logger that keeps its lines. */
export function collectLog(log: LogLine[], now: () => number): Logger {
  const write =
    (level: LogLine["level"]) =>
    (message: string, fields?: LogFields): void => {
      log.push(fields === undefined ? { at: now(), level, message } : { at: now(), level, message, fields });
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** Puts a host together. */
export function makeHost(clock: Clock, random: Random, logger: Logger): Host {
  return { clock, random, logger };
}
