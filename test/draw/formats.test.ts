/** Charts for other tools: Mermaid, Stately's JSON, and source that compiles. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type AnyStateMachine, createMachine } from "xstate";
import { describe, expect, test } from "vitest";
import { buildMachine } from "../../machines/plan/advance.ts";
import { compilePlan } from "../../machines/plan/compile.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { drawWorkflow } from "../../src/draw/index.ts";
import { done, planOf, started, task } from "../machines/build.ts";
import { randomPlan } from "../machines/plans.ts";
import { HOSTILE, SHAPES } from "./shapes.ts";

const SEED = 7_000;
const all: readonly (readonly [string, Plan])[] = [
  ...Object.entries(SHAPES),
  ...Array.from({ length: 40 }, (_, index): readonly [string, Plan] => [
    `seed ${SEED + index}`,
    randomPlan(seededRandom(SEED + index).next, 12),
  ]),
];

/** Everything that makes a chart: states in order, with their types, tags, transitions, guards and actions. */
const shapeOf = (machine: AnyStateMachine): unknown => {
  const { context: _ours, ...definition } = JSON.parse(JSON.stringify(machine.definition)) as Record<string, unknown>;
  return definition;
};

// ------------------------------------------------------------------ Mermaid

/** Reads a `stateDiagram-v2` as strictly as these drawings are written. Gives the labels of the states by name, or throws. */
function readMermaid(text: string): { readonly labels: ReadonlyMap<string, string>; readonly live: readonly string[] } {
  const [fence, title = "", end, kind, ...lines] = text.trimEnd().split("\n");
  expect([fence, end, kind]).toEqual(["---", "---", "stateDiagram-v2"]);
  expect(title).toMatch(/^title: "[^<>&]*"$/);
  const labels = new Map<string, string>();
  const used: string[] = [];
  let live: readonly string[] = [];
  let depth = 0;
  for (const line of lines.map((line) => line.trim())) {
    const state = /^state "([^"{}<>:;]*(?:#\d+;[^"{}<>:;]*)*)" as (s\d+)( \{)?$/.exec(line);
    const arrow = /^(\[\*\]|s\d+) --> (\[\*\]|s\d+)( : [^:"{}<>]+)?$/.exec(line);
    const lit = /^class ([s\d,]+) live$/.exec(line);
    if (state !== null) {
      const [, label = "", name = "", opens] = state;
      expect(labels.has(name), `${name} is declared twice`).toBe(false);
      labels.set(
        name,
        label.replaceAll(/#(\d+);/g, (_all, code: string) => String.fromCodePoint(Number(code))),
      );
      if (opens !== undefined) depth += 1;
    } else if (arrow !== null) used.push(...arrow.slice(1, 3).filter((name) => name !== "[*]"));
    else if (lit !== null) live = (lit[1] ?? "").split(",");
    else if (line === "}") depth -= 1;
    else expect(["--", "direction LR"].includes(line) || line.startsWith("classDef live "), line).toBe(true);
    expect(depth).toBeGreaterThanOrEqual(0);
  }
  expect(depth).toBe(0);
  expect([...used, ...live].filter((name) => !labels.has(name))).toEqual([]);
  return { labels, live };
}

describe("Mermaid", () => {
  test.each(all)("%s: every state once, every arrow between states", async (_name, plan) => {
    const { labels } = readMermaid(await drawWorkflow({ plan }, { format: "mermaid" }));
    const states = (createMachine(compilePlan(plan) as never) as unknown as { idMap: Map<string, unknown> }).idMap;
    // The root is the diagram.
    expect(labels.size).toBe(states.size - 1);
    for (const { name } of plan.steps) expect([...labels.values()].some((label) => label.startsWith(name))).toBe(true);
  });

  test("names stay names", async () => {
    const plan = planOf(HOSTILE.map((name) => task(name)));
    const { labels } = readMermaid(await drawWorkflow({ plan }, { format: "mermaid" }));
    expect([...labels.values()]).toEqual(expect.arrayContaining([...HOSTILE]));
  });

  test("live states have their class", async () => {
    const plan = SHAPES["a diamond"] as Plan;
    const run = started(plan);
    run.send(done("start"));
    const { labels, live } = readMermaid(await drawWorkflow({ plan }, { format: "mermaid", snapshot: run.snapshot }));
    expect(live.map((name) => labels.get(name))).toEqual([
      "active",
      "left and right",
      "left",
      "running",
      "right",
      "running",
    ]);
  });
});

// ------------------------------------------------------------------ JSON and source

test.each(all)("JSON of %s gives the same states and transitions to stock createMachine", async (_name, plan) => {
  const json = await drawWorkflow({ plan }, { format: "json" });
  expect(shapeOf(createMachine(JSON.parse(json) as never))).toEqual(shapeOf(createMachine(compilePlan(plan) as never)));
  // And they are those of the machine that runs; its context is its own.
  const ours = buildMachine(plan).machine;
  expect(Object.keys(createMachine(JSON.parse(json) as never).states)).toEqual(Object.keys(ours.states));
});

test("the source compiles under strict rules and makes the same machine, states in order", async () => {
  // Inside the repository: packages are found from there.
  await mkdir(".cache", { recursive: true });
  const folder = await mkdtemp(resolve(".cache", "source-"));
  try {
    const files: [string, Plan][] = all.slice(0, 20).map(([, plan], index) => [join(folder, `m${index}.ts`), plan]);
    for (const [file, plan] of files) await writeFile(file, await drawWorkflow({ plan }, { format: "source" }));
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: resolve("tsconfig.json"), include: ["*.ts"] }),
    );
    const compiler = resolve("node_modules/typescript/bin/tsc");
    expect(execFileSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" })).toBe("");
    for (const [file, plan] of files) {
      const { machine } = (await import(pathToFileURL(file).href)) as { machine: AnyStateMachine };
      const expected = createMachine(compilePlan(plan) as never);
      expect(shapeOf(machine)).toEqual(shapeOf(expected as unknown as AnyStateMachine));
      expect(JSON.stringify(machine.config.states)).toBe(JSON.stringify(compilePlan(plan).states));
      // Nothing in it pretends to be code of the engine: a guard that always passes would make `can` lie.
      for (const [name, guard] of Object.entries(machine.implementations.guards))
        expect(guard as unknown as () => void).toThrow(`the guard ${name} is not part of this drawing`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
