/** The guards and actions that a compiled plan names. Pure: an action says what changes, and what comes out; XState carries it out. */
import type { Command } from "../commands.ts";
import type { Outcome } from "../events.ts";
import {
  type ControlContext,
  control,
  cutShort,
  generationOf,
  type InternalEvent,
  isFor,
  isForWake,
  needsUndo,
  type StepControl,
  wakeOf,
  withStep,
} from "./context.ts";
import { encodeName } from "./names.ts";

/** What an action does: members of the context that it replaces, then commands that come out, then events that the chart hears next. */
export interface Change {
  readonly assign?: Partial<ControlContext>;
  readonly commands?: readonly Command[];
  readonly raise?: readonly InternalEvent[];
}

/** Whether a transition may be taken. Each reads parameters of its own, as the compiler wrote them. */
export type Guard = (context: ControlContext, event: InternalEvent, params: never) => boolean;

/** What a transition, an entry or an exit does. */
export type Action = (context: ControlContext, event: InternalEvent, params: never) => Change;

/** Parameters of most guards and actions. */
interface OfStep {
  readonly step: string;
}

/** The phases after which dependents may go on. */
const OVER: ReadonlySet<string | undefined> = new Set(["completed", "skipped", "failed"]);

const NOTHING: Change = {};

/** The guards, by the names that the compiler writes. */
export const GUARDS: Readonly<Record<string, Guard>> = {
  isStep: (_context: ControlContext, event: InternalEvent, { step }: OfStep) => "step" in event && event.step === step,
  answers: (context: ControlContext, event: InternalEvent, { step }: OfStep) => isFor(context, event, step),
  answersWake: (context: ControlContext, event: InternalEvent, { step }: OfStep) => isForWake(context, event, step),
  isDue: (context: ControlContext, event: InternalEvent, { step, timer }: OfStep & { readonly timer: string }) =>
    event.type === "timer.due" && event.timer === timer && isForWake(context, event, step),
  compensates: (_context: ControlContext, event: InternalEvent) => event.type === "cancel" && event.compensate,
  draining: (context: ControlContext, event: InternalEvent) =>
    "step" in event && context.draining.includes(event.step) && isFor(context, event, event.step),
  drained: ({ draining }: ControlContext) => draining.length === 0,
  drainedAs: (context: ControlContext, _event: InternalEvent, { outcome }: { readonly outcome: string }) =>
    context.draining.length === 0 && context.outcome === outcome,
  undoFailed: ({ steps }: ControlContext) => Object.values(steps).some(({ undo }) => undo === "failed"),
};

/** The actions, by the names that the compiler writes. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  startStep(context: ControlContext, _event: InternalEvent, { step }: OfStep): Change {
    if (isKept(context, step)) return { raise: [{ type: "kept", step }] };
    return { commands: [{ type: "step.start", step, ...placeOf(context, step) }] };
  },
  /** The generation is written down, so that a retry does not take the timer of this one for its own. */
  startDelay(context: ControlContext, _event: InternalEvent, { step, ms }: OfStep & { readonly ms: number }): Change {
    if (isKept(context, step)) return { raise: [{ type: "kept", step }] };
    const at = placeOf(context, step);
    return {
      assign: withStep(context, step, { generation: at.generation }),
      commands: [{ type: "timer.start", timer: "delay", step, ...at, ms }],
    };
  },
  /** A handler says itself what it waits for; a signal node waits for its own name. */
  openWait(
    context: ControlContext,
    event: InternalEvent,
    { step, timeoutMs: ownMs }: OfStep & { readonly timeoutMs?: number },
  ): Change {
    if (isKept(context, step)) return { raise: [{ type: "kept", step }] };
    const { signal, timeoutMs } =
      ownMs === undefined && event.type === "step.waiting" ? event : { signal: step, timeoutMs: ownMs ?? 0 };
    const at = placeOf(context, step);
    const deadline: Command = { type: "timer.start", timer: "deadline", step, ...at, ms: timeoutMs };
    return {
      assign: { waits: [...context.waits, { step, signal }] },
      commands: [...(timeoutMs > 0 ? [deadline] : []), { type: "signal.await", signal, step, ...at }],
    };
  },
  closeWait: (context: ControlContext, _event: InternalEvent, { step }: OfStep): Change => ({
    assign: { waits: context.waits.filter((wait) => wait.step !== step) },
  }),
  wake: (context: ControlContext, _event: InternalEvent, { step }: OfStep): Change => ({
    assign: withStep(context, step, { wake: wakeOf(context, step) + 1 }),
  }),
  /** A running step that is left for another reason than its own end drains. */
  leaveStep(context: ControlContext, event: InternalEvent, { step }: OfStep): Change {
    if (isOwn(event, step)) return NOTHING;
    return {
      assign: { draining: [...context.draining, step] },
      commands: [{ type: "step.fence", step, ...placeOf(context, step) }],
    };
  },
  /** A wait that is left for another reason than its own end: the run stops, and no wait is open any more. */
  leaveWait(
    context: ControlContext,
    event: InternalEvent,
    { step, begun }: OfStep & { readonly begun: boolean },
  ): Change {
    if (isOwn(event, step)) return NOTHING;
    const outcome: Outcome = begun ? "unknown" : "never";
    const left: StepControl = { phase: "cancelled", generation: generationOf(context, step), outcome };
    return { assign: { ...withStep(context, step, left), waits: [] } };
  },
  record(
    context: ControlContext,
    event: InternalEvent,
    { step, phase }: OfStep & { readonly phase: NonNullable<StepControl["phase"]> },
  ): Change {
    const failed = phase === "failed" || phase === "held";
    const outcome: Outcome = event.type === "step.failed" ? event.outcome : "never";
    return { assign: withStep(context, step, { phase, ...(failed ? { outcome } : {}) }) };
  },
  /** A new generation of a held step. */
  renew(context: ControlContext, _event: InternalEvent, { step }: OfStep): Change {
    const { phase: _held, ...kept } = control(context, step);
    const renewed: StepControl = { ...kept, generation: generationOf(context, step) + 1, wake: 0 };
    return { assign: { steps: { ...context.steps, [encodeName(step)]: renewed } } };
  },
  /** The chart has come to a step that stays completed: those that wait for it may go on. */
  recordKept(context: ControlContext, _event: InternalEvent, { step }: OfStep): Change {
    const { kept, ...rest } = control(context, step);
    if (kept === undefined) return NOTHING;
    return { assign: { steps: { ...context.steps, [encodeName(step)]: { ...rest, phase: kept } } } };
  },
  release(
    context: ControlContext,
    _event: InternalEvent,
    params: {
      readonly kind: "run" | "undo";
      readonly steps: readonly { readonly step: string; readonly needs: readonly string[] }[];
    },
  ): Change {
    const forward = params.kind === "run";
    const over = (name: string): boolean => {
      const { phase, undo } = control(context, name);
      return forward ? OVER.has(phase) : undo !== undefined;
    };
    const released = params.steps.filter(({ needs }) => needs.every(over));
    return { raise: released.map(({ step }) => ({ type: forward ? "release" : "undo.release", step })) };
  },
  stop: (
    context: ControlContext,
    _event: InternalEvent,
    { outcome }: { readonly outcome: "failed" | "cancelled" },
  ): Change => ({ assign: { outcome: context.outcome ?? outcome } }),
  settle(
    context: ControlContext,
    event: InternalEvent,
    { phase }: { readonly phase: "completed" | "failed" | "cancelled" },
  ): Change {
    if (!("step" in event)) return NOTHING;
    const { step } = event;
    const outcome: Outcome | undefined =
      event.type === "step.failed"
        ? event.outcome
        : event.type === "step.fenced"
          ? cutShort(control(context, step), event.outcome)
          : undefined;
    const settled: StepControl = {
      phase,
      generation: generationOf(context, step),
      ...(outcome === undefined ? {} : { outcome }),
    };
    const draining = context.draining.filter((other) => other !== step);
    return { assign: { ...withStep(context, step, settled), draining } };
  },
  startUndo(context: ControlContext, _event: InternalEvent, { step }: OfStep): Change {
    if (!needsUndo(context, step)) return { raise: [{ type: "undo.none", step }] };
    return { commands: [{ type: "undo.start", step, generation: generationOf(context, step) }] };
  },
  recordUndo: (
    context: ControlContext,
    _event: InternalEvent,
    { step, undo }: OfStep & { readonly undo: "done" | "failed" | "needless" },
  ): Change => ({ assign: withStep(context, step, { undo }) }),
};

const isKept = (context: ControlContext, step: string): boolean => control(context, step).kept !== undefined;

const isOwn = (event: InternalEvent, step: string): boolean => "step" in event && event.step === step;

/** What every answer to a command of this step has to name. */
const placeOf = (context: ControlContext, step: string): { readonly generation: number; readonly wake: number } => ({
  generation: generationOf(context, step),
  wake: wakeOf(context, step),
});
