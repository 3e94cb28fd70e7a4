/** The host of a Node process: its wall clock and its randomness. */
import { randomInt, randomUUID } from "node:crypto";
import type { Clock, Host, Logger, Random, WaitOptions } from "./host.ts";
import { createLogger } from "./logger.ts";
import { encodeUlid } from "./ulid.ts";

export { createLogger } from "./logger.ts";

/** The longest timer of Node (31 bits); a longer one ends at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** Waits for one timer or the abort, whichever comes first. */
function rest(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, LONGEST_TIMER_MS));
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** The clock of the machine. */
export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms: number, { signal }: WaitOptions = {}): Promise<void> => {
    const until = performance.now() + ms;
    // What is longer than a timer is slept in parts; the first one is also taken for 0, so that a sleep always lets others run.
    for (let leftMs = Math.max(0, ms); signal?.aborted !== true;) {
      await rest(leftMs, signal);
      leftMs = until - performance.now();
      if (!(leftMs > 0)) return;
    }
  },
};

/** The widest range that `randomInt` takes in a power of two; it draws from a pool, so a number costs no system call. */
const RANGE = 2 ** 47;
const next = (): number => randomInt(RANGE) / RANGE;

/** Randomness from the operating system. */
export const nodeRandom: Random = {
  next,
  uuid: () => randomUUID(),
  ulid: (now) => encodeUlid(now, next),
};

/** Options of `nodeHost`. */
export interface NodeHostOptions {
  /** The destination of log lines. @defaultValue warnings and errors go to standard error, as text */
  readonly logger?: Logger;
}

/**
 * Warnings and errors on standard error: a step that fails must not be silent because nobody chose a logger. `console` leaves it alone when
 * standard error is closed, where a write of our own would end the process.
 */
// oxlint-disable-next-line no-console
const standardLogger: Logger = createLogger({ level: "warn", write: (record) => console.error("%s", record) });

/** The host of a real process. Without a logger, warnings and errors go to standard error as text; `silentLogger` keeps them away. */
export function nodeHost(options: NodeHostOptions = {}): Host {
  return { clock: nodeClock, random: nodeRandom, logger: options.logger ?? standardLogger };
}
