import { expect, test } from "vitest";
import { advance, buildMachine, initial, project } from "../../machines/plan/advance.ts";
import type { RunEvent } from "../../machines/events.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { validatePlan } from "../../machines/plan/validate.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import type { RunOperation } from "../../src/run/control.ts";
import { checkCase, explain } from "./check.ts";
import { randomPlan } from "./plans.ts";
import { count, type Histogram, randomHistory } from "./world.ts";
import { setting } from "../setting.ts";

const PLANS = setting("PLANS", 300);
const SEED = setting("SEED", 20_261_124);

const sizeOf = (plan: Plan): string => {
  const { length } = plan.steps;
  return length === 1 ? "1" : length <= 5 ? "2–5" : length <= 15 ? "6–15" : "16–30";
};

function countOptions(plan: Plan, histogram: Histogram): void {
  count(histogram, `plan of ${sizeOf(plan)} steps`);
  count(histogram, `compensation ${plan.compensation}`);
  for (const step of plan.steps) {
    count(histogram, `${step.kind} ${step.onFailure}`);
    if (step.kind === "signal") count(histogram, `signal ${step.timeoutMs > 0 ? step.onTimeout : "without timeout"}`);
    if (step.kind === "task" && step.compensate) count(histogram, "step with undo");
    if (step.kind === "task" && step.delayMs > 0) count(histogram, "step with delay");
  }
}

/** What must have been met often enough for the run to mean anything. */
const MET: readonly RunOperation["type"][] = [
  "step.done",
  "step.failed",
  "step.waiting",
  "step.fenced",
  "signal.received",
  "timer.due",
  "undo.done",
  "undo.failed",
  "pause",
  "resume",
  "cancel",
  "terminate",
  "skip",
  "retry",
];

test(
  `${PLANS} random plans do what the oracle says, in any order, repeated, lost and reloaded (seeds from ${SEED})`,
  { timeout: 600_000 },
  () => {
    const histogram: Histogram = new Map();
    for (let index = 0; index < PLANS; index += 1) {
      const seed = SEED + index;
      const { next: random } = seededRandom(seed);
      const plan = randomPlan(random, index % 10 === 0 ? 30 : index % 10 < 3 ? 15 : 8);
      expect(validatePlan(plan)).toEqual([]);
      countOptions(plan, histogram);
      const events = randomHistory(plan, random, histogram);
      const fault = checkCase({ plan, events });
      if (fault !== undefined) expect.fail(`seed ${seed}: ${explain({ plan, events }, fault)}`);
    }
    const table = [...histogram].toSorted().map(([what, times]) => `${what} ${times}`);
    console.log(`seeds ${SEED} to ${SEED + PLANS - 1}: ${table.join(" · ")}`);
    for (const type of MET) expect(histogram.get(`accepted ${type}`) ?? 0, type).toBeGreaterThan(PLANS / 200);
  },
);

test("an event that the machine raises itself is refused from outside", () => {
  const machine = buildMachine(randomPlan(seededRandom(SEED).next, 8));
  const running = advance(machine, initial(machine), [{ type: "start" }]).snapshot;
  for (const type of ["xstate.done.state.random.active", "pause", "terminate", "undo.none", "release", "kept"]) {
    const forged = { type, step: machine.plan.steps[0]?.name } as unknown as RunEvent;
    expect(advance(machine, running, [forged])).toEqual({ snapshot: running, commands: [], changed: false });
  }
  expect(project(machine, running).status).not.toBe("failed");
});
