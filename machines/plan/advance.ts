/**
 * A compiled plan, played: (snapshot, event) → (snapshot, commands). The only file that calls XState for plans; guards and actions are pure
 * functions beside it.
 *
 * A chart starts in the tiny state `pending`, which keeps the public `transition()` cheap (it builds an initial snapshot on every call).
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
import type { MachineConfig, OnTaken } from "../chart.ts";
import type { Command } from "../commands.ts";
import type { RunEvent } from "../events.ts";
import type { Decision } from "../program.ts";
import type { PersistedSnapshot, Projection } from "../snapshot.ts";
import { type Action, ACTIONS, type Guard, GUARDS } from "./actions.ts";
import { SnapshotError, snapshotProblem } from "./check-snapshot.ts";
import { compilePlan } from "./compile.ts";
import { type ControlContext, freshContext, type InternalEvent } from "./context.ts";
import type { Plan } from "./plan.ts";
import { projectionOf } from "./project.ts";
import { reopenedContext } from "./retry.ts";

/** A compiled plan. */
export interface RunMachine {
  readonly plan: Plan;
  /** The chart as pure JSON. */
  readonly config: MachineConfig;
  /** The XState machine; loads any snapshot of a run that follows this plan. */
  readonly machine: AnyStateMachine;
}

const guarded =
  (guard: Guard) =>
  ({ context, event }: { context: ControlContext; event: InternalEvent }, params: unknown): boolean =>
    guard(context, event, params as never);

const acting = (action: Action) =>
  enqueueActions<ControlContext, InternalEvent, undefined, InternalEvent, never, never, never, never, never>(
    ({ context, event, enqueue }, params: unknown) => {
      const { assign, commands = [], raise = [] } = action(context, event, params as never);
      if (assign !== undefined) enqueue.assign(assign);
      for (const command of commands) enqueue({ type: "command", params: command } as never);
      for (const raised of raise) enqueue.raise(raised);
    },
  );

function mapValues<From, To>(from: Readonly<Record<string, From>>, make: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, make(value)]));
}

const statechart = setup({
  types: { context: {} as ControlContext, events: {} as InternalEvent },
  guards: mapValues(GUARDS, guarded) as never,
  actions: {
    ...mapValues(ACTIONS, acting),
    /** Carries a command out of the machine; it does nothing inside. */
    command: () => {},
  } as never,
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
  "resume",
  "cancel",
  "skip",
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

/** Scope without a live actor: actions are collected, nothing runs. */
function inertScope(
  collect: (action: { type: string; params: unknown }) => void,
  onTaken?: OnTaken,
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
const watched = new WeakMap<OnTaken, object>();

function observed(onTaken: OnTaken): object {
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
  onTaken?: OnTaken,
): Decision {
  return decide(machine, snapshot, restore(machine, snapshot), events, onTaken);
}

/**
 * Opens a failed run again, and starts it. A final state leads nowhere, so the way back is no transition of the chart: the run begins anew,
 * with what stays in its context. Undefined: the run has not failed.
 */
export function reopen(machine: RunMachine, snapshot: PersistedSnapshot, onTaken?: OnTaken): Decision | undefined {
  const { value, context } = restore(machine, snapshot);
  if (value !== "failed") return undefined;
  const reopened = {
    status: "active",
    value: "pending",
    historyValue: {},
    children: {},
    context: reopenedContext(context as ControlContext),
  };
  return decide(machine, snapshot, restore(machine, reopened), [{ type: "start" }], onTaken);
}

function decide(
  machine: RunMachine,
  snapshot: PersistedSnapshot,
  before: AnyMachineSnapshot,
  events: readonly RunEvent[],
  onTaken: OnTaken | undefined,
): Decision {
  const commands: Command[] = [];
  const scope = inertScope((action) => {
    if (action.type === "command") commands.push(action.params as Command);
  }, onTaken);
  let current = before;
  for (const event of events) {
    // Internal events are the machine's own: a forged one could end a run. Only a live actor would refuse by itself what comes after the
    // end; the root's own transitions would be taken.
    if (!EVENT_TYPES.has(event.type) || current.status !== "active") continue;
    current = machine.machine.transition(current as never, event as never, scope as never) as AnyMachineSnapshot;
  }
  if (current === before) return { snapshot, commands: [], changed: false };
  return { snapshot: persist(machine, current), commands, changed: true };
}

/** What a snapshot says, in words that need no machine. */
export function project(machine: RunMachine, snapshot: PersistedSnapshot): Projection {
  return projectionOf(machine.plan, restore(machine, snapshot));
}
