import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { getAdjacencyMap } from "xstate/graph";
import type { RunEvent } from "../../../machines/events.ts";
import { workflow } from "../../../src/index.ts";
import { exploreProgram } from "../../../src/testing/explore/explore.ts";
import { DEFAULT_FAULTS } from "../../../src/testing/oracle/setting.ts";
import { explore, replay } from "../../../src/testing/index.ts";
import { planOf, programOf, signal, task } from "../../machines/build.ts";
import { WHOLE } from "../../setting.ts";

const side = (width: number) =>
  programOf(
    planOf(
      Array.from({ length: width }, (_, index) => task(`s${index}`, { compensate: true, onFailure: "compensate" })),
    ),
  );

const everything = programOf(
  planOf(
    [
      task("a", { compensate: true, onFailure: "pause_workflow" }),
      task("b", { dependsOn: ["a"], onFailure: "continue", compensate: true }),
      task("c", { dependsOn: ["a"], onFailure: "compensate", compensate: true, delayMs: 5 }),
      signal("go", { dependsOn: ["b", "c"], timeoutMs: 5, onFailure: "pause_workflow" }),
    ],
    { signals: ["x"] },
  ),
);

test("our own machine breaks no rule with every policy, delays, holds, waits and undos", () => {
  const result = exploreProgram(everything, { faults: 2, signals: { x: { by: "b" } } });
  expect(result.violations.map(({ text }) => text)).toEqual([]);
  expect(result.coverage.states.never).toEqual([]);
});

test("entangled and chained undos break no rule, also when an operator terminates and retries", () => {
  const steps = [
    task("a", { compensate: true, onFailure: "compensate" }),
    task("b", { compensate: true, onFailure: "continue" }),
    task("c", { dependsOn: ["a"], compensate: true, onFailure: "compensate" }),
    task("d", { dependsOn: ["a", "b"], compensate: true, onFailure: "fail_workflow" }),
  ];
  for (const compensation of ["mirror", "chain"] as const) {
    const program = programOf(planOf(steps, { compensation }));
    const { violations } = exploreProgram(program, { faults: 2, kinds: [...DEFAULT_FAULTS, "terminate", "retry"] });
    expect(violations.map(({ text }) => text)).toEqual([]);
  }
});

test("waits without a deadline break no rule: a signal node's, and a handler's that is said to have none", () => {
  const program = programOf(planOf([signal("go"), task("ask", { dependsOn: ["go"] })], { signals: ["x"] }));
  const { violations, coverage } = exploreProgram(program, { signals: { x: { by: "ask", deadline: false } } });
  expect(violations.map(({ text }) => text)).toEqual([]);
  expect(coverage.states.never).toEqual([]);
});

test("a failure that leaves what could be undone is no breach, since somebody wrote it, but is told", () => {
  const undo = { compensate: true, onFailure: "compensate" } as const;
  const { violations, notes } = exploreProgram(
    programOf(
      planOf([
        task("a", undo),
        task("b", { dependsOn: ["a"] }),
        task("c", { ...undo, dependsOn: ["b"] }),
        task("d", { compensate: true }),
      ]),
    ),
    {},
  );
  expect(violations).toEqual([]);
  expect(notes).toEqual([
    "when b fails, nothing is undone (fail_workflow): effects of a, d may be left",
    "when d fails, nothing is undone (fail_workflow): effects of a, c, d may be left",
  ]);
  expect(exploreProgram(side(2), {}).notes).toEqual([]);
});

describe("reductions", () => {
  test("five steps that could change places: the symmetric states stand for exactly the full ones", () => {
    const full = exploreProgram(side(5), { faults: 1, reduce: false });
    const symmetric = exploreProgram(side(5), { faults: 1, reduce: false, symmetry: true });
    expect(symmetric.represents).toBe(full.states);
    expect(symmetric.states).toBeLessThan(full.states / 5);
    expect(symmetric.violations).toEqual(full.violations);
    expect(Object.keys(symmetric.ends)).toEqual(Object.keys(full.ends));
  });

  test("what is left out makes no difference: same kinds of ends, same verdicts", () => {
    const full = exploreProgram(side(3), { faults: 2, reduce: false });
    const reduced = exploreProgram(side(3), { faults: 2 });
    expect(reduced.states).toBeLessThan(full.states);
    expect(reduced.violations).toEqual(full.violations);
    expect(Object.keys(reduced.ends).toSorted()).toEqual(Object.keys(full.ends).toSorted());
  });
});

test("without faults it finds the states and edges of xstate/graph, which answers everything", () => {
  for (const width of [1, 2, 3]) {
    const program = side(width);
    const events: RunEvent[] = [
      { type: "start" },
      ...program.plan.steps.map(({ name }): RunEvent => ({ type: "step.done", step: name, generation: 1 })),
    ];
    const map = getAdjacencyMap(program.machine.machine, {
      events: events as never,
      serializeState: (state) => JSON.stringify((state as { value: unknown }).value),
    });
    const nodes = Object.entries(map) as unknown as [string, { transitions: Record<string, { state: unknown }> }][];
    const edges = nodes.flatMap(([from, { transitions }]) =>
      Object.values(transitions as Record<string, { readonly state: { readonly value: unknown } }>).filter(
        ({ state }) => JSON.stringify(state.value) !== from,
      ),
    );
    const explored = exploreProgram(program, { faults: 0 });
    expect(explored.states).toBe(nodes.length);
    expect(explored.edges).toBe(edges.length);
  }
});

const order = workflow("order")
  .step("charge", { run: () => 1, compensate: () => {} })
  .step("ship", { dependsOn: ["charge"], run: () => 2 });

test("a check of a user is broken on the shortest path, told for people", () => {
  const { violations } = explore(order, {
    finally: ({ status, effects }) => status === "completed" || effects.count("ship") === 0,
  });
  expect(violations).toHaveLength(1);
  expect(violations[0]?.path.map(({ event }) => event.type)).toEqual([
    "start",
    "step.done",
    "step.failed",
    "undo.done",
  ]);
  expect(violations[0]?.text).toContain("  4. charge is undone");
  expect(violations[0]?.toTimeline().frames).toHaveLength(5);
  expect(JSON.parse(JSON.stringify(violations[0]))).toMatchObject({ check: "finally" });
});

test("a walk that was cut short never passes", () => {
  const { truncated, violations } = explore(order, { limit: 10 });
  expect(truncated).toBe(true);
  expect(violations.map(({ check }) => check)).toEqual(["limit"]);
});

test("a step that is not there is refused", () => {
  expect(() => explore(order, { signals: { go: { by: "sihp" as never } } })).toThrow(/no step "sihp"/);
});

test("a path of a machine that was mended breaks nothing any more", () => {
  const program = programOf(order.plan);
  const started = program.advance(program.initial(), [{ type: "start" }]);
  expect(started.changed).toBe(true);
  expect(
    replay(order, [{ event: { type: "start" } }, { event: { type: "step.done", step: "charge", generation: 1 } }]),
  ).toBe(undefined);
});

// It starts a compiler and a test runner: with SLOW=1, as in .ci/run.
test.runIf(WHOLE)(
  "the test that a violation writes compiles, fails while the rule is broken and passes when it is not",
  async () => {
    const checked = explore(order, {
      finally: ({ status, effects }) => status === "completed" || effects.count("ship") === 0,
    });
    const written = checked.violations[0]?.toTest({ from: "./order.ts", workflow: "order", options: "rules" }) ?? "";
    await mkdir(".cache", { recursive: true });
    const folder = await mkdtemp(resolve(".cache", "written-"));
    const index = resolve("src/index.ts");
    const testing = resolve("src/testing/index.ts");
    const definition = (undo: string): string => `import { workflow } from ${JSON.stringify(index)};
    export const order = workflow("order")
      .step("charge", { run: () => 1, compensate: () => {} })
      .step("ship", { dependsOn: ["charge"], run: () => 2${undo} });
    export const rules = { finally: ({ status, effects }: { status: string; effects: { count(step: "ship"): number } }) =>
      status === "completed" || effects.count("ship") === 0 };`;
    const run = (): Promise<string> =>
      new Promise((done) => {
        const vitest = resolve("node_modules/vitest/vitest.mjs");
        execFile(process.execPath, [vitest, "run", "--root", folder], (error, stdout, stderr) =>
          done(error === null ? "passed" : stdout + stderr),
        );
      });
    try {
      await writeFile(
        join(folder, "written.test.ts"),
        written.replaceAll('"buquet-workflow/testing"', JSON.stringify(testing)),
      );
      // Of its own: the one above it finds only this project's tests.
      await writeFile(join(folder, "vitest.config.mjs"), 'export default { test: { include: ["*.test.ts"] } };');
      await writeFile(join(folder, "order.ts"), definition(""));
      expect(await run()).toContain("the check says no");
      await writeFile(join(folder, "order.ts"), definition(", compensate: () => {}"));
      expect(await run()).toBe("passed");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
