/** What the services of one worker have in common. */
import { reasonOf } from "../host/error-data.ts";
import type { Logger } from "../host/host.ts";
import type { QueueContext } from "../queue/task.ts";
import { FewLines } from "./few-lines.ts";
import { Loop, type LoopOptions } from "./service.ts";
import type { TestSignals } from "./test-signals.ts";

/** The worker that a service belongs to, as far as each of them needs it. */
export interface WorkerScope {
  /** The name of the worker. */
  readonly id: string;
  /** The queue, on a store that takes nothing more once the worker's stop has resolved. */
  readonly queue: QueueContext;
  readonly leaseMs: number;
  /** Longest time that a stop takes, in milliseconds. */
  readonly stopMs: number;
  /** Aborts when the worker is asked to stop: nothing new is begun. */
  readonly stopping: AbortSignal;
  /** Aborts near the end of the grace of that stop: what is still under way is to end now. */
  readonly halting: AbortSignal;
  /** Aborts when that stop has resolved: nothing may be done any more, and nothing is said. */
  readonly over: AbortSignal;
  /** Aborts when the connection was closed: nothing can be written any more. */
  readonly closed: AbortSignal;
  readonly log: WorkerLog;
  readonly signals: TestSignals;
}

/** The instant of the store's clock, in whole milliseconds since 1970, at which everything that is due by then is due for sure. */
export function latestNow({ store }: Pick<QueueContext, "store">): number {
  return Math.round(store.time().latest);
}

/** A loop of a service. A turn that fails is logged and comes again. */
export function serviceLoop(
  { queue, stopMs, closed, log }: WorkerScope,
  options: Pick<LoopOptions, "name" | "firstRestMs" | "restMs" | "turn">,
): Loop {
  return new Loop({
    clock: queue.host.clock,
    stopMs,
    failed: (error) => {
      if (!closed.aborted) log.warn(`${options.name} failed; tried again`, error);
    },
    ...options,
  });
}

/** Log lines that name the worker, and the error as a reason. */
export class WorkerLog {
  readonly #logger: Logger;
  readonly #worker: string;

  constructor(logger: Logger, worker: string) {
    this.#logger = logger;
    this.#worker = worker;
  }

  info(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#logger.info(message, { worker: this.#worker, ...fields });
  }

  warn(message: string, error?: unknown, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#logger.warn(message, this.#fields(error, fields));
  }

  error(message: string, error?: unknown, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#logger.error(message, this.#fields(error, fields));
  }

  /** The complaints of one turn, of which only the first are named. */
  fewLines(): FewLines {
    return new FewLines(this.#logger, { worker: this.#worker });
  }

  #fields(error: unknown, fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    return { worker: this.#worker, ...fields, ...(error === undefined ? {} : { reason: reasonOf(error) }) };
  }
}
