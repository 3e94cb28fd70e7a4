/** Whether a snapshot from outside can be that of a run which follows a chart: XState believes whatever it is given. */
import type { MachineConfig, StateConfig } from "../chart.ts";
import { encodeName } from "./names.ts";
import type { Plan } from "./plan.ts";

/** A persisted snapshot that no run of its chart can be in: somebody damaged it, or it is that of another plan. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
}

type Members = Readonly<Record<string, unknown>>;

const PHASES: readonly unknown[] = [undefined, "completed", "failed", "skipped", "held", "cancelled"];
const KEPT: readonly unknown[] = [undefined, "completed", "skipped"];
const OUTCOMES: readonly unknown[] = [undefined, "never", "unknown"];
const UNDOS: readonly unknown[] = [undefined, "done", "failed", "needless"];

const show = (value: unknown): string => JSON.stringify(value)?.slice(0, 80) ?? "nothing";

/** The first thing that is wrong with a snapshot, for people; undefined: nothing is. */
export function snapshotProblem(plan: Plan, config: MachineConfig, snapshot: unknown): string | undefined {
  if (!isObject(snapshot)) return `it is ${show(snapshot)}`;
  const { status, value, historyValue, children, error } = snapshot;
  if (status !== "active" && status !== "done") return `its status is ${show(status)}`;
  if (error !== undefined) return "it holds an error, which a chart without actors never has";
  if (!isEmptyObject(historyValue)) return `its history is ${show(historyValue)}; its chart keeps none`;
  if (!isEmptyObject(children)) return `its actors are ${show(children)}; its chart has none`;
  const wrong = valueProblem(config, value, "value") ?? contextProblem(snapshot["context"], plan);
  if (wrong !== undefined) return wrong;
  const isOver = typeof value === "string" && config.states?.[value]?.type === "final";
  return isOver === (status === "done") ? undefined : `its status is ${show(status)} in the state ${show(value)}`;
}

function valueProblem(config: StateConfig, value: unknown, path: string): string | undefined {
  const states = config.states ?? {};
  const isParallel = config.type === "parallel";
  if (typeof value === "string" && !isParallel)
    return isLeaf(states, value) ? undefined : `${path} is ${show(value)}, which is no state that it can rest in`;
  if (!isObject(value)) return `${path} is ${show(value)}`;
  const names = Object.keys(value);
  const wanted = isParallel ? Object.keys(states) : names.slice(0, 1);
  if (wanted.length === 0 || names.length !== wanted.length) return `${path} is ${show(value)}`;
  for (const name of wanted) {
    const inner = Object.hasOwn(states, name) && Object.hasOwn(value, name) ? states[name] : undefined;
    if (inner?.states === undefined) return `${path} has no ${show(name)} with states of its own`;
    const problem = valueProblem(inner, value[name], `${path}.${name}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isLeaf(states: Readonly<Record<string, StateConfig>>, name: string): boolean {
  return Object.hasOwn(states, name) && states[name]?.states === undefined;
}

/** What is wrong with what a snapshot wrote down of its steps; without a plan any step may be one of it. */
export function contextProblem(context: unknown, plan?: Plan): string | undefined {
  if (!isObject(context)) return `context is ${show(context)}`;
  const { steps, outcome, draining, waits } = context;
  const names = plan === undefined ? undefined : new Set<unknown>(plan.steps.map(({ name }) => name));
  const isStep = (step: unknown): boolean => (names === undefined ? typeof step === "string" : names.has(step));
  if (outcome !== null && outcome !== "failed" && outcome !== "cancelled") return `context.outcome is ${show(outcome)}`;
  return (
    stepsProblem(steps, plan) ??
    listProblem("context.draining", draining, isStep) ??
    listProblem(
      "context.waits",
      waits,
      (entry) => isObject(entry) && isStep(entry["step"]) && typeof entry["signal"] === "string",
    )
  );
}

function stepsProblem(steps: unknown, plan: Plan | undefined): string | undefined {
  if (!isObject(steps)) return `context.steps is ${show(steps)}`;
  const keys = plan === undefined ? undefined : new Set(plan.steps.map(({ name }) => encodeName(name)));
  for (const [key, known] of Object.entries(steps)) {
    if (keys?.has(key) === false) return `context.steps names ${show(key)}, which is no step of its plan`;
    if (!isStepControl(known)) return `context.steps of ${show(key)} is ${show(known)}`;
  }
  return undefined;
}

function isStepControl(known: unknown): boolean {
  if (!isObject(known)) return false;
  const { phase, kept, outcome, undo, generation = 1, wake = 0 } = known;
  return (
    PHASES.includes(phase) &&
    KEPT.includes(kept) &&
    OUTCOMES.includes(outcome) &&
    UNDOS.includes(undo) &&
    isCount(generation, 1) &&
    isCount(wake, 0)
  );
}

function listProblem(path: string, list: unknown, fits: (entry: unknown) => boolean): string | undefined {
  if (!Array.isArray(list)) return `${path} is ${show(list)}`;
  const index = list.findIndex((entry) => !fits(entry));
  return index === -1 ? undefined : `${path}[${index}] is ${show(list[index])}`;
}

const isObject = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isEmptyObject = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 0;
const isCount = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && Number(value) >= least;
