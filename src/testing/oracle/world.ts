/**
 * What is true outside of the machine: what it asked for and nobody answered yet, which effects stand, who paused or stopped the run.
 *
 * The world follows the promises (P51, P59–P66), not the chart. A move or a command that a run must not see is a *breach*: a sentence.
 * Effects are counted at their worst: a step whose outcome is unknown has happened, and so has one that waited inside its handler.
 */
import type { Command } from "../../../machines/commands.ts";
import type { RunOperation } from "../../run/control.ts";
import type { Setting, StepSetting } from "./setting.ts";

/** What the machine may ask for, as bits. */
export const START = 1;
export const FENCE = 2;
export const UNDO = 4;
export const DELAY = 8;
export const DEADLINE = 16;
export const AWAIT = 32;
const TIMERS_AND_WAITS = DELAY | DEADLINE | AWAIT;

/** How a step stands. `broken`: it failed and the run does not go on past it; `stopped`: it will not go on in this run. */
export type StepResult = "open" | "completed" | "failed" | "skipped" | "held" | "broken" | "stopped";
/** What became of the effect of a step. `stuck`: its undo failed for good. */
export type Effect = "none" | "stands" | "undone" | "stuck";

/** One step in the world. */
export interface StepWorld {
  /** Of what was asked for last; 0: nothing was. */
  readonly generation: number;
  readonly wake: number;
  /** Bits of what was asked for and is not answered. */
  readonly open: number;
  /** Bits of what was asked for in this generation and wake. */
  readonly asked: number;
  readonly signal: string;
  readonly result: StepResult;
  readonly effect: Effect;
  /** Which of its possible results it had. */
  readonly output: number;
}

/** Why a run stops: what is to be done with what happened, and who wanted it. */
export type Cause =
  | "undo after failure"
  | "keep after failure"
  | "undo after cancel"
  | "keep after cancel"
  | "terminate";

/** Everything outside of the machine. */
export interface World {
  readonly steps: readonly StepWorld[];
  readonly started: boolean;
  readonly paused: boolean;
  readonly cause: Cause | undefined;
}

const UNTOUCHED: StepWorld = {
  generation: 0,
  wake: 0,
  open: 0,
  asked: 0,
  signal: "",
  result: "open",
  effect: "none",
  output: 0,
};

/** Before the start. */
export function newWorld(setting: Setting): World {
  return { steps: setting.steps.map(() => UNTOUCHED), started: false, paused: false, cause: undefined };
}

/** What a run must never do; it ends the walk of a path. */
export class Breach extends Error {
  readonly check: string;

  constructor(check: string, message: string) {
    super(message);
    this.check = check;
  }
}

/** Whether dependents may go on. */
export const isOver = (step: StepWorld): boolean =>
  step.result === "completed" || step.result === "failed" || step.result === "skipped";

/** Whether what happened is to be undone. */
export const undoes = (cause: Cause | undefined): boolean => cause !== undefined && cause.startsWith("undo");

/** Applies an event that the machine accepted, before its commands. `output`: which of its results a completing step has. */
export function happen(setting: Setting, world: World, event: RunOperation, output: number): World {
  if ("step" in event) return happenToStep(setting, world, event, output);
  switch (event.type) {
    case "start":
      return { ...world, started: true };
    case "pause":
      return { ...world, paused: true };
    case "resume":
      return {
        ...world,
        paused: false,
        steps: world.steps.map((step) => (step.result === "held" ? again(step) : step)),
      };
    case "cancel":
      return stop(
        { ...world, paused: false },
        event.compensate && setting.compensates && world.started ? "undo after cancel" : "keep after cancel",
      );
    case "terminate":
      return stop({ ...world, paused: false, steps: world.steps.map((step) => ({ ...step, open: 0 })) }, "terminate");
    case "retry":
      return reopen(world);
  }
}

type StepEvent = Extract<RunOperation, { readonly step: string }>;

function happenToStep(setting: Setting, world: World, event: StepEvent, output: number): World {
  const index = setting.position.get(event.step) ?? -1;
  const step = world.steps[index] as StepWorld;
  const own = setting.steps[index] as StepSetting;
  const change = (changed: Partial<StepWorld>): World => withStep(world, index, { ...step, ...changed });
  const closed = step.open & ~(START | FENCE | TIMERS_AND_WAITS);
  switch (event.type) {
    case "step.done":
      return change({ open: closed, result: "completed", effect: "stands", output });
    case "step.failed":
      // Who fails for good and says `never` vouches for all that came before, too.
      return fail(
        world,
        index,
        own,
        { ...step, open: closed, effect: event.outcome === "unknown" ? "stands" : "none" },
        setting.compensates,
      );
    case "step.fenced":
      return change({ open: closed, result: "stopped", effect: event.outcome === "unknown" ? "stands" : step.effect });
    case "step.waiting":
      return change({ open: closed, effect: "stands" });
    case "signal.received":
      return own.plan.kind === "signal"
        ? change({ open: closed, result: "completed" })
        : change({ open: closed, wake: step.wake + 1, asked: 0 });
    case "timer.due":
      if (event.timer === "delay") return change({ open: step.open & ~DELAY });
      if (own.plan.kind === "task") return change({ open: closed, wake: step.wake + 1, asked: 0 });
      return own.plan.onTimeout === "continue"
        ? change({ open: closed, result: "completed" })
        : fail(world, index, own, { ...step, open: closed }, setting.compensates);
    case "undo.done":
      return change({ open: step.open & ~UNDO, effect: "undone" });
    case "undo.failed":
      return change({ open: step.open & ~UNDO, effect: "stuck" });
    case "skip":
      return change({ result: "skipped" });
  }
}

function withStep(world: World, index: number, step: StepWorld): World {
  const steps = [...world.steps];
  steps[index] = step;
  return { ...world, steps };
}

const again = (step: StepWorld): StepWorld => ({
  ...step,
  result: "open",
  open: 0,
  asked: 0,
  wake: 0,
  generation: step.generation + 1,
});

function fail(world: World, index: number, own: StepSetting, failed: StepWorld, compensates: boolean): World {
  if (world.cause !== undefined) return withStep(world, index, { ...failed, result: "broken" });
  switch (own.plan.onFailure) {
    case "continue":
      return withStep(world, index, { ...failed, result: "failed" });
    case "pause_workflow":
      return withStep(world, index, { ...failed, result: "held" });
    case "compensate":
    case "fail_workflow":
      return stop(
        withStep(world, index, { ...failed, result: "broken" }),
        own.plan.onFailure === "compensate" && compensates ? "undo after failure" : "keep after failure",
      );
  }
}

/** The run stops: delays and waits are over, and nothing new begins. */
function stop(world: World, cause: Cause): World {
  const steps = world.steps.map((step) =>
    isOver(step) || step.result === "broken" || (step.open & START) !== 0
      ? step
      : { ...step, open: step.open & ~TIMERS_AND_WAITS, result: "stopped" as const },
  );
  return { ...world, cause: cause === "terminate" ? cause : (world.cause ?? cause), steps };
}

/** A failed run is opened again: what completed stays, unless its undo ran. */
function reopen(world: World): World {
  const steps = world.steps.map((step): StepWorld => {
    const stays =
      (step.result === "completed" || step.result === "skipped") && step.effect !== "undone" && step.effect !== "stuck";
    if (stays) return step;
    const effect = step.effect === "undone" ? "none" : step.effect === "stuck" ? "stands" : step.effect;
    return step.generation === 0 ? { ...step, result: "open", effect } : { ...again(step), effect };
  });
  return { ...world, paused: false, cause: undefined, steps };
}

/** Applies one command. @throws {Breach} when it must not be given now. */
export function ask(setting: Setting, world: World, command: Command): World {
  const index = setting.position.get(command.step) ?? -1;
  const own = setting.steps[index];
  const step = world.steps[index];
  if (own === undefined || step === undefined)
    throw new Breach("asks", `it asks for ${command.type} of ${command.step}, which is no step`);
  const { name } = own;
  switch (command.type) {
    case "step.start":
      mayBegin(setting, world, own, step, command, START);
      if (world.paused) throw new Breach("pause", `${name} starts although the run is paused`);
      if (
        own.plan.kind === "task" &&
        own.plan.delayMs > 0 &&
        command.wake === 0 &&
        command.generation === 1 &&
        (step.asked & DELAY) === 0
      )
        throw new Breach("timers", `${name} starts without its delay`);
      if ((step.open & DELAY) !== 0) throw new Breach("timers", `${name} starts before its delay is over`);
      return asked(world, index, step, command, START);
    case "timer.start": {
      const bit = command.timer === "delay" ? DELAY : DEADLINE;
      mayBegin(setting, world, own, step, command, bit);
      return asked(world, index, step, command, bit);
    }
    case "signal.await":
      mayBegin(setting, world, own, step, command, AWAIT);
      return asked(world, index, { ...step, signal: command.signal }, command, AWAIT);
    case "step.fence":
      if ((step.open & START) === 0) throw new Breach("fence", `${name} is fenced although it does not run`);
      if (command.generation !== step.generation || command.wake !== step.wake)
        throw new Breach("fence", `another generation of ${name} is fenced than the one that runs`);
      return withStep(world, index, { ...step, open: step.open | FENCE, asked: step.asked | FENCE });
    case "undo.start":
      mayUndo(setting, world, own, step);
      return withStep(world, index, { ...step, open: step.open | UNDO, asked: step.asked | UNDO });
  }
}

type Begins = Extract<Command, { readonly type: "step.start" | "timer.start" | "signal.await" }>;

function asked(world: World, index: number, step: StepWorld, command: Begins, bit: number): World {
  const { generation, wake } = command;
  return withStep(world, index, { ...step, generation, wake, open: step.open | bit, asked: step.asked | bit });
}

function mayBegin(
  setting: Setting,
  world: World,
  own: StepSetting,
  step: StepWorld,
  command: Begins,
  bit: number,
): void {
  const { name } = own;
  const what = `${command.type} of ${name}`;
  if (!world.started) throw new Breach("order", `${what} before the run has started`);
  if (world.cause !== undefined) throw new Breach("stop", `${what} after the run was stopped`);
  if (isOver(step)) throw new Breach("twice", `${what} although it is over`);
  if (command.generation < step.generation || (command.generation === step.generation && command.wake < step.wake))
    throw new Breach("twice", `${what} in a generation that is past`);
  if (command.generation === step.generation && (step.asked & bit) !== 0)
    throw new Breach("twice", `${what} a second time`);
  for (const need of own.needs)
    if (!isOver(world.steps[need] as StepWorld))
      throw new Breach("order", `${what} before ${setting.steps[need]?.name ?? ""} is over, which it depends on`);
}

function mayUndo(setting: Setting, world: World, own: StepSetting, step: StepWorld): void {
  const { name } = own;
  if ((step.open & FENCE) !== 0) throw new Breach("undo", `the undo of ${name} starts before its fence is answered`);
  if ((step.open & START) !== 0)
    throw new Breach("undo", `the undo of ${name} starts while ${name} runs, without its fence`);
  if (!own.undoable) throw new Breach("undo", `an undo of ${name} starts, which has none`);
  if ((step.asked & UNDO) !== 0 || step.effect === "undone" || step.effect === "stuck")
    throw new Breach("undo", `the undo of ${name} starts a second time`);
  if (!undoes(world.cause)) throw new Breach("undo", `the undo of ${name} starts although nothing is to be undone`);
  if (world.paused) throw new Breach("pause", `the undo of ${name} starts although the run is paused`);
  if (step.effect === "none") throw new Breach("undo", `the undo of ${name} starts although it never happened`);
  const running = world.steps.findIndex((other) => (other.open & START) !== 0);
  if (running >= 0)
    throw new Breach("undo", `the undo of ${name} starts while ${setting.steps[running]?.name ?? ""} is not over`);
  for (const other of own.undoneBefore)
    if (world.steps[other]?.effect === "stands")
      throw new Breach("undo", `${name} is undone before ${setting.steps[other]?.name ?? ""}, which came after it`);
}

/** After all commands of an event. @throws {Breach} for what should have been asked for and was not. */
export function settled(setting: Setting, world: World): void {
  for (const [index, step] of world.steps.entries()) {
    if (step.open === 0) continue;
    const { name, plan } = setting.steps[index] as StepSetting;
    if (world.cause !== undefined && (step.open & (START | FENCE)) === START)
      throw new Breach("fence", `${name} goes on running without a fence although the run was stopped`);
    if ((step.open & (AWAIT | DEADLINE)) === DEADLINE) throw new Breach("timers", `${name} has a deadline but no wait`);
    const due = plan.kind === "signal" ? plan.timeoutMs > 0 : setting.hasDeadline(step.signal);
    if ((step.open & (AWAIT | DEADLINE)) === AWAIT && due)
      throw new Breach("timers", `${name} waits without its deadline`);
  }
}
