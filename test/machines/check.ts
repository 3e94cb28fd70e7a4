/** Plays a list of events on the machine and on the oracle, and says where they differ. */
import { isDeepStrictEqual } from "node:util";
import { createActor } from "xstate";
import type { Command } from "../../machines/commands.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import type { PlanProgram } from "../../machines/plan/program.ts";
import type { RunStatus } from "../../machines/snapshot.ts";
import {
  type ControlledDecision,
  type ControlledRun,
  operate,
  projectRun,
  type RunOperation,
  type RunProjection,
} from "../../src/run/control.ts";
import { programOf } from "./build.ts";
import { applyToModel, type Expected, expectedOf, type Model, newModel } from "./oracle.ts";

/**
 * The transitions of the specification (P51) and those that we add to it. `start` may stand for two of them: a run whose first steps
 * wait, or that was paused before it started, passes through `running`.
 */
export const ALLOWED: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  pending: ["running", "cancelled"],
  running: ["completed", "failed", "cancelled", "paused", "waiting_signal", "compensating"],
  waiting_signal: ["running", "cancelled", "failed", "completed", "compensating", "paused"],
  compensating: ["failed", "cancelled", "paused"],
  paused: ["running", "cancelled", "compensating", "completed", "failed", "waiting_signal"],
  completed: [],
  failed: ["running"],
  cancelled: [],
};

/** A JSON round trip, as a crash or another process makes it. */
export const reload = (run: ControlledRun): ControlledRun => JSON.parse(JSON.stringify(run)) as ControlledRun;

/** Whether the table allows the step from one status to another, by way of `running` when a run starts. */
export function isAllowed(from: RunStatus, to: RunStatus, event: RunOperation): boolean {
  if (from === to || ALLOWED[from].includes(to)) return true;
  return (event.type === "start" || event.type === "retry") && ALLOWED.running.includes(to);
}

const inOrder = (commands: readonly Command[]): readonly string[] =>
  commands.map((command) => JSON.stringify(Object.entries(command).toSorted())).toSorted();

/** The first difference between what a projection says and what it must say. */
export function difference(actual: RunProjection, expected: Expected): string | undefined {
  for (const name of ["status", "outcome", "paused", "currentSteps"] as const)
    if (!isDeepStrictEqual(actual[name], expected[name]))
      return `${name} is ${JSON.stringify(actual[name])}, must be ${JSON.stringify(expected[name])}`;
  for (const [name, view] of expected.steps) {
    const own = actual.steps.get(name);
    if (!isDeepStrictEqual(own, view))
      return `step ${JSON.stringify(name)} is ${JSON.stringify(own)}, must be ${JSON.stringify(view)}`;
  }
  if (actual.steps.size !== expected.steps.size) return "steps that are not in the plan";
  if (!isDeepStrictEqual(actual.draining.toSorted(), expected.draining.toSorted()))
    return `draining is ${JSON.stringify(actual.draining)}, must be ${JSON.stringify(expected.draining)}`;
  return differentWaits(actual, expected);
}

function differentWaits(actual: RunProjection, expected: Expected): string | undefined {
  const found = actual.waits.map((wait) => {
    const openedAt = expected.waits.find((other) => other.step === wait.step)?.openedAt ?? -1;
    return { ...wait, openedAt };
  });
  const same = isDeepStrictEqual(
    new Set(found.map((wait) => JSON.stringify(Object.entries(wait).toSorted()))),
    new Set(expected.waits.map((wait) => JSON.stringify(Object.entries(wait).toSorted()))),
  );
  const ordered = found.every((wait, index) => index === 0 || (found[index - 1]?.openedAt ?? 0) <= wait.openedAt);
  return same && ordered && found.length === expected.waits.length
    ? undefined
    : `waits are ${JSON.stringify(found)}, must be ${JSON.stringify(expected.waits)}`;
}

/** Both sides of a comparison, after some events. */
export interface Pair {
  readonly run: ControlledRun;
  readonly model: Model;
}

/** Applies one event to both sides. `fault` says where they differ. */
export function stepBoth(
  program: PlanProgram,
  before: Pair,
  event: RunOperation,
): { readonly pair: Pair; readonly fault?: string; readonly accepted: boolean; readonly commands: readonly Command[] } {
  const expected = applyToModel(program.plan, before.model, event);
  const reloaded = reload(before.run);
  const decision = operate(program, reloaded, event);
  const pair: Pair = { run: decision.run, model: expected?.model ?? before.model };
  const commands = expected?.commands ?? [];
  const result = { pair, accepted: expected !== undefined, commands };
  if (decision.changed !== result.accepted)
    return {
      ...result,
      fault: `it ${decision.changed ? "changed" : "refused"} what it must ${result.accepted ? "accept" : "refuse"}`,
    };
  if (!decision.changed && decision.run !== reloaded) return { ...result, fault: "it refused into another object" };
  if (!isDeepStrictEqual(inOrder(decision.commands), inOrder(commands)))
    return {
      ...result,
      fault: `commands are ${JSON.stringify(decision.commands)}, must be ${JSON.stringify(commands)}`,
    };
  if (!decision.changed) return result;
  const was = projectRun(program, before.run).status;
  const view = projectRun(program, reload(decision.run));
  const fault =
    difference(view, expectedOf(program.plan, pair.model)) ??
    (isAllowed(was, view.status, event) ? undefined : `${was} → ${view.status} is no transition of P51`);
  return fault === undefined ? result : { ...result, fault };
}

/** A plan, and everything that happens to a run of it. */
export interface Case {
  readonly plan: Plan;
  readonly events: readonly RunOperation[];
}

/** The first fault of a case; undefined when machine and oracle agree after every event. */
export function checkCase({ plan, events }: Case): string | undefined {
  const program = programOf(plan);
  let pair: Pair = { run: { snapshot: program.initial() }, model: newModel(plan) };
  const fault = difference(projectRun(program, pair.run), expectedOf(plan, pair.model));
  if (fault !== undefined) return `before the start: ${fault}`;
  const accepted: RunOperation[] = [];
  const commands: Command[] = [];
  for (const [index, event] of events.entries()) {
    const stepped = stepBoth(program, pair, event);
    if (stepped.fault !== undefined) return `event ${index} (${JSON.stringify(event)}): ${stepped.fault}`;
    pair = stepped.pair;
    if (stepped.accepted) accepted.push(event);
    commands.push(...stepped.commands);
    const loaded = differentWhenLoaded(program, pair.run);
    if (loaded !== undefined) return `event ${index}: ${loaded}`;
  }
  return differentInOneGo(program, accepted, pair.run, commands);
}

/** P43: stock `createActor` loads the snapshot. */
function differentWhenLoaded(program: PlanProgram, run: ControlledRun): string | undefined {
  const json = reload(run).snapshot;
  const loaded = createActor(program.machine.machine, { snapshot: json as never }).getSnapshot() as unknown as Record<
    string,
    unknown
  >;
  const wrong = ["status", "value", "context"].find((name) => !isDeepStrictEqual(loaded[name], json[name]));
  return wrong === undefined ? undefined : `createActor loads another ${wrong}`;
}

/** Without repeats and without reloads: same run, same snapshot, same commands. */
function differentInOneGo(
  program: PlanProgram,
  accepted: readonly RunOperation[],
  run: ControlledRun,
  commands: readonly Command[],
): string | undefined {
  let once: ControlledDecision = { run: { snapshot: program.initial() }, commands: [], changed: false };
  for (const operation of accepted) {
    const next = operate(program, once.run, operation);
    once = { ...next, commands: [...once.commands, ...next.commands] };
  }
  if (!isDeepStrictEqual(reload(once.run), reload(run))) return "in one go it ends in another snapshot";
  return isDeepStrictEqual(inOrder(once.commands), inOrder(commands)) ? undefined : "in one go it gives other commands";
}

/** Makes a failing case smaller as long as it fails: fewer events, fewer steps, fewer options. */
export function shrink(failing: Case): Case {
  let smallest = failing;
  for (let again = true; again;) {
    again = false;
    for (const smaller of smallerCases(smallest)) {
      if (checkCase(smaller) === undefined) continue;
      smallest = smaller;
      again = true;
      break;
    }
  }
  return smallest;
}

function* smallerCases({ plan, events }: Case): Generator<Case> {
  for (let size = events.length; size >= 1; size = Math.floor(size / 2))
    for (let at = 0; at + size <= events.length; at += size) yield { plan, events: events.toSpliced(at, size) };
  for (const step of plan.steps) {
    if (plan.steps.length === 1) break;
    const steps = plan.steps
      .filter((other) => other !== step)
      .map((other) => ({ ...other, dependsOn: other.dependsOn.filter((name) => name !== step.name) }));
    yield {
      plan: { ...plan, steps },
      events: events.filter((event) => !("step" in event) || event.step !== step.name),
    };
  }
  for (const [index, step] of plan.steps.entries()) {
    const change = (changed: object): Case => ({
      plan: { ...plan, steps: plan.steps.with(index, { ...step, ...changed } as typeof step) },
      events,
    });
    for (const name of step.dependsOn) yield change({ dependsOn: step.dependsOn.filter((other) => other !== name) });
    if (step.kind === "task" && step.compensate) yield change({ compensate: false });
    if (step.kind === "task" && step.delayMs > 0) yield change({ delayMs: 0 });
    if (step.onFailure !== "fail_workflow") yield change({ onFailure: "fail_workflow" });
  }
}

/** A failing case in words that can be pasted into a test. */
export function explain(failing: Case, fault: string): string {
  const smallest = process.env["SHRINK"] === "no" ? failing : shrink(failing);
  const steps = smallest.plan.steps.map((step) => `  ${JSON.stringify(step)}`).join("\n");
  const events = smallest.events.map((event) => `  ${JSON.stringify(event)}`).join("\n");
  return `${fault}\nshrunk: ${checkCase(smallest) ?? ""}\n${smallest.plan.compensation}\n${steps}\n${events}`;
}
