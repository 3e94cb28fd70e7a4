/** What no rule forbids, but what people should know of a workflow. */
import type { Setting } from "../oracle/setting.ts";

/**
 * Failures after which nothing is undone although something could be: a step with `fail_workflow` in a workflow with undos. Somebody
 * wrote that, so it breaks no rule; it is rarely meant.
 */
export function notesOf({ steps, compensates }: Setting): readonly string[] {
  if (!compensates) return [];
  return steps.flatMap(({ name, plan }, index) => {
    if (plan.onFailure !== "fail_workflow") return [];
    const later = after(steps, index);
    const left = steps.filter(({ undoable }, at) => undoable && !later.has(at)).map((other) => other.name);
    if (left.length === 0) return [];
    return [`when ${name} fails, nothing is undone (fail_workflow): effects of ${left.join(", ")} may be left`];
  });
}

/** The steps that cannot have begun while this one is not over. */
function after(steps: Setting["steps"], first: number): ReadonlySet<number> {
  const found = new Set([first]);
  for (const position of found)
    for (const [at, { needs }] of steps.entries()) if (needs.includes(position)) found.add(at);
  // It may itself have happened before it failed.
  found.delete(first);
  return found;
}
