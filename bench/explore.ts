/** States, edges and seconds of the explorer at 2 to 10 steps side by side, all with an undo, at most two faults on a path. */
import { buildMachine } from "../machines/advance.ts";
import type { Plan, TaskStep } from "../machines/plan.ts";
import { exploreMachine } from "../src/testing/explore/explore.ts";

function plan(width: number): Plan {
  const step = (index: number): TaskStep => ({
    kind: "task",
    name: `s${index}`,
    dependsOn: [],
    retries: index,
    retryPolicy: { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0.25 },
    timeoutMs: 1_000 * (index + 1),
    delayMs: 0,
    onFailure: "compensate",
    compensate: true,
    remote: false,
  });
  const steps = Array.from({ length: width }, (_, index) => step(index));
  return { name: "bench", steps, compensation: "mirror", onCompensationFailure: "collect", foreign: false };
}

const widest = Number(process.argv[2] ?? 10);
for (let width = 2; width <= widest; width += 1) {
  const row = [false, true].map((symmetry) => {
    const before = performance.now();
    const cpu = process.cpuUsage();
    const { states, edges, violations } = exploreMachine(buildMachine(plan(width)), { symmetry });
    if (violations.length > 0) throw new Error(violations[0]?.text);
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - before) / 1_000;
    return `${symmetry ? "symmetric" : "full"}: ${states} states, ${edges} edges, ${seconds.toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of CPU)`;
  });
  console.log(`${width} side by side, ${row.join("; ")}`);
}
