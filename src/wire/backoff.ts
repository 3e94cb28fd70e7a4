/** How long a task waits before its next attempt. */
import type { RetryPolicy } from "../../machines/program.ts";
import { LONGEST_DURATION_MS, shown } from "./duration.ts";

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

type Refuse = (reason: string) => never;

/** Refuses a policy that makes no sense, with the member and what it may be. */
export function checkRetryPolicy(policy: RetryPolicy, refuse: Refuse): void {
  for (const member of ["initialMs", "maxMs"] as const) {
    const value: unknown = policy[member];
    if (typeof value !== "number" || !(value >= 0 && value <= LONGEST_DURATION_MS))
      refuse(`retryPolicy.${member} is ${shown(value)}; it must be milliseconds, up to ten years`);
  }
  if (policy.initialMs > policy.maxMs)
    refuse(`retryPolicy.initialMs ${policy.initialMs} is more than its maxMs ${policy.maxMs}; give both`);
  if (!Number.isFinite(policy.multiplier) || policy.multiplier < 1)
    refuse(`retryPolicy.multiplier is ${shown(policy.multiplier)}; it must be a number from 1`);
  if (!Number.isFinite(policy.jitter) || policy.jitter < 0 || policy.jitter > 1)
    refuse(`retryPolicy.jitter is ${shown(policy.jitter)}; it must be a number from 0 to 1`);
}

const YEAR_MS = 365 * 86_400_000;

/** Refuses retries that may wait for longer than ten years in all: no clock of ours reckons further. */
export function checkLongestWait(retries: number, policy: RetryPolicy, refuse: Refuse): void {
  const longestMs = (retry: number): number => backoffMs(policy, retry, () => 1);
  const growing = Math.min(retries, LAST_GROWTH);
  let waitMs = (retries - growing) * longestMs(LAST_GROWTH);
  for (let retry = 0; retry < growing; retry += 1) waitMs += longestMs(retry);
  if (waitMs > LONGEST_DURATION_MS)
    refuse(
      `its retries (${retries}) may wait ${Math.ceil(waitMs / YEAR_MS)} years between attempts, and ten are the most; give fewer retries or a smaller retryPolicy.maxMs`,
    );
}
