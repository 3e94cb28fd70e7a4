/** Small plans by hand, and runs of them. */
import type { MachineConfig } from "../../machines/chart.ts";
import type { Command } from "../../machines/commands.ts";
import type { Plan, PlanStep, SignalStep, TaskStep } from "../../machines/plan/plan.ts";
import { PlanProgram } from "../../machines/plan/program.ts";
import type { PersistedSnapshot } from "../../machines/snapshot.ts";
import {
  type ControlledRun,
  operate,
  projectRun,
  type RunOperation,
  type RunProjection,
} from "../../src/run/control.ts";

/** A step that fails the run when it fails, without undo or delay. */
export function task(name: string, options: Partial<Omit<TaskStep, "kind" | "name">> = {}): TaskStep {
  return {
    kind: "task",
    name,
    dependsOn: [],
    retries: 3,
    retryPolicy: { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0.25 },
    timeoutMs: 300_000,
    delayMs: 0,
    onFailure: "fail_workflow",
    compensate: false,
    remote: false,
    ...options,
  };
}

/** A signal node that waits for ever. */
export function signal(name: string, options: Partial<Omit<SignalStep, "kind" | "name">> = {}): SignalStep {
  return {
    kind: "signal",
    name,
    dependsOn: [],
    timeoutMs: 0,
    onTimeout: "fail",
    onFailure: "fail_workflow",
    ...options,
  };
}

export function planOf(steps: readonly PlanStep[], options: Partial<Omit<Plan, "steps">> = {}): Plan {
  return { name: "order", steps, compensation: "mirror", foreign: false, ...options };
}

/** The program of a plan; `config`: with another chart. */
export const programOf = (plan: Plan, config?: MachineConfig): PlanProgram =>
  new PlanProgram(plan, { planHash: "plan", definitionHash: "definition" }, config);

export const done = (step: string, generation = 1): RunOperation => ({ type: "step.done", step, generation });
export const failed = (step: string, outcome: "never" | "unknown" = "never", generation = 1): RunOperation => ({
  type: "step.failed",
  step,
  generation,
  outcome,
});
export const fenced = (step: string, outcome: "never" | "unknown" = "never", generation = 1): RunOperation => ({
  type: "step.fenced",
  step,
  generation,
  outcome,
});
export const undone = (step: string, generation = 1): RunOperation => ({ type: "undo.done", step, generation });
export const waits = (step: string, name: string, timeoutMs = 0, wake = 0): RunOperation => ({
  type: "step.waiting",
  step,
  generation: 1,
  wake,
  signal: name,
  timeoutMs,
});
export const received = (step: string, wake = 0, generation = 1): RunOperation => ({
  type: "signal.received",
  step,
  generation,
  wake,
});
export const due = (timer: "delay" | "deadline", step: string, wake = 0, generation = 1): RunOperation => ({
  type: "timer.due",
  timer,
  step,
  generation,
  wake,
});
export const START: RunOperation = { type: "start" };
export const PAUSE: RunOperation = { type: "pause" };
export const RESUME: RunOperation = { type: "resume" };
export const RETRY: RunOperation = { type: "retry" };
export const TERMINATE: RunOperation = { type: "terminate" };
export const CANCEL: RunOperation = { type: "cancel", compensate: true };

/** A command in a few words: `start a`, `fence a`, `undo a`, `delay a 500`, `deadline a 500`, `await go by a`; #generation and @wake unless first. */
export function words(command: Command): string {
  const generation = command.generation === 1 ? "" : `#${command.generation}`;
  const wake = "wake" in command && command.wake > 0 ? `@${command.wake}` : "";
  const step = `${command.step}${generation}${wake}`;
  switch (command.type) {
    case "step.start":
      return `start ${step}`;
    case "step.fence":
      return `fence ${step}`;
    case "undo.start":
      return `undo ${step}`;
    case "timer.start":
      return `${command.timer} ${step} ${command.ms}`;
    case "signal.await":
      return `await ${command.signal} by ${step}`;
  }
}

/** A run under way. */
export interface Run {
  /** Applies events one after the other; gives the commands of all of them. */
  send(...events: readonly RunOperation[]): string[];
  readonly view: RunProjection;
  readonly snapshot: PersistedSnapshot;
  /** Phases of all steps, as `a completed, b running`. */
  readonly phases: string;
}

/** A started run of a plan. */
export function started(plan: Plan): Run {
  const run = fresh(plan);
  run.send(START);
  return run;
}

/** A run that has not started. */
export function fresh(plan: Plan): Run {
  const program = programOf(plan);
  let run: ControlledRun = { snapshot: program.initial() };
  return {
    send: (...events) =>
      events.flatMap((event) => {
        const decision = operate(program, JSON.parse(JSON.stringify(run)) as ControlledRun, event);
        if (decision.changed) ({ run } = decision);
        return decision.commands.map(words);
      }),
    get view() {
      return projectRun(program, run);
    },
    get snapshot() {
      return run.snapshot;
    },
    get phases() {
      return [...projectRun(program, run).steps].map(([name, { phase }]) => `${name} ${phase}`).join(", ");
    },
  };
}
