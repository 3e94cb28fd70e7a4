/** Whether a plan can work, and if not, why. */
import { decompose, sortSteps, type Tree } from "./decompose.ts";
import type { Plan } from "./plan.ts";

/** Most steps of a plan. */
export const MAX_STEPS = 1_000;
/** Most steps that are live at the same time. */
export const MAX_WIDTH = 1_000;
/** Most steps of an irreducible group. */
export const MAX_GROUP = 300;

/** One reason why a plan cannot work. */
export interface PlanProblem {
  readonly kind: "empty" | "duplicate" | "unknown_dependency" | "cycle" | "limit";
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
  const problems = [...nameProblems(plan)];
  if (problems.length > 0) return problems;
  const sorted = new Set(sortSteps(plan));
  const stuck = plan.steps.map((step) => step.name).filter((name) => !sorted.has(name));
  if (stuck.length > 0) {
    return [{ kind: "cycle", message: `the steps ${quoted(stuck)} depend on each other in a circle`, steps: stuck }];
  }
  return limitProblems(plan);
}

function* nameProblems(plan: Plan): Generator<PlanProblem> {
  const names = new Set<string>();
  for (const { name } of plan.steps) {
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
  const names = plan.steps.map((step) => step.name);
  const limit = (message: string, steps: readonly string[]): PlanProblem[] => [{ kind: "limit", message, steps }];
  if (names.length > MAX_STEPS)
    return limit(`it has ${names.length} steps, more than ${MAX_STEPS}; split it into several workflows`, names);
  const tree = decompose(plan);
  const group = largestGroup(tree);
  if (group.length > MAX_GROUP) {
    return limit(
      `the ${group.length} steps around ${quoted(group)} are too entangled (more than ${MAX_GROUP}); a step that all of them wait for cuts the knot`,
      group,
    );
  }
  const width = widthOf(tree);
  if (width > MAX_WIDTH) return limit(`${width} steps could be live at once, more than ${MAX_WIDTH}`, names);
  return [];
}

function largestGroup(tree: Tree): readonly string[] {
  if (tree.kind === "step") return [];
  if (tree.kind === "group") return tree.steps;
  return tree.parts.map(largestGroup).reduce((largest, next) => (next.length > largest.length ? next : largest), []);
}

function widthOf(tree: Tree): number {
  if (tree.kind === "step") return 1;
  if (tree.kind === "group") return tree.steps.length;
  const widths = tree.parts.map(widthOf);
  return tree.kind === "series" ? Math.max(...widths) : widths.reduce((sum, width) => sum + width, 0);
}
