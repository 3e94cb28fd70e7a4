/** How long a task waits before its next attempt. */

/** `min(initialMs · multiplier^n, maxMs)`, then ± `jitter` (0 to 1), before attempt n + 1. The same shape as in a plan. */
export interface RetryPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
  readonly jitter: number;
}

/** From so many retries on the delay does not grow any more. */
export const LAST_GROWTH = 30;

/** Milliseconds before the next attempt: `min(initial · multiplier^min(retries, 30), max)`, then ± jitter. `retries` were used up before. */
export function backoffMs(policy: RetryPolicy, retries: number, random: () => number): number {
  const grown = policy.initialMs * policy.multiplier ** Math.min(retries, LAST_GROWTH);
  // Beyond all floats (also 0 · ∞) is the maximum; a negative delay is none.
  const base = Number.isNaN(grown) ? policy.maxMs : Math.min(grown, policy.maxMs);
  const jitter = Math.min(Math.max(policy.jitter, 0), 1);
  return Math.max(0, Math.trunc(base * (1 - jitter + 2 * jitter * random())));
}
