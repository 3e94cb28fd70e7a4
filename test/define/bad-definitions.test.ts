/** What cannot work is refused where it is written, with the step and the reason. Callers here are JavaScript: no type stops them. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { untypedWorkflow, WorkflowError } from "../../src/index.ts";

type Loose = { step(...given: unknown[]): Loose; signal(...given: unknown[]): Loose; readonly plan: unknown };
const loose = untypedWorkflow as unknown as (...given: unknown[]) => Loose;
const run = (): number => 1;
const one = (): Loose => loose("w").step("a", run);

/** The whole message of the error. */
function refusal(define: () => unknown): string {
  try {
    define();
  } catch (error) {
    expect(error).toBeInstanceOf(WorkflowError);
    expect((error as WorkflowError).code).toBe("invalid");
    return (error as Error).message;
  }
  throw new Error("it was not refused");
}

const STEP = 'workflow "w", step "b": ';

const cases: readonly (readonly [what: string, define: () => unknown, message: string])[] = [
  ["no handler", () => one().step("b"), `${STEP}it needs a handler: a function, or options with run`],
  ["null", () => one().step("b", null), `${STEP}it needs a handler: a function, or options with run`],
  ["a text", () => one().step("b", "run"), `${STEP}the options of a step are an object, not "run"`],
  ["a list", () => one().step("b", [run]), `${STEP}the options of a step are an object, not [null]`],
  ["options without run", () => one().step("b", {}), `${STEP}it needs a handler: run`],
  ["a handler that is none", () => one().step("b", { run: 1 }), `${STEP}run is 1; it must be a function`],
  [
    "a remote step with a handler",
    () => one().step("b", { remote: true, run }),
    `${STEP}a remote step has no handler here: leave out run or remote`,
  ],
  ["remote yes", () => one().step("b", { remote: "yes" }), `${STEP}remote is "yes"; it must be true or false`],
  [
    "an undo that is none",
    () => one().step("b", { run, compensate: {} }),
    `${STEP}compensate is {}; it must be a function`,
  ],
  [
    "an unknown option",
    () => one().step("b", { run, retry: 3 }),
    `${STEP}there is no option "retry"; there are dependsOn, retries, retryPolicy, timeout, delay, onFailure, remote, run, compensate`,
  ],
  ["a name that is there", () => one().step("a", run), 'workflow "w", step "a": a step of this name is there already'],
  [
    "a signal of a name that is there",
    () => one().signal("a"),
    'workflow "w", step "a": a step of this name is there already',
  ],
  [
    "an unknown dependency",
    () => one().step("b", { dependsOn: ["x"], run }),
    `${STEP}it depends on "x", which is not a step written before it`,
  ],
  ["itself", () => one().step("b", { dependsOn: ["b"], run }), `${STEP}it depends on itself`],
  ["a dependency twice", () => one().step("b", { dependsOn: ["a", "a"], run }), `${STEP}it depends on "a" twice`],
  [
    "a dependency that is no list",
    () => one().step("b", { dependsOn: "a", run }),
    `${STEP}dependsOn is a list of step names, not "a"`,
  ],
  [
    "negative retries",
    () => one().step("b", { retries: -1, run }),
    `${STEP}retries is -1; it must be a whole number from 0 to 1000000`,
  ],
  [
    "half a retry",
    () => one().step("b", { retries: 0.5, run }),
    `${STEP}retries is 0.5; it must be a whole number from 0 to 1000000`,
  ],
  [
    "retries in words",
    () => one().step("b", { retries: "3", run }),
    `${STEP}retries is "3"; it must be a whole number from 0 to 1000000`,
  ],
  [
    "a policy that is none",
    () => one().step("b", { retryPolicy: null, run }),
    `${STEP}the members of retryPolicy are an object, not null`,
  ],
  [
    "an unknown member of the policy",
    () => one().step("b", { retryPolicy: { factor: 2 }, run }),
    `${STEP}there is no option "factor"; there are initialMs, maxMs, multiplier, jitter`,
  ],
  [
    "a policy with NaN",
    () => one().step("b", { retryPolicy: { initialMs: Number.NaN }, run }),
    `${STEP}retryPolicy.initialMs is NaN; it must be milliseconds, up to ten years`,
  ],
  [
    "a policy with a text",
    () => one().step("b", { retryPolicy: { maxMs: "1m" }, run }),
    `${STEP}retryPolicy.maxMs is "1m"; it must be milliseconds, up to ten years`,
  ],
  [
    "a policy that starts above its end",
    () => one().step("b", { retryPolicy: { initialMs: 120_000 }, run }),
    `${STEP}retryPolicy.initialMs 120000 is more than its maxMs 60000; give both`,
  ],
  [
    "a policy that shrinks",
    () => one().step("b", { retryPolicy: { multiplier: 0.5 }, run }),
    `${STEP}retryPolicy.multiplier is 0.5; it must be a number from 1`,
  ],
  [
    "a policy with too much jitter",
    () => one().step("b", { retryPolicy: { jitter: 25 }, run }),
    `${STEP}retryPolicy.jitter is 25; it must be a number from 0 to 1`,
  ],
  [
    "retries that would wait for centuries",
    () => one().step("b", { retries: 1_000, retryPolicy: { maxMs: 30 * 86_400_000 }, run }),
    `${STEP}its retries (1000) may wait 101 years between attempts, and ten are the most; give fewer retries or a smaller retryPolicy.maxMs`,
  ],
  [
    "one retry that would wait for longer than ten years",
    () => one().step("b", { retries: 1, retryPolicy: { initialMs: 315_360_000_000, maxMs: 315_360_000_000 }, run }),
    `${STEP}its retries (1) may wait 13 years between attempts`,
  ],
  [
    "a timeout without unit",
    () => one().step("b", { timeout: "30", run }),
    `${STEP}timeout: "30" is not a duration; write "250ms"`,
  ],
  ["no time at all", () => one().step("b", { timeout: 0, run }), `${STEP}timeout is 0; it must be at least 1 ms`],
  ["a delay into the past", () => one().step("b", { delay: -1, run }), `${STEP}delay: -1 is not a duration`],
  [
    "an unknown policy of failure",
    () => one().step("b", { onFailure: "ignore", run }),
    `${STEP}onFailure is "ignore"; it must be fail_workflow or pause_workflow or continue or compensate`,
  ],
  [
    "a slash in the name",
    () => one().step("a/b", run),
    'step name "a/b" cannot be used: it holds a slash, which separates the parts of a key',
  ],
  [
    "a control character",
    () => one().step("a\nb", run),
    'step name "a\\nb" cannot be used: it holds a control character',
  ],
  ["half of a character", () => one().step("a\ud800", run), "it holds half of a character"],
  ["a name of 201 bytes", () => one().step("é".repeat(101), run), "it is longer than 200 bytes"],
  ["an empty name", () => one().step("", run), 'step name "" cannot be used: it is empty'],
  ["a folder", () => one().step("..", run), 'step name ".." cannot be used: it means a folder'],
  ["a number as name", () => one().step(1, run), "step name 1 cannot be used: it is not a text"],
  ["a signal with null", () => one().signal("b", null), `${STEP}the options of a signal are an object, not null`],
  [
    "a signal with a handler",
    () => one().signal("b", { run }),
    `${STEP}there is no option "run"; there are dependsOn, schema, timeout, onTimeout, onFailure`,
  ],
  [
    "a signal that ends otherwise",
    () => one().signal("b", { onTimeout: "skip" }),
    `${STEP}onTimeout is "skip"; it must be fail or continue`,
  ],
  [
    "a signal with a schema that is none",
    () => one().signal("b", { schema: {} }),
    `${STEP}schema is {}; it must be a zod schema`,
  ],
  [
    "a signal that has no time",
    () => one().signal("b", { timeout: "0s" }),
    `${STEP}timeout (leave it out to wait for ever) is "0s"; it must be at least 1 ms`,
  ],
  ["a workflow without a name", () => loose(), "workflow name undefined cannot be used: it is not a text"],
  ["a workflow with a slash", () => loose("a/b"), 'workflow name "a/b" cannot be used: it holds a slash'],
  ["a workflow with null", () => loose("w", null), 'workflow "w": the options of a workflow are an object, not null'],
  [
    "an unknown option of the workflow",
    () => loose("w", { retries: 3 }),
    'workflow "w": there is no option "retries"; there are input, version, signals',
  ],
  [
    "an input that is no schema",
    () => loose("w", { input: { n: "number" } }),
    'workflow "w": input is {"n":"number"}; it must be a zod schema',
  ],
  [
    "an unknown compensation",
    () => loose("w", { compensation: "reverse" }),
    'workflow "w": compensation is "reverse"; it must be mirror or chain',
  ],
  ["foreign in words", () => loose("w", { foreign: "no" }), 'workflow "w": foreign is "no"; it must be true or false'],
  ["a version that is a number", () => loose("w", { version: 2 }), 'workflow "w": version is 2; it must be a string'],
  ["an output that is none", () => loose("w", { output: {} }), 'workflow "w": output is {}; it must be a function'],
  ["signals as a list", () => loose("w", { signals: ["go"] }), 'workflow "w": signals are an object, not ["go"]'],
  [
    "a signal name with a slash",
    () => loose("w", { signals: { "a/b": z.any() } }),
    'workflow "w": signal name "a/b" cannot be used: it holds a slash',
  ],
  [
    "a signal without a schema",
    () => loose("w", { signals: { go: undefined } }),
    'workflow "w": signal "go" has no schema',
  ],
  [
    "a signal whose schema is none",
    () => loose("w", { signals: { go: true } }),
    'workflow "w": the schema of signal "go" is true; it must be a zod schema',
  ],
  ["no steps", () => loose("w").plan, 'workflow "w" cannot work: it has no steps'],
];

describe("a definition is refused for", () => {
  test.each(cases)("%s", (_what, define, message) => {
    expect(refusal(define)).toContain(message);
  });
});

describe("limits", () => {
  test("1,000 steps work and one more does not", () => {
    let definition = untypedWorkflow("long").step("s0", run);
    for (let index = 1; index < 1_000; index += 1)
      definition = definition.step(`s${index}`, { dependsOn: [`s${index - 1}`], run });
    expect(definition.plan.steps).toHaveLength(1_000);
    expect(refusal(() => definition.step("last", run))).toBe(
      'workflow "long", step "last": it would be one step more than 1000; split the workflow into several',
    );
  });

  test("more than 300 entangled steps are named", () => {
    let definition = untypedWorkflow("knot");
    // Each step needs two of the row before it, so that no part can be cut off from the rest.
    for (let row = 0; row < 4; row += 1) {
      for (let index = 0; index < 80; index += 1) {
        const dependsOn = row === 0 ? [] : [`${row - 1}.${index}`, `${row - 1}.${(index + 1) % 80}`];
        definition = definition.step(`${row}.${index}`, { dependsOn, run });
      }
    }
    expect(refusal(() => definition.plan)).toMatch(
      /workflow "knot" cannot work: the 320 steps around "0\.0".*entangled/,
    );
  });
});
