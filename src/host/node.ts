/** The real process: wall clock, real randomness. */
import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as startTimer } from "node:timers";
import type { Clock, Host, Logger, Random, WaitOptions } from "./host.ts";
import { silentLogger } from "./logger.ts";
import { encodeUlid } from "./ulid.ts";

export { createLogger } from "./logger.ts";

const LONGEST_TIMER_MS = 2_147_483_647;

/** The clock of the machine. */
export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms: number, options: WaitOptions = {}): Promise<void> =>
    new Promise((resolve) => {
      const { signal } = options;
      if (signal?.aborted === true) return resolve();
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = startTimer(end, Math.min(Math.max(0, ms), LONGEST_TIMER_MS));
      signal?.addEventListener("abort", end, { once: true });
    }),
};

/** The widest range that `randomInt` takes in a power of two; it draws from a pool, so a number costs no system call. */
const RANGE = 2 ** 47;
const next = (): number => randomInt(RANGE) / RANGE;

/** Chance from the operating system. */
export const nodeRandom: Random = {
  next,
  uuid: () => randomUUID(),
  ulid: (now) => encodeUlid(now, next),
};

/** Parts of a host that may be replaced. */
export interface NodeHostOptions {
  readonly logger?: Logger;
}

/** The host of a real process. Silent unless a logger is given. */
export function nodeHost(options: NodeHostOptions = {}): Host {
  return { clock: nodeClock, random: nodeRandom, logger: options.logger ?? silentLogger };
}
