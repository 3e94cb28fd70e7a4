/**
 * What a run of a plan must do, written from the promises (P51–P53, P59–P67), not from the code: a table of steps,
 * no tree, no chart. Slow and small on purpose. It shares nothing with `machines/` but types.
 */
import type { Command } from "../../machines/commands.ts";
import type { Outcome } from "../../machines/events.ts";
import type { Plan, PlanStep } from "../../machines/plan/plan.ts";
import type { RunOperation } from "../../src/run/control.ts";
import type { OpenWait, RunStatus, StepPhase, StepView, UndoPhase } from "../../machines/snapshot.ts";

/** One step, as far as the promises speak of it. */
interface ModelStep {
  phase: StepPhase;
  generation: number;
  /** Whether a handler, a wait or a delay of it was ever asked for. */
  started: boolean;
  wake: number;
  /** Whether effects may have happened although the step did not complete. */
  maybe: boolean;
  /** Stopping: the forward task is not known to be over. */
  draining: boolean;
  undo: UndoPhase;
  wait?: { readonly signal: string; readonly openedAt: number };
}

/** A run. */
export interface Model {
  stage: "pending" | "flowing" | "stopping" | "draining" | "undoing" | "completed" | "failed" | "cancelled";
  paused: boolean;
  outcome: "failed" | "cancelled" | null;
  /** Events accepted so far. */
  clock: number;
  steps: ModelStep[];
}

/** What the model says after an event. */
export interface Expected {
  readonly status: RunStatus;
  readonly currentSteps: readonly string[];
  readonly steps: ReadonlyMap<string, StepView>;
  /** `openedAt` orders them; those opened by one event may come in any order. */
  readonly waits: readonly (OpenWait & { readonly openedAt: number })[];
  readonly outcome: "failed" | "cancelled" | null;
  readonly draining: readonly string[];
  readonly paused: boolean;
}

/** A run that has not started. */
export function newModel(plan: Plan): Model {
  return {
    stage: "pending",
    paused: false,
    outcome: null,
    clock: 0,
    steps: plan.steps.map(() => ({
      phase: "pending",
      generation: 1,
      started: false,
      wake: 0,
      maybe: false,
      draining: false,
      undo: "none",
    })),
  };
}

const isFinal = (model: Model): boolean => ["completed", "failed", "cancelled"].includes(model.stage);

/** Dependencies are satisfied by a step that is over in a way that lets dependents go on (P59). */
const isOver = (step: ModelStep): boolean =>
  step.phase === "completed" || step.phase === "skipped" || step.phase === "failed";

const hasUndo = (step: PlanStep): boolean => step.kind === "task" && step.compensate;

/** P60: completed steps, and those whose effects may have happened. */
const owesUndo = (plan: Plan, model: Model, index: number): boolean => {
  const step = model.steps[index] as ModelStep;
  return hasUndo(plan.steps[index] as PlanStep) && (step.phase === "completed" || step.maybe);
};

/** Every step that this one depends on, also through others. */
function dependenciesOf(plan: Plan, name: string): Set<string> {
  return new Set(plan.steps.map((step) => step.name).filter((other) => dependentsOf(plan, other).has(name)));
}

/** Every step that depends on this one, also through others. */
function dependentsOf(plan: Plan, name: string): Set<string> {
  const found = new Set<string>();
  for (let grown = true; grown;) {
    grown = false;
    for (const step of plan.steps) {
      if (found.has(step.name) || !step.dependsOn.some((other) => other === name || found.has(other))) continue;
      found.add(step.name);
      grown = true;
    }
  }
  return found;
}

/** The written order, changed only where a dependency comes later than its dependent. */
function inOrder(plan: Plan): number[] {
  const order: number[] = [];
  const taken = new Set<string>();
  while (order.length < plan.steps.length) {
    const next = plan.steps.findIndex(
      (step) => !taken.has(step.name) && step.dependsOn.every((name) => taken.has(name)),
    );
    order.push(next);
    taken.add((plan.steps[next] as PlanStep).name);
  }
  return order;
}

/** Applies one event. Undefined: it must change nothing. */
export function applyToModel(
  plan: Plan,
  before: Model,
  event: RunOperation,
): { model: Model; commands: Command[] } | undefined {
  if (isFinal(before) && event.type !== "retry") return undefined;
  const model = structuredClone(before);
  model.clock += 1;
  const commands: Command[] = [];
  if (!react(plan, model, event, commands)) return undefined;
  settle(plan, model, commands);
  return { model, commands };
}

function react(plan: Plan, model: Model, event: RunOperation, commands: Command[]): boolean {
  if ("step" in event) return reactStep(plan, model, event, commands);
  switch (event.type) {
    case "start":
      if (model.stage !== "pending") return false;
      model.stage = "flowing";
      return true;
    case "pause":
      if (model.paused || model.stage === "stopping") return false;
      model.paused = true;
      return true;
    case "resume": {
      if (model.stage === "stopping") return false;
      const held = model.stage === "flowing" ? indexes(model, (step) => step.phase === "held") : [];
      const changes = model.paused || held.length > 0;
      model.paused = false;
      for (const index of held) {
        Object.assign(model.steps[index] as ModelStep, {
          generation: (model.steps[index] as ModelStep).generation + 1,
          wake: 0,
        });
        begin(plan, model, index, commands);
      }
      for (const index of indexes(model, (step) => step.phase === "parked")) run(plan, model, index, commands);
      return changes;
    }
    case "cancel":
      if (model.stage !== "pending" && model.stage !== "flowing") return false;
      model.paused = false;
      if (model.stage === "pending") model.stage = "cancelled";
      halt(plan, model, "cancelled", event.compensate, commands);
      return true;
    case "terminate":
      for (const step of model.steps) {
        if (step.draining || step.phase === "running") step.maybe = true;
        // Nobody looks any more at what became of an earlier generation.
        if (step.generation > 1 && !isOver(step) && step.phase !== "held" && step.phase !== "cancelled")
          step.maybe = true;
        if (step.undo === "running") step.undo = "none";
        step.draining = false;
      }
      abandon(plan, model);
      Object.assign(model, { stage: "cancelled", outcome: "cancelled", paused: false });
      return true;
    case "retry":
      return reopen(model);
  }
}

type StepEvent = Extract<RunOperation, { readonly step: string }>;

function reactStep(plan: Plan, model: Model, event: StepEvent, commands: Command[]): boolean {
  const index = plan.steps.findIndex((step) => step.name === event.step);
  const step = model.steps[index];
  const written = plan.steps[index];
  if (step === undefined || written === undefined) return false;
  if ("generation" in event && event.generation !== step.generation) return false;
  if ("wake" in event && event.wake !== step.wake) return false;
  switch (event.type) {
    case "skip":
      if (step.phase !== "held" || model.stage !== "flowing") return false;
      step.phase = "skipped";
      return true;
    case "step.done":
      if (step.phase !== "running") return false;
      step.phase = "completed";
      step.draining = false;
      return true;
    case "step.failed":
      if (step.phase !== "running") return false;
      step.maybe = event.outcome === "unknown";
      fail(plan, model, index, commands);
      return true;
    case "step.fenced":
      if (!step.draining) return false;
      step.phase = "cancelled";
      step.draining = false;
      // It began: by itself, before it waited, or in an earlier generation of which nobody vouches that nothing happened.
      step.maybe ||= event.outcome === "unknown" || step.wake > 0;
      return true;
    case "step.waiting":
      if (step.phase !== "running" || step.draining) return false;
      await_(model, index, event.step, event.signal, event.timeoutMs, commands);
      return true;
    case "signal.received":
      if (step.phase !== "waiting") return false;
      delete step.wait;
      if (written.kind === "signal") step.phase = "completed";
      else wakeUp(plan, model, index, commands);
      return true;
    case "timer.due":
      return reactDue(plan, model, index, event.timer, commands);
    case "undo.done":
    case "undo.failed":
      if (step.undo !== "running") return false;
      step.undo = event.type === "undo.done" ? "done" : "failed";
      return true;
  }
}

function reactDue(plan: Plan, model: Model, index: number, timer: "delay" | "deadline", commands: Command[]): boolean {
  const step = model.steps[index] as ModelStep;
  const written = plan.steps[index] as PlanStep;
  if (timer === "delay") {
    if (step.phase !== "delaying") return false;
    run(plan, model, index, commands);
    return true;
  }
  if (step.phase !== "waiting") return false;
  delete step.wait;
  if (written.kind === "task") wakeUp(plan, model, index, commands);
  else if (written.onTimeout === "continue") step.phase = "completed";
  else fail(plan, model, index, commands);
  return true;
}

function indexes(model: Model, matches: (step: ModelStep, index: number) => boolean): number[] {
  return model.steps.flatMap((step, index) => (matches(step, index) ? [index] : []));
}

/** The step is startable and its delay, if any, is over. */
function begin(plan: Plan, model: Model, index: number, commands: Command[]): void {
  const written = plan.steps[index] as PlanStep;
  if (written.kind === "task") run(plan, model, index, commands);
  else await_(model, index, written.name, written.name, written.timeoutMs, commands);
}

/** Starts a handler, or parks it while the run is paused. */
function run(plan: Plan, model: Model, index: number, commands: Command[]): void {
  const step = model.steps[index] as ModelStep;
  step.phase = model.paused ? "parked" : "running";
  step.started = true;
  if (model.paused) return;
  const { name } = plan.steps[index] as PlanStep;
  commands.push({ type: "step.start", step: name, generation: step.generation, wake: step.wake });
}

function wakeUp(plan: Plan, model: Model, index: number, commands: Command[]): void {
  (model.steps[index] as ModelStep).wake += 1;
  run(plan, model, index, commands);
}

function await_(
  model: Model,
  index: number,
  name: string,
  signal: string,
  timeoutMs: number,
  commands: Command[],
): void {
  const step = model.steps[index] as ModelStep;
  Object.assign(step, { phase: "waiting", started: true, wait: { signal, openedAt: model.clock } });
  const { generation, wake } = step;
  commands.push({ type: "signal.await", signal, step: name, generation, wake });
  if (timeoutMs > 0)
    commands.push({ type: "timer.start", timer: "deadline", step: name, generation, wake, ms: timeoutMs });
}

/** P59. While the run is stopping already, a failure is only written down. */
function fail(plan: Plan, model: Model, index: number, commands: Command[]): void {
  const step = model.steps[index] as ModelStep;
  const { onFailure } = plan.steps[index] as PlanStep;
  const wasDraining = step.draining;
  step.draining = false;
  step.phase = onFailure === "pause_workflow" && !wasDraining ? "held" : "failed";
  if (wasDraining || onFailure === "continue" || onFailure === "pause_workflow") return;
  halt(plan, model, "failed", onFailure === "compensate", commands);
}

/** Stops a run: steps in flight are fenced and awaited, everything else is over at once. */
function halt(
  plan: Plan,
  model: Model,
  outcome: "failed" | "cancelled",
  compensate: boolean,
  commands: Command[],
): void {
  for (const index of indexes(model, (step) => step.phase === "running")) {
    const step = model.steps[index] as ModelStep;
    step.draining = true;
    const { name } = plan.steps[index] as PlanStep;
    commands.push({ type: "step.fence", step: name, generation: step.generation, wake: step.wake });
  }
  model.outcome = outcome;
  if (model.stage === "flowing") model.stage = compensate && plan.steps.some(hasUndo) ? "draining" : "stopping";
  abandon(plan, model);
}

/** Steps that are not in flight will never run again. One that waited inside its handler, or was woken, had begun. */
function abandon(plan: Plan, model: Model): void {
  for (const [index, step] of model.steps.entries()) {
    if (step.draining || isOver(step) || step.phase === "held") continue;
    if (step.phase === "waiting" && (plan.steps[index] as PlanStep).kind === "task") step.maybe = true;
    if (step.phase === "parked" && step.wake > 0) step.maybe = true;
    step.phase = "cancelled";
    delete step.wait;
  }
}

/** An operator opens a failed run again: steps that did not complete, or were undone, are new generations; completed ones stay. */
function reopen(model: Model): boolean {
  if (model.stage !== "failed") return false;
  Object.assign(model, { stage: "flowing", paused: false, outcome: null });
  for (const step of model.steps) {
    const stays = (step.phase === "completed" || step.phase === "skipped") && step.undo === "none";
    if (stays) continue;
    if (step.undo === "done") step.maybe = false;
    if (step.undo === "failed") step.maybe = true;
    Object.assign(step, { phase: "pending", undo: "none", wake: 0 });
    if (step.started) step.generation += 1;
  }
  return true;
}

/** Everything that follows by itself, until nothing does. */
function settle(plan: Plan, model: Model, commands: Command[]): void {
  if (model.stage === "flowing") {
    for (const [index, written] of plan.steps.entries()) {
      const step = model.steps[index] as ModelStep;
      if (step.phase !== "pending") continue;
      // Also through others: after a retry, one in between may have stayed completed.
      const needed = dependenciesOf(plan, written.name);
      if (!plan.steps.every((other, at) => !needed.has(other.name) || isOver(model.steps[at] as ModelStep))) continue;
      if (written.kind === "task" && written.delayMs > 0) {
        Object.assign(step, { phase: "delaying", started: true });
        const { generation, wake } = step;
        commands.push({
          type: "timer.start",
          timer: "delay",
          step: written.name,
          generation,
          wake,
          ms: written.delayMs,
        });
      } else begin(plan, model, index, commands);
    }
    if (model.steps.every(isOver)) model.stage = "completed";
  }
  const drained = !model.steps.some((step) => step.draining);
  if (model.stage === "stopping" && drained) model.stage = model.outcome ?? "failed";
  if (model.stage === "draining" && drained) model.stage = "undoing";
  if (model.stage === "undoing") undo(plan, model, commands);
}

/** P60, P61: dependents first; independent ones side by side, or one after the other when the plan asks for a chain. */
function undo(plan: Plan, model: Model, commands: Command[]): void {
  const left = inOrder(plan)
    .filter((index) => owesUndo(plan, model, index) && ["none", "running"].includes(undoOf(model, index)))
    .toReversed();
  for (const [place, index] of left.entries()) {
    const { name } = plan.steps[index] as PlanStep;
    const after = dependentsOf(plan, name);
    const free =
      plan.compensation === "chain"
        ? place === 0
        : !left.some((other) => after.has((plan.steps[other] as PlanStep).name));
    const step = model.steps[index] as ModelStep;
    if (!free || step.undo === "running" || model.paused) continue;
    step.undo = "running";
    commands.push({ type: "undo.start", step: name, generation: step.generation });
  }
  if (left.length > 0) return;
  const failed = model.steps.some((step) => step.undo === "failed");
  model.stage = failed ? "failed" : (model.outcome ?? "failed");
}

const undoOf = (model: Model, index: number): UndoPhase => (model.steps[index] as ModelStep).undo;

function statusOf(model: Model): RunStatus {
  const { stage, steps } = model;
  switch (stage) {
    case "pending":
    case "completed":
    case "failed":
    case "cancelled":
      return stage;
    case "stopping":
      return "running";
    case "draining":
    case "undoing":
      return model.paused ? "paused" : "compensating";
    case "flowing": {
      if (model.paused || steps.some((step) => step.phase === "held")) return "paused";
      const busy = steps.some((step) => step.phase === "running" || step.phase === "delaying");
      return !busy && steps.some((step) => step.phase === "waiting") ? "waiting_signal" : "running";
    }
  }
}

/** What a projection of the run must say. */
export function expectedOf(plan: Plan, model: Model): Expected {
  const stepViews = new Map<string, StepView>();
  const waits: Expected["waits"][number][] = [];
  for (const [index, { name }] of plan.steps.entries()) {
    const step = model.steps[index] as ModelStep;
    const outcome: Outcome = step.maybe ? "unknown" : "never";
    stepViews.set(name, {
      phase: step.phase,
      generation: step.started ? step.generation : 0,
      wake: step.wake,
      ...(["failed", "held", "cancelled"].includes(step.phase) ? { outcome } : {}),
      undo: step.undo,
    });
    if (step.wait !== undefined) waits.push({ ...step.wait, step: name, generation: step.generation, wake: step.wake });
  }
  const names = (matches: (step: ModelStep) => boolean): string[] =>
    indexes(model, matches).map((index) => (plan.steps[index] as PlanStep).name);
  return {
    status: statusOf(model),
    currentSteps: names((step) => step.phase === "running" || step.phase === "waiting" || step.undo === "running"),
    steps: stepViews,
    waits: waits.toSorted((a, b) => a.openedAt - b.openedAt),
    outcome: model.outcome,
    draining: names((step) => step.draining),
    paused: model.paused,
  };
}
