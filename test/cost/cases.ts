/** Random workflows and random ways for their runs to go. */
import type { Course, Steering } from "../../src/cost/path.ts";
import type { Case, SpecStep } from "./counted.ts";

const POLICIES = ["fail_workflow", "pause_workflow", "continue", "compensate"] as const;

/** A case. Times are drawn to the millisecond, so that no two things of a run happen at once. */
export function randomCase(name: string, random: () => number): Case {
  const between = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  const pick = <T>(values: readonly T[]): T => values[between(0, values.length - 1)] as T;
  const chance = (share: number): boolean => random() < share;
  const steps: SpecStep[] = [];
  const courses = new Map<string, Course>();
  const undos = new Map<string, Course>();
  const answers = new Map<string, number>();
  const density = random();
  const count = between(1, 8);
  for (let index = 0; index < count; index += 1) {
    const step = `s${index}`;
    const dependsOn = steps.map((other) => other.name).filter(() => chance(density / Math.max(1, index / 2)));
    const onFailure = pick(POLICIES);
    if (chance(0.15)) {
      const timeout = chance(0.6) ? between(20_000, 1_200_000) : undefined;
      const onTimeout = pick(["fail", "continue"] as const);
      steps.push({
        name: step,
        dependsOn,
        onFailure,
        signal: { onTimeout, ...(timeout === undefined ? {} : { timeout }) },
      });
      if (chance(0.7)) answers.set(step, between(1_000, 900_000));
      continue;
    }
    const retries = between(0, 5);
    const compensate = chance(0.5);
    steps.push({
      name: step,
      dependsOn,
      onFailure,
      retries,
      initialMs: between(300, 3_000),
      compensate,
      ...(chance(0.1) ? { timeout: between(500, 20_000) } : {}),
      ...(chance(0.15) ? { delay: chance(0.5) ? between(500, 55_000) : between(62_000, 600_000) } : {}),
    });
    const failures = chance(0.3) ? between(1, 6) : 0;
    const durationMs = chance(0.2) ? between(10_500, 70_000) : between(30, 9_000);
    const waits = chance(0.1)
      ? [...Array(between(1, 2)).keys()].map(() => ({
          signal: pick(["go", "stop"]),
          ...(chance(0.5) ? { timeoutMs: between(20_000, 300_000) } : {}),
        }))
      : [];
    courses.set(step, { durationMs, failures, waits, ends: chance(0.12) ? "fails" : "completes" });
    if (compensate) {
      undos.set(step, {
        durationMs: chance(0.15) ? between(10_500, 40_000) : between(30, 9_000),
        failures: chance(0.2) ? between(1, 6) : 0,
        ends: chance(0.08) ? "fails" : "completes",
      });
    }
  }
  for (const signal of ["go", "stop"]) if (chance(0.8)) answers.set(signal, between(1_000, 200_000));
  return {
    steps,
    compensation: pick(["mirror", "chain"] as const),
    path: { name, steps: courses, undos, answers, steering: steeringOf(between, chance) },
    offsetMs: between(0, 120_000),
  };
}

function steeringOf(
  between: (least: number, most: number) => number,
  chance: (share: number) => boolean,
): readonly Steering[] {
  const steering: Steering[] = [];
  const at = (most: number): Steering["after"] => ({ ms: between(100, most) });
  if (chance(0.35)) steering.push({ command: { type: "cancel", compensate: chance(0.8) }, after: at(60_000) });
  if (chance(0.15)) {
    const pausedMs = between(100, 40_000);
    steering.push({ command: { type: "pause" }, after: { ms: pausedMs } });
    steering.push({ command: { type: "resume" }, after: { ms: pausedMs + between(1_000, 100_000) } });
  }
  if (chance(0.5)) steering.push({ command: { type: "resume" }, after: at(400_000) });
  if (chance(0.05)) steering.push({ command: { type: "terminate" }, after: at(60_000) });
  return steering;
}
