/**
 * Every reachable state of a run, before it runs.
 *
 * The machine is the real one. The world around it answers only what was asked for, in every order and with every kind of end; people
 * interfere; at most `faults` things go wrong on one path. States are walked breadth first, so the path to a broken rule is the shortest.
 */
import type { Program } from "../../../machines/program.ts";
import type { RunOperation } from "../../run/control.ts";
import type { AnyWorkflow } from "../../define/workflow.ts";
import { isFinal } from "../oracle/checks.ts";
import { type ExploredCoverage, meterCoverage } from "./coverage.ts";
import { type Key, keyReader } from "../oracle/key.ts";
import type { Move } from "../oracle/moves.ts";
import { notesOf } from "../oracle/notes.ts";
import { checkExploreOptions } from "./options.ts";
import {
  type FaultKind,
  prepare,
  programOf,
  type Setting,
  type SignalBehaviour,
  type WorldOptions,
} from "../oracle/setting.ts";
import { interchangeable, orbitOf, textOf } from "../oracle/symmetry.ts";
import type { Check } from "./view.ts";
import { type Violation, violationOf } from "./violation.ts";
import { beginWalk, type Point, type Walk } from "./walk.ts";
import { Breach } from "../oracle/world.ts";

/** Most states that are walked when nothing is said. */
export const DEFAULT_LIMIT = 500_000;
/** Faults on one path when nothing is said. */
export const DEFAULT_FAULT_BUDGET = 2;
/** Different violations after which a walk ends when nothing is said. */
export const DEFAULT_VIOLATIONS = 10;

const STATES_PER_REPORT = 500;

/** The names of the steps of a workflow. */
export type StepNameOf<W> = W extends { readonly types?: { readonly results: infer R } }
  ? unknown extends R
    ? string
    : keyof R & string
  : string;

/** How far an exploration has come. */
export interface ExploreProgress {
  /** Different states that were found so far. */
  readonly states: number;
  /** States found and not looked at yet. */
  readonly left: number;
  /** Moves from the start. */
  readonly depth: number;
}

/** Options of an exploration. */
export interface ExploreOptions<Step extends string = string> extends WorldOptions<Step> {
  /** Most things that go wrong or come in between on one path: failures, losses, cancels, pauses … @defaultValue 2 */
  readonly faults?: number;
  /** What counts as one and may happen at all. @defaultValue everything but `terminate` and `retry` */
  readonly kinds?: readonly FaultKind[];
  /** How signals behave, by name. A signal that is not named here may come at any time, to any handler. */
  readonly signals?: Readonly<Record<string, SignalBehaviour<Step>>>;
  /**
   * What steps may return. No decision of a run looks at results, so they lead nowhere else: they are only shown to `always` and
   * `finally`, once for each. Leave them out unless a check reads them.
   */
  readonly outputs?: Partial<Readonly<Record<Step, readonly unknown[]>>>;
  /** Holds in every state. Synchronous, as every check: one that returns a promise is refused. */
  readonly always?: Check<Step>;
  /** Holds wherever a run ends; synchronous, too. */
  readonly finally?: Check<Step>;
  /**
   * Whether steps that could change places are looked at in one order only. With checks of your own, only when they treat such steps
   * alike. @defaultValue false
   */
  readonly symmetry?: boolean;
  /**
   * Whether to leave out what can make no difference: other orders of answers to fences and undos (not with `always`), and how a step
   * ended once a run stops and only its undo counts (not with any check of your own). @defaultValue true
   */
  readonly reduce?: boolean;
  /** Most states; when there are more, the exploration says so as a violation. @defaultValue 500,000 */
  readonly limit?: number;
  /** Different violations after which it ends. @defaultValue 10 */
  readonly violations?: number;
  /** Told now and then on the way. */
  readonly onProgress?: (progress: ExploreProgress) => void;
}

/** What an exploration found. */
export interface Exploration {
  /** The name of the workflow. */
  readonly workflow: string;
  /** Different states. */
  readonly states: number;
  /** How many states these stand for when steps that could change places are told apart; without `symmetry` the same. */
  readonly represents: number;
  /** Different moves between them. */
  readonly edges: number;
  /** How many of the states are ends, by the run's status; `waiting_signal`: for one that never comes. */
  readonly ends: Readonly<Record<string, number>>;
  /** One for each rule and way of breaking it, shortest path first; empty: it holds in every state. */
  readonly violations: readonly Violation[];
  /** What the walk never came to. */
  readonly coverage: ExploredCoverage;
  /** Sentences about what no rule forbids but is rarely meant: failures that leave effects with an undo as they are. */
  readonly notes: readonly string[];
  /** Whether there were more states than the limit; there is a violation then, too. */
  readonly truncated: boolean;
}

/**
 * Walks every reachable state of a workflow.
 * @throws {WorkflowError} `invalid` for options that are none, that name a step or signal that is not there, or with which it would look
 * at nothing; and for a check that returns a promise.
 *
 * @example
 * ```ts
 * const { violations, notes } = explore(order, {
 *   faults: 2,
 *   finally: ({ status, effects }) => status === "completed" || effects.count("charge") === 0,
 * });
 * expect(violations.map(({ text }) => text)).toEqual([]);
 * ```
 */
export function explore<W extends AnyWorkflow>(workflow: W, options: ExploreOptions<StepNameOf<W>> = {}): Exploration {
  return exploreProgram(programOf(workflow), options as unknown as ExploreOptions);
}

interface Visit {
  readonly node: number;
  readonly point: Point;
  readonly faults: number;
  /** The faults of an earlier visit, which took all moves that it could afford. */
  readonly before: number | undefined;
}

/** The same for a program, whose chart need not be what its plan says. */
export function exploreProgram(program: Program, options: ExploreOptions): Exploration {
  checkExploreOptions(options, "explore");
  const { setting, walk, meter, read } = openWalk(program, options);
  const {
    faults: budget = DEFAULT_FAULT_BUDGET,
    limit = DEFAULT_LIMIT,
    violations: most = DEFAULT_VIOLATIONS,
  } = options;
  const classes = options.symmetry === true ? interchangeable(setting) : undefined;
  /** The fewest faults with which a state was reached: with fewer left, nothing new can follow. */
  const seen = new Map<string, number>();
  const parents: number[] = [];
  const movesTo: (Move | undefined)[] = [];
  const depths: number[] = [];
  const ends: Record<string, number> = {};
  const found = new Map<string, Violation>();
  let edges = 0;
  let represents = 0;
  let truncated = false;

  const pathTo = (node: number): Move[] => {
    const moves: Move[] = [];
    for (let at = node; at >= 0; at = parents[at] ?? -1) {
      const move = movesTo[at];
      if (move !== undefined) moves.unshift(move);
    }
    return moves;
  };
  const report = (error: unknown, moves: readonly Move[]): void => {
    if (!(error instanceof Breach)) throw error;
    const name = `${error.check}\n${error.message}`;
    if (!found.has(name)) found.set(name, violationOf(program, walk, error, moves));
  };

  const queue: (Visit | undefined)[] = [];
  const enqueue = (point: Point, faults: number, parent: number, move: Move | undefined): void => {
    const key = read(point.run, point.world);
    const text = textOf(key, classes);
    const before = seen.get(text);
    if (before !== undefined && before <= faults) return;
    if (before === undefined && seen.size >= limit) {
      truncated = true;
      return;
    }
    seen.set(text, faults);
    const node = parents.push(parent) - 1;
    movesTo.push(move);
    depths.push(parent < 0 ? 0 : (depths[parent] ?? 0) + 1);
    if (before === undefined) {
      represents += orbitOf(key, classes);
      try {
        look(point, key);
      } catch (error) {
        report(error, pathTo(node));
        return;
      }
    }
    queue.push({ node, point, faults, before });
  };
  const look = (point: Point, key: Key): void => {
    const { status } = point.projection;
    meter.reached(point.run.snapshot, key);
    const moves = walk.moves(point);
    if (isFinal(status) || !moves.some((move) => move.expected)) ends[status] = (ends[status] ?? 0) + 1;
    walk.examine(point, moves, key);
  };

  enqueue(walk.first, 0, -1, undefined);
  for (let head = 0; head < queue.length && found.size < most && !truncated; head += 1) {
    const { node, point, faults, before } = queue[head] as Visit;
    // Let go: the live machine of a state is large.
    queue[head] = undefined;
    if (options.onProgress !== undefined && head % STATES_PER_REPORT === 0)
      options.onProgress({ states: seen.size, left: queue.length - head, depth: depths[node] ?? 0 });
    for (const move of walk.moves(point)) {
      const used = faults + (move.fault === undefined ? 0 : 1);
      if (used > budget) continue;
      if (before === undefined || (move.fault !== undefined && before === budget)) edges += 1;
      meter.moved(move);
      try {
        enqueue(walk.take(point, move), used, node, move);
      } catch (error) {
        report(error, [...pathTo(node), move]);
      }
    }
  }
  const violations = [...found.values()];
  if (truncated) violations.push(limitViolation(program, walk, limit));
  return {
    workflow: program.name,
    states: seen.size,
    represents,
    edges,
    ends,
    violations,
    coverage: meter.result(),
    notes: notesOf(setting),
    truncated,
  };
}

function limitViolation(program: Program, walk: Walk, limit: number): Violation {
  const message = `there are more than ${limit.toLocaleString("en")} states; the rest was not looked at (fewer faults, fewer kinds, symmetry, or a higher limit)`;
  return violationOf(program, walk, { check: "limit", message }, []);
}

function openWalk(
  program: Program,
  options: ExploreOptions,
): {
  readonly setting: Setting;
  readonly walk: Walk;
  readonly meter: ReturnType<typeof meterCoverage>;
  readonly read: ReturnType<typeof keyReader>;
} {
  const { always, finally: last, outputs = {}, reduce = true } = options;
  const setting = prepare(program, options);
  const meter = meterCoverage(setting, program.chart());
  const forget = reduce && always === undefined && last === undefined && !setting.kinds.has("retry");
  const walk = beginWalk(
    program,
    setting,
    { oneOrder: reduce && always === undefined, always, finally: last, outputs },
    meter.taken,
  );
  return { setting, walk, meter, read: keyReader(setting, program.chart(), forget) };
}

/** One move of a path, as a generated test holds it. */
export interface PathMove {
  /** The event that happened. */
  readonly event: RunOperation;
  /** The fault that it is; absent: it is none. */
  readonly fault?: FaultKind;
  /** Which of the `outputs` of the step was returned, from 0; absent: the first. */
  readonly output?: number;
}

/**
 * Plays a path again: the rule that it breaks, as a sentence; undefined when it breaks none, or the workflow has changed so that the
 * path does not exist any more.
 *
 * @example
 * ```ts
 * const [violation] = explore(order).violations;
 * expect(replay(order, violation?.path ?? [])).toBeUndefined();
 * ```
 */
export function replay<W extends AnyWorkflow>(
  workflow: W,
  path: readonly PathMove[],
  options: ExploreOptions<StepNameOf<W>> = {},
): string | undefined {
  return replayProgram(programOf(workflow), path, options as unknown as ExploreOptions);
}

/** The same for a program. */
export function replayProgram(
  program: Program,
  path: readonly PathMove[],
  options: ExploreOptions,
): string | undefined {
  checkExploreOptions(options, "replay");
  // Every order and every fault that the path may hold.
  const kinds = [...new Set([...(options.kinds ?? []), ...path.flatMap(({ fault }) => fault ?? [])])];
  const { walk, read } = openWalk(program, { ...options, kinds, reduce: false });
  let point: Point = walk.first;
  try {
    walk.examine(point, walk.moves(point), read(point.run, point.world));
    for (const { event, output = 0 } of path) {
      const move = walk.moves(point).find((other) => isSame(other, event, output));
      if (move === undefined) return undefined;
      point = walk.take(point, move);
      walk.examine(point, walk.moves(point), read(point.run, point.world));
    }
  } catch (error) {
    if (error instanceof Breach) return `${error.message} (${error.check})`;
    throw error;
  }
  return undefined;
}

const isSame = (move: Move, event: RunOperation, output: number): boolean =>
  (move.output ?? 0) === output &&
  JSON.stringify(Object.entries(move.event).toSorted()) === JSON.stringify(Object.entries(event).toSorted());
