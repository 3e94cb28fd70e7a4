/** The checks that need no code of the user. Each throws a breach; those of single commands are in `world.ts`. */
import type { RunStatus } from "../../../machines/snapshot.ts";
import type { RunProjection } from "../../run/control.ts";
import type { Move } from "./moves.ts";
import type { Setting } from "./setting.ts";
import { AWAIT, Breach, DELAY, isOver, START, type StepWorld, UNDO, undoes, type World } from "./world.ts";

const FINAL: ReadonlySet<RunStatus> = new Set(["completed", "failed", "cancelled"]);

/** Whether a run is over. */
export const isFinal = (status: RunStatus): boolean => FINAL.has(status);

/** What a run must be called. */
function expectedStatus(setting: Setting, world: World): RunStatus {
  if (!world.started) return "pending";
  if (world.cause !== undefined) {
    if (!undoes(world.cause)) return "running";
    return world.paused ? "paused" : "compensating";
  }
  if (world.paused || world.steps.some((step) => step.result === "held")) return "paused";
  const busy = world.steps.some((step) => (step.open & (START | DELAY)) !== 0);
  return !busy && world.steps.some((step) => (step.open & AWAIT) !== 0) ? "waiting_signal" : "running";
}

/** Words that fit: status, current steps. */
export function checkWords(setting: Setting, world: World, projection: RunProjection): void {
  const { status } = projection;
  checkOutcome(world, projection);
  checkWaits(setting, world, projection);
  checkPhases(setting, world, projection);
  if (isFinal(status)) return;
  const expected = expectedStatus(setting, world);
  if (status !== expected) throw new Breach("status", `the run is called ${status} where it is ${expected}`);
  const current = setting.steps
    .filter((_, index) => ((world.steps[index]?.open ?? 0) & (START | AWAIT | UNDO)) !== 0)
    .map(({ name }) => name);
  if (current.join("\n") !== projection.currentSteps.join("\n"))
    throw new Breach(
      "status",
      `its current steps are called [${projection.currentSteps.join(", ")}] where they are [${current.join(", ")}]`,
    );
}

/** Why a run stops, and whether somebody's pause stands. */
function checkOutcome({ cause, paused }: World, projection: RunProjection): void {
  const outcome = cause === undefined ? null : cause.includes("failure") ? "failed" : "cancelled";
  if (projection.outcome !== outcome)
    throw new Breach("status", `the run is said to stop as ${projection.outcome} where it is ${outcome}`);
  if (projection.paused !== paused)
    throw new Breach("status", `a pause is said to be ${projection.paused ? "on" : "off"} where it is not`);
}

/** What a step is called when it is over, or not begun. */
function checkPhases(setting: Setting, world: World, projection: RunProjection): void {
  for (const [index, { result, open }] of world.steps.entries()) {
    const { name = "" } = setting.steps[index] ?? {};
    const expected =
      result === "broken"
        ? "failed"
        : result !== "open" && result !== "stopped"
          ? result
          : (open & DELAY) !== 0
            ? "delaying"
            : undefined;
    const said = projection.steps.get(name)?.phase;
    if (expected !== undefined && said !== expected)
      throw new Breach("status", `${name} is called ${said ?? "nothing"} where it is ${expected}`);
  }
}

/** Signals are given to the waits that the machine names. */
function checkWaits(setting: Setting, world: World, projection: RunProjection): void {
  const open = world.steps.filter((step) => (step.open & AWAIT) !== 0).length;
  const said = projection.waits.filter((wait) => {
    const step = world.steps[setting.position.get(wait.step) ?? -1];
    return (
      step !== undefined &&
      (step.open & AWAIT) !== 0 &&
      step.signal === wait.signal &&
      step.generation === wait.generation &&
      step.wake === wait.wake
    );
  });
  if (said.length !== open || projection.waits.length !== open)
    throw new Breach(
      "status",
      `it says that [${projection.waits.map(({ step }) => step).join(", ")}] wait where ${open === 0 ? "nothing does" : `${open} do`}`,
    );
}

/** A run that is not over must be able to go on without luck and without people that nobody can know of. */
export function checkGoesOn(setting: Setting, world: World, moves: readonly Move[]): void {
  if (moves.some((move) => move.expected)) return;
  // It waits for a signal that the options say never comes: somebody is named.
  if (world.steps.some((step) => (step.open & AWAIT) !== 0)) return;
  const left = setting.steps.filter((_, index) => !isOver(world.steps[index] as StepWorld)).map(({ name }) => name);
  throw new Breach(
    "hang",
    `the run hangs: nothing was asked for, nobody is waited for, and it is not over (${left.length === 0 ? "all steps are" : `left: ${left.join(", ")}`})`,
  );
}

/** The end of a run: its word, and what stands in the world. */
export function checkEnd(setting: Setting, world: World, status: RunStatus): void {
  const { cause } = world;
  const wrong = (message: string): never => {
    throw new Breach("end", message);
  };
  const stuck = world.steps.some((step) => step.effect === "stuck");
  const failed = cause?.includes("failure") === true || (stuck && cause !== "terminate");
  const expected = cause === undefined ? "completed" : failed ? "failed" : "cancelled";
  if (status !== expected) wrong(`the run ends as ${status} where it must end as ${expected}`);
  for (const [index, step] of world.steps.entries()) {
    const name = setting.steps[index]?.name ?? "";
    if (cause === undefined && !isOver(step)) wrong(`the run completes although ${name} is not over`);
    if ((step.open & START) !== 0) wrong(`the run ends while ${name} runs`);
    if ((step.open & UNDO) !== 0) wrong(`the run ends before the undo of ${name} is over`);
    if (step.open !== 0) throw new Breach("timers", `the run ends while ${name} has a timer or a wait`);
    const own = setting.steps[index];
    if (undoes(cause) && own?.undoable === true && step.effect === "stands")
      wrong(`the run ends as ${status}, and the effect of ${name} is left`);
  }
}
