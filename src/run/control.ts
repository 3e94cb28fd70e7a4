/**
 * Pause and terminate, for every program. Both live in the record, beside the snapshot: no program hears of them.
 *
 * While a run is paused, its program hears of everything as always: activities end, signals are given, timers are due. Only the activities
 * that it asks for then are not given out: they are *parked* until somebody resumes the run. When the program stops an activity that is
 * parked, that activity has never begun, which is answered at once.
 *
 * | | pending | goes on | rolls back | stops without rollback | over |
 * |---|---|---|---|---|---|
 * | pause | counts | counts | counts | changes nothing | changes nothing |
 * | resume | ends the pause | ends the pause, gives out what is parked, tries held steps again | ends the pause, gives out | changes nothing | changes nothing |
 * | cancel | ends the pause | ends the pause | changes nothing | changes nothing | changes nothing |
 * | terminate | over at once | over at once | over at once | over at once | changes nothing |
 * | a failure that stops the run | | the pause stays: undos are parked | | | |
 * | retry | | | | | ends the pause of a failed run |
 */
import type { Command } from "../../machines/commands.ts";
import type { RunEvent } from "../../machines/events.ts";
import type { Decision, Program } from "../../machines/program.ts";
import type { Projection, StepView } from "../../machines/snapshot.ts";
import { type ExecutionRef, isOver, type MachinePart } from "./record/record.ts";

/**
 * What can be done to a run: an event into its program, or an operation on its record. A retry opens a failed run again: steps that did not
 * complete, or were undone, run as new generations; a completed step that was not undone stays.
 */
export type RunOperation =
  | RunEvent
  /** Nothing new begins until somebody resumes the run. */
  | { readonly type: "pause" }
  /** Ends the run at once: nothing is waited for, nothing is undone. */
  | { readonly type: "terminate" }
  | { readonly type: "retry" };

/** A run as operations change it: a part of what its record holds. */
export type ControlledRun = Pick<MachinePart, "snapshot" | "paused" | "parked" | "terminated">;

/** What of a program is asked here. */
export type ControlledProgram = Pick<Program, "steps" | "advance" | "reopen" | "project">;

/** What an operation makes of a run. */
export interface ControlledDecision {
  /** The same object when nothing changed. */
  readonly run: ControlledRun;
  /** What is to be done now; what is parked is not among it. */
  readonly commands: readonly Command[];
  readonly changed: boolean;
}

/** What a run says, its pause and its end by an operator reckoned with. */
export interface RunProjection extends Projection {
  /** True while an operator's pause stands (also when `status` says something else). */
  readonly paused: boolean;
}

/** Applies an operation. Late, repeated and unknown ones change nothing. */
export function operate(program: ControlledProgram, run: ControlledRun, operation: RunOperation): ControlledDecision {
  const unchanged: ControlledDecision = { run, commands: [], changed: false };
  if (run.terminated === true || isToParked(run, operation)) return unchanged;
  const { type } = operation;
  if (type === "pause")
    return run.paused === true || !canPause(program.project(run.snapshot))
      ? unchanged
      : { run: { ...run, paused: true }, commands: [], changed: true };
  if (type === "resume") return canPause(program.project(run.snapshot)) ? resume(program, run) : unchanged;
  if (type === "terminate")
    return isOver(program.project(run.snapshot).status)
      ? unchanged
      : { run: { ...withoutPause(run), terminated: true }, commands: [], changed: true };
  if (type === "retry") {
    const opened = program.reopen(run.snapshot);
    return opened === undefined ? unchanged : follow(program, { snapshot: run.snapshot }, opened);
  }
  const decision = program.advance(run.snapshot, [operation]);
  // Who cancels a paused run wants it to end: the pause goes.
  return decision.changed ? follow(program, type === "cancel" ? withoutPause(run) : run, decision) : unchanged;
}

function withoutPause({ paused: _over, ...run }: ControlledRun): ControlledRun {
  return run;
}

/** What is parked has not begun: nobody can answer for it. */
function isToParked({ parked = [] }: ControlledRun, operation: RunOperation): boolean {
  if (parked.length === 0 || !("step" in operation)) return false;
  const kind = operation.type === "undo.done" || operation.type === "undo.failed" ? "undo" : "run";
  return parked.some((ref) => ref.step === operation.step && ref.kind === kind);
}

/** Whether something may still begin. */
const canPause = ({ status, outcome }: Projection): boolean =>
  !isOver(status) && (outcome === null || status === "compensating");

function resume(program: ControlledProgram, run: ControlledRun): ControlledDecision {
  const { paused = false, parked = [], snapshot } = run;
  const held = program.advance(snapshot, [{ type: "resume" }]);
  if (!paused && !held.changed) return { run, commands: [], changed: false };
  return {
    run: { snapshot: held.snapshot },
    commands: [...held.commands, ...parked.map(commandOf)],
    changed: true,
  };
}

const commandOf = ({ kind, step, generation, wake }: ExecutionRef): Command =>
  kind === "run" ? { type: "step.start", step, generation, wake } : { type: "undo.start", step, generation };

/** Parks what must not begin, and answers at once for what was parked and is to be stopped. */
function follow(program: ControlledProgram, before: ControlledRun, decided: Decision): ControlledDecision {
  const commands: Command[] = [];
  let parked: readonly ExecutionRef[] = before.parked ?? [];
  let { snapshot } = decided;
  for (let open = decided.commands; open.length > 0;) {
    const answers: RunEvent[] = [];
    for (const command of open) {
      const ref = refOf(command);
      const isParked = ref !== undefined && parked.some(({ kind, step }) => kind === ref.kind && step === ref.step);
      if (ref === undefined) commands.push(command);
      else if (command.type === "step.fence" && isParked) {
        parked = parked.filter(({ kind, step }) => !(kind === ref.kind && step === ref.step));
        answers.push({ type: "step.fenced", step: ref.step, generation: ref.generation, outcome: "never" });
      } else if (command.type === "step.fence" || before.paused !== true) commands.push(command);
      else parked = [...parked, ref];
    }
    if (answers.length === 0) break;
    const next = program.advance(snapshot, answers);
    ({ snapshot } = next);
    open = next.commands;
  }
  const run: ControlledRun = {
    snapshot,
    ...(before.paused === true ? { paused: true } : {}),
    ...(parked.length === 0 ? {} : { parked }),
  };
  return { run, commands, changed: true };
}

/** The activity that a command begins or stops. */
function refOf(command: Command): ExecutionRef | undefined {
  const { step, generation } = command;
  switch (command.type) {
    case "step.start":
    case "step.fence":
      return { kind: "run", step, generation, wake: command.wake };
    case "undo.start":
      return { kind: "undo", step, generation, wake: 0 };
    case "timer.start":
    case "signal.await":
      return undefined;
  }
}

/** What a run says, in words that need no program. */
export function projectRun(program: ControlledProgram, run: ControlledRun): RunProjection {
  const view = program.project(run.snapshot);
  const { parked = [] } = run;
  if (run.terminated === true) return terminatedView(program, view, parked);
  if (run.paused !== true) return { ...view, paused: false };
  const steps = new Map(view.steps);
  for (const { kind, step } of parked) {
    const known = steps.get(step);
    if (known !== undefined)
      steps.set(step, kind === "run" ? { ...known, phase: "parked" } : { ...known, undo: "none" });
  }
  return {
    ...view,
    steps,
    status: canPause(view) && view.status !== "pending" ? "paused" : view.status,
    currentSteps: view.currentSteps.filter((name) => !parked.some(({ step }) => step === name)),
    paused: true,
  };
}

/** What still ran is over as far as the run knows: it may or may not have happened. */
function terminatedView(program: ControlledProgram, view: Projection, parked: readonly ExecutionRef[]): RunProjection {
  const nodes = new Set(program.steps.filter(({ kind }) => kind === "signal").map(({ name }) => name));
  const steps = new Map<string, StepView>();
  for (const [name, step] of view.steps) {
    const { phase, undo, generation, wake } = step;
    const ends = phase === "running" || phase === "waiting" || phase === "delaying" || phase === "pending";
    const runs = phase === "running" && !parked.some((ref) => ref.kind === "run" && ref.step === name);
    // An earlier generation or wake had begun, whatever became of it.
    const begun = runs || (phase === "waiting" && !nodes.has(name)) || wake > 0 || generation > 1;
    steps.set(name, {
      ...step,
      ...(ends ? { phase: "cancelled" as const, outcome: begun ? ("unknown" as const) : "never" } : {}),
      undo: undo === "running" ? "none" : undo,
    });
  }
  return {
    status: "cancelled",
    currentSteps: [],
    steps,
    waits: [],
    outcome: "cancelled",
    draining: [],
    paused: false,
  };
}
