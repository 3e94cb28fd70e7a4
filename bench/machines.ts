/** Machine milliseconds for each event: one chart of 1,000 in a row and one of 1,000 side by side. */
import { advance, buildMachine, initial, project } from "../machines/plan/advance.ts";
import type { Plan, TaskStep } from "../machines/plan/plan.ts";
import type { PersistedSnapshot } from "../machines/snapshot.ts";

const STEPS = 1_000;

function plan(inRow: boolean): Plan {
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
    steps: Array.from({ length: STEPS }, (_, index) => step(index)),
    compensation: "mirror",
    foreign: false,
  };
}

/** Runs a plan to its end and gives the CPU milliseconds an event. */
function measure(inRow: boolean, each: (snapshot: PersistedSnapshot) => PersistedSnapshot): string {
  const machine = buildMachine(plan(inRow));
  let { snapshot } = advance(machine, initial(machine), [{ type: "start" }]);
  const before = process.cpuUsage();
  for (let index = 0; index < STEPS; index += 1) {
    ({ snapshot } = advance(machine, each(snapshot), [{ type: "step.done", step: `s${index}`, generation: 1 }]));
  }
  const { user, system } = process.cpuUsage(before);
  const { status } = project(machine, snapshot);
  if (status !== "completed") throw new Error(`the run is ${status}`);
  return `${((user + system) / 1_000 / STEPS).toFixed(2)} ms`;
}

for (const [what, inRow] of [
  ["in a row", true],
  ["side by side", false],
] as const) {
  const cold = measure(inRow, (snapshot) => JSON.parse(JSON.stringify(snapshot)) as PersistedSnapshot);
  const warm = measure(inRow, (snapshot) => snapshot);
  console.log(
    `1,000 ${what}: ${cold} of CPU an event, read and written as JSON; ${warm} while this process keeps the run`,
  );
}
