/** Moves tasks that are nearly due from the index of what comes later to that of what is ready. */
import { promoteDue } from "../queue/promote.ts";
import { Lifecycle, type Loop, type Service } from "./service.ts";
import { latestNow, serviceLoop, type WorkerScope } from "./worker-scope.ts";

/** How often it is done. */
const PROMOTE_MS = 60_000;

/** What a timer promoter needs. */
export interface TimerPromoterOptions {
  /** Told of each task that was moved, with the minute in which it is due (milliseconds since 1970). */
  onReady(taskId: string, availableAt: number): void;
}

/**
 * The timer promoter of one worker. It works at once when it starts and once more when it stops, so that what fell due while a worker lived
 * for seconds is there for others. (Runs and leases are looked at by the next worker as it starts: of them nothing comes sooner.)
 */
export class TimerPromoter implements Service {
  readonly #scope: WorkerScope;
  readonly #options: TimerPromoterOptions;
  readonly #loop: Loop;
  readonly #life: Lifecycle;

  constructor(scope: WorkerScope, options: TimerPromoterOptions) {
    this.#scope = scope;
    this.#options = options;
    this.#loop = serviceLoop(scope, {
      name: "timer promoter",
      restMs: PROMOTE_MS,
      turn: () => this.#promote(scope.stopping),
    });
    this.#life = new Lifecycle({
      name: "timer promoter",
      clock: scope.queue.host.clock,
      stopMs: scope.stopMs,
      begin: () => this.#loop.start(),
      end: () => this.#end(),
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

  async #end(): Promise<void> {
    await this.#loop.stop();
    try {
      await this.#promote(this.#scope.halting);
    } catch (error) {
      this.#scope.log.warn("due tasks could not be moved once more; the next worker moves them", error);
    }
  }

  async #promote(stop: AbortSignal): Promise<void> {
    const { queue, log } = this.#scope;
    const lines = log.fewLines();
    await promoteDue(queue, latestNow(queue) + 2 * PROMOTE_MS, {
      onReady: ({ id, availableAt }) => this.#options.onReady(id, availableAt),
      onFailed: (key, error) => lines.warn("due task could not be moved", error, { key }),
      stop,
    }).finally(() => lines.end());
  }
}
