/** The plain step table: what the record says of each step, in the words of the wire. */
import type { Projection } from "../../../machines/snapshot.ts";
import type { Failure } from "../facts.ts";
import type { StoredValue } from "../../wire/value.ts";
import { isOver, type MachinePart, type RunError, type StepState } from "../record/record.ts";
import { resultEntry } from "../effects/result.ts";
import { addEntry } from "../outbox.ts";
import { blame, type Draft, setStep } from "./draft.ts";

/** A generation of a step has its result: for ever. */
export function completeStep(
  draft: Draft,
  { step: name, generation }: { readonly step: string; readonly generation: number },
  result: StoredValue,
  attempt: number,
): void {
  const before = draft.record.steps.get(name);
  setStep(draft, name, {
    status: "completed",
    ...(before?.started_at === undefined ? {} : { started_at: before.started_at }),
    completed_at: draft.now,
    result,
    attempt,
  });
  forgetGiven(draft, name);
  const isReplaced = draft.machine.replaced?.includes(name) === true;
  addEntry(draft, resultEntry(name, generation, isReplaced));
}

/** A step failed for good; the run says why, unless an operator ended it. */
export function failStep(draft: Draft, ref: { step: string; generation: number }, failure: Failure): void {
  const before = draft.record.steps.get(ref.step);
  setStep(draft, ref.step, {
    status: "failed",
    ...(before?.started_at === undefined ? {} : { started_at: before.started_at }),
    completed_at: draft.now,
    error: failure.message,
    attempt: failure.attempt,
  });
  forgetGiven(draft, ref.step);
  if (failure.outcome === "never") bumpEpoch(draft, ref.step);
  const error: RunError = {
    type: failure.type,
    message: failure.message,
    step: ref.step,
    attempt: failure.attempt,
    at: draft.now,
  };
  const stopped = draft.record.error?.type;
  if (stopped !== "Cancelled" && stopped !== "Terminated") blame(draft, error);
}

function forgetGiven(draft: Draft, name: string): void {
  if (!draft.machine.given.some((entry) => entry.step === name)) return;
  draft.machine = { ...draft.machine, given: draft.machine.given.filter((entry) => entry.step !== name) };
}

/** P30: a new generation gets a new idempotency key only when the last one is known not to have happened, or was undone. */
export function bumpEpoch(draft: Draft, name: string): void {
  const epoch = epochOf(draft.machine, name) + 1;
  const others = draft.machine.epochs.filter((entry) => entry.step !== name);
  draft.machine = { ...draft.machine, epochs: [...others, { step: name, epoch }] };
}

/** The part of a step's idempotency key that changes. Counts from 1. */
export function epochOf(machine: MachinePart, name: string): number {
  return machine.epochs.find((entry) => entry.step === name)?.epoch ?? 1;
}

/** Brings the plain step table in line with the machine, for steps that no fact wrote itself. */
export function syncSteps(draft: Draft, view: Projection): void {
  const steps = new Map(draft.record.steps);
  let changed = false;
  for (const [name, current] of view.steps) {
    const before = steps.get(name);
    const status = wireStatus(current.phase, isOver(view.status)) ?? (before === undefined ? undefined : "pending");
    if (status === undefined || before?.status === status) continue;
    changed = true;
    const known = status === "pending" || status === "running" ? undefined : before?.started_at;
    const started = known ?? (status === "running" ? draft.now : undefined);
    steps.set(name, {
      // A new generation leaves what the last one came to behind.
      ...(status === "running" || status === "pending" ? {} : before),
      status,
      ...(started === undefined ? {} : { started_at: started }),
      attempt: status === "running" ? Math.max(before?.attempt ?? 0, 1) : (before?.attempt ?? 0),
    });
  }
  if (changed) draft.record = { ...draft.record, steps };
}

/** The word of the wire for a phase; undefined: the step is not in the table (yet). */
export function wireStatus(phase: string, over: boolean): StepState["status"] | undefined {
  switch (phase) {
    case "completed":
    case "skipped":
      return "completed";
    case "failed":
    case "held":
      return "failed";
    case "running":
    case "waiting":
      return "running";
    case "cancelled":
      return "cancelled";
    default:
      return over ? "cancelled" : undefined;
  }
}
