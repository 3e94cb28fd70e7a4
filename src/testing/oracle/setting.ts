/** A plan and what may happen to a run of it, prepared for walking. */
import { hasCompensation } from "../../../machines/plan/compile.ts";
import { sortSteps } from "../../../machines/plan/decompose.ts";
import type { Plan, PlanStep } from "../../../machines/plan/plan.ts";
import { PlanProgram, planOf } from "../../../machines/plan/program.ts";
import type { Program } from "../../../machines/program.ts";
import type { AnyWorkflow } from "../../define/workflow.ts";
import { WorkflowError } from "../../errors.ts";

/** What may go wrong or come in between; each of these counts against the budget of faults. */
export type FaultKind =
  /** A step fails for good and vouches that nothing happened (`PermanentError`). */
  | "failure"
  /** A step fails for good and its effects may have happened: timeout, lost worker, retries used up. */
  | "timeout"
  /** A worker is lost while the run stops: the step had begun when it was fenced. */
  | "lost"
  /** A step that is being fenced answers all the same. */
  | "late"
  /** An undo fails for good. */
  | "undo"
  /** Somebody cancels the run. */
  | "cancel"
  /** Somebody cancels the run and wants nothing undone. */
  | "abandon"
  /** Somebody pauses the run; it may be resumed at any time after that. */
  | "pause"
  /** An operator terminates the run. */
  | "terminate"
  /** An operator opens a failed run again. */
  | "retry";

/** All but `terminate` and `retry`, after which the engine promises little. */
export const DEFAULT_FAULTS: readonly FaultKind[] = [
  "failure",
  "timeout",
  "lost",
  "late",
  "undo",
  "cancel",
  "abandon",
  "pause",
];

/** How a signal behaves. */
export interface SignalBehaviour<Step extends string = string> {
  /** Steps whose handlers wait for it, once each. @defaultValue any step with a handler */
  readonly by?: Step | readonly Step[];
  /** Whether it ever comes. A signal may come before anybody waits: it is then there when the wait opens. @defaultValue true */
  readonly comes?: boolean;
  /** Whether handlers wait for it with a deadline. @defaultValue true */
  readonly deadline?: boolean;
}

/** One step as the walk sees it. */
export interface StepSetting {
  readonly name: string;
  readonly plan: PlanStep;
  /** Whether it has an undo. */
  readonly undoable: boolean;
  /** Positions of the steps that it depends on. */
  readonly needs: readonly number[];
  /** Positions of the steps whose undo has to come before its own. */
  readonly undoneBefore: readonly number[];
  /** Signals that its handler may wait for when it was woken that often. */
  readonly waits: readonly (readonly string[])[];
  /** How many results it may have. */
  readonly results: number;
}

/** What the walk needs to know. */
export interface Setting {
  readonly plan: Plan;
  readonly steps: readonly StepSetting[];
  readonly position: ReadonlyMap<string, number>;
  readonly compensates: boolean;
  readonly kinds: ReadonlySet<FaultKind>;
  readonly comes: (signal: string) => boolean;
  readonly hasDeadline: (signal: string) => boolean;
}

/** Options that describe the world around a run. */
export interface WorldOptions<Step extends string = string> {
  /** The faults that may happen. @defaultValue everything but `terminate` and `retry` */
  readonly kinds?: readonly FaultKind[];
  /** How signals behave, by name; one that is not named may come at any time, to any handler. */
  readonly signals?: Readonly<Record<string, SignalBehaviour<Step>>>;
  /** What steps may return, by step. */
  readonly outputs?: Partial<Readonly<Record<Step, readonly unknown[]>>>;
}

/** The program of a workflow. */
export function programOf(workflow: AnyWorkflow): Program {
  return new PlanProgram(workflow.plan, workflow);
}

/** @throws {WorkflowError} `invalid` when the options name a step or signal that is not there, or nothing is promised of such a program. */
export function prepare(program: Program, options: WorldOptions): Setting {
  const plan = planOf(program);
  if (plan === undefined) throw new WorkflowError("invalid", `${program.name} is no workflow of steps`);
  const position = new Map(plan.steps.map((step, index) => [step.name, index]));
  const known = (name: string): number => {
    const index = position.get(name);
    if (index === undefined) throw new WorkflowError("invalid", `${plan.name} has no step ${JSON.stringify(name)}`);
    return index;
  };
  for (const name of Object.keys(options.outputs ?? {})) known(name);
  const behaviours = new Map(Object.entries(options.signals ?? {}));
  for (const name of behaviours.keys()) {
    const node = plan.steps.some((step) => step.kind === "signal" && step.name === name);
    if (plan.signals !== undefined && !node && !plan.signals.includes(name))
      throw new WorkflowError("invalid", `${plan.name} has no signal ${JSON.stringify(name)}`);
    for (const step of [behaviours.get(name)?.by ?? []].flat()) known(step);
  }
  const dependents = dependentsOf(plan);
  const order = sortSteps(plan);
  return {
    plan,
    position,
    compensates: hasCompensation(plan),
    kinds: new Set(options.kinds ?? DEFAULT_FAULTS),
    comes: (signal) => behaviours.get(signal)?.comes !== false,
    hasDeadline: (signal) => behaviours.get(signal)?.deadline !== false,
    steps: plan.steps.map((step) => ({
      name: step.name,
      plan: step,
      undoable: isUndoable(step),
      needs: step.dependsOn.map(known),
      undoneBefore: (plan.compensation === "chain"
        ? order.slice(order.indexOf(step.name) + 1)
        : [...(dependents.get(step.name) ?? [])]
      )
        .map(known)
        .filter((index) => isUndoable(plan.steps[index] as PlanStep)),
      waits: waitsOf(plan, step, behaviours),
      results: Math.max(1, options.outputs?.[step.name]?.length ?? 1),
    })),
  };
}

const isUndoable = (step: PlanStep): boolean => step.kind === "task" && step.compensate;

/** For each step all that depend on it, also through others. */
function dependentsOf(plan: Plan): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map(plan.steps.map((step) => [step.name, new Set<string>()]));
  const direct = new Map(plan.steps.map((step) => [step.name, step.dependsOn]));
  for (const name of sortSteps(plan).toReversed())
    for (const need of direct.get(name) ?? [])
      for (const other of [name, ...(found.get(name) ?? [])]) found.get(need)?.add(other);
  return found;
}

/** What a handler may wait for: the signals that name it, one after the other; of the others any one, once. */
function waitsOf(
  plan: Plan,
  step: PlanStep,
  behaviours: ReadonlyMap<string, SignalBehaviour>,
): readonly (readonly string[])[] {
  if (step.kind !== "task" || step.remote) return [];
  const names = new Set([...(plan.signals ?? []), ...behaviours.keys()]);
  for (const { kind, name } of plan.steps) if (kind === "signal") names.delete(name);
  const own = [...names].filter((name) => [behaviours.get(name)?.by ?? []].flat().includes(step.name));
  if (own.length > 0) return own.map((name) => [name]);
  const free = [...names].filter((name) => behaviours.get(name)?.by === undefined);
  return free.length > 0 ? [free] : [];
}
