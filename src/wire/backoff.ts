/** How long a task waits before its next attempt. */
import type { RetryPolicy } from "../../machines/program.ts";

/** The policy where none is given, as buquet has it: 1 s, 2 s, 4 s … 60 s, each a quarter more or less. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0.25 };

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
