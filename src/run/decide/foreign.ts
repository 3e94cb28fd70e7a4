/**
 * What a writer that does not know `machine` changed in the plain fields, as events. Real buquet clients write `paused`, `running` and
 * `cancelled` into the status; its workers complete and fail steps and move signal cursors.
 */
import { project } from "../../../machines/advance.ts";
import { type FlightRef, isOver, type RunRecord, type StepState } from "../record.ts";
import { blame, type Draft, heal, hold } from "./draft.ts";
import { applyDone, applyFailed } from "./flights.ts";
import { move } from "./move.ts";

/** Applies the difference between two versions of the plain fields. */
export function applyForeign(draft: Draft, before: RunRecord, after: RunRecord): void {
  const { data, rest } = after;
  draft.record = { ...draft.record, data, rest };
  moveCursors(draft, before, after);
  applySteps(draft, before, after);
  applyStatus(draft, before, after);
}

/** What a foreign consumer has read is not given once more, also not when the inbox is looked through from before its cursor. */
function moveCursors(draft: Draft, before: RunRecord, after: RunRecord): void {
  for (const [name, { cursor }] of after.signals) {
    if (cursor === undefined || cursor === before.signals.get(name)?.cursor) continue;
    const known = draft.machine.consumed.find((entry) => entry.name === name)?.ids ?? [];
    if (!known.includes(cursor)) {
      const others = draft.machine.consumed.filter((entry) => entry.name !== name);
      draft.machine = { ...draft.machine, consumed: [...others, { name, ids: [...known, cursor] }] };
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
    for (const { name } of draft.program.machine.plan.steps) {
      const state = after.steps.get(name);
      const changed = state !== undefined && isEnd(state) && before.steps.get(name)?.status !== state.status;
      const flight = changed ? flightOf(draft, name) : undefined;
      if (state === undefined || flight === undefined) continue;
      const events = draft.applied.length;
      report(draft, flight, state);
      moved ||= draft.applied.length > events;
    }
  }
}

const isEnd = (state: StepState): boolean => state.status !== "pending" && state.status !== "running";

function flightOf(draft: Draft, step: string): FlightRef | undefined {
  return draft.machine.flights.find((flight) => flight.kind === "run" && flight.step === step);
}

function report(draft: Draft, ref: FlightRef, state: StepState): void {
  if (state.status === "completed") return applyDone(draft, ref, state.result ?? null, state.attempt);
  const message = state.error ?? `${state.status} by another program`;
  applyFailed(draft, ref, { type: "StepFailed", message, outcome: "unknown", attempt: state.attempt });
}

function applyStatus(draft: Draft, before: RunRecord, after: RunRecord): void {
  if (before.status === after.status || isOver(draft.record.status)) return;
  if (after.status === "paused") {
    if (move(draft, { type: "pause" }, "paused by another program") && after.error !== undefined)
      hold(draft, after.error);
  } else if (after.status === "cancelled" || after.status === "failed") {
    const { outcome } = project(draft.program.machine, draft.machine.snapshot);
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
