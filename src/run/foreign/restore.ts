/**
 * The machine of a record that has only its plain fields: the bucket keeps no versions, or a real client started the run.
 *
 * Plain fields do not say who holds a step, so every step in flight gets the owner *unknown*: nobody creates, fences or releases it,
 * and its result is accepted from anyone. A reconcile finds out (protocol §7).
 */
import type { Projection } from "../../../machines/snapshot.ts";
import { parseInstant } from "../../wire/instant.ts";
import { STORED_NULL } from "../../wire/value.ts";
import { isOver, refOf, type RunRecord, type StepState, type TimerState } from "../record/record.ts";
import { type Draft, projectionOf } from "../decide/draft.ts";
import { timerEntry } from "../effects/timer.ts";
import { addEntry } from "../outbox.ts";
import { applyDone, applyFailed, applyFenced } from "../decide/executions.ts";
import { tellSubmitted, withoutMistake } from "./changes.ts";
import { move } from "../decide/move.ts";

/** Plays the plain fields into a machine that has not started. */
export function applyRestore(draft: Draft, told: RunRecord): void {
  const plain = withoutMistake(draft, told);
  tellSubmitted(draft, plain);
  if (plain.status === "pending" || !move(draft, { type: "start" }, "start")) return;
  const stopsRun = stoppers(draft);
  // First what a run survives, because it enables more; then what stopped it. A step that failed after a cancel did not.
  replayAll(draft, plain, (state, step) => state.status !== "failed" || !stopsRun.has(step));
  if (plain.error?.type === "Cancelled" || wasCancelled(plain, stopsRun)) stopAsTold(draft, plain);
  replayAll(draft, plain, () => true);
  stopAsTold(draft, plain);
  fenceUnknown(draft, plain);
  forgetOwners(draft, plain);
  keepPlainFields(draft, plain);
}

/** Steps whose failure ends the run. */
function stoppers(draft: Draft): ReadonlySet<string> {
  const { steps } = draft.program;
  return new Set(steps.filter(({ stopsRun }) => stopsRun).map(({ name }) => name));
}

/** A run that is not over and has cancelled steps stops; when no failure did it, a cancel did (a later pause took its error's place). */
function wasCancelled(plain: RunRecord, stopsRun: ReadonlySet<string>): boolean {
  const states = [...plain.steps];
  return (
    states.some(([, { status }]) => status === "cancelled") &&
    !states.some(([name, { status }]) => status === "failed" && stopsRun.has(name))
  );
}

/** Replays step after step, completed ones first, until none can move. */
function replayAll(draft: Draft, plain: RunRecord, fits: (state: StepState, step: string) => boolean): void {
  const { steps } = draft.program;
  // A wait does not drain: where one failed, it failed before the run was stopped.
  const ordered = [...steps.filter(({ kind }) => kind === "signal"), ...steps.filter(({ kind }) => kind !== "signal")];
  const first = (wanted: StepState["status"]): boolean => {
    const view = projectionOf(draft);
    return ordered.some(({ name }) => {
      const state = plain.steps.get(name);
      if (state?.status !== wanted || (wanted === "cancelled" && state.started_at === undefined)) return false;
      if (!fits(state, name) && view.steps.get(name)?.phase !== "delaying") return false;
      const { machine, record } = draft;
      const events = draft.applied.length;
      const moved = replayStep(draft, name, state, view);
      if (!isOver(projectionOf(draft).status)) return moved;
      // It has not ended yet: its last step ended after it was told to stop or to pause.
      draft.machine = machine;
      draft.record = record;
      draft.applied.length = events;
      stopAsTold(draft, plain);
      return replayStep(draft, name, state, projectionOf(draft));
    });
  };
  while (first("completed") || first("failed") || first("running") || first("cancelled"));
}

function replayStep(draft: Draft, name: string, state: StepState, view: Projection): boolean {
  const step = view.steps.get(name);
  const at = { step: name, generation: Math.max(step?.generation ?? 1, 1), wake: step?.wake ?? 0 };
  if (step?.phase === "delaying") return move(draft, { type: "timer.due", timer: "delay", ...at }, `delay ${name}`);
  if (state.status === "running" || state.status === "cancelled") return false;
  const execution = draft.machine.executions.find((candidate) => candidate.kind === "run" && candidate.step === name);
  const before = draft.applied.length;
  if (execution !== undefined) {
    if (state.status === "completed")
      applyDone(draft, { fact: "done", ref: execution, result: state.result ?? STORED_NULL, attempt: state.attempt });
    else {
      const message = state.error ?? "failed";
      applyFailed(draft, {
        ref: execution,
        failure: { type: "StepFailed", message, outcome: "unknown", attempt: state.attempt },
      });
    }
  } else if (step?.phase === "waiting") {
    if (state.status === "completed") move(draft, { type: "signal.received", ...at }, `signal ${name}`);
    else move(draft, { type: "timer.due", timer: "deadline", ...at }, `deadline ${name}`);
  }
  return draft.applied.length > before;
}

function stopAsTold(draft: Draft, plain: RunRecord): void {
  const told = plain.error?.type;
  if (told === "Terminated") move(draft, { type: "terminate" }, "terminate");
  const { outcome } = projectionOf(draft);
  const stops = plain.status === "compensating" || plain.status === "cancelled" || plain.status === "failed";
  const cancels = told === "Cancelled" || [...plain.steps.values()].some(({ status }) => status === "cancelled");
  if (outcome === null && (stops || cancels)) move(draft, { type: "cancel", compensate: true }, "cancel");
  if (plain.status === "paused" && !projectionOf(draft).paused) move(draft, { type: "pause" }, "pause");
}

/** What the rebuilt run would have started before it stopped, and the plain fields do not know, was never begun. */
function fenceUnknown(draft: Draft, plain: RunRecord): void {
  for (const execution of draft.machine.executions) {
    const state = plain.steps.get(execution.step);
    const drains = execution.kind === "run" && projectionOf(draft).draining.includes(execution.step);
    if (!drains || state?.status === "running") continue;
    const { machine, record } = draft;
    applyFenced(draft, { ref: refOf(execution), outcome: state?.started_at === undefined ? "never" : "unknown" });
    if (!isOver(projectionOf(draft).status)) continue;
    // The run has not ended yet: the last one is fenced like any other.
    draft.machine = machine;
    draft.record = record;
  }
}

/** A step that the plain fields do not know was never begun; an undo may have been. */
function forgetOwners(draft: Draft, plain: RunRecord): void {
  const known = draft.machine.executions.map((execution) => {
    const state = plain.steps.get(execution.step);
    if (execution.kind === "run" && state?.status !== "running") return execution;
    const retries = execution.kind === "run" ? Math.max(0, (state?.attempt ?? 1) - 1) : 0;
    return { ...execution, owner: "unknown" as const, retries };
  });
  const orphans = new Set(
    known.filter((execution) => execution.owner === "unknown").map((execution) => JSON.stringify(refOf(execution))),
  );
  const fresh = draft.fresh.filter((ref) => !orphans.has(JSON.stringify(refOf(ref))));
  draft.fresh.splice(0, draft.fresh.length, ...fresh);
  draft.machine = { ...draft.machine, executions: known };
}

/** What was written stands: results, errors and times are not ours to change. */
function keepPlainFields(draft: Draft, plain: RunRecord): void {
  const steps = new Map(plain.steps);
  for (const [name, state] of draft.record.steps) if (!steps.has(name)) steps.set(name, state);
  const consumed = [...plain.signals].flatMap(([name, { cursor }]) =>
    cursor === undefined ? [] : [{ name, ids: [cursor], since: cursor }],
  );
  const timers = draft.machine.timers.map((timer) => sinceStart(timer, plain, draft.nowMs));
  draft.machine = { ...draft.machine, consumed, timers };
  for (const timer of timers) addEntry(draft, timerEntry(timer));
  const { error: _mine, ...rest } = draft.record;
  draft.record = {
    ...rest,
    steps,
    signals: plain.signals,
    ...(plain.error === undefined ? {} : { error: plain.error }),
  };
}

/** A wait goes on from when it began; the timer's own task stands at that instant. */
function sinceStart(timer: TimerState, plain: RunRecord, nowMs: number): TimerState {
  const startedAt = plain.steps.get(timer.step)?.started_at;
  const began = startedAt === undefined ? undefined : parseInstant(startedAt)?.ms;
  return began === undefined ? timer : { ...timer, dueAt: began + timer.dueAt - nowMs };
}
