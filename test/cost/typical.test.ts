/** Paths that people ask about, predicted and counted side by side. */
import { expect, test } from "vitest";
import type { CostPath, Steering } from "../../src/cost/path.ts";
import { type Case, count, predict, shown, type SpecStep } from "./counted.ts";

const path = (name: string, members: Omit<CostPath, "name"> = {}): CostPath => ({ name, ...members });
const after = (ms: number, command: Steering["command"], step?: string): Steering => ({
  command,
  after: { ms, ...(step === undefined ? {} : { step }) },
});

const chain = (length: number, step: Partial<SpecStep> = {}): readonly SpecStep[] =>
  [...Array(length).keys()].map((index) => ({
    name: `s${index}`,
    dependsOn: index === 0 ? [] : [`s${index - 1}`],
    ...step,
  }));

const fork = (width: number): readonly SpecStep[] => [
  { name: "root", dependsOn: [] },
  ...[...Array(width).keys()].map((index) => ({ name: `b${index}`, dependsOn: ["root"], compensate: true })),
  { name: "join", dependsOn: [...Array(width).keys()].map((index) => `b${index}`) },
];
const ragged = new Map([...Array(20).keys()].map((index) => [`b${index}`, { durationMs: 1_000 + 37 * index }]));

const CASES: readonly { readonly steps: readonly SpecStep[]; readonly path: CostPath }[] = [
  { steps: chain(1), path: path("one step") },
  { steps: chain(10), path: path("ten steps in a row") },
  { steps: fork(20), path: path("root, 20 branches, join", { steps: ragged }) },
  {
    steps: chain(3, { compensate: true }),
    path: path("the third step fails, two are undone", { steps: new Map([["s2", { ends: "fails" }]]) }),
  },
  {
    steps: chain(3, { compensate: true }),
    path: path("an undo fails for good too", {
      steps: new Map([["s2", { ends: "fails" }]]),
      undos: new Map([["s1", { failures: 9 }]]),
    }),
  },
  { steps: chain(2), path: path("three retries in place", { steps: new Map([["s1", { failures: 3 }]]) }) },
  {
    steps: chain(2, { retries: 5, initialMs: 16_000 }),
    path: path("two retries from the queue, of the first step and a handed-off one", {
      steps: new Map([
        ["s0", { failures: 2 }],
        ["s1", { failures: 2 }],
      ]),
    }),
  },
  { steps: chain(3), path: path("a long step: 45 s", { steps: new Map([["s1", { durationMs: 45_000 }]]) }) },
  {
    steps: [...chain(1), { name: "approval", dependsOn: ["s0"], signal: { timeout: 3_600_000, onTimeout: "fail" } }],
    path: path("a signal with a deadline comes after five minutes", { answers: new Map([["approval", 300_000]]) }),
  },
  {
    steps: [...chain(1), { name: "approval", dependsOn: ["s0"], signal: { timeout: 1_800_000, onTimeout: "fail" } }],
    path: path("the signal never comes"),
  },
  {
    steps: chain(1),
    path: path("a handler waits for two signals", {
      steps: new Map([["s0", { waits: [{ signal: "a" }, { signal: "b", timeoutMs: 600_000 }] }]]),
      answers: new Map([
        ["a", 60_000],
        ["b", 120_000],
      ]),
    }),
  },
  {
    steps: chain(3, { compensate: true }),
    path: path("cancelled while the second step runs", {
      steering: [after(50, { type: "cancel", compensate: true }, "s1")],
    }),
  },
  {
    steps: fork(3),
    path: path("cancelled while three branches run", {
      steps: ragged,
      steering: [after(500, { type: "cancel", compensate: true }, "b0")],
    }),
  },
  {
    steps: chain(3),
    path: path("paused and resumed", {
      steering: [after(50, { type: "pause" }, "s1"), after(10_000, { type: "resume" })],
    }),
  },
  {
    steps: chain(2, { onFailure: "pause_workflow" }),
    path: path("held, then skipped", {
      steps: new Map([["s0", { ends: "fails" }]]),
      steering: [after(5_000, { type: "skip", step: "s0" })],
    }),
  },
  {
    steps: chain(1),
    path: path("terminated while a step is long", {
      steps: new Map([["s0", { durationMs: 40_000 }]]),
      steering: [after(20_000, { type: "terminate" })],
    }),
  },
  {
    steps: chain(1),
    path: path("terminated while a handler is long that waits then", {
      steps: new Map([["s0", { durationMs: 40_000, waits: [{ signal: "a" }] }]]),
      steering: [after(20_000, { type: "terminate" })],
    }),
  },
  {
    steps: chain(1, { initialMs: 16_000 }),
    path: path("terminated while a step is long that is to be tried again", {
      steps: new Map([["s0", { durationMs: 40_000, failures: 1 }]]),
      steering: [after(20_000, { type: "terminate" })],
    }),
  },
  { steps: chain(1, { delay: 30_000 }), path: path("a delay of 30 s") },
  { steps: chain(1, { delay: 600_000 }), path: path("a delay of ten minutes") },
  {
    steps: chain(1, { timeout: 2_000_000 }),
    path: path("one step of 25 minutes", { steps: new Map([["s0", { durationMs: 1_500_001 }]]) }),
  },
];

test("each costs what was predicted", async () => {
  const lines: string[] = [];
  const met = new Set<string>();
  for (const { steps, path: way } of CASES) {
    const priced: Case = { steps, path: way, compensation: "mirror", offsetMs: 17_345 };
    const predicted = predict(priced);
    const counted = await count(priced, predicted);
    const requests = predicted.ledger.total();
    lines.push(`${way.name}: predicted ${shown(requests)}; counted ${shown(counted.requests)}; ${counted.status}`);
    expect({ path: way.name, ...counted }).toEqual({
      path: way.name,
      requests,
      status: predicted.record.status,
    });
    for (const rule of predicted.ledger.times.keys()) met.add(rule);
  }
  console.log(lines.join("\n"));
  // Those that random paths come by too seldom.
  for (const rule of ["sweep", "sweep tick", "examine", "take over"]) expect(met).toContain(rule);
});
