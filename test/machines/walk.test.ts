import { expect, test } from "vitest";
import type { Plan } from "../../machines/plan/plan.ts";
import type { RunStatus } from "../../machines/snapshot.ts";
import { projectRun, type RunOperation } from "../../src/run/control.ts";
import { planOf, programOf, signal, task } from "./build.ts";
import { ALLOWED, type Pair, reload, stepBoth } from "./check.ts";
import { newModel } from "./oracle.ts";
import { WHOLE } from "../setting.ts";

/** Every event that could mean something to a run of this plan, at these generations and wakes. */
function allEvents(plan: Plan, pair: Pair): RunOperation[] {
  const events: RunOperation[] = [
    { type: "start" },
    { type: "pause" },
    { type: "cancel", compensate: true },
    { type: "cancel", compensate: false },
    { type: "terminate" },
  ];
  // A new generation can always be made; two are enough to see.
  if (pair.model.steps.every((step) => step.generation < 2)) events.push({ type: "resume" }, { type: "retry" });
  else if (!pair.model.steps.some((step) => step.phase === "held")) events.push({ type: "resume" });
  for (const [index, { name: step }] of plan.steps.entries()) {
    const { generation = 1, wake = 0 } = pair.model.steps[index] ?? {};
    events.push(
      { type: "step.done", step, generation },
      { type: "step.done", step, generation: generation + 1 },
      { type: "step.failed", step, generation, outcome: "never" },
      { type: "step.failed", step, generation, outcome: "unknown" },
      { type: "step.fenced", step, generation, outcome: "never" },
      { type: "step.fenced", step, generation, outcome: "unknown" },
      { type: "signal.received", step, generation, wake },
      { type: "signal.received", step, generation, wake: wake + 1 },
      { type: "timer.due", timer: "delay", step, generation, wake },
      { type: "timer.due", timer: "deadline", step, generation, wake },
      { type: "undo.done", step, generation },
      { type: "undo.failed", step, generation },
      { type: "skip", step },
    );
    if (wake < 1) events.push({ type: "step.waiting", step, generation, wake, signal: "go", timeoutMs: 5 });
  }
  return events;
}

/** Every reachable state of a plan, each event tried in each of them on machine and oracle. */
function walk(plan: Plan, edges: Set<string>): number {
  const program = programOf(plan);
  const first: Pair = { run: reload({ snapshot: program.initial() }), model: newModel(plan) };
  const seen = new Set([JSON.stringify(first.run)]);
  const open: Pair[] = [first];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const from = projectRun(program, pair.run).status;
    for (const event of allEvents(plan, pair)) {
      const next = stepBoth(program, pair, event);
      if (next.fault !== undefined)
        expect.fail(`${JSON.stringify(pair.run)} at ${JSON.stringify(event)}: ${next.fault}`);
      if (!next.accepted) continue;
      const to = projectRun(program, next.pair.run).status;
      if (to !== from) edges.add(`${from}→${to}`);
      const key = JSON.stringify(next.pair.run);
      if (seen.has(key)) continue;
      seen.add(key);
      open.push(next.pair);
    }
  }
  return seen.size;
}

/** Its states are half of all: with SLOW=1, as in .ci/run. */
const LARGE: Readonly<Record<string, Plan>> = {
  "two in a row with undo": planOf([
    task("a", { compensate: true }),
    task("b", { dependsOn: ["a"], onFailure: "compensate", compensate: true }),
  ]),
};

const PLANS: Readonly<Record<string, Plan>> = {
  ...(WHOLE ? LARGE : {}),
  "one step with undo": planOf([task("a", { onFailure: "compensate", compensate: true })]),
  "a held step with delay and undo": planOf([task("a", { onFailure: "pause_workflow", compensate: true, delayMs: 5 })]),
  "a step after one that may fail": planOf([
    task("a", { onFailure: "continue" }),
    task("b", { dependsOn: ["a"], onFailure: "compensate", compensate: true }),
  ]),
  "a node with a deadline, then a step": planOf([
    signal("go", { timeoutMs: 5, onFailure: "pause_workflow" }),
    task("b", { dependsOn: ["go"] }),
  ]),
  "a node with a deadline alone": planOf([signal("go", { timeoutMs: 5 })]),
  "a node that may be late beside one that may fail": planOf([
    signal("go", { timeoutMs: 5, onTimeout: "continue" }),
    signal("no", { timeoutMs: 5, onFailure: "continue" }),
  ]),
  "a node beside a step with undo": planOf([
    task("a", { onFailure: "compensate", compensate: true }),
    signal("go", { timeoutMs: 5, onFailure: "compensate" }),
  ]),
};

test("every reachable state answers every event as the oracle says, and all transitions of P51 are there, no others", () => {
  const edges = new Set<string>();
  const sizes = Object.entries(PLANS).map(([what, plan]) => `${what}: ${walk(plan, edges)} states`);
  console.log(sizes.join(" · "));
  const table = Object.entries(ALLOWED).flatMap(([from, to]) => to.map((status: RunStatus) => `${from}→${status}`));
  // `start` and `retry` pass through `running` within one write.
  const twofold = ["pending→waiting_signal", "pending→paused", "failed→waiting_signal"];
  expect([...edges].filter((edge) => !twofold.includes(edge)).toSorted()).toEqual(table.toSorted());
});
