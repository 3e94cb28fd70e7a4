/** The commands of operators, and the tasks by which runs receive them. */
import { WorkflowError } from "../errors.ts";
import type { Program } from "../programs/programs.ts";
import type { RunRecord } from "../run/record/record.ts";
import type { RunCommand } from "../run/wakeups/command.ts";
import { viewOf } from "../run/view.ts";

/** A command that can be given to any run, and to many at once. */
export type BulkCommand =
  | { readonly type: "cancel"; readonly compensate?: boolean; readonly reason?: string }
  | { readonly type: "pause" | "terminate"; readonly reason?: string }
  | { readonly type: "resume" | "retry" };

/** The longest reason: it is stored in the record of the run, which is limited, and in the task of the command. */
const LONGEST_REASON = 10_000;

/** @throws {WorkflowError} `invalid` for a reason that is no text, which no run could read, or too long for its record. */
export function checkReason(command: BulkCommand | RunCommand): void {
  const reason: unknown = "reason" in command ? command.reason : undefined;
  if (reason === undefined) return;
  if (typeof reason !== "string") {
    const what = reason === null ? "null" : `a${typeof reason === "object" ? "n" : ""} ${typeof reason}`;
    throw new WorkflowError("invalid", `a reason is a text, not ${what}`);
  }
  if (reason.length > LONGEST_REASON)
    throw new WorkflowError("invalid", `a reason has ${LONGEST_REASON} characters at most, not ${reason.length}`);
}

/**
 * The command as a run is told it. `versions`: whether the bucket keeps them.
 * @throws {WorkflowError} `invalid` for a retry of a run that is not failed, and for a reason that is no text or too long.
 */
export function commandFor(
  record: RunRecord,
  command: BulkCommand | Extract<RunCommand, { type: "skip" }>,
  versions: boolean,
): RunCommand {
  checkReason(command);
  if (command.type === "cancel") return { ...command, compensate: command.compensate ?? true };
  if (command.type !== "retry") return command;
  checkRetry(record, versions);
  const { machine } = record;
  return { type: "retry", ...(machine === undefined ? {} : { nth: (machine.reopened?.count ?? 0) + 1 }) };
}

/** What to do instead with a run that cannot be reopened. */
const INSTEAD: Partial<Record<RunRecord["status"], string>> = {
  paused: "; resume goes on, and tries a held step again",
  completed: "; start a new one",
  cancelled: "; start a new one",
};

function checkRetry({ id, status, machine }: RunRecord, versions: boolean): void {
  if (status !== "failed") {
    const instead = INSTEAD[status] ?? "";
    throw new WorkflowError("invalid", `run ${id} is ${status}, not failed: there is nothing to retry${instead}`);
  }
  if (machine === undefined && !versions) {
    throw new WorkflowError(
      "invalid",
      `run ${id} was ended by a program that dropped its machine, and the bucket keeps no versions: it cannot be opened again; start a new one`,
    );
  }
}

/** @throws {WorkflowError} `invalid` for a step that a skip would not go past. */
export function checkHeld(record: RunRecord, program: Program | undefined, step: string): void {
  const view = program === undefined ? undefined : viewOf(record, program);
  if (view === undefined || view.steps.get(step)?.phase === "held") return;
  const held = [...view.steps].filter(([, { phase }]) => phase === "held").map(([name]) => name);
  const which = held.length === 0 ? "none is" : `held is ${held.join(", ")}`;
  throw new WorkflowError("invalid", `step ${JSON.stringify(step)} of run ${record.id} is not held; ${which}`);
}
