/** What is kept of attempts that failed: why, with stack and causes. It rides with writes that are made anyway. */
import { type ErrorData, summarize } from "../../host/error-data.ts";
import { formatOpaque } from "../../wire/instant.ts";
import type { AttemptFailure } from "../facts.ts";
import type { FailedAttempt, ExecutionRef } from "../record/record.ts";
import type { Draft } from "./draft.ts";

/** Of a step, and of its undo, so many failed attempts are kept: the newest. */
export const FAILURES_KEPT = 3;
/** Longest JSON of all that are kept; above it the oldest lose their details, then go. A thousand failing steps must not fill the record. */
export const MAX_FAILURES_LENGTH: number = 64 * 1024;
/** What is left of one without its details. */
const BRIEF_LENGTH = 100;

/** Keeps failed attempts of a handler execution. One that is told again takes the place of what was known of it. */
export function keepFailures(draft: Draft, ref: ExecutionRef, failures: readonly AttemptFailure[] = []): void {
  if (failures.length === 0) return;
  const { kind, step, generation } = ref;
  const added = failures.map(({ attempt, beganAt, endedAt, error }): FailedAttempt => ({
    kind,
    step,
    generation,
    attempt,
    ...(beganAt === undefined ? {} : { began_at: formatOpaque(beganAt) }),
    ...(endedAt === undefined ? {} : { ended_at: formatOpaque(endedAt) }),
    error,
  }));
  const isToldAgain = (known: FailedAttempt): boolean =>
    known.kind === kind &&
    known.step === step &&
    known.generation === generation &&
    added.some(({ attempt }) => attempt === known.attempt);
  const others = (draft.machine.failures ?? []).filter((known) => !isToldAgain(known));
  draft.machine = { ...draft.machine, failures: bounded([...others, ...added]) };
}

/** From the newest on: whole as long as they fill three quarters, in brief as long as they fit, and not more than so many of each. */
function bounded(all: readonly FailedAttempt[]): readonly FailedAttempt[] {
  const counts = new Map<string, number>();
  const kept: FailedAttempt[] = [];
  let total = 0;
  for (const one of all.toReversed()) {
    const of = `${one.kind}:${one.step}`;
    const count = (counts.get(of) ?? 0) + 1;
    counts.set(of, count);
    if (count > FAILURES_KEPT) continue;
    const length = lengthOf(one);
    const isWhole = total + length <= MAX_FAILURES_LENGTH * 0.75;
    const shown = isWhole ? one : { ...one, error: brief(one.error) };
    total += isWhole ? length : lengthOf(shown);
    if (total > MAX_FAILURES_LENGTH) break;
    kept.push(shown);
  }
  return kept.toReversed();
}

const lengths = new WeakMap<FailedAttempt, number>();

/** Measured once: what is kept is looked at with every attempt that comes to it. */
function lengthOf(one: FailedAttempt): number {
  const length = lengths.get(one) ?? JSON.stringify(one).length;
  lengths.set(one, length);
  return length;
}

function brief(error: ErrorData): ErrorData {
  const { name, code } = error;
  return { name, message: summarize(error).slice(0, BRIEF_LENGTH), ...(code === undefined ? {} : { code }) };
}
