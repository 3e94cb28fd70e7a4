/**
 * (snapshot, event) → (snapshot, commands). The only file that calls XState.
 *
 * Context holds control data only: phases, generations, what drains and what is parked. Its keys are encoded names; user data never
 * comes in. A chart starts in the tiny state `pending`, which keeps the public `transition()` cheap (it builds an initial snapshot on
 * every call).
 */
import {
  type ActorScope,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  createEmptyActor,
  enqueueActions,
  type EventObject,
  initialTransition,
  setup,
} from "xstate";
import { contextProblem, SnapshotError, snapshotProblem } from "./check-snapshot.ts";
import type { Command } from "../commands.ts";
import type { MachineConfig } from "../chart.ts";
import type { Decision } from "../program.ts";
import { compilePlan } from "./compile.ts";
import type { Outcome, RunEvent } from "../events.ts";
import { encodeName } from "./names.ts";
import type { Plan } from "./plan.ts";
import type {
  OpenWait,
  PersistedSnapshot,
  Projection,
  RunStatus,
  SnapshotMarks,
  StepPhase,
  StepView,
  UndoPhase,
} from "../snapshot.ts";

/** What the context knows of one step. Absent members: generation 1, no wake, nothing recorded. */
interface StepControl {
  readonly phase?: "completed" | "failed" | "skipped" | "held" | "cancelled";
  /** The phase that a step keeps over a retry, until the chart has passed it again. */
  readonly kept?: "completed" | "skipped";
  readonly generation?: number;
  readonly wake?: number;
  readonly outcome?: Outcome;
  /** `needless`: the undo had nothing to do; written down only where others wait for it. */
  readonly undo?: UndoPhase | "needless";
}

interface ControlContext {
  readonly steps: Readonly<Record<string, StepControl>>;
  readonly paused: boolean;
  readonly outcome: "failed" | "cancelled" | null;
  /** Names of steps whose forward task is not over, while the run stops. */
  readonly draining: readonly string[];
  /** Handlers that would start if the run were not paused. */
  readonly parked: readonly { readonly kind: "run" | "undo"; readonly step: string }[];
  /** Open waits in the order in which they opened. */
  readonly waits: readonly { readonly step: string; readonly signal: string }[];
}

type InternalEvent =
  | RunEvent
  | { readonly type: "release" | "undo.release"; readonly step: string }
  | { readonly type: "kept"; readonly step: string }
  | { readonly type: "undo.none"; readonly step: string }
  | { readonly type: "unpark" };

/** A compiled plan. */
export interface RunMachine {
  readonly plan: Plan;
  /** The chart as pure JSON. */
  readonly config: MachineConfig;
  /** The XState machine; loads any snapshot of a run that follows this plan. */
  readonly machine: AnyStateMachine;
}

interface StepParams {
  readonly step: string;
}

const freshContext = (): ControlContext => ({
  steps: {},
  paused: false,
  outcome: null,
  draining: [],
  parked: [],
  waits: [],
});

const control = (context: ControlContext, step: string): StepControl => context.steps[encodeName(step)] ?? {};
const generationOf = (context: ControlContext, step: string): number => control(context, step).generation ?? 1;
const wakeOf = (context: ControlContext, step: string): number => control(context, step).wake ?? 0;

function withStep(context: ControlContext, step: string, change: StepControl): Pick<ControlContext, "steps"> {
  const key = encodeName(step);
  return { steps: { ...context.steps, [key]: { ...context.steps[key], ...change } } };
}

/** Whether an event is addressed to exactly this step and generation. */
function isFor(context: ControlContext, event: InternalEvent, step: string): boolean {
  return (
    "step" in event && event.step === step && "generation" in event && event.generation === generationOf(context, step)
  );
}

function isForWake(context: ControlContext, event: InternalEvent, step: string): boolean {
  return isFor(context, event, step) && "wake" in event && event.wake === wakeOf(context, step);
}

function isParked(context: ControlContext, kind: "run" | "undo", step: string): boolean {
  return context.parked.some((parked) => parked.kind === kind && parked.step === step);
}

/** A step that completed, and one whose effects may have happened (also if an operator skipped it then). */
function needsUndo(context: ControlContext, step: string): boolean {
  const { phase, kept, outcome } = control(context, step);
  return (phase ?? kept) === "completed" || outcome === "unknown";
}

/** Whether anything was ever asked for in the name of a step. */
const wasAsked = (known: StepControl): boolean =>
  known.generation !== undefined || known.phase !== undefined || (known.wake ?? 0) > 0;

/** What is known of a step whose forward task ended without an answer of its own: nobody takes back what may have happened before. */
function cutShort(known: StepControl, outcome: Outcome): Outcome {
  return (known.wake ?? 0) > 0 || known.outcome === "unknown" ? "unknown" : outcome;
}

/** An action that carries a command out. The cast: inside its own setup an action cannot know that the action named `command` exists. */
const emitted = (command: Command): never => ({ type: "command", params: command }) as never;

/** The phases after which dependents may go on. */
const OVER: ReadonlySet<string | undefined> = new Set(["completed", "skipped", "failed"]);

const statechart = setup({
  types: {
    context: {} as ControlContext,
    events: {} as InternalEvent,
    meta: {} as Record<string, unknown>,
    tags: "" as string,
  },
  guards: {
    isStep: ({ event }, params: StepParams) => "step" in event && event.step === params.step,
    answers: ({ context, event }, params: StepParams) =>
      isFor(context, event, params.step) && !isParked(context, "run", params.step),
    answersWake: ({ context, event }, params: StepParams) =>
      isForWake(context, event, params.step) && !isParked(context, "run", params.step),
    answersUndo: ({ context, event }, params: StepParams) =>
      isFor(context, event, params.step) && !isParked(context, "undo", params.step),
    isDue: ({ context, event }, params: StepParams & { timer: string }) =>
      event.type === "timer.due" && event.timer === params.timer && isForWake(context, event, params.step),
    running: ({ context }) => !context.paused,
    paused: ({ context }) => context.paused,
    compensates: ({ event }) => event.type === "cancel" && event.compensate,
    draining: ({ context, event }) =>
      "step" in event && context.draining.includes(event.step) && isFor(context, event, event.step),
    drained: ({ context }) => context.draining.length === 0,
    drainedAs: ({ context }, params: { outcome: string }) =>
      context.draining.length === 0 && context.outcome === params.outcome,
    undoFailed: ({ context }) => Object.values(context.steps).some((step) => step.undo === "failed"),
  },
  actions: {
    /** Carries a command out of the machine; it does nothing inside. */
    command: (_args, _params: Command) => {},
    pause: enqueueActions(({ enqueue }) => enqueue.assign({ paused: true })),
    resume: enqueueActions(({ enqueue }) => {
      enqueue.assign({ paused: false });
      // In the next microstep: guards of this one still see the old configuration.
      enqueue.raise({ type: "unpark" });
    }),
    unpark: enqueueActions(({ context, enqueue }) => {
      for (const { kind, step } of context.parked) {
        const generation = generationOf(context, step);
        const wake = wakeOf(context, step);
        enqueue(
          emitted(
            kind === "run" ? { type: "step.start", step, generation, wake } : { type: "undo.start", step, generation },
          ),
        );
      }
      enqueue.assign({ parked: [] });
    }),
    startStep: enqueueActions(({ context, enqueue }, params: StepParams) => {
      const { step } = params;
      if (control(context, step).kept !== undefined) return enqueue.raise({ type: "kept", step });
      if (context.paused) return enqueue.assign({ parked: [...context.parked, { kind: "run" as const, step }] });
      enqueue(
        emitted({ type: "step.start", step, generation: generationOf(context, step), wake: wakeOf(context, step) }),
      );
    }),
    startDelay: enqueueActions(({ context, enqueue }, params: StepParams & { ms: number }) => {
      const { step, ms } = params;
      if (control(context, step).kept !== undefined) return enqueue.raise({ type: "kept", step });
      const generation = generationOf(context, step);
      const wake = wakeOf(context, step);
      // Written down, so that a retry does not take the timer of this generation for its own.
      enqueue.assign(withStep(context, step, { generation }));
      enqueue(emitted({ type: "timer.start", timer: "delay", step, generation, wake, ms }));
    }),
    /** A handler says itself what it waits for; a signal node waits for its own name. */
    openWait: enqueueActions(({ context, event, enqueue }, params: StepParams & { timeoutMs?: number }) => {
      const { step } = params;
      if (control(context, step).kept !== undefined) return enqueue.raise({ type: "kept", step });
      const { signal, timeoutMs } =
        params.timeoutMs === undefined && event.type === "step.waiting"
          ? event
          : { signal: step, timeoutMs: params.timeoutMs ?? 0 };
      const generation = generationOf(context, step);
      const wake = wakeOf(context, step);
      enqueue.assign({ waits: [...context.waits, { step, signal }] });
      if (timeoutMs > 0)
        enqueue(emitted({ type: "timer.start", timer: "deadline", step, generation, wake, ms: timeoutMs }));
      enqueue(emitted({ type: "signal.await", signal, step, generation, wake }));
    }),
    closeWait: enqueueActions(({ context, enqueue }, params: StepParams) => {
      enqueue.assign({ waits: context.waits.filter((wait) => wait.step !== params.step) });
    }),
    wake: enqueueActions(({ context, enqueue }, params: StepParams) => {
      enqueue.assign(withStep(context, params.step, { wake: wakeOf(context, params.step) + 1 }));
    }),
    /** A running step that is left for another reason than its own end drains; one that was only parked is over. */
    leaveStep: enqueueActions(({ context, event, enqueue }, params: StepParams) => {
      const { step } = params;
      const own = "step" in event && event.step === step;
      const wake = wakeOf(context, step);
      if (isParked(context, "run", step)) {
        enqueue.assign({ parked: context.parked.filter((other) => !(other.kind === "run" && other.step === step)) });
        if (wake > 0) enqueue.assign(withStep(context, step, { phase: "cancelled", outcome: "unknown" }));
        return;
      }
      if (own) return;
      const generation = generationOf(context, step);
      if (event.type === "terminate")
        return enqueue.assign(withStep(context, step, { phase: "cancelled", generation, outcome: "unknown" }));
      enqueue.assign({ draining: [...context.draining, step] });
      enqueue(emitted({ type: "step.fence", step, generation, wake }));
    }),
    /** A wait that is left for another reason than its own end: the run stops, and no wait is open any more. */
    leaveWait: enqueueActions(({ context, event, enqueue }, params: StepParams & { begun: boolean }) => {
      const { step, begun } = params;
      if ("step" in event && event.step === step) return;
      enqueue.assign({
        ...withStep(context, step, {
          phase: "cancelled",
          generation: generationOf(context, step),
          outcome: begun ? "unknown" : "never",
        }),
        waits: [],
      });
    }),
    record: enqueueActions(
      ({ context, event, enqueue }, params: StepParams & { phase: NonNullable<StepControl["phase"]> }) => {
        const { step, phase } = params;
        const failed = phase === "failed" || phase === "held";
        const outcome: Outcome = event.type === "step.failed" ? event.outcome : "never";
        enqueue.assign(withStep(context, step, { phase, ...(failed ? { outcome } : {}) }));
      },
    ),
    /** A new generation of a held step. */
    renew: enqueueActions(({ context, enqueue }, params: StepParams) => {
      const { phase: _held, ...kept } = control(context, params.step);
      const renewed: StepControl = { ...kept, generation: generationOf(context, params.step) + 1, wake: 0 };
      enqueue.assign({ steps: { ...context.steps, [encodeName(params.step)]: renewed } });
    }),
    /** The chart has come to a step that stays completed: those that wait for it may go on. */
    recordKept: enqueueActions(({ context, enqueue }, params: StepParams) => {
      const { kept, ...rest } = control(context, params.step);
      if (kept !== undefined)
        enqueue.assign({ steps: { ...context.steps, [encodeName(params.step)]: { ...rest, phase: kept } } });
    }),
    release: enqueueActions(
      (
        { context, enqueue },
        params: { kind: "run" | "undo"; steps: readonly { step: string; needs: readonly string[] }[] },
      ) => {
        const forward = params.kind === "run";
        const over = (name: string): boolean => {
          const { phase, undo } = control(context, name);
          return forward ? OVER.has(phase) : undo !== undefined;
        };
        for (const { step, needs } of params.steps)
          if (needs.every(over)) enqueue.raise({ type: forward ? "release" : "undo.release", step });
      },
    ),
    /** What still runs is over as far as the run knows: it may or may not have happened. */
    terminate: enqueueActions(({ context, enqueue }) => {
      let steps = context.steps;
      for (const step of context.draining) {
        const change: StepControl = { phase: "cancelled", generation: generationOf(context, step), outcome: "unknown" };
        steps = { ...steps, ...withStep({ ...context, steps }, step, change).steps };
      }
      enqueue.assign({ steps, outcome: "cancelled", draining: [], parked: [], waits: [], paused: false });
    }),
    stop: enqueueActions(({ context, event, enqueue }, params: { outcome: "failed" | "cancelled" }) => {
      // Who cancels a paused run wants it to end: the pause goes.
      const paused = context.paused && event.type !== "cancel";
      enqueue.assign({ outcome: context.outcome ?? params.outcome, paused });
    }),
    settle: enqueueActions(({ context, event, enqueue }, params: { phase: "completed" | "failed" | "cancelled" }) => {
      if (!("step" in event)) return;
      const { step } = event;
      const outcome: Outcome | undefined =
        event.type === "step.failed"
          ? event.outcome
          : event.type === "step.fenced"
            ? cutShort(control(context, step), event.outcome)
            : undefined;
      enqueue.assign({
        ...withStep(context, step, {
          phase: params.phase,
          generation: generationOf(context, step),
          ...(outcome === undefined ? {} : { outcome }),
        }),
        draining: context.draining.filter((other) => other !== step),
      });
    }),
    startUndo: enqueueActions(({ context, enqueue }, params: StepParams) => {
      const { step } = params;
      if (!needsUndo(context, step)) return enqueue.raise({ type: "undo.none", step });
      if (context.paused) return enqueue.assign({ parked: [...context.parked, { kind: "undo" as const, step }] });
      enqueue(emitted({ type: "undo.start", step, generation: generationOf(context, step) }));
    }),
    recordUndo: enqueueActions(
      ({ context, enqueue }, params: StepParams & { undo: "done" | "failed" | "needless" }) => {
        enqueue.assign(withStep(context, params.step, { undo: params.undo }));
      },
    ),
  },
});

const EVENT_TYPES: ReadonlySet<string> = new Set<RunEvent["type"]>([
  "start",
  "step.done",
  "step.failed",
  "step.waiting",
  "signal.received",
  "timer.due",
  "step.fenced",
  "undo.done",
  "undo.failed",
  "pause",
  "resume",
  "cancel",
  "terminate",
  "skip",
  "retry",
]);

const MAX_ITERATIONS = 10_000;

/** Compiles a plan. `config`: another chart for it, for tests that plant faults. */
export function buildMachine(plan: Plan, config: MachineConfig = compilePlan(plan)): RunMachine {
  const full = {
    ...config,
    context: freshContext,
    options: { maxIterations: MAX_ITERATIONS },
  };
  // The one cast: a config made at run time has no literal type.
  const machine = statechart.createMachine(full as unknown as Parameters<typeof statechart.createMachine>[0]);
  return { plan, config, machine: machine as unknown as AnyStateMachine };
}

/** The snapshot of a run that has not started. */
export function initial(machine: RunMachine): PersistedSnapshot {
  const [snapshot] = initialTransition(machine.machine);
  return persist(machine, snapshot as AnyMachineSnapshot);
}

/** A transition of the chart, by its place in the config: the state's id, the event as XState calls it, and which of those in a row. */
export interface TakenTransition {
  readonly state: string;
  readonly event: string;
  readonly index: number;
}

/** Scope without a live actor: actions are collected, nothing runs. */
function inertScope(
  collect: (action: { type: string; params: unknown }) => void,
  onTaken?: (taken: TakenTransition) => void,
): ActorScope<AnyMachineSnapshot, EventObject> {
  return {
    self: NOBODY,
    id: NOBODY.id,
    sessionId: NOBODY.sessionId,
    system: onTaken === undefined ? NOBODY.system : observed(onTaken),
    logger: () => {},
    defer: () => {},
    emit: () => {},
    stopChild: () => {},
    actionExecutor: collect,
  } as unknown as ActorScope<AnyMachineSnapshot, EventObject>;
}

const NOBODY = createEmptyActor();

/** What XState tells an inspector of each microstep, as far as it is looked at here. */
interface Microstep {
  readonly type: string;
  readonly _transitions?: readonly {
    readonly source: {
      readonly id: string;
      readonly transitions: ReadonlyMap<string, readonly unknown[]>;
      readonly always?: readonly unknown[];
    };
    readonly eventType: string;
  }[];
}

/** The systems of those who watched before: a walk is told of millions of events. */
const watched = new WeakMap<(taken: TakenTransition) => void, object>();

function observed(onTaken: (taken: TakenTransition) => void): object {
  const known = watched.get(onTaken);
  if (known !== undefined) return known;
  const system = {
    ...NOBODY.system,
    _sendInspectionEvent: ({ type, _transitions: transitions = [] }: Microstep) => {
      if (type !== "@xstate.microstep") return;
      for (const transition of transitions) {
        const { source, eventType: event } = transition;
        const siblings = event === "" ? source.always : source.transitions.get(event);
        onTaken({ state: source.id, event, index: siblings?.indexOf(transition) ?? 0 });
      }
    },
  };
  watched.set(onTaken, system);
  return system;
}

/**
 * The XState snapshot of each persisted one that this process has seen. Restoring costs as much as a transition (7 ms with 1,000 steps
 * side by side), and who advances also projects.
 */
const live = new WeakMap<PersistedSnapshot, AnyMachineSnapshot>();

/** A snapshot from outside is checked first: XState believes it, and fails much later in words of its own. */
function restore(machine: RunMachine, snapshot: PersistedSnapshot): AnyMachineSnapshot {
  const known = live.get(snapshot);
  if (known?.machine === machine.machine) return known;
  const problem = snapshotProblem(machine.plan, machine.config, snapshot);
  if (problem !== undefined) throw new SnapshotError(problem);
  const restored = machine.machine.restoreSnapshot(
    snapshot as never,
    inertScope(() => {}) as never,
  ) as AnyMachineSnapshot;
  live.set(snapshot, restored);
  return restored;
}

/** Whether a run of this chart can be in a snapshot. @throws {SnapshotError} with the first thing that is wrong. */
export function checkSnapshot(machine: RunMachine, snapshot: PersistedSnapshot): void {
  restore(machine, snapshot);
}

function persist(machine: RunMachine, snapshot: AnyMachineSnapshot): PersistedSnapshot {
  const persisted = machine.machine.getPersistedSnapshot(snapshot) as unknown as PersistedSnapshot;
  live.set(persisted, snapshot);
  return persisted;
}

/** Applies events in order. Late, repeated and unknown ones change nothing. `onTaken` is told of each transition on the way. */
export function advance(
  machine: RunMachine,
  snapshot: PersistedSnapshot,
  events: readonly RunEvent[],
  onTaken?: (taken: TakenTransition) => void,
): Decision {
  const before = restore(machine, snapshot);
  const commands: Command[] = [];
  const scope = inertScope((action) => {
    if (action.type === "command") commands.push(action.params as Command);
  }, onTaken);
  let current = before;
  for (const event of events) {
    // Internal events are the machine's own: a forged one could end a run.
    if (!EVENT_TYPES.has(event.type)) continue;
    const again = event.type === "retry" ? reopen(machine, current) : undefined;
    // Only a live actor would refuse by itself what comes after the end; the root's own transitions would be taken.
    if (again === undefined && current.status !== "active") continue;
    const next = again === undefined ? event : { type: "start" };
    current = machine.machine.transition(
      (again ?? current) as never,
      next as never,
      scope as never,
    ) as AnyMachineSnapshot;
  }
  if (current === before) return { snapshot, commands: [], changed: false };
  return { snapshot: persist(machine, current), commands, changed: true };
}

/**
 * A failed run as one that has not started yet, but for what stays: completed steps that were not undone. Every other step that was
 * asked for before becomes a new generation. A final state leads nowhere, so this is no transition of the chart.
 */
function reopen(machine: RunMachine, snapshot: AnyMachineSnapshot): AnyMachineSnapshot | undefined {
  if (snapshot.value !== "failed") return undefined;
  const before = snapshot.context as ControlContext;
  const steps: Record<string, StepControl> = {};
  for (const [key, known] of Object.entries(before.steps)) {
    if (!wasAsked(known)) continue;
    const phase = known.phase ?? known.kept;
    const generation = known.generation ?? 1;
    const undone = known.undo === "done" || known.undo === "failed";
    // What was undone has not happened; what could not be undone may stand.
    const outcome = known.undo === "done" ? undefined : known.undo === "failed" ? "unknown" : known.outcome;
    const effects = outcome === undefined ? {} : { outcome };
    steps[key] =
      (phase === "completed" || phase === "skipped") && !undone
        ? { kept: phase, generation, ...(known.wake === undefined ? {} : { wake: known.wake }), ...effects }
        : { generation: generation + 1, ...effects };
  }
  const context: ControlContext = { ...before, steps, paused: false, outcome: null };
  const persisted = { status: "active", value: "pending", historyValue: {}, children: {}, context };
  return restore(machine, persisted);
}

/** What a snapshot says, in words that need no machine. */
export function project(machine: RunMachine, snapshot: PersistedSnapshot): Projection {
  const restored = restore(machine, snapshot);
  const context = restored.context as ControlContext;
  const live = livePhases(restored);
  const status = statusOf(restored, context);
  const stopped = !restored.tags.has("pending") && !isActive(restored);
  const steps = new Map<string, StepView>();
  for (const { name } of machine.plan.steps)
    steps.set(name, viewOf(context, name, live.run.get(name), live.undo.has(name), stopped));
  const busy = [...steps].filter(
    ([, view]) => view.phase === "running" || view.phase === "waiting" || view.undo === "running",
  );
  return {
    status,
    currentSteps: busy.map(([name]) => name),
    steps,
    waits: context.waits.map(({ step, signal }): OpenWait => ({
      signal,
      step,
      generation: generationOf(context, step),
      wake: wakeOf(context, step),
    })),
    outcome: context.outcome,
    draining: context.draining,
    paused: context.paused,
  };
}

/**
 * What a snapshot says without its plan. A damaged one says nothing: who lists runs shows what their records say plainly, and who asks the
 * machine is told of the damage.
 */
export function marksOf(snapshot: PersistedSnapshot): SnapshotMarks {
  const written = snapshot["context"];
  const context = contextProblem(written) === undefined ? (written as ControlContext) : freshContext();
  return {
    outcome: context.outcome,
    of: (step) => {
      const { phase: settled, kept, undo } = control(context, step);
      const phase = kept ?? settled;
      return {
        ...(phase === undefined ? {} : { phase }),
        undo: undo === undefined || undo === "needless" ? "none" : undo,
        isWaiting: context.waits.some((wait) => wait.step === step),
        isDraining: context.draining.includes(step),
      };
    },
  };
}

function isActive(snapshot: AnyMachineSnapshot): boolean {
  return typeof snapshot.value === "object" && snapshot.value !== null && "active" in snapshot.value;
}

function livePhases(snapshot: AnyMachineSnapshot): {
  readonly run: ReadonlyMap<string, StepPhase>;
  readonly undo: ReadonlySet<string>;
} {
  const run = new Map<string, StepPhase>();
  const undo = new Set<string>();
  for (const meta of Object.values(
    snapshot.getMeta() as Record<string, { step?: string; undo?: string; phase?: StepPhase } | undefined>,
  )) {
    if (meta?.phase === undefined) continue;
    if (meta.undo !== undefined) undo.add(meta.undo);
    else if (meta.step !== undefined) run.set(meta.step, meta.phase);
  }
  return { run, undo };
}

function viewOf(
  context: ControlContext,
  name: string,
  live: StepPhase | undefined,
  undoing: boolean,
  stopped: boolean,
): StepView {
  const known = control(context, name);
  const parked = isParked(context, "run", name);
  const draining = context.draining.includes(name);
  const phase: StepPhase = draining
    ? "running"
    : parked
      ? "parked"
      : (known.kept ?? live ?? known.phase ?? (stopped ? "cancelled" : "pending"));
  const asked = wasAsked(known) || phase === "running" || phase === "waiting";
  const undo =
    known.undo === undefined || known.undo === "needless"
      ? undoing && !isParked(context, "undo", name)
        ? "running"
        : "none"
      : known.undo;
  const outcome =
    phase === "failed" || phase === "held" || phase === "cancelled" ? (known.outcome ?? "never") : undefined;
  return {
    phase,
    generation: asked ? (known.generation ?? 1) : 0,
    wake: known.wake ?? 0,
    ...(outcome === undefined ? {} : { outcome }),
    undo,
  };
}

function statusOf(snapshot: AnyMachineSnapshot, context: ControlContext): RunStatus {
  for (const tag of ["completed", "failed", "cancelled", "pending"] as const) if (snapshot.tags.has(tag)) return tag;
  const compensating = snapshot.tags.has("compensating");
  if (snapshot.tags.has("paused") || (context.paused && (compensating || isActive(snapshot)))) return "paused";
  if (compensating) return "compensating";
  return snapshot.tags.has("waiting") && !snapshot.tags.has("busy") ? "waiting_signal" : "running";
}
