/** The virtual time of a kit: it does not pass by itself, and never while a handler works. */
import { AsyncLocalStorage } from "node:async_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import { type Duration, parseDuration } from "../../wire/duration.ts";
import { WorkflowError } from "../../errors.ts";
import type { Clock, WaitOptions } from "../../host/host.ts";
import { SimulatedClock } from "./clock.ts";
import { Life } from "./process.ts";
import { Scheduler } from "./scheduler.ts";

/** The clock of a kit. It stands still until it is moved. */
export interface TestClock {
  /** The virtual wall time in milliseconds since 1970. */
  now(): number;
  /** Lets exactly this much time pass, `"7d"` or milliseconds, with everything that is due in it. */
  advance(duration: Duration): Promise<void>;
  /** For handlers that take long: resolves after this much virtual time. In a worker that crashed it never resolves. */
  sleep(duration: Duration): Promise<void>;
}

/** A leap shorter than this is not worth a check. */
const SHORTEST_LEAP_MS = 180_000;

/** Into how many waits the patience of the kit is divided. */
const BEATS = 20;

/** A handler that was called and has not ended. */
interface RunningHandler {
  readonly kit: KitTime;
  readonly name: string;
  readonly life: Life;
  /** How many virtual sleeps it waits for. */
  sleeping: number;
}

/**
 * Whose code is running. One for the process: up to Node 22 each storage that was ever used slows down every promise that is made after,
 * so that a storage for each kit would make each test of a file slower than the one before it.
 */
const running = new AsyncLocalStorage<RunningHandler>();

/** The time of a kit. */
export class KitTime {
  readonly clock: TestClock;
  /** The life of the kit itself, for clocks that never stop. */
  readonly #ownLife: Life;
  readonly #scheduler = new Scheduler(() => 0, 1);
  readonly #startAt: number;
  readonly #patienceMs: number;
  readonly #handlers = new Set<RunningHandler>();
  readonly #listeners = new Set<() => void>();
  readonly #quietUntil: () => Promise<number>;
  /** Virtual instants at which somebody asked to be woken. */
  readonly #appointments = new Set<{ readonly at: number }>();
  #looksAgainAt = 0;
  #turn: Promise<void> = Promise.resolve();

  /**
   * `quietUntil` answers until when (milliseconds since 1970) nobody but the workers' own maintenance has anything to do; then their
   * rounds up to that instant are left out, so that a year costs no more than a minute.
   */
  constructor(startAt: number, patienceMs: number, quietUntil: () => Promise<number>) {
    this.#startAt = startAt;
    this.#patienceMs = patienceMs;
    this.#quietUntil = quietUntil;
    this.#ownLife = this.makeLife();
    const own = this.clockOf(this.#ownLife);
    this.clock = {
      now: () => own.now(),
      advance: (duration) => this.#advance(parseDuration(duration)),
      sleep: (duration) => this.#sleep(parseDuration(duration)),
    };
  }

  /** Makes a process that may crash. */
  makeLife(): Life {
    return new Life(this.#scheduler);
  }

  /** The clock of a process. */
  clockOf(life: Life): SimulatedClock {
    return new SimulatedClock(this.#scheduler, life, this.#startAt, 0, 0);
  }

  /** A clock that no crash stops. */
  get freeClock(): SimulatedClock {
    return this.clockOf(this.#ownLife);
  }

  /** Reports a change for which a wait may wait. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Calls a handler and tracks its work and its virtual sleeps. */
  async handle<T>(name: string, life: Life, attempt: AbortSignal, call: () => T): Promise<Awaited<T>> {
    const handler: RunningHandler = { kit: this, name, life, sleeping: 0 };
    const over = (): void => {
      this.#handlers.delete(handler);
      this.changed();
    };
    this.#handlers.add(handler);
    // What still runs after its attempt is over (timeout, lost lease) is not waited for.
    attempt.addEventListener("abort", over, { once: true });
    try {
      return await running.run(handler, call);
    } finally {
      attempt.removeEventListener("abort", over);
      over();
    }
  }

  /** Resolves when everything that can happen at this instant has happened, handlers included. */
  async idle(): Promise<void> {
    for (;;) {
      await this.#exclusively(() => this.#runUntil(this.#scheduler.now));
      const busy = this.#busy();
      if (busy === undefined) return;
      await this.#outside(async () => `${busy.name} is still at work`);
    }
  }

  /**
   * Lets time pass, step by step, until a promise settles. While `isStuck` says so, time stands still and something from outside is
   * awaited; `explain` says why when nothing comes.
   */
  async skipUntil<T>(
    wanted: Promise<T>,
    isStuck: () => Promise<boolean> = async () => false,
    explain: () => Promise<string> = async () => "nothing happens",
  ): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
      this.changed();
    };
    wanted.then(settle, settle);
    for (;;) {
      await this.#exclusively(() => this.#runUntil(this.#scheduler.now));
      if (settled) return wanted;
      const busy = this.#busy();
      if (busy !== undefined) await this.#outside(async () => `${busy.name} is still at work`);
      else if (await isStuck()) await this.#outside(explain);
      else await this.#exclusively(() => this.#runNext());
    }
  }

  /** The handler of this kit whose code is running, if one is. */
  #ownHandler(): RunningHandler | undefined {
    const handler = running.getStore();
    return handler?.kit === this ? handler : undefined;
  }

  async #advance(ms: number): Promise<void> {
    if (this.#ownHandler() !== undefined)
      throw new WorkflowError("invalid", "a handler cannot move the clock; it can sleep on it: kit.clock.sleep");
    await this.#exclusively(() => this.#runUntil(this.#scheduler.now + ms));
  }

  async #sleep(ms: number): Promise<void> {
    const handler = this.#ownHandler();
    if (handler === undefined) return this.sleep(ms, {}, this.freeClock);
    handler.sleeping += 1;
    this.changed();
    await this.sleep(ms, {}, this.clockOf(handler.life));
    handler.sleeping -= 1;
  }

  /** A handler that waits for the test is not at work. */
  async hold<T>(promise: Promise<T>): Promise<T> {
    const handler = this.#ownHandler();
    if (handler === undefined) return promise;
    handler.sleeping += 1;
    this.changed();
    try {
      return await promise;
    } finally {
      handler.sleeping -= 1;
    }
  }

  /** A sleep that no leap passes over. */
  async sleep(ms: number, options: WaitOptions, clock: Clock = this.freeClock): Promise<void> {
    const appointment = { at: this.#scheduler.now + ms };
    this.#appointments.add(appointment);
    await clock.sleep(ms, options);
    this.#appointments.delete(appointment);
  }

  async #runUntil(endAt: number): Promise<void> {
    for (;;) {
      await this.#scheduler.drain();
      const dueAt = this.#scheduler.nextDueAt();
      if (dueAt === undefined || dueAt > endAt) break;
      await this.#leap(endAt);
      this.#scheduler.step();
    }
    this.#scheduler.moveTo(endAt);
  }

  async #runNext(): Promise<void> {
    await this.#leap(Number.POSITIVE_INFINITY);
    this.#scheduler.step();
  }

  /** Moves over a time in which nothing would happen; what fell due in it happens at its end, as after a nap of the whole process. */
  async #leap(endAt: number): Promise<void> {
    const { now } = this.#scheduler;
    if (endAt - now < SHORTEST_LEAP_MS || now < this.#looksAgainAt) return;
    this.#looksAgainAt = now + SHORTEST_LEAP_MS / 3;
    const quietUntil = (await this.#quietUntil()) - this.#startAt;
    const target = Math.min(endAt, quietUntil, ...[...this.#appointments].map(({ at }) => at));
    if (target - now >= SHORTEST_LEAP_MS && target < Number.POSITIVE_INFINITY) this.#scheduler.moveTo(target);
  }

  /** A handler that does something which virtual time does not measure. */
  #busy(): RunningHandler | undefined {
    return [...this.#handlers].find((handler) => handler.life.alive && handler.sleeping === 0);
  }

  /**
   * Waits for the next change. The one real timer of the kit: it turns a test that would hang into one that says why. It counts beats,
   * not time: a process that was kept from running has not been patient meanwhile.
   */
  async #outside(explain: () => Promise<string>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let listener: (() => void) | undefined;
    const change = await new Promise<"changed" | "nothing">((resolve) => {
      listener = (): void => resolve("changed");
      this.#listeners.add(listener);
      const beat = (left: number): void => {
        timer = setTimeout(() => (left <= 1 ? resolve("nothing") : beat(left - 1)), this.#patienceMs / BEATS);
      };
      beat(BEATS);
    });
    clearTimeout(timer);
    if (listener !== undefined) this.#listeners.delete(listener);
    if (change === "changed") return;
    throw new WorkflowError(
      "unavailable",
      `nothing happened for ${this.#patienceMs} ms of real time: ${await explain()}`,
    );
  }

  /** One mover of the clock at a time. */
  #exclusively(move: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(move);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
