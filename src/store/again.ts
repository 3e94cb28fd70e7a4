/** When a request that was not done is sent again. */
import type { Random } from "../host/host.ts";

/** How often one request is sent at most. */
export const TRIES = 6;
/** The first pause before the same request is sent again. */
export const FIRST_BACKOFF_MS = 50;
/** The first pause after 429: from stores that take one write of a key a second. */
export const PER_KEY_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 5_000;

/** How long to rest after so many tries. Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"). */
export function pauseMs(random: Random, firstMs: number, tries: number): number {
  return random.next() * Math.min(LONGEST_BACKOFF_MS, firstMs * 2 ** tries);
}
