/** Prints failed attempts of a step. */
import { stackLines, summarize } from "../host/error-data.ts";
import type { FailedAttempt } from "../run/record/record.ts";
import { printable } from "./output.ts";

/** A line for each attempt, with the stack and the causes under it. */
export function* attemptLines(step: string, attempts: readonly FailedAttempt[]): Generator<string> {
  for (const { kind, attempt, ended_at, error } of attempts) {
    const what = kind === "run" ? step : `the undo of ${step}`;
    const when = ended_at === undefined ? "" : `, ${ended_at}`;
    yield printable(`${what}, attempt ${attempt}${when}: ${summarize(error)}`);
    for (const line of stackLines(error)) yield printable(line);
  }
}
