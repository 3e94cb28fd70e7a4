/**
 * plan → statechart. The config is pure JSON: guards and actions are names with parameters, implemented in `actions.ts`.
 *
 * ```
 * pending → active: the series/parallel tree → completed
 *           active → stopping (drain) → failed | cancelled
 *           active → compensating { draining → undo: the mirrored tree } → failed | cancelled
 * ```
 */
import { decompose, type Graph, sortSteps, type Tree } from "./decompose.ts";
import type { MachineConfig, Named, StateConfig, TransitionConfig } from "../chart.ts";
import { encodeName } from "./names.ts";
import type { Plan, PlanStep } from "./plan.ts";

const act = (type: string, params?: Record<string, unknown>): Named =>
  params === undefined ? { type } : { type, params };

/** Whether any step of the plan has an undo. */
export function hasCompensation(plan: Plan): boolean {
  return plan.steps.some((step) => step.kind === "task" && step.compensate);
}

/** An irreducible group: for each member, the members that it waits for. */
type Group = ReadonlyMap<string, readonly string[]>;

/** Ids of states, which no root may have too. */
const TAKEN: ReadonlySet<string> = new Set([
  "stopping",
  "compensating",
  "draining",
  "completed",
  "failed",
  "cancelled",
]);

function rootId(name: string): string {
  const id = encodeName(name).slice(2) || "workflow";
  return TAKEN.has(id) ? `workflow_${id}` : id;
}

/** Compiles a plan that `validatePlan` accepts. */
export function compilePlan(plan: Plan): MachineConfig {
  const steps = new Map(plan.steps.map((step) => [step.name, step]));
  const stepOf = (name: string): PlanStep => steps.get(name) as PlanStep;
  const flow = buildTree(inSeries(decompose(plan)), needsOf(plan), (name, group) =>
    stepState(plan, stepOf(name), group),
  );
  const undo = undoGraph(plan);
  return {
    id: rootId(plan.name),
    description: plan.version === undefined ? plan.name : `${plan.name} (${plan.version})`,
    initial: "pending",
    states: {
      pending: {
        tags: ["pending"],
        on: {
          start: [{ target: "active" }],
          cancel: [{ target: "#cancelled", actions: [act("stop", { outcome: "cancelled" })] }],
        },
      },
      active: activeState(flow, undo !== undefined),
      stopping: drainState("stopping", "wait for the steps in flight; nothing is undone", [
        { guard: act("drainedAs", { outcome: "cancelled" }), target: "#cancelled" },
        { guard: act("drained"), target: "#failed" },
      ]),
      ...(undo === undefined ? {} : { compensating: compensatingState(plan, undo) }),
      completed: { id: "completed", type: "final", tags: ["completed"] },
      failed: { id: "failed", type: "final", tags: ["failed"] },
      cancelled: { id: "cancelled", type: "final", tags: ["cancelled"] },
    },
  };
}

function activeState(flow: StateConfig, compensates: boolean): StateConfig {
  const stop = [act("stop", { outcome: "cancelled" })];
  return {
    ...wrap(flow),
    on: {
      cancel: [
        ...(compensates ? [{ guard: act("compensates"), target: "#compensating", actions: stop }] : []),
        { target: "#stopping", actions: stop },
      ],
    },
    onDone: [{ target: "#completed" }],
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

function compensatingState(plan: Plan, undo: Graph): StateConfig {
  const tree = build(undo, undoState);
  return {
    id: "compensating",
    tags: ["compensating"],
    initial: "draining",
    description:
      plan.compensation === "chain"
        ? "undo strictly one after the other"
        : "undo in the reverse of the dependency order",
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

/** What follows the end of a member of a group: those that wait for it are looked at. */
function releases(step: string, kind: "run" | "undo", group: Group | undefined): readonly Named[] {
  const steps = [...(group ?? [])]
    .filter(([, needs]) => needs.includes(step))
    .map(([name, needs]) => ({ step: name, needs }));
  return steps.length === 0 ? [] : [act("release", { kind, steps })];
}

const isBlocked = (step: string, group: Group | undefined): boolean => (group?.get(step) ?? []).length > 0;

function stepState(plan: Plan, step: PlanStep, group: Group | undefined): StateConfig {
  const params = { step: step.name };
  const after = releases(step.name, "run", group);
  const over = (phase: string): readonly Named[] => [act("record", { ...params, phase }), ...after];
  const blocked = isBlocked(step.name, group);
  const begin = step.kind === "signal" ? "waiting" : step.delayMs > 0 ? "delaying" : "running";
  return {
    description: step.name,
    meta: { step: step.name },
    initial: blocked ? "blocked" : begin,
    // After a retry: a step that stays completed is passed at once.
    on: {
      kept: [{ guard: act("isStep", params), target: ".completed", actions: [act("recordKept", params), ...after] }],
    },
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
    entry: [act("startDelay", { step, ms })],
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
    entry: [act("openWait", { ...params, timeoutMs: step.timeoutMs })],
    exit: [act("leaveWait", { ...params, begun: false })],
    on: {
      "signal.received": [{ guard: given, target: "completed", actions: [close, ...over("completed")] }],
      // Without a deadline nothing can come too late.
      ...(step.timeoutMs > 0 ? { "timer.due": late } : {}),
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

function undoState(step: string, group: Group | undefined): StateConfig {
  const params = { step };
  const answers = act("answers", params);
  const after = releases(step, "undo", group);
  const over = (undo: string): readonly Named[] => [act("recordUndo", { ...params, undo }), ...after];
  const blocked = isBlocked(step, group);
  return {
    description: `undo ${step}`,
    meta: { undo: step },
    initial: blocked ? "blocked" : "running",
    states: {
      ...(blocked
        ? { blocked: { on: { "undo.release": [{ guard: act("isStep", params), target: "running" }] } } }
        : {}),
      running: {
        tags: ["busy"],
        meta: { undo: step, phase: "running" },
        entry: [act("startUndo", params)],
        on: {
          "undo.done": [{ guard: answers, target: "undone", actions: over("done") }],
          "undo.failed": [{ guard: answers, target: "failed", actions: over("failed") }],
          "undo.none": [
            {
              guard: act("isStep", params),
              target: "not_needed",
              ...(after.length > 0 ? { actions: over("needless") } : {}),
            },
          ],
        },
      },
      undone: { type: "final" },
      failed: { type: "final" },
      not_needed: { type: "final" },
    },
  };
}

/**
 * The steps that have an undo, each waiting for the undos of those that depend on it (also through steps without an undo): the plan
 * with its arrows turned round. For a chain each waits for the one after it.
 */
function undoGraph(plan: Plan): Graph | undefined {
  const undoable = new Set(
    plan.steps.filter((step) => step.kind === "task" && step.compensate).map((step) => step.name),
  );
  if (undoable.size === 0) return undefined;
  const order = sortSteps(plan);
  if (plan.compensation === "chain") {
    const chain = order.filter((name) => undoable.has(name));
    return { steps: chain.map((name, index) => ({ name, dependsOn: chain.slice(index + 1, index + 2) })) };
  }
  const direct = new Map(plan.steps.map((step) => [step.name, step.dependsOn]));
  const after = new Map(order.map((name) => [name, new Set<string>()]));
  for (const name of order.toReversed()) {
    const passed = undoable.has(name) ? [name] : (after.get(name) ?? []);
    for (const dependency of direct.get(name) ?? []) for (const other of passed) after.get(dependency)?.add(other);
  }
  const steps = plan.steps.filter((step) => undoable.has(step.name));
  return { steps: steps.map(({ name }) => ({ name, dependsOn: [...(after.get(name) ?? [])] })) };
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

type Leaf = (step: string, group: Group | undefined) => StateConfig;

function build(graph: Graph, leaf: Leaf): StateConfig {
  return buildTree(decompose(graph), needsOf(graph), leaf);
}

const needsOf = (graph: Graph): Group => new Map(graph.steps.map((step) => [step.name, step.dependsOn]));

/** A single step as a row of one: the state of a run that goes on is not the state of its only step. */
const inSeries = (tree: Tree): Tree => (tree.kind === "step" ? { kind: "series", parts: [tree] } : tree);

function buildTree(tree: Tree, needs: Group, leaf: Leaf): StateConfig {
  if (tree.kind === "step") return leaf(tree.step, undefined);
  if (tree.kind === "group") {
    const members = new Set(tree.steps);
    const group: Group = new Map(
      tree.steps.map((step) => [step, (needs.get(step) ?? []).filter((other) => members.has(other))]),
    );
    const parts = tree.steps.map((step) => ({ kind: "step" as const, step }));
    return { type: "parallel", states: named(parts, ({ step }) => leaf(step, group)) };
  }
  const inside = named(tree.parts, (part) => buildTree(part, needs, leaf));
  if (tree.kind === "parallel") return { type: "parallel", states: inside };
  const states = Object.entries(inside);
  const linked = states.map(([key, state], index): [string, StateConfig] => [
    key,
    { ...state, onDone: [{ target: states[index + 1]?.[0] ?? "done" }] },
  ]);
  return { initial: states[0]?.[0] ?? "done", states: Object.fromEntries([...linked, ["done", { type: "final" }]]) };
}

/** Keys that are unique among siblings and never look like a number (which would change their order). */
function named<T extends Tree>(parts: readonly T[], make: (part: T) => StateConfig): Record<string, StateConfig> {
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
