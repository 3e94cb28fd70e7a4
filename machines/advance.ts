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
import type { Command } from "./commands.ts";
import { compilePlan, type MachineConfig } from "./compile.ts";
import type { Outcome, RunEvent } from "./events.ts";
import { encodeName } from "./names.ts";
import type { Plan } from "./plan.ts";
import type { OpenWait, PersistedSnapshot, Projection, RunStatus, StepPhase, StepView, UndoPhase } from "./snapshot.ts";

/** What the context knows of one step. Absent members: generation 1, no wake, nothing recorded. */
interface StepControl {
  readonly phase?: "completed" | "failed" | "skipped" | "held" | "cancelled";
  readonly generation?: number;
  readonly wake?: number;
  readonly outcome?: Outcome;
  readonly undo?: UndoPhase;
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
  | { readonly type: "release"; readonly step: string }
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

/** What an advance decided. */
export interface Decision {
  /** The same object when nothing changed. */
  readonly snapshot: PersistedSnapshot;
  readonly commands: readonly Command[];
  readonly changed: boolean;
}

interface StepParams {
  readonly step: string;
}

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

function needsUndo(context: ControlContext, step: string): boolean {
  const { phase, outcome } = control(context, step);
  return phase === "completed" || (phase !== "skipped" && outcome === "unknown");
}

/** An action that carries a command out. The cast: inside its own setup an action cannot know that the action named `command` exists. */
const emitted = (command: Command): never => ({ type: "command", params: command }) as never;

const HALTING: ReadonlySet<string> = new Set(["cancel", "terminate"]);

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
    answersWake: ({ context, event }, params: StepParams) => isForWake(context, event, params.step),
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
      if (context.paused || context.parked.length === 0) return;
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
      if (context.paused) return enqueue.assign({ parked: [...context.parked, { kind: "run" as const, step }] });
      enqueue(
        emitted({ type: "step.start", step, generation: generationOf(context, step), wake: wakeOf(context, step) }),
      );
    }),
    startTimer: enqueueActions(
      ({ context, enqueue }, params: StepParams & { timer: "delay" | "deadline"; ms: number }) => {
        const { step, timer, ms } = params;
        enqueue(
          emitted({
            type: "timer.start",
            timer,
            step,
            generation: generationOf(context, step),
            wake: wakeOf(context, step),
            ms,
          }),
        );
      },
    ),
    awaitSignal: enqueueActions(({ context, enqueue }, params: StepParams & { timeoutMs: number }) => {
      const { step, timeoutMs } = params;
      const generation = generationOf(context, step);
      const wake = wakeOf(context, step);
      enqueue.assign({ waits: [...context.waits, { step, signal: step }] });
      if (timeoutMs > 0)
        enqueue(emitted({ type: "timer.start", timer: "deadline", step, generation, wake, ms: timeoutMs }));
      enqueue(emitted({ type: "signal.await", signal: step, step, generation, wake }));
    }),
    openWait: enqueueActions(({ context, event, enqueue }, params: StepParams) => {
      if (event.type !== "step.waiting") return;
      const { step } = params;
      const { generation, wake, signal, timeoutMs } = event;
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
    /** A running step that is left for another reason than its own end drains; one that was only parked never began. */
    leaveStep: enqueueActions(({ context, event, enqueue }, params: StepParams) => {
      const { step } = params;
      const own = "step" in event && event.step === step && !HALTING.has(event.type) && event.type !== "skip";
      const parked = isParked(context, "run", step);
      if (parked)
        enqueue.assign({ parked: context.parked.filter((other) => !(other.kind === "run" && other.step === step)) });
      if (own) return;
      const generation = generationOf(context, step);
      const wake = wakeOf(context, step);
      if (parked)
        return enqueue.assign(
          withStep(context, step, { phase: "cancelled", generation, outcome: wake > 0 ? "unknown" : "never" }),
        );
      if (event.type === "terminate")
        return enqueue.assign(withStep(context, step, { phase: "cancelled", generation, outcome: "unknown" }));
      enqueue.assign({ draining: [...context.draining, step] });
      enqueue(emitted({ type: "step.fence", step, generation, wake }));
    }),
    leaveWait: enqueueActions(({ context, event, enqueue }, params: StepParams & { begun: boolean }) => {
      const { step, begun } = params;
      if ("step" in event && event.step === step) return;
      enqueue.assign({
        ...withStep(context, step, {
          phase: "cancelled",
          generation: generationOf(context, step),
          outcome: begun ? "unknown" : "never",
        }),
        waits: context.waits.filter((wait) => wait.step !== step),
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
    release: enqueueActions(
      ({ context, enqueue }, params: { steps: readonly { step: string; needs: readonly string[] }[] }) => {
        const over = (name: string): boolean =>
          ["completed", "skipped", "failed"].includes(control(context, name).phase ?? "");
        for (const { step, needs } of params.steps) if (needs.every(over)) enqueue.raise({ type: "release", step });
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
        event.type === "step.failed" || event.type === "step.fenced" ? event.outcome : undefined;
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
    recordUndo: enqueueActions(({ context, enqueue }, params: StepParams & { undo: "done" | "failed" }) => {
      enqueue.assign(withStep(context, params.step, { undo: params.undo }));
    }),
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

/** Compiles a plan. */
export function buildMachine(plan: Plan): RunMachine {
  const config = compilePlan(plan);
  const full = {
    ...config,
    context: (): ControlContext => ({ steps: {}, paused: false, outcome: null, draining: [], parked: [], waits: [] }),
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

/** Scope without a live actor: actions are collected, nothing runs. */
function inertScope(
  collect: (action: { type: string; params: unknown }) => void,
): ActorScope<AnyMachineSnapshot, EventObject> {
  const self = createEmptyActor();
  return {
    self,
    id: self.id,
    sessionId: self.sessionId,
    system: self.system,
    logger: () => {},
    defer: () => {},
    emit: () => {},
    stopChild: () => {},
    actionExecutor: collect,
  } as unknown as ActorScope<AnyMachineSnapshot, EventObject>;
}

function restore(machine: RunMachine, snapshot: PersistedSnapshot): AnyMachineSnapshot {
  return machine.machine.restoreSnapshot(snapshot as never, inertScope(() => {}) as never) as AnyMachineSnapshot;
}

function persist(machine: RunMachine, snapshot: AnyMachineSnapshot): PersistedSnapshot {
  return machine.machine.getPersistedSnapshot(snapshot) as unknown as PersistedSnapshot;
}

/** Applies events in order. Late, repeated and unknown ones change nothing. */
export function advance(machine: RunMachine, snapshot: PersistedSnapshot, events: readonly RunEvent[]): Decision {
  const before = restore(machine, snapshot);
  const commands: Command[] = [];
  const scope = inertScope((action) => {
    if (action.type === "command") commands.push(action.params as Command);
  });
  let current = before;
  for (const event of events) {
    // Internal events are the machine's own: a forged one could end a run.
    if (!EVENT_TYPES.has(event.type)) continue;
    current = machine.machine.transition(current as never, event as never, scope as never) as AnyMachineSnapshot;
  }
  if (current === before) return { snapshot, commands: [], changed: false };
  return { snapshot: persist(machine, current), commands, changed: true };
}

/** What a snapshot says, in words that need no machine. */
export function project(machine: RunMachine, snapshot: PersistedSnapshot): Projection {
  const restored = restore(machine, snapshot);
  const context = restored.context as ControlContext;
  const live = livePhases(restored);
  const status = statusOf(restored, context);
  const stopped = !restored.tags.has("pending") && restored.value !== "pending" && !isActive(restored);
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
      : (live ?? known.phase ?? (stopped ? "cancelled" : "pending"));
  const begun =
    known.generation !== undefined || known.phase !== undefined || phase === "running" || phase === "waiting";
  const undo: UndoPhase = known.undo ?? (undoing && !isParked(context, "undo", name) ? "running" : "none");
  const outcome =
    phase === "failed" || phase === "held" || phase === "cancelled" ? (known.outcome ?? "never") : undefined;
  return {
    phase,
    generation: begun ? (known.generation ?? 1) : 0,
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
