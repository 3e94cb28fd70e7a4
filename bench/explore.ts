/**
 * States, edges and seconds of the explorer at 2 to 10 steps side by side, at most two faults on a path: all with an undo, in full and
 * with symmetry; and with differences that the machine sees, every other one with an undo and a policy each.
 */
import { PlanProgram } from "../machines/plan/program.ts";
import type { Plan, TaskStep } from "../machines/plan/plan.ts";
import { exploreProgram } from "../src/testing/explore/explore.ts";

const POLICIES = ["compensate", "continue", "compensate", "pause_workflow", "fail_workflow"] as const;

function plan(width: number, mixed: boolean): Plan {
  const step = (index: number): TaskStep => ({
    kind: "task",
    name: `s${index}`,
    dependsOn: [],
    retries: index,
    retryPolicy: { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0.25 },
    timeoutMs: 1_000 * (index + 1),
    delayMs: 0,
    onFailure: mixed ? (POLICIES[index % POLICIES.length] ?? "compensate") : "compensate",
    compensate: !mixed || index % 2 === 0,
    remote: false,
  });
  const steps = Array.from({ length: width }, (_, index) => step(index));
  return { name: "bench", steps, compensation: "mirror", foreign: false };
}

/** Nothing here is stored. */
const HASHES = { planHash: "", definitionHash: "" };

const widest = Number(process.argv[2] ?? 10);
const walks = { full: {}, symmetric: { symmetry: true }, mixed: {} } as const;
for (let width = 2; width <= widest; width += 1) {
  const row = Object.entries(walks).map(([name, options]) => {
    const before = performance.now();
    const cpu = process.cpuUsage();
    const { states, edges, violations } = exploreProgram(
      new PlanProgram(plan(width, name === "mixed"), HASHES),
      options,
    );
    if (violations.length > 0) throw new Error(violations[0]?.text);
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - before) / 1_000;
    return `${name}: ${states} states, ${edges} edges, ${seconds.toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of CPU)`;
  });
  console.log(`${width} side by side, ${row.join("; ")}`);
}
