/**
 * The one contract for everything that starts and stops: worker, sweeper, polls, page server.
 *
 * - `start` resolves when the service works. It throws when it cannot, and may then be called again. Calls that come together are one.
 * - `stop` may come at any moment and any number of times: before a start, in the midst of it, twice. All calls end together, at the
 *   latest after the time that the service allows, and none rejects because a store is away.
 * - After that nothing of the service acts any more: `over` aborts, and what it still awaits is abandoned.
 * - A service that was stopped is not started again: make a new one.
 */
import { WorkflowError } from "../errors.ts";
import type { Clock } from "../host/host.ts";

/** Something that starts and stops. */
export interface Service extends AsyncDisposable {
  /** Starts. Resolves once it works. When it throws, it may be called again. @throws {WorkflowError} `closed` once it was stopped. */
  start(): Promise<void>;
  /** Stops. Resolves once it has ended, within a bounded time, and never rejects. */
  stop(): Promise<void>;
}

/** What the parts of a service hear of its end. */
export interface LifeSignals {
  /** Aborts when a stop is asked for: nothing new is begun. */
  readonly stopping: AbortSignal;
  /** Aborts when the stop has resolved: nothing may be done any more. */
  readonly over: AbortSignal;
}

/** What a service does at either end of its life. */
export interface LifeParts {
  /** For messages: `worker`. */
  readonly name: string;
  readonly clock: Clock;
  /** Longest time that a stop takes, in milliseconds. */
  readonly stopMs: number;
  /** Begins. `stopping` aborts when a stop comes in between: what was not begun by then need not be. */
  begin(stopping: AbortSignal): Promise<void>;
  /** Ends what `begin` began, also when that threw half way; may come twice. Nobody waits for it any more once `over` aborts. */
  end(over: AbortSignal): Promise<void>;
  /** Told when `end` threw or did not end in time. */
  unfinished?(error: unknown): void;
}

/** The state machine of a service: idle, starting, running, stopping, stopped. */
export class Lifecycle implements Service, LifeSignals {
  readonly #parts: LifeParts;
  readonly #stopping = new AbortController();
  readonly #over = new AbortController();
  #start: Promise<void> | undefined;
  #stop: Promise<void> | undefined;
  #wasBegun = false;

  constructor(parts: LifeParts) {
    this.#parts = parts;
  }

  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  start(): Promise<void> {
    if (this.stopping.aborted) return Promise.reject(this.#closed());
    this.#start ??= this.#begin();
    return this.#start;
  }

  stop(): Promise<void> {
    this.#stop ??= this.#end();
    return this.#stop;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #begin(): Promise<void> {
    this.#wasBegun = true;
    try {
      await this.#parts.begin(this.stopping);
    } catch (error) {
      // Half of it may stand: an announcement of a worker that does not work.
      const over = new AbortController();
      await this.#endWithin(() => this.#parts.end(over.signal), over);
      if (this.stopping.aborted) throw this.#closed(error);
      this.#start = undefined;
      throw error;
    }
    if (this.stopping.aborted) throw this.#closed();
  }

  async #end(): Promise<void> {
    this.#stopping.abort(this.#closed());
    const end = async (): Promise<void> => {
      await this.#start?.catch(() => {});
      if (this.#wasBegun) await this.#parts.end(this.over);
    };
    await this.#endWithin(end, this.#over);
  }

  async #endWithin(end: () => Promise<void>, over: AbortController): Promise<void> {
    const ended = new AbortController();
    let problem: unknown = new WorkflowError("unavailable", `it did not end within ${this.#parts.stopMs} ms`);
    void end().then(
      () => {
        problem = undefined;
        ended.abort();
      },
      (error: unknown) => {
        problem = error;
        ended.abort();
      },
    );
    await this.#parts.clock.sleep(this.#parts.stopMs, { signal: ended.signal });
    over.abort(this.#closed());
    if (problem !== undefined) this.#parts.unfinished?.(problem);
  }

  #closed(cause?: unknown): WorkflowError {
    const message = `the ${this.#parts.name} was stopped; make a new one`;
    return new WorkflowError("closed", message, cause === undefined ? {} : { cause });
  }
}

/** What a loop does, again and again. */
export interface LoopOptions {
  /** For messages. */
  readonly name: string;
  readonly clock: Clock;
  /** Longest time that a stop waits for the turn under way, in milliseconds. */
  readonly stopMs: number;
  /** How long to rest between turns, in milliseconds, when a turn does not say, and after one that failed. */
  readonly restMs: number;
  /** How long to rest before the first turn. @defaultValue 0 */
  readonly firstRestMs?: number;
  /** One turn. May answer how long to rest, in milliseconds. What it does ends with `over`; with `stopping` it need not do more. */
  turn(life: LifeSignals): Promise<number | void>;
  /** Told of a turn that failed; the next one comes all the same. */
  failed(error: unknown): void;
}

/** Does the same again and again, with rests between, until it is stopped. A turn that fails does not end it. */
export class Loop implements Service {
  readonly #options: LoopOptions;
  readonly #life: Lifecycle;
  #wake = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: LoopOptions) {
    this.#options = options;
    const { name, clock, stopMs } = options;
    this.#life = new Lifecycle({
      name,
      clock,
      stopMs,
      begin: async () => {
        this.#running = this.#run();
      },
      end: () => {
        this.#wake.abort();
        return this.#running;
      },
    });
  }

  start(): Promise<void> {
    return this.#life.start();
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Ends the rest that it is in, or leaves out the next one. */
  wake(): void {
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    const { clock, restMs, firstRestMs = 0 } = this.#options;
    const { stopping } = this.#life;
    let rest = firstRestMs;
    for (;;) {
      if (rest > 0) await clock.sleep(rest, { signal: this.#wake.signal });
      if (stopping.aborted) return;
      this.#wake = new AbortController();
      try {
        rest = (await this.#options.turn(this.#life)) ?? restMs;
      } catch (error) {
        rest = restMs;
        if (!this.#life.over.aborted) this.#options.failed(error);
      }
      if (stopping.aborted) return;
    }
  }
}
