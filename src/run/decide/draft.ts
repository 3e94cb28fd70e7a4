/** A record while facts are applied to it, and the small edits that every rule is made of. */
import type { Program } from "../../programs/programs.ts";
import { projectRun, type RunProjection } from "../control.ts";
import type { EffectKind } from "../effects/effect.ts";
import {
  type Actor,
  type Execution,
  type ExecutionRef,
  type MachinePart,
  type RunError,
  type RunRecord,
  sameExecution,
  type StepState,
} from "../record/record.ts";
import { executionTaskId } from "../tasks.ts";
import { drains } from "../view.ts";

/** A record under decision. Members are replaced, never changed in place. */
export type Draft = {
  record: RunRecord;
  machine: MachinePart;
  readonly program: Program;
  /** The kinds of effects that the outbox may hold. */
  readonly effects: readonly EffectKind[];
  readonly now: string;
  readonly nowMs: number;
  readonly applied: string[];
  /** Executions started in this decision, to be given to their sources. */
  readonly fresh: ExecutionRef[];
  /** The claim that brings the facts: the stamp of what they add to the outbox. */
  by: Actor | undefined;
  force: boolean;
};

/** What the run says at this point of the decision. */
export function projectionOf({ program, machine }: Draft): RunProjection {
  return projectRun(program, machine);
}

/** The execution of this reference, if it is in the air. */
export function findExecution(draft: Draft, ref: ExecutionRef): Execution | undefined {
  return draft.machine.executions.find((execution) => sameExecution(execution, ref));
}

/** Replaces one execution. */
export function mapExecution(draft: Draft, ref: ExecutionRef, change: (execution: Execution) => Execution): void {
  if (findExecution(draft, ref) === undefined) return;
  const executions = draft.machine.executions.map((execution) =>
    sameExecution(execution, ref) ? change(execution) : execution,
  );
  draft.machine = { ...draft.machine, executions };
}

/** The execution whose own task this is. */
export function executionOfTask(draft: Draft, task: string): Execution | undefined {
  return draft.machine.executions.find((execution) => executionTaskId(draft.record.id, execution) === task);
}

/** Whether the run stops and waits for the end of this execution. */
export function isDraining(draft: Draft, ref: ExecutionRef): boolean {
  return drains(draft.machine, draft.program, ref);
}

/** No write is made only to confirm. */
export function hasMoved(draft: Draft): boolean {
  return draft.applied.length > 0 || draft.force;
}

/** Writes one line of the plain step table. */
export function setStep(draft: Draft, name: string, state: StepState): void {
  draft.record = { ...draft.record, steps: new Map(draft.record.steps).set(name, state) };
}

/** The run says why it stops, or why it will fail. */
export function blame(draft: Draft, error: RunError): void {
  draft.record = { ...draft.record, error };
  draft.machine = { ...draft.machine, cause: error };
}

/** The run says why it is held; one that stops goes on to say why it stops. */
export function hold(draft: Draft, error: RunError): void {
  const { outcome } = projectionOf(draft);
  if (outcome === null || draft.record.error === undefined) draft.record = { ...draft.record, error };
}

/** What held the run is gone; what stopped it is not. */
export function heal(draft: Draft): void {
  const { outcome } = projectionOf(draft);
  const { error: _healed, ...record } = draft.record;
  const { cause, ...machine } = draft.machine;
  if (outcome === null) {
    draft.record = record;
    draft.machine = machine;
  } else draft.record = cause === undefined ? record : { ...record, error: cause };
}

/** Whether the step is a node that waits and has no handler. */
export function isSignalNode(draft: Draft, name: string): boolean {
  return draft.program.steps.some((candidate) => candidate.name === name && candidate.kind === "signal");
}
