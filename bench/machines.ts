/** Machine milliseconds for each event: one chart of 1,000 in a row and one of 1,000 side by side. */
import { advance, buildMachine, initial } from "../machines/advance.ts";
import type { Plan, TaskStep } from "../machines/plan.ts";

function plan(steps: number, inRow: boolean): Plan {
  const step = (index: number): TaskStep => ({
    kind: "task",
    name: `s${index}`,
    dependsOn: inRow && index > 0 ? [`s${index - 1}`] : [],
    retries: 3,
    retryPolicy: { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0.25 },
    timeoutMs: 300_000,
    delayMs: 0,
    onFailure: "fail_workflow",
    compensate: false,
    remote: false,
  });
  return {
    name: "bench",
    steps: Array.from({ length: steps }, (_, index) => step(index)),
    compensation: "mirror",
    onCompensationFailure: "collect",
    foreign: false,
  };
}

for (const [what, inRow] of [
  ["1,000 in a row", true],
  ["1,000 side by side", false],
] as const) {
  const machine = buildMachine(plan(1_000, inRow));
  let { snapshot } = advance(machine, initial(machine), [{ type: "start" }]);
  const before = process.cpuUsage();
  for (let index = 0; index < 1_000; index += 1) {
    const text = JSON.stringify(snapshot);
    ({ snapshot } = advance(machine, JSON.parse(text), [{ type: "step.done", step: `s${index}`, generation: 1 }]));
  }
  const used = process.cpuUsage(before);
  console.log(
    `${what}: ${((used.user + used.system) / 1_000 / 1_000).toFixed(2)} ms of CPU an event, ${String(snapshot["status"])}`,
  );
}
