import { createTestModel } from "@xstate/graph";
import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../machines/events.ts";
import { untypedWorkflow, workflow } from "../../src/index.ts";
import { type CreateTestModel, model, type WorkflowModel } from "../../src/testing/index.ts";
import { EXAMPLES } from "./examples.ts";

const other = createTestModel as unknown as CreateTestModel<WorkflowModel>;

const wordsOf = (made: WorkflowModel): readonly string[] => made.getShortestPaths().map((path) => path.description);

const eventsOf = (made: WorkflowModel): ReadonlySet<string> =>
  new Set(made.getShortestPaths().flatMap(({ steps }) => steps.map(({ event }) => event.type as string)));

test.each(EXAMPLES)("P40 $name: xstate/graph and @xstate/graph give the same paths", ({ workflow, options }) => {
  const paths = wordsOf(model(workflow, options));
  expect(paths.length).toBeGreaterThan(0);
  expect(wordsOf(model(workflow, { ...options, createTestModel: other }))).toEqual(paths);
});

test.each(EXAMPLES.slice(0, 2))("$name: the same simple paths too", ({ workflow, options }) => {
  const ways = (made: WorkflowModel): readonly string[] => made.getSimplePaths().map((path) => path.description);
  const simple = ways(model(workflow, options));
  expect(simple.length).toBeGreaterThanOrEqual(wordsOf(model(workflow, options)).length);
  expect(ways(model(workflow, { ...options, createTestModel: other }))).toEqual(simple);
});

describe("the events of a model", () => {
  const saga = workflow("saga")
    .step("a", { delay: "1h", run: () => 1, compensate: () => {} })
    .signal("b", { dependsOn: ["a"], timeout: "1d" })
    .step("c", { dependsOn: ["b"], onFailure: "pause_workflow", run: () => 1 });

  test("are those of the engine, never one that the chart raises itself or that XState makes up", () => {
    const events = eventsOf(model(saga, { waits: { c: [{ signal: "go" }] } }));
    const known: readonly RunEvent["type"][] = [
      "start",
      "step.done",
      "step.failed",
      "step.waiting",
      "step.fenced",
      "signal.received",
      "timer.due",
      "undo.done",
      "undo.failed",
      "resume",
      "cancel",
      "skip",
    ];
    expect([...events].toSorted()).toEqual(["xstate.init", ...known].toSorted());
  });

  test("leave out what is not asked for", () => {
    const events = eventsOf(model(saga, { failures: 0, cancel: false }));
    expect([...events].toSorted()).toEqual(["signal.received", "start", "step.done", "timer.due", "xstate.init"]);
  });

  test("are finite: a held step begins twice, or as often as it is said", () => {
    const held = workflow("held").step("a", { onFailure: "pause_workflow", run: () => 1 });
    const generations = (most?: number): number => {
      const made = model(held, most === undefined ? {} : { generations: most });
      const all = made.getShortestPaths().flatMap(({ steps }) => steps.map(({ event }) => event as RunEvent));
      return Math.max(...all.map((event) => ("generation" in event ? event.generation : 0)));
    };
    expect(generations()).toBe(2);
    expect(generations(4)).toBe(4);
  });

  test("hold no more failures than they may", () => {
    const most = (failures: number): number =>
      Math.max(
        ...model(saga, { failures })
          .getShortestPaths()
          .map(({ steps }) => steps.filter(({ event }) => (event.type as string).endsWith("failed")).length),
      );
    expect(most(0)).toBe(0);
    expect(most(1)).toBe(1);
  });

  test("give a signal to the oldest wait of its name only", () => {
    const two = workflow("two")
      .step("a", () => 1)
      .step("b", () => 1);
    const made = model(two, { waits: { a: [{ signal: "go" }], b: [{ signal: "go" }] }, failures: 0, cancel: false });
    for (const { steps } of made.getShortestPaths()) {
      const order = (type: string): readonly string[] =>
        steps.flatMap(({ event }) => (event.type === type ? [(event as RunEvent & { step: string }).step] : []));
      expect(order("signal.received")).toEqual(order("step.waiting").slice(0, order("signal.received").length));
    }
  });

  test("know steps of any name", () => {
    const odd = untypedWorkflow("odd")
      .step("__proto__", () => 1)
      .step("constructor", () => 1);
    const waits = Object.fromEntries([["__proto__", [{ signal: "go" }]]]);
    expect(eventsOf(model(odd, { waits, failures: 0 })).has("step.waiting")).toBe(true);
    expect(eventsOf(model(odd, { failures: 0 })).has("step.waiting")).toBe(false);
  });
});
