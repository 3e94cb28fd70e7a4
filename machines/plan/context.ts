/** The context of a plan's chart: control data only. Its keys are encoded names; user data never comes in. */
import type { Outcome, RunEvent } from "../events.ts";
import type { UndoPhase } from "../snapshot.ts";
import { encodeName } from "./names.ts";

/** What the context knows of one step. Absent members: generation 1, no wake, nothing recorded. */
export interface StepControl {
  readonly phase?: "completed" | "failed" | "skipped" | "held" | "cancelled";
  /** The phase that a step keeps over a retry, until the chart has passed it again. */
  readonly kept?: "completed" | "skipped";
  readonly generation?: number;
  readonly wake?: number;
  readonly outcome?: Outcome;
  /** `needless`: the undo had nothing to do; written down only where others wait for it. */
  readonly undo?: UndoPhase | "needless";
}

export interface ControlContext {
  readonly steps: Readonly<Record<string, StepControl>>;
  readonly outcome: "failed" | "cancelled" | null;
  /** Names of steps whose forward task is not over, while the run stops. */
  readonly draining: readonly string[];
  /** Open waits in the order in which they opened. */
  readonly waits: readonly { readonly step: string; readonly signal: string }[];
}

/** What a chart hears: the events of a run, and those that it raises itself. */
export type InternalEvent =
  | RunEvent
  | { readonly type: "release" | "undo.release"; readonly step: string }
  | { readonly type: "kept"; readonly step: string }
  | { readonly type: "undo.none"; readonly step: string };

/** The context of a run that has not started. */
export const freshContext = (): ControlContext => ({
  steps: {},
  outcome: null,
  draining: [],
  waits: [],
});

/** What is known of a step. */
export const control = (context: ControlContext, step: string): StepControl => context.steps[encodeName(step)] ?? {};
/** Its generation; counts from 1. */
export const generationOf = (context: ControlContext, step: string): number => control(context, step).generation ?? 1;
/** How often its handler was woken. */
export const wakeOf = (context: ControlContext, step: string): number => control(context, step).wake ?? 0;

/** The context with a change to what is known of one step. */
export function withStep(context: ControlContext, step: string, change: StepControl): Pick<ControlContext, "steps"> {
  const key = encodeName(step);
  return { steps: { ...context.steps, [key]: { ...context.steps[key], ...change } } };
}

/** Whether an event is addressed to exactly this step and generation. */
export function isFor(context: ControlContext, event: InternalEvent, step: string): boolean {
  return (
    "step" in event && event.step === step && "generation" in event && event.generation === generationOf(context, step)
  );
}

/** Whether it is addressed to exactly this wake too. */
export function isForWake(context: ControlContext, event: InternalEvent, step: string): boolean {
  return isFor(context, event, step) && "wake" in event && event.wake === wakeOf(context, step);
}

/** A step that completed, and one whose effects may have happened (also if an operator skipped it then). */
export function needsUndo(context: ControlContext, step: string): boolean {
  const { phase, kept, outcome } = control(context, step);
  return (phase ?? kept) === "completed" || outcome === "unknown";
}

/** Whether anything was ever asked for in the name of a step. */
export const wasAsked = (known: StepControl): boolean =>
  known.generation !== undefined || known.phase !== undefined || (known.wake ?? 0) > 0;

/** What is known of a step whose forward task ended without an answer of its own: nobody takes back what may have happened before. */
export function cutShort(known: StepControl, outcome: Outcome): Outcome {
  return (known.wake ?? 0) > 0 || known.outcome === "unknown" ? "unknown" : outcome;
}
