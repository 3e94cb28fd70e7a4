/** Repeats requests that were not carried out. */
import { isWorkflowError } from "../errors.ts";
import type { Host, Random } from "../host/host.ts";

/** How often one request is sent at most. */
export const TRIES = 6;
/** The first pause before the same request is sent again. */
export const FIRST_BACKOFF_MS = 50;
/** The first pause after a 429, for stores that accept one write of a key per second. */
export const PER_KEY_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 5_000;

/** The pause after this many tries. Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"). */
export function pauseMs(random: Random, firstMs: number, tries: number): number {
  return random.next() * Math.min(LONGEST_BACKOFF_MS, firstMs * 2 ** tries);
}

/** Whether the store did not answer, so that the same request may succeed later. */
export function isUnanswered(error: unknown): boolean {
  return isWorkflowError(error, "unavailable");
}

/**
 * Does something again and again while the store does not answer, as long as `mayGoOn` says so. It must be such that doing it twice is the
 * same as once.
 * @throws the last error
 */
export async function insist<T>(host: Host, mayGoOn: () => boolean, act: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      if (!isUnanswered(error) || !mayGoOn()) throw error;
      await host.clock.sleep(insistMs(host.random, tries));
      if (!mayGoOn()) throw error;
    }
  }
}

/** The pauses are short, because a lease is running out. */
const LONGEST_INSIST_MS = 1_000;

/** The pause before a request that the store did not answer is repeated. */
export function insistMs(random: Random, tries: number): number {
  return (0.5 + random.next() / 2) * Math.min(LONGEST_INSIST_MS, FIRST_BACKOFF_MS * 2 ** tries);
}
