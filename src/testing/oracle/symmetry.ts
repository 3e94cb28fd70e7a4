/** Steps that may change places: equal for the machine, with the same dependencies and the same dependents. */
import type { Key } from "./key.ts";
import type { Setting, StepSetting } from "../oracle/setting.ts";

/** Positions of steps that are interchangeable; every step is in exactly one class. */
export function interchangeable(setting: Setting): readonly (readonly number[])[] {
  const { plan, steps } = setting;
  const dependents = steps.map((step) =>
    steps.flatMap((other, index) => (other.plan.dependsOn.includes(step.name) ? [index] : [])),
  );
  const classes = new Map<string, number[]>();
  for (const [index, step] of steps.entries()) {
    const alone = plan.compensation === "chain" && step.undoable ? [index] : [];
    const signature = JSON.stringify([attributes(setting, step), step.needs.toSorted(), dependents[index], alone]);
    const members = classes.get(signature);
    if (members === undefined) classes.set(signature, [index]);
    else members.push(index);
  }
  return [...classes.values()];
}

function attributes(setting: Setting, { plan, waits, results }: StepSetting): unknown {
  return plan.kind === "task"
    ? [plan.onFailure, plan.compensate, plan.delayMs, waits, results]
    : [plan.onFailure, plan.timeoutMs, plan.onTimeout, setting.comes(plan.name), "signal"];
}

/** The text of a state. With classes: the same for all states that differ only by a change of places. */
export function textOf(key: Key, classes: readonly (readonly number[])[] | undefined): string {
  if (classes === undefined) return `${key.frame}\n${key.steps.join("\n")}`;
  const sorted = [...key.steps];
  for (const members of classes) {
    if (members.length === 1) continue;
    const texts = members.map((index) => key.steps[index] ?? "").toSorted();
    for (const [at, index] of members.entries()) sorted[index] = texts[at] ?? "";
  }
  return `${key.frame}\n${sorted.join("\n")}`;
}

/** How many states a state stands for: the ways to share out its steps among the members of their classes. */
export function orbitOf(key: Key, classes: readonly (readonly number[])[] | undefined): number {
  let size = 1;
  for (const members of classes ?? []) {
    const counts = new Map<string, number>();
    for (const [at, index] of members.entries()) {
      const text = key.steps[index] ?? "";
      const count = (counts.get(text) ?? 0) + 1;
      counts.set(text, count);
      // n! divided by the factorials of equal ones, a factor at a time.
      size = (size * (at + 1)) / count;
    }
  }
  return size;
}
