/** One step of a walk: a move, what the machine makes of it, and every check on where it leads. */
import type { OnTaken } from "../../../machines/chart.ts";
import type { Program } from "../../../machines/program.ts";
import {
  type ControlledProgram,
  type ControlledRun,
  operate,
  projectRun,
  type RunOperation,
  type RunProjection,
} from "../../run/control.ts";
import type { Command } from "../../../machines/commands.ts";
import { checkEnd, checkGoesOn, checkWords, isFinal } from "../oracle/checks.ts";
import type { Key } from "../oracle/key.ts";
import { type Move, movesOf, needless, strays } from "../oracle/moves.ts";
import type { Setting, StepSetting } from "../oracle/setting.ts";
import { type Check, objection, exploredRunOf } from "./view.ts";
import { ask, Breach, happen, newWorld, settled, type StepWorld, type World } from "../oracle/world.ts";
import { reasonOf } from "../../host/error-data.ts";

/** A run somewhere on its way. */
export interface Point {
  readonly run: ControlledRun;
  readonly world: World;
  /** What the run says of itself; asked for when it is looked at, since most moves lead to a state that is known. */
  readonly projection: RunProjection;
  /** What it asked for in its last move. */
  readonly commands: readonly Command[];
}

/** What a walk is told. */
export interface WalkOptions {
  readonly oneOrder: boolean;
  readonly always?: Check | undefined;
  readonly finally?: Check | undefined;
  readonly outputs: Readonly<Record<string, readonly unknown[] | undefined>>;
}

/** A walk through a program. */
export interface Walk {
  readonly first: Point;
  moves(point: Point): readonly Move[];
  /** @throws {Breach} when the machine does what it must not. */
  take(point: Point, move: Move): Point;
  /** Every check on a state that was not seen before. @throws {Breach} */
  examine(point: Point, moves: readonly Move[], key: Key): void;
}

/** Begins a walk. `onTaken` is told of every transition. */
export function beginWalk(program: Program, setting: Setting, options: WalkOptions, onTaken?: OnTaken): Walk {
  const begun: ControlledRun = { snapshot: program.initial() };
  const watched: ControlledProgram = {
    steps: program.steps,
    advance: (snapshot, events) => program.advance(snapshot, events, onTaken),
    reopen: (snapshot) => program.reopen(snapshot, onTaken),
    project: (snapshot) => program.project(snapshot),
  };
  const tried = new Set<string>();
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (error instanceof Breach) throw error;
      throw new Breach("exception", `the machine throws: ${reasonOf(error)}`);
    }
  };
  const pointAt = (run: ControlledRun, world: World, commands: readonly Command[]): Point => {
    let projection: RunProjection | undefined;
    return {
      run,
      world,
      commands,
      get projection() {
        projection ??= guarded(() => projectRun(program, run));
        return projection;
      },
    };
  };
  const take: Walk["take"] = (point, move) => {
    const decision = guarded(() => operate(watched, point.run, move.event));
    if (!decision.changed) throw new Breach("lost", `the run does not hear of it`);
    if (decision.run.snapshot["status"] === "error") throw new Breach("exception", "the machine is in error");
    let world = happen(setting, point.world, move.event, move.output ?? 0);
    for (const command of decision.commands) world = ask(setting, world, command);
    settled(setting, world);
    return pointAt(decision.run, world, decision.commands);
  };
  const refuses = (point: Point, event: RunOperation, what: string): void => {
    if (guarded(() => operate(program, point.run, event)).changed)
      throw new Breach("stray", `${what} moves the run, which nobody asked for`);
  };
  /** An answer to one step cannot be heard by another, so each situation of a step is tried once, not once in every state. */
  const examineStrays = (point: Point, key: Key): void => {
    if (isNew(tried, key.frame))
      for (const event of needless(point.world)) refuses(point, event, `a second ${event.type}`);
    for (const [index, step] of point.world.steps.entries()) {
      if (!isNew(tried, `${index}\n${key.frame}\n${key.steps[index] ?? ""}`)) continue;
      const own = setting.steps[index] as StepSetting;
      for (const event of strays(own, step as StepWorld))
        refuses(point, event, `a late or repeated ${event.type} of ${own.name}`);
    }
  };
  const examine: Walk["examine"] = (point, moves, key) => {
    const { world, projection } = point;
    const { status } = projection;
    const over = isFinal(status);
    if (over) checkEnd(setting, world, status);
    checkWords(setting, world, projection);
    if (!over) {
      checkGoesOn(setting, world, moves);
      examineStrays(point, key);
    }
    if (options.always === undefined && (options.finally === undefined || !over)) return;
    const view = exploredRunOf(setting, world, projection, options.outputs);
    for (const [name, check] of [
      ["always", options.always],
      ["finally", over ? options.finally : undefined],
    ] as const) {
      const message = check === undefined ? undefined : objection(name, check, view);
      if (message !== undefined) throw new Breach(name, message);
    }
  };
  return {
    first: pointAt(begun, newWorld(setting), []),
    moves: (point) => movesOf(setting, point.world, point.projection.status, options.oneOrder),
    take,
    examine,
  };
}

function isNew(seen: Set<string>, text: string): boolean {
  if (seen.has(text)) return false;
  seen.add(text);
  return true;
}
