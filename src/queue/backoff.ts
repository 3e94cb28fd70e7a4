import type { RetryPolicy } from "../../machines/plan.ts";

/** Milliseconds before the next attempt: `min(initial · multiplier^min(retries, 30), max)`, then ± jitter. `retries` were used up before. */
export function backoffMs(policy: RetryPolicy, retries: number, random: () => number): number {
  const base = Math.min(policy.initialMs * policy.multiplier ** Math.min(retries, 30), policy.maxMs);
  const jitter = Math.min(Math.max(policy.jitter, 0), 1);
  return Math.trunc(base * (1 - jitter + 2 * jitter * random()));
}
