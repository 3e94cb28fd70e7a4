/**
 * The text that a task keeps of attempts that failed (`last_error`), from when it goes back to the queue until its next claimer has told the
 * record. For people, and for programs of buquet, it is the last error and its stack. The last line has all of it as JSON.
 */
import { z } from "zod";
import { errorOfText, textOfError } from "../host/error-data.ts";
import type { AttemptFailure } from "./facts.ts";
import { errorData, moment } from "./record/record.ts";

const attemptsSchema = z.object({
  attempts: z.array(
    z.object({
      attempt: z.number().int().positive(),
      beganAt: moment.optional(),
      endedAt: moment.optional(),
      error: errorData,
    }),
  ),
});
const FIRST_CHARACTERS = '{"attempts":[';

/** The text. Undefined: no attempt failed. */
export function textOfAttempts(failures: readonly AttemptFailure[]): string | undefined {
  const last = failures.at(-1);
  return last === undefined ? undefined : `${textOfError(last.error)}\n${JSON.stringify({ attempts: failures })}`;
}

/** The attempts that a text tells of. A text of another program tells of one, if it is known `of` which. */
export function attemptsOfText(text: string, of?: Omit<AttemptFailure, "error">): readonly AttemptFailure[] {
  const at = text.lastIndexOf("\n") + 1;
  if (text.startsWith(FIRST_CHARACTERS, at)) {
    try {
      return attemptsSchema.parse(JSON.parse(text.slice(at))).attempts as readonly AttemptFailure[];
    } catch {
      // Somebody wrote or cut it: then it is a text like others.
    }
  }
  return of === undefined ? [] : [{ ...of, error: errorOfText(text) }];
}
