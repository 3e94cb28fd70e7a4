/**
 * plan → statechart. The config is pure JSON: guards and actions are names with parameters, implemented in `advance.ts`.
 *
 * ```
 * pending → active { control: running ⇄ paused  ∥  flow: the series/parallel tree } → completed
 *           active → stopping (drain) → failed | cancelled
 *           active → compensating { draining → undo: the mirrored tree } → failed | cancelled
 * ```
 */
import { decompose, sortSteps, type Tree } from "./decompose.ts";
import { encodeName } from "./names.ts";
import type { Plan, PlanStep } from "./plan.ts";

/** A guard or an action: a name, and parameters that are JSON. */
export interface Named {
  readonly type: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** A transition. */
export interface TransitionConfig {
  readonly target?: string;
  readonly guard?: Named;
  readonly actions?: readonly Named[];
}

/** A state. */
export interface StateConfig {
  readonly id?: string;
  readonly type?: "parallel" | "final";
  readonly initial?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly entry?: readonly Named[];
  readonly exit?: readonly Named[];
  readonly always?: readonly TransitionConfig[];
  readonly on?: Readonly<Record<string, readonly TransitionConfig[]>>;
  readonly onDone?: readonly TransitionConfig[] | string;
  readonly states?: Readonly<Record<string, StateConfig>>;
}

/** The whole chart, as JSON. */
export type MachineConfig = StateConfig & { readonly id: string };

const act = (type: string, params?: Record<string, unknown>): Named =>
  params === undefined ? { type } : { type, params };

/** Whether any step of the plan has an undo. */
export function hasCompensation(plan: Plan): boolean {
  return plan.steps.some((step) => step.kind === "task" && step.compensate);
}

/** Steps of an irreducible group that become startable when one of them is over. */
interface Group {
  readonly members: ReadonlySet<string>;
}

/** Compiles a plan that `validatePlan` accepts. */
export function compilePlan(plan: Plan): MachineConfig {
  const steps = new Map(plan.steps.map((step) => [step.name, step]));
  const stepOf = (name: string): PlanStep => steps.get(name) as PlanStep;
  const flow = build(decompose(plan), (name, group) => stepState(plan, stepOf(name), group, stepOf), false);
  const undo = undoTree(plan);
  return {
    id: encodeName(plan.name).slice(2) || "workflow",
    description: plan.version === undefined ? plan.name : `${plan.name} (${plan.version})`,
    initial: "pending",
    on: { terminate: [{ target: "#cancelled", actions: [act("terminate")] }] },
    states: {
      pending: {
        tags: ["pending"],
        on: {
          start: [{ target: "active" }],
          pause: [{ guard: act("running"), actions: [act("pause")] }],
          resume: [{ guard: act("paused"), actions: [act("resume")] }],
          cancel: [{ target: "#cancelled", actions: [act("stop", { outcome: "cancelled" })] }],
        },
      },
      active: activeState(flow, undo !== undefined),
      stopping: drainState("stopping", "wait for the steps in flight; nothing is undone", [
        { guard: act("drainedAs", { outcome: "cancelled" }), target: "#cancelled" },
        { guard: act("drained"), target: "#failed" },
      ]),
      ...(undo === undefined ? {} : { compensating: compensatingState(plan, undo, stepOf) }),
      completed: { id: "completed", type: "final", tags: ["completed"] },
      failed: { id: "failed", type: "final", tags: ["failed"] },
      cancelled: { id: "cancelled", type: "final", tags: ["cancelled"] },
    },
  };
}

function activeState(flow: StateConfig, compensates: boolean): StateConfig {
  const stop = [act("stop", { outcome: "cancelled" })];
  return {
    type: "parallel",
    on: {
      cancel: [
        ...(compensates ? [{ guard: act("compensates"), target: "#compensating", actions: stop }] : []),
        { target: "#stopping", actions: stop },
      ],
      unpark: [{ actions: [act("unpark")] }],
    },
    states: {
      control: {
        initial: "running",
        states: {
          running: {
            on: {
              pause: [{ target: "paused", actions: [act("pause")] }],
              resume: [{ guard: act("paused"), actions: [act("resume")] }],
            },
          },
          paused: { tags: ["paused"], on: { resume: [{ target: "running", actions: [act("resume")] }] } },
        },
      },
      flow: { ...wrap(flow), onDone: [{ target: "#completed" }] },
    },
  };
}

function drainState(id: string, description: string, always: readonly TransitionConfig[]): StateConfig {
  return {
    id,
    description,
    tags: ["draining"],
    always,
    on: {
      "step.done": [{ guard: act("draining"), actions: [act("settle", { phase: "completed" })] }],
      "step.failed": [{ guard: act("draining"), actions: [act("settle", { phase: "failed" })] }],
      "step.fenced": [{ guard: act("draining"), actions: [act("settle", { phase: "cancelled" })] }],
    },
  };
}

function compensatingState(plan: Plan, undo: Tree, stepOf: (name: string) => PlanStep): StateConfig {
  const tree = build(undo, (name) => undoState(stepOf(name)), true);
  return {
    id: "compensating",
    tags: ["compensating"],
    initial: "draining",
    description:
      plan.compensation === "chain"
        ? "undo strictly one after the other"
        : "undo in the reverse of the dependency order",
    on: {
      pause: [{ guard: act("running"), actions: [act("pause")] }],
      resume: [{ guard: act("paused"), actions: [act("resume")] }],
      unpark: [{ actions: [act("unpark")] }],
    },
    states: {
      draining: drainState("draining", "wait for the steps in flight, or fence them", [
        { guard: act("drained"), target: "undo" },
      ]),
      undo: { ...wrap(tree), onDone: [{ target: "over" }] },
      over: { type: "final" },
    },
    onDone: [
      { guard: act("undoFailed"), target: "#failed" },
      { guard: act("drainedAs", { outcome: "cancelled" }), target: "#cancelled" },
      { target: "#failed" },
    ],
  };
}

/** What follows the end of a step in a group: the others that it releases. */
function releases(step: PlanStep, group: Group | undefined, stepOf: (name: string) => PlanStep): readonly Named[] {
  if (group === undefined) return [];
  const waiting = [...group.members].filter((name) => stepOf(name).dependsOn.includes(step.name));
  if (waiting.length === 0) return [];
  const steps = waiting.map((name) => ({
    step: name,
    needs: stepOf(name).dependsOn.filter((other) => group.members.has(other)),
  }));
  return [act("release", { steps })];
}

function stepState(
  plan: Plan,
  step: PlanStep,
  group: Group | undefined,
  stepOf: (name: string) => PlanStep,
): StateConfig {
  const params = { step: step.name };
  const over = (phase: string): readonly Named[] => [
    act("record", { ...params, phase }),
    ...releases(step, group, stepOf),
  ];
  const blocked = group !== undefined && step.dependsOn.some((name) => group.members.has(name));
  const begin = step.kind === "signal" ? "waiting" : step.delayMs > 0 ? "delaying" : "running";
  return {
    description: step.name,
    meta: { step: step.name },
    initial: blocked ? "blocked" : begin,
    states: {
      ...(blocked
        ? {
            blocked: {
              meta: { ...params, phase: "pending" },
              on: { release: [{ guard: act("isStep", params), target: begin }] },
            },
          }
        : {}),
      ...(step.kind === "task" && step.delayMs > 0 ? { delaying: delayingState(step.name, step.delayMs) } : {}),
      ...(step.kind === "task" ? { running: runningState(plan, step, over) } : {}),
      waiting: waitingState(plan, step, over),
      ...(step.onFailure === "pause_workflow"
        ? { held: heldState(step, begin === "waiting" ? "waiting" : "running", over) }
        : {}),
      completed: { type: "final" },
      ...(step.onFailure === "continue" ? { failed: { type: "final" } } : {}),
      ...(step.onFailure === "pause_workflow" ? { skipped: { type: "final" } } : {}),
    },
  };
}

function delayingState(step: string, ms: number): StateConfig {
  return {
    tags: ["busy"],
    meta: { step, phase: "delaying" },
    entry: [act("startTimer", { step, timer: "delay", ms })],
    on: { "timer.due": [{ guard: act("isDue", { step, timer: "delay" }), target: "running" }] },
  };
}

/** Where a failed step goes, by its policy. */
function failures(
  plan: Plan,
  step: PlanStep,
  guard: Named,
  over: (phase: string) => readonly Named[],
): readonly TransitionConfig[] {
  switch (step.onFailure) {
    case "continue":
      return [{ guard, target: "failed", actions: over("failed") }];
    case "pause_workflow":
      return [{ guard, target: "held", actions: [act("record", { step: step.name, phase: "held" })] }];
    case "compensate":
    case "fail_workflow": {
      const target = step.onFailure === "compensate" && hasCompensation(plan) ? "#compensating" : "#stopping";
      return [
        {
          guard,
          target,
          actions: [act("record", { step: step.name, phase: "failed" }), act("stop", { outcome: "failed" })],
        },
      ];
    }
  }
}

function runningState(plan: Plan, step: PlanStep, over: (phase: string) => readonly Named[]): StateConfig {
  const params = { step: step.name };
  const answers = act("answers", params);
  return {
    tags: ["busy"],
    meta: { ...params, phase: "running" },
    entry: [act("startStep", params)],
    exit: [act("leaveStep", params)],
    on: {
      "step.done": [{ guard: answers, target: "completed", actions: over("completed") }],
      "step.failed": failures(plan, step, answers, over),
      "step.waiting": [{ guard: act("answersWake", params), target: "waiting", actions: [act("openWait", params)] }],
    },
  };
}

function waitingState(plan: Plan, step: PlanStep, over: (phase: string) => readonly Named[]): StateConfig {
  const params = { step: step.name };
  const close = act("closeWait", params);
  const given = act("answersWake", params);
  const due = act("isDue", { ...params, timer: "deadline" });
  if (step.kind === "task") {
    const wake = [close, act("wake", params)];
    return {
      tags: ["waiting"],
      meta: { ...params, phase: "waiting" },
      exit: [act("leaveWait", { ...params, begun: true })],
      on: {
        "signal.received": [{ guard: given, target: "running", actions: wake }],
        "timer.due": [{ guard: due, target: "running", actions: wake }],
      },
    };
  }
  const late =
    step.onTimeout === "continue"
      ? [{ guard: due, target: "completed", actions: [close, ...over("completed")] }]
      : failures(plan, step, due, over).map((transition) => ({
          ...transition,
          actions: [close, ...(transition.actions ?? [])],
        }));
  return {
    tags: ["waiting"],
    meta: { ...params, phase: "waiting" },
    entry: [act("awaitSignal", { ...params, timeoutMs: step.timeoutMs })],
    exit: [act("leaveWait", { ...params, begun: false })],
    on: {
      "signal.received": [{ guard: given, target: "completed", actions: [close, ...over("completed")] }],
      "timer.due": late,
    },
  };
}

function heldState(step: PlanStep, again: string, over: (phase: string) => readonly Named[]): StateConfig {
  const params = { step: step.name };
  return {
    tags: ["paused"],
    meta: { ...params, phase: "held" },
    description: "wait for resume (tries again) or skip",
    on: {
      resume: [{ target: again, actions: [act("renew", params)] }],
      skip: [{ guard: act("isStep", params), target: "skipped", actions: over("skipped") }],
    },
  };
}

function undoState(step: PlanStep): StateConfig {
  const params = { step: step.name };
  const answers = act("answersUndo", params);
  return {
    description: `undo ${step.name}`,
    meta: { undo: step.name },
    initial: "running",
    states: {
      running: {
        tags: ["busy"],
        meta: { undo: step.name, phase: "running" },
        entry: [act("startUndo", params)],
        on: {
          "undo.done": [
            { guard: answers, target: "undone", actions: [act("recordUndo", { ...params, undo: "done" })] },
          ],
          "undo.failed": [
            { guard: answers, target: "failed", actions: [act("recordUndo", { ...params, undo: "failed" })] },
          ],
          "undo.none": [{ guard: act("isStep", params), target: "not_needed" }],
        },
      },
      undone: { type: "final" },
      failed: { type: "final" },
      not_needed: { type: "final" },
    },
  };
}

/** The steps that have an undo, in the shape of the forward tree; strictly in series for a chain and inside irreducible groups. */
function undoTree(plan: Plan): Tree | undefined {
  const undoable = new Set(
    plan.steps.filter((step) => step.kind === "task" && step.compensate).map((step) => step.name),
  );
  if (undoable.size === 0) return undefined;
  const inSeries = (names: readonly string[]): Tree | undefined => {
    const parts = names.filter((name) => undoable.has(name)).map((step): Tree => ({ kind: "step", step }));
    return parts.length === 0 ? undefined : parts.length === 1 ? parts[0] : { kind: "series", parts };
  };
  if (plan.compensation === "chain") return inSeries(sortSteps(plan));
  const prune = (tree: Tree): Tree | undefined => {
    if (tree.kind === "step") return undoable.has(tree.step) ? tree : undefined;
    if (tree.kind === "group") return inSeries(sortSteps(plan).filter((name) => tree.steps.includes(name)));
    const parts = tree.parts.flatMap((part) => prune(part) ?? []);
    return parts.length === 0 ? undefined : parts.length === 1 ? parts[0] : { kind: tree.kind, parts };
  };
  return prune(decompose(plan));
}

const LONGEST_KEY = 60;

/** A key for people: the steps inside, as far as they fit. */
function keyOf(tree: Tree): string {
  const name = (part: Tree): string =>
    part.kind === "step"
      ? encodeName(part.step).slice(2)
      : part.kind === "group"
        ? part.steps.map((step) => encodeName(step).slice(2)).join("_and_")
        : part.parts.map(name).join(part.kind === "series" ? "_then_" : "_and_");
  return name(tree).slice(0, LONGEST_KEY);
}

function build(tree: Tree, leaf: (step: string, group?: Group) => StateConfig, reversed: boolean): StateConfig {
  if (tree.kind === "step") return leaf(tree.step);
  if (tree.kind === "group") {
    const group: Group = { members: new Set(tree.steps) };
    const parts = tree.steps.map((step): Tree => ({ kind: "step", step }));
    return { type: "parallel", states: named(parts, (part) => leaf((part as { step: string }).step, group)) };
  }
  if (tree.kind === "parallel")
    return { type: "parallel", states: named(tree.parts, (part) => build(part, leaf, reversed)) };
  const parts = reversed ? tree.parts.toReversed() : tree.parts;
  const states = Object.entries(named(parts, (part) => build(part, leaf, reversed)));
  const linked = states.map(([key, state], index): [string, StateConfig] => [
    key,
    { ...state, onDone: [{ target: states[index + 1]?.[0] ?? "done" }] },
  ]);
  return { initial: states[0]?.[0] ?? "done", states: Object.fromEntries([...linked, ["done", { type: "final" }]]) };
}

/** Keys that are unique among siblings and never look like a number (which would change their order). */
function named(parts: readonly Tree[], make: (part: Tree) => StateConfig): Record<string, StateConfig> {
  const states = new Map<string, StateConfig>();
  for (const [index, part] of parts.entries()) {
    const key = keyOf(part);
    const plain = key !== "done" && /^[A-Za-z]/.test(key) && !states.has(key);
    states.set(plain ? key : `n${index}~${key}`, make(part));
  }
  return Object.fromEntries(states);
}

/** A state that has a final child, so that it can be done. */
function wrap(state: StateConfig): StateConfig {
  if (state.type !== "parallel") return state;
  return { initial: "all", states: { all: { ...state, onDone: [{ target: "done" }] }, done: { type: "final" } } };
}
