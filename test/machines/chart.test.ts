import { expect, test } from "vitest";
import type { StateConfig } from "../../machines/chart.ts";
import { compilePlan } from "../../machines/plan/compile.ts";
import { planOf, signal, task } from "./build.ts";

test("the chart of a plan with one of everything, in full", async () => {
  const plan = planOf([
    task("validate", { onFailure: "continue" }),
    signal("approve", { dependsOn: ["validate"], timeoutMs: 9, onFailure: "pause_workflow" }),
    task("reserve", { dependsOn: ["validate"], delayMs: 5, compensate: true, onFailure: "compensate" }),
    task("charge", { dependsOn: ["approve"], compensate: true, onFailure: "pause_workflow" }),
    task("pack", { dependsOn: ["approve", "reserve"], compensate: true }),
    signal("late", { dependsOn: ["charge", "pack"], timeoutMs: 9, onTimeout: "continue" }),
  ]);
  // Read the difference before writing the file anew: every line is something that people see in the drawn chart.
  await expect(`${JSON.stringify(compilePlan(plan), undefined, 2)}\n`).toMatchFileSnapshot("./chart.snap");
});

test.each(["stopping", "compensating", "draining", "completed", "failed", "cancelled"])(
  "a workflow named %s has no id twice",
  (name) => {
    const config = compilePlan({ ...planOf([task("a", { compensate: true, onFailure: "compensate" })]), name });
    const ids = idsOf(config);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  },
);

function idsOf(state: StateConfig): readonly string[] {
  return [...(state.id === undefined ? [] : [state.id]), ...Object.values(state.states ?? {}).flatMap(idsOf)];
}
