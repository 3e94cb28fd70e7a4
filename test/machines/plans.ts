/** Random plans, with every option and the names that break machines. */
import type { OnFailure, Plan, PlanStep } from "../../machines/plan/plan.ts";

const NAMES = [
  "__proto__",
  "1",
  "a.b",
  "#x",
  "sessionId",
  "send",
  "ref",
  "prüfen",
  "ship it",
  "constructor",
  "10",
  "2",
  "🦀",
];
const POLICIES: readonly OnFailure[] = ["fail_workflow", "pause_workflow", "continue", "compensate"];

/** A plan of 1 to `most` steps. */
export function randomPlan(random: () => number, most: number): Plan {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const count = 1 + Math.floor(random() * most);
  const density = random();
  // Few dependencies on near neighbours entangle: no series and no parallel parts, but irreducible groups.
  const entangled = random() < 0.3;
  const steps: PlanStep[] = [];
  for (let index = 0; index < count; index += 1) {
    const name = NAMES[index] !== undefined && random() < 0.7 ? (NAMES[index] as string) : `step ${index}`;
    const before = steps.map((step) => step.name);
    const dependsOn = entangled
      ? before.slice(-4).filter(() => random() < 0.45)
      : before.filter(() => random() < density / Math.max(1, before.length / 2));
    const onFailure = pick(POLICIES);
    if (random() < 0.15) {
      steps.push({
        kind: "signal",
        name,
        dependsOn,
        timeoutMs: random() < 0.5 ? 1_000 : 0,
        onTimeout: pick(["fail", "continue"]),
        onFailure,
      });
      continue;
    }
    steps.push({
      kind: "task",
      name,
      dependsOn,
      retries: 3,
      retryPolicy: { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0.25 },
      timeoutMs: 1_000,
      delayMs: random() < 0.15 ? 500 : 0,
      onFailure,
      compensate: random() < 0.4,
      remote: false,
    });
  }
  // Nothing says that dependencies are written first.
  if (random() < 0.2) steps.sort(() => random() - 0.5);
  return {
    name: "random",
    steps,
    compensation: pick(["mirror", "chain"]),
    foreign: false,
  };
}
