/**
 * What a writer that does not know `machine` changed in the plain fields, as events. Real buquet clients write `paused`, `running` and
 * `cancelled` into the status; its workers complete and fail steps and move signal cursors.
 */
import { STORED_NULL } from "../../wire/value.ts";
import {
  type ExecutionRef,
  isOver,
  type RunError,
  type RunRecord,
  sameExecution,
  type StepState,
} from "../record/record.ts";
import { blame, type Draft, heal, hold, mapExecution, projectionOf } from "../decide/draft.ts";
import { applyDone, applyFailed } from "../decide/executions.ts";
import { move } from "../decide/move.ts";

/** Facts of a write by which it can be told that a worker of buquet took part in a run that is not its to drive. */
export const MISTAKEN_PAUSE = "a pause of another program's worker is void";
const SUBMITTED = "submitted by another program:";

/** What a worker of buquet did to a run by claiming its ticks, as the facts of a write tell; undefined: nothing. */
export function interferenceIn(facts: readonly string[]): "paused" | "drove" | undefined {
  if (facts.includes(MISTAKEN_PAUSE)) return "paused";
  return facts.some((fact) => fact.startsWith(SUBMITTED)) ? "drove" : undefined;
}

/** The words of buquet's orchestrator for a run that it has another definition of. Ours say more. */
const MISMATCH = /^Workflow definition changed\. Expected (\S+), got \S+$/u;

/** A worker of buquet with any other workflow claims ticks of ours and pauses the run (W-3, W-4): the definition that it missed is here. */
function isMistaken(error: RunError | undefined, definitionHash: string): boolean {
  return error?.type === "VersionMismatch" && MISMATCH.exec(error.message)?.[1] === definitionHash;
}

/** The plain fields without a pause that is void. */
export function withoutMistake(draft: Draft, plain: RunRecord): RunRecord {
  if (plain.status !== "paused" || !isMistaken(plain.error, draft.program.definitionHash)) return plain;
  draft.applied.push(MISTAKEN_PAUSE);
  const { error: _void, ...rest } = plain;
  return { ...rest, status: "running" };
}

/** Says which steps buquet's orchestrator submitted: nobody else names a task in the table of steps. */
export function tellSubmitted(draft: Draft, after: RunRecord, before?: RunRecord): readonly string[] {
  const submitted = [...after.steps].flatMap(([name, { status, task_id }]) =>
    status === "running" && task_id !== undefined && task_id !== before?.steps.get(name)?.task_id ? [name] : [],
  );
  for (const name of submitted) draft.applied.push(`${SUBMITTED} ${name}`);
  return submitted;
}

/** Applies the difference between two versions of the plain fields. */
export function applyForeign(draft: Draft, before: RunRecord, after: RunRecord): void {
  const { data, rest } = after;
  draft.record = { ...draft.record, data, rest };
  moveCursors(draft, before, after);
  applySteps(draft, before, after);
  for (const name of tellSubmitted(draft, after, before)) leaveToSubmitter(draft, name);
  applyStatus(draft, before, after);
}

/** A step that has its task from elsewhere and has just been started by us gets none of ours: somebody may be running it. */
function leaveToSubmitter(draft: Draft, step: string): void {
  const execution = executionOf(draft, step);
  const fresh = execution === undefined ? -1 : draft.fresh.findIndex((ref) => sameExecution(ref, execution));
  if (execution === undefined || fresh === -1) return;
  draft.fresh.splice(fresh, 1);
  mapExecution(draft, execution, (other) => ({ ...other, owner: "unknown" }));
}

/** What a foreign consumer has read is not given once more, also not when the inbox is looked through from before its cursor. */
function moveCursors(draft: Draft, before: RunRecord, after: RunRecord): void {
  for (const [name, { cursor }] of after.signals) {
    if (cursor === undefined || cursor === before.signals.get(name)?.cursor) continue;
    const known = draft.machine.consumed.find((entry) => entry.name === name)?.ids ?? [];
    if (!known.includes(cursor)) {
      const others = draft.machine.consumed.filter((entry) => entry.name !== name);
      draft.machine = { ...draft.machine, consumed: [...others, { name, ids: [...known, cursor], since: cursor }] };
    }
    const mine = draft.record.signals.get(name)?.cursor;
    if (mine === undefined || mine < cursor)
      draft.record = { ...draft.record, signals: new Map(draft.record.signals).set(name, { cursor }) };
  }
}

/** A completion enables other steps, which may be completed too: in plan order until nothing moves any more. */
function applySteps(draft: Draft, before: RunRecord, after: RunRecord): void {
  for (let moved = true; moved;) {
    moved = false;
    for (const { name } of draft.program.steps) {
      const state = after.steps.get(name);
      const changed = state !== undefined && isEnd(state) && before.steps.get(name)?.status !== state.status;
      const execution = changed ? executionOf(draft, name) : undefined;
      if (state === undefined || execution === undefined) continue;
      const events = draft.applied.length;
      report(draft, execution, state);
      moved ||= draft.applied.length > events;
    }
  }
}

const isEnd = (state: StepState): boolean => state.status !== "pending" && state.status !== "running";

function executionOf(draft: Draft, step: string): ExecutionRef | undefined {
  return draft.machine.executions.find((execution) => execution.kind === "run" && execution.step === step);
}

function report(draft: Draft, ref: ExecutionRef, state: StepState): void {
  if (state.status === "completed")
    return applyDone(draft, { fact: "done", ref, result: state.result ?? STORED_NULL, attempt: state.attempt });
  const message = state.error ?? `${state.status} by another program`;
  applyFailed(draft, { ref, failure: { type: "StepFailed", message, outcome: "unknown", attempt: state.attempt } });
}

function applyStatus(draft: Draft, before: RunRecord, after: RunRecord): void {
  if (before.status === after.status || isOver(draft.record.status)) return;
  if (after.status === "paused") {
    if (withoutMistake(draft, after) !== after) return;
    if (move(draft, { type: "pause" }, "paused by another program") && after.error !== undefined)
      hold(draft, after.error);
  } else if (after.status === "cancelled" || after.status === "failed") {
    const { outcome } = projectionOf(draft);
    if (outcome !== null) return;
    if (
      move(draft, { type: "cancel", compensate: true }, `${after.status} by another program`) &&
      after.error !== undefined
    )
      blame(draft, after.error);
  } else if (before.status === "paused" && after.status === "running") {
    if (move(draft, { type: "resume" }, "resumed by another program")) heal(draft);
  }
}
