import { expect, test } from "vitest";
import { decompose, sortSteps } from "../../machines/plan/decompose.ts";
import { encodeName } from "../../machines/plan/names.ts";
import type { PlanStep } from "../../machines/plan/plan.ts";
import { MAX_GROUP, MAX_STEPS, validatePlan } from "../../machines/plan/validate.ts";
import { planOf, signal, task } from "./build.ts";

const messages = (...steps: readonly PlanStep[]): string[] =>
  validatePlan(planOf(steps)).map(({ kind, message }) => `${kind}: ${message}`);

const row = (length: number): PlanStep[] =>
  Array.from({ length }, (_, index) => task(`s${index}`, { dependsOn: index === 0 ? [] : [`s${index - 1}`] }));

/** A ladder that no cut divides: each step depends on the one before the last, and every other one on the last. */
const ladder = (length: number): PlanStep[] =>
  Array.from({ length }, (_, index) =>
    task(`s${index}`, {
      dependsOn: [index - 2, ...(index % 2 === 0 ? [index - 3] : [])].filter((at) => at >= 0).map((at) => `s${at}`),
    }),
  );

test("a plan that can work has no problems", () => {
  expect(
    messages(task("a"), signal("b", { dependsOn: ["a"] }), task("__proto__", { dependsOn: ["a", "b", "a"] })),
  ).toEqual([]);
});

test("a plan without steps is refused", () => {
  expect(messages()).toEqual(["empty: it has no steps"]);
});

test("names are there, once, and valid Unicode", () => {
  expect(messages(task(""))).toEqual(["name: a step has no name"]);
  expect(messages(task("a\ud800"))).toEqual(['name: the name "a\\ud800" is not valid Unicode']);
  expect(messages(task("a"), task("b"), task("a"))).toEqual(['duplicate: two steps are named "a"']);
});

test("dependencies are steps", () => {
  expect(messages(task("a", { dependsOn: ["b"] }), task("c", { dependsOn: ["a", "d"] }))).toEqual([
    'unknown_dependency: step "a" depends on "b", which is not a step',
    'unknown_dependency: step "c" depends on "d", which is not a step',
  ]);
  expect(validatePlan(planOf([task("a", { dependsOn: ["b"] })]))[0]?.steps).toEqual(["a", "b"]);
});

test("a circle is named, with what waits for it and without what does not", () => {
  const steps = [
    task("a"),
    task("b", { dependsOn: ["a", "c"] }),
    task("c", { dependsOn: ["b"] }),
    task("d", { dependsOn: ["c"] }),
  ];
  expect(messages(...steps)).toEqual(['cycle: the steps "b", "c", "d" depend on each other in a circle']);
  expect(messages(task("a", { dependsOn: ["a"] }))).toEqual(['cycle: the steps "a" depend on each other in a circle']);
  expect(validatePlan(planOf(steps))[0]?.steps).toEqual(["b", "c", "d"]);
  const long = Array.from({ length: 12 }, (_, index) => task(`s${index}`, { dependsOn: [`s${(index + 1) % 12}`] }));
  expect(messages(...long)[0]).toContain('"s9" depend');
});

const policy = { initialMs: 1, maxMs: 1, multiplier: 1, jitter: 0 };
test.each<[string, PlanStep]>([
  ["retries is -1", task("a", { retries: -1 })],
  ["retries is 1.5", task("a", { retries: 1.5 })],
  ["retries is NaN", task("a", { retries: Number.NaN })],
  ["timeoutMs is 0", task("a", { timeoutMs: 0 })],
  ["timeoutMs is Infinity", task("a", { timeoutMs: Number.POSITIVE_INFINITY })],
  ["delayMs is -1", task("a", { delayMs: -1 })],
  ["retryPolicy.initialMs is -1", task("a", { retryPolicy: { ...policy, initialMs: -1 } })],
  ["retryPolicy.maxMs is NaN", task("a", { retryPolicy: { ...policy, maxMs: Number.NaN } })],
  ["retryPolicy.multiplier is -2", task("a", { retryPolicy: { ...policy, multiplier: -2 } })],
  ["retryPolicy.jitter is 1.1", task("a", { retryPolicy: { ...policy, jitter: 1.1 } })],
  ["timeoutMs is -1", signal("a", { timeoutMs: -1 })],
])("a number that cannot be is refused: %s", (what, step) => {
  const [problem] = validatePlan(planOf([step]));
  expect(problem).toMatchObject({ kind: "number", steps: ["a"] });
  expect(problem?.message).toContain(`step "a": ${what}, it must be `);
});

test("the smallest and the largest numbers are accepted", () => {
  expect(
    messages(
      task("a", {
        retries: 0,
        timeoutMs: 1,
        delayMs: 0,
        retryPolicy: { initialMs: 0, maxMs: 0, multiplier: 0, jitter: 1 },
      }),
      signal("b", { timeoutMs: 0 }),
    ),
  ).toEqual([]);
});

test("1,000 steps in a row or side by side are accepted, one more is not", () => {
  expect(messages(...row(MAX_STEPS))).toEqual([]);
  expect(messages(...Array.from({ length: MAX_STEPS }, (_, index) => task(`s${index}`)))).toEqual([]);
  expect(messages(...row(MAX_STEPS + 1))).toEqual([
    "limit: it has 1001 steps, more than 1000; split it into several workflows",
  ]);
});

test("300 entangled steps are accepted, one more is not", () => {
  expect(decompose(planOf(ladder(MAX_GROUP))).kind).toBe("group");
  expect(messages(...ladder(MAX_GROUP))).toEqual([]);
  const [problem] = validatePlan(planOf([task("alone"), ...ladder(MAX_GROUP + 1)]));
  expect(problem?.message).toContain(
    'the 301 steps around "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9" are too entangled',
  );
  expect(problem).toMatchObject({ kind: "limit" });
  expect(problem?.steps.length).toBe(MAX_GROUP + 1);
});

test("steps keep their written order unless a dependency is written later", () => {
  expect(
    sortSteps(planOf([task("a"), task("b", { dependsOn: ["a"] }), task("c"), task("d", { dependsOn: ["b"] })])),
  ).toEqual(["a", "b", "c", "d"]);
  expect(sortSteps(planOf([task("a", { dependsOn: ["c", "c"] }), task("b"), task("c")]))).toEqual(["b", "c", "a"]);
  expect(
    sortSteps(planOf([task("z", { dependsOn: ["y"] }), task("y", { dependsOn: ["x"] }), task("x"), task("w")])),
  ).toEqual(["x", "y", "z", "w"]);
});

test("series, parallel parts and knots are found", () => {
  const step = (name: string): object => ({ kind: "step", step: name });
  const order = [
    task("validate"),
    task("reserve", { dependsOn: ["validate"] }),
    task("charge", { dependsOn: ["validate"] }),
  ];
  const ship = task("ship", { dependsOn: ["reserve", "charge"] });
  expect(decompose(planOf([...order, ship]))).toEqual({
    kind: "series",
    parts: [step("validate"), { kind: "parallel", parts: [step("reserve"), step("charge")] }, step("ship")],
  });
  const knot = [task("a"), task("b"), task("c", { dependsOn: ["a"] }), task("d", { dependsOn: ["a", "b"] })];
  expect(decompose(planOf(knot))).toEqual({ kind: "group", steps: ["a", "b", "c", "d"] });
  expect(decompose(planOf([...knot, task("e")]))).toEqual({
    kind: "parallel",
    parts: [{ kind: "group", steps: ["a", "b", "c", "d"] }, step("e")],
  });
});

test("names become keys that nothing else reads as something", () => {
  expect(encodeName("Ab-_9")).toBe("s:Ab-_9");
  expect(encodeName("a.b #~")).toBe("s:a~2e~b~20~~23~~7e~");
  expect(encodeName("🦀")).toBe("s:~1f980~");
});

test("problems name their steps and say what must be", () => {
  const stepsOf = (...steps: readonly PlanStep[]): readonly (readonly string[])[] =>
    validatePlan(planOf(steps)).map((problem) => problem.steps);
  expect(stepsOf()).toEqual([[]]);
  expect(stepsOf(task(""))).toEqual([[""]]);
  expect(stepsOf(task("\ud800"))).toEqual([["\ud800"]]);
  expect(stepsOf(task("a"), task("a"))).toEqual([["a"]]);
  expect(stepsOf(...row(MAX_STEPS + 1))[0]?.slice(0, 2)).toEqual(["s0", "s1"]);
  expect(messages(task("a", { retries: 0.5 }))).toEqual([
    'number: step "a": retries is 0.5, it must be a whole number',
  ]);
  expect(messages(task("a", { retryPolicy: { ...policy, jitter: 2 } }))).toEqual([
    'number: step "a": retryPolicy.jitter is 2, it must be from 0 to 1',
  ]);
});

test("the largest knot is the one that is named, wherever it is", () => {
  const small = ladder(4).map((step) => ({
    ...step,
    name: `x${step.name}`,
    dependsOn: step.dependsOn.map((name) => `x${name}`),
  }));
  const [problem] = validatePlan(planOf([...ladder(MAX_GROUP + 1), ...small]));
  expect(problem?.steps.length).toBe(MAX_GROUP + 1);
});
