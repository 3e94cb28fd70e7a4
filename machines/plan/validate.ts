/** Whether a plan can work, and if not, why. */
import { decompose, sortSteps, type Tree } from "./decompose.ts";
import type { Plan, PlanStep } from "./plan.ts";

/** Most steps of a plan, in a row or side by side. */
export const MAX_STEPS = 1_000;
/** Most steps of an irreducible group. */
export const MAX_GROUP = 300;

/** One reason why a plan cannot work. */
export interface PlanProblem {
  readonly kind: "empty" | "name" | "number" | "duplicate" | "unknown_dependency" | "cycle" | "limit";
  /** A sentence that names the steps. */
  readonly message: string;
  readonly steps: readonly string[];
}

const quoted = (names: readonly string[]): string =>
  names
    .slice(0, 10)
    .map((name) => JSON.stringify(name))
    .join(", ");

/** Every problem of a plan; none when it can be compiled. */
export function validatePlan(plan: Plan): readonly PlanProblem[] {
  if (plan.steps.length === 0) return [{ kind: "empty", message: "it has no steps", steps: [] }];
  if (plan.steps.length > MAX_STEPS) return tooLong(plan);
  const problems = [...nameProblems(plan), ...plan.steps.flatMap(numberProblems)];
  if (problems.length > 0) return problems;
  const sorted = new Set(sortSteps(plan));
  const stuck = plan.steps.map((step) => step.name).filter((name) => !sorted.has(name));
  if (stuck.length > 0) {
    return [{ kind: "cycle", message: `the steps ${quoted(stuck)} depend on each other in a circle`, steps: stuck }];
  }
  return limitProblems(plan);
}

function tooLong({ steps }: Plan): readonly PlanProblem[] {
  const message = `it has ${steps.length} steps, more than ${MAX_STEPS}; split it into several workflows`;
  return [{ kind: "limit", message, steps: steps.map((step) => step.name) }];
}

/** A step that the machine would wait for in vain, or not at all. */
function numberProblems(step: PlanStep): readonly PlanProblem[] {
  const problem = (what: string, value: number, must: string): PlanProblem => ({
    kind: "number",
    message: `step ${JSON.stringify(step.name)}: ${what} is ${value}, it must be ${must}`,
    steps: [step.name],
  });
  const problems: PlanProblem[] = [];
  const check = (what: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): void => {
    if (!(value >= least && value <= most)) problems.push(problem(what, value, `from ${least} to ${most}`));
  };
  if (step.kind === "signal") {
    check("timeoutMs", step.timeoutMs, 0);
    return problems;
  }
  const { retries, retryPolicy, timeoutMs, delayMs } = step;
  if (!Number.isInteger(retries)) problems.push(problem("retries", retries, "a whole number"));
  check("retries", retries, 0);
  check("timeoutMs", timeoutMs, 1);
  check("delayMs", delayMs, 0);
  check("retryPolicy.initialMs", retryPolicy.initialMs, 0);
  check("retryPolicy.maxMs", retryPolicy.maxMs, 0);
  check("retryPolicy.multiplier", retryPolicy.multiplier, 0);
  check("retryPolicy.jitter", retryPolicy.jitter, 0, 1);
  return problems;
}

function* nameProblems(plan: Plan): Generator<PlanProblem> {
  const names = new Set<string>();
  for (const { name } of plan.steps) {
    if (name === "") yield { kind: "name", message: "a step has no name", steps: [name] };
    // Half a surrogate pair has no UTF-8: two such names would meet in one key.
    if (/\p{Surrogate}/u.test(name))
      yield { kind: "name", message: `the name ${JSON.stringify(name)} is not valid Unicode`, steps: [name] };
    if (names.has(name))
      yield { kind: "duplicate", message: `two steps are named ${JSON.stringify(name)}`, steps: [name] };
    names.add(name);
  }
  for (const step of plan.steps) {
    for (const other of step.dependsOn) {
      if (names.has(other)) continue;
      const message = `step ${JSON.stringify(step.name)} depends on ${JSON.stringify(other)}, which is not a step`;
      yield { kind: "unknown_dependency", message, steps: [step.name, other] };
    }
  }
}

function limitProblems(plan: Plan): readonly PlanProblem[] {
  const group = largestGroup(decompose(plan));
  if (group.length <= MAX_GROUP) return [];
  const message = `the ${group.length} steps around ${quoted(group)} are too entangled (more than ${MAX_GROUP}); a step that all of them wait for cuts the knot`;
  return [{ kind: "limit", message, steps: group }];
}

function largestGroup(tree: Tree): readonly string[] {
  if (tree.kind === "step") return [];
  if (tree.kind === "group") return tree.steps;
  return tree.parts.map(largestGroup).reduce((largest, next) => (next.length > largest.length ? next : largest), []);
}
