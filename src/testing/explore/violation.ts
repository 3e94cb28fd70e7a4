/** A counterexample: for people, as JSON, as a test and as a timeline. */
import { planOf } from "../../../machines/plan/program.ts";
import type { Program } from "../../../machines/program.ts";
import type { RunOperation } from "../../run/control.ts";
import type { RunStatus } from "../../../machines/snapshot.ts";
import type { Frame, Timeline } from "../../draw/timeline.ts";
import type { FaultKind } from "../oracle/setting.ts";
import type { Point, Walk } from "./walk.ts";
import { phraseOf, sentenceOf } from "./words.ts";
import type { Move } from "../oracle/moves.ts";
import { Breach } from "../oracle/world.ts";

/** One thing that happened on the way. */
export interface PathStep {
  /** What happened, as a sentence. */
  readonly says: string;
  /** What the run asked for then, as phrases. */
  readonly asks: readonly string[];
  /** How the run is called after it; null where the machine broke down. */
  readonly status: RunStatus | null;
  /** The event that happened. */
  readonly event: RunOperation;
  /** The fault that it is; absent: it is none. */
  readonly fault?: FaultKind;
  /** Which of the `outputs` of the step was returned, from 0; absent: the first. */
  readonly output?: number;
}

/** Where the generated test finds what it needs. */
export interface TestImports {
  /** The module of the workflow, as the test file imports it. */
  readonly from: string;
  /** The name under which that module exports the workflow; it may be `default`. */
  readonly workflow: string;
  /** The name under which it exports the options of the walk, when a check of your own was broken. */
  readonly options?: string;
}

/** A rule that was broken, and the shortest way there. */
export interface Violation {
  /** The name of the check: one of the built-in ones, `always`, `finally`, or `limit`. */
  readonly check: string;
  /** What was broken, as a sentence. */
  readonly message: string;
  /** The shortest path; empty for `limit`, and for a rule that is broken before anything happened. */
  readonly path: readonly PathStep[];
  /** The whole story, for people. */
  readonly text: string;
  /** A vitest file that fails while the path still breaks the rule. */
  toTest(imports: TestImports): string;
  /** The path as frames, for the inspect page. */
  toTimeline(): Timeline;
}

/** Tells a violation again from its moves. */
export function violationOf(
  program: Program,
  walk: Walk,
  breach: { readonly check: string; readonly message: string },
  moves: readonly Move[],
): Violation {
  const { check, message } = breach;
  const { path, frames } = retrace(walk, moves);
  const { name } = program;
  const text = storyOf(name, check, message, path);
  return {
    check,
    message,
    path,
    text,
    toTest: (imports) => testOf(name, check, message, path, imports),
    toTimeline: () => ({ id: `${name}: ${message}`, plan: planOf(program) as never, frames }),
  };
}

function retrace(walk: Walk, moves: readonly Move[]): { readonly path: PathStep[]; readonly frames: Frame[] } {
  const path: PathStep[] = [];
  let point: Point = walk.first;
  const frames: Frame[] = [frameOf(point, [])];
  for (const { event, fault, output } of moves) {
    const extra = {
      ...(fault === undefined ? {} : { fault }),
      ...(output === undefined || output === 0 ? {} : { output }),
    };
    const says = sentenceOf(event, fault);
    try {
      const next = walk.take(point, { event, expected: false, ...extra });
      path.push({ says, asks: next.commands.map(phraseOf), status: next.projection.status, event, ...extra });
      frames.push(frameOf(next, [says]));
      point = next;
    } catch (error) {
      if (!(error instanceof Breach)) throw error;
      path.push({ says, asks: [], status: null, event, ...extra });
      frames.push({ ...frameOf(point, [says, error.message]) });
    }
  }
  return { path, frames };
}

function frameOf(point: Point, events: readonly string[]): Frame {
  const { run, world, projection } = point;
  const names = [...projection.steps.keys()];
  return {
    at: null,
    events,
    status: projection.status,
    snapshot: run.snapshot,
    details: {
      steps: Object.fromEntries([...projection.steps].map(([name, view]) => [name, { ...view }])),
      effects: Object.fromEntries(world.steps.map((step, index) => [names[index] ?? "", step.effect])),
      waits: projection.waits.map((wait) => ({ ...wait })),
    },
  };
}

function storyOf(name: string, check: string, message: string, path: readonly PathStep[]): string {
  const width = Math.max(0, ...path.map(({ says }) => says.length));
  const lines = path.map(({ says, asks, status }, index) => {
    const left = `${String(index + 1).padStart(3)}. ${says.padEnd(width)}`;
    const right = [status ?? "", ...(asks.length === 0 ? [] : [`it asks: ${asks.join(", ")}`])].join("; ");
    return `${left}  ${right}`.trimEnd();
  });
  return [`${name}: ${message} (${check})`, ...lines].join("\n");
}

function testOf(
  name: string,
  check: string,
  message: string,
  path: readonly PathStep[],
  { from, workflow, options }: TestImports,
): string {
  const quoted = JSON.stringify;
  const moves = path.map(({ event, fault, output }, index) => {
    const move = { event, ...(fault === undefined ? {} : { fault }), ...(output === undefined ? {} : { output }) };
    return `  // ${index + 1}. ${sentenceOf(event, fault).replaceAll(/[\r\n\u2028\u2029]/g, " ")}\n  ${quoted(move)},`;
  });
  const [subject, imported] = workflow === "default" ? ["subject", "default as subject"] : [workflow, workflow];
  return [
    `/** The shortest path on which ${quoted(name).replaceAll("*/", "* /")} broke a rule (${check}). */`,
    `import { type PathMove, replay } from "buquet-workflow/testing";`,
    `import { expect, test } from "vitest";`,
    `import { ${imported}${options === undefined ? "" : `, ${options}`} } from ${quoted(from)};`,
    "",
    "const path: readonly PathMove[] = [",
    ...moves,
    "];",
    "",
    `test(${quoted(`${name} is safe from: ${message}`)}, () => {`,
    `  expect(replay(${subject}, path${options === undefined ? "" : `, ${options}`})).toBeUndefined();`,
    "});",
    "",
  ].join("\n");
}
