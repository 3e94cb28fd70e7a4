import { describe, expect, test } from "vitest";
import { z } from "zod";
import { hashPlan } from "../../src/define/definition.ts";
import { type AnyWorkflow, WorkflowError, workflow } from "../../src/index.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { coverage, model, paths, type PathsOptions, type WorkflowPath } from "../../src/testing/index.ts";
import { startEngine } from "../../src/testing/model/engine.ts";
import { randomPlan } from "../machines/plans.ts";
import { EXAMPLES } from "./examples.ts";
import { setting } from "../setting.ts";

const SEED = setting("SEED", 20_261_124);
const PLANS = setting("PATH_PLANS", 2);
/** Of a plan with very many paths, so many are taken, evenly spread; CI takes all of them (PATHS=all). */
const MOST_PATHS = process.env["PATHS"] === "all" ? Number.POSITIVE_INFINITY : setting("PATHS", 8);

async function take(all: readonly WorkflowPath[], most = MOST_PATHS): Promise<number> {
  const every = Math.max(1, Math.ceil(all.length / most));
  let events = 0;
  for (const path of all.filter((_path, index) => index % every === 0)) {
    await path.run();
    events += path.events.length;
  }
  return events;
}

describe("the engine takes the paths of the model", () => {
  test.each(EXAMPLES)("of $name", async ({ workflow, options }) => {
    const all = paths(workflow, options);
    expect(all.length).toBeGreaterThan(0);
    const events = await take(all);
    console.log(`${workflow.name}: ${all.length} paths, ${events} events taken`);
  });

  test("with holds and a signal node that may be late", async () => {
    const definition = workflow("steered")
      .step("a", { onFailure: "pause_workflow", run: () => 1, compensate: () => {} })
      .signal("b", { dependsOn: ["a"], timeout: "1d", onTimeout: "continue" });
    await take(paths(definition, { failures: 1 }));
  });

  test("simple ones too", async () => {
    const definition = workflow("twice")
      .step("a", () => 1)
      .step("b", () => 1);
    const simple = paths(definition, { kind: "simple", failures: 1 });
    expect(simple.length).toBeGreaterThan(paths(definition, { failures: 1 }).length);
    await take(simple);
  });

  test(`of ${PLANS} random plans (seeds from ${SEED})`, async () => {
    let events = 0;
    for (let seed = SEED; seed < SEED + PLANS; seed += 1) {
      const { next: random } = seededRandom(seed);
      const plan = randomPlan(random, 4);
      const definition: AnyWorkflow = {
        name: plan.name,
        plan,
        planHash: hashPlan(plan),
        definitionHash: hashPlan(plan),
        inputSchema: undefined,
        signalSchemas: new Map(),
        handlers: new Map(),
        makeOutput: undefined,
      };
      const own = plan.steps.filter((step) => step.kind === "task" && !step.remote).slice(0, 1);
      const waits = Object.fromEntries(own.map(({ name }) => [name, [{ signal: "go", timeout: "1m" } as const]]));
      const options: PathsOptions = { waits, failures: 1 };
      try {
        events += await take(paths(definition, options), 10);
      } catch (error) {
        throw new Error(`seed ${seed}: ${JSON.stringify(plan)}`, { cause: error });
      }
    }
    console.log(`${events} events`);
  });
});

describe("what a test gives", () => {
  test("outputs and payloads are in the record", async () => {
    const definition = workflow("given")
      .step("a", () => ({ made: 1 }))
      .signal("b", { dependsOn: ["a"] });
    await using engine = await startEngine(definition, {
      input: { from: "the test" },
      outputs: { a: { made: 7 } },
      signals: { b: "payload" },
    });
    await engine.bring({ type: "start" });
    await engine.bring({ type: "step.done", step: "a", generation: 1 });
    await engine.bring({ type: "signal.received", step: "b", generation: 1, wake: 0 });
    const record = await engine.record();
    expect(record.status).toBe("completed");
    expect(record.data.read()).toEqual({ from: "the test" });
    expect(record.steps.get("b")?.result?.read()).toBe("payload");
    expect(record.steps.get("a")?.result?.read()).toEqual({ made: 7 });
  });

  test("a payload that its schema refuses fails the path", async () => {
    const example = EXAMPLES.find(({ name }) => name === "an order");
    if (example === undefined) throw new Error("there is no such example");
    const signalled = paths(example.workflow, { ...example.options, signals: { approval: 1 } }).find(({ events }) =>
      events.some(({ type }) => type === "signal.received"),
    );
    await expect(signalled?.run()).rejects.toThrow(/payload of signal "approval" is refused/);
  });
});

test.each<[object, string]>([
  [{ kind: "simpel" }, 'kind is "simpel"; it must be shortest or simple'],
  [{ failuers: 1 }, 'there is no option "failuers"; there are kind, waits, failures, '],
  ...[-1, 0.5, Number.NaN].map((failures): [object, string] => [
    { failures },
    `failures is ${failures}; it must be a whole number from 0`,
  ]),
  [{ generations: 0 }, "generations is 0; it must be a whole number from 1"],
  [{ cancel: "yes" }, 'cancel is "yes"; it must be true or false'],
  [{ waits: { shpi: [{ signal: "go" }] } }, "waits.shpi is for no step; there are ask, far, node"],
  [{ waits: { node: [{ signal: "go" }] } }, "waits.node is for a handler; node is a signal node"],
  [{ waits: { far: [{ signal: "go" }] } }, "waits.far is for a handler; far is remote"],
  [{ waits: { ask: { signal: "go" } } }, 'waits.ask is {"signal":"go"}; it must be a list'],
  [{ waits: { ask: [{ name: "go" }] } }, 'waits.ask[0]: there is no option "name"; there are signal, timeout'],
  [{ waits: { ask: [{}] } }, "waits.ask[0].signal is missing"],
  [{ waits: { ask: [{ signal: "og" }] } }, 'waits.ask[0] waits for "og"; the workflow declares go'],
  [{ waits: { ask: [{ signal: "go", timeout: "7x" }] } }, 'waits.ask[0].timeout: "7x" is not a duration'],
  [{ outputs: { aks: 1 } }, "outputs.aks is for no step"],
  [{ outputs: { node: 1 } }, "outputs.node is for a step with a result of its own"],
  [{ signals: { og: 1 } }, "signals.og is for no signal; there are node, go"],
])("options that no model can mean are refused: %o", (options, says) => {
  const definition = workflow("refusing", { signals: { go: z.unknown() } })
    .step("ask", (ctx) => ctx.waitForSignal("go"))
    .step("far", { remote: true })
    .signal("node");
  for (const make of [paths, model]) {
    const call = (): unknown => make(definition, options);
    expect(call).toThrow(WorkflowError);
    expect(call).toThrow(says);
  }
});

test("an engine that is not where the model is fails with the way there and every difference", async () => {
  const definition = workflow("wrong")
    .step("a", () => 1)
    .step("b", { dependsOn: ["a"], run: () => 1 });
  // The model of another policy: here the run goes on.
  const other = workflow("wrong")
    .step("a", { onFailure: "continue", run: () => 1 })
    .step("b", { dependsOn: ["a"], run: () => 1 });
  const [wanted] = paths(definition, { failures: 1, cancel: false }).filter(
    ({ description }) => description === "start, a fails: failed",
  );
  expect(wanted?.status).toBe("failed");
  const sides = new Proxy(definition, {
    // The first who asks is the model.
    get: (target, member) => (member === "plan" && engine ? other.plan : (target as never)[member]),
  });
  let engine = false;
  const planted = paths(sides, { failures: 1, cancel: false }).find(
    ({ description }) => description === wanted?.description,
  );
  engine = true;
  await expect(planted?.run()).rejects.toThrow(
    [
      "the engine left the model after",
      "  1. start",
      "  2. a fails",
      "- status: the engine says running, the model failed",
      '- current steps: the engine says ["b"], the model []',
      "- outcome: the engine says null, the model failed",
      '- step "b": the engine says running, the model cancelled, outcome never',
    ].join("\n"),
  );
});

test("coverage is told by the paths that were taken", async () => {
  const definition = workflow("covered").step("a", { run: () => 1, compensate: () => {} });
  const taken = coverage(definition);
  const before = taken.states.taken;
  for (const path of paths(definition, { coverage: taken, waits: { a: [{ signal: "go" }] } })) await path.run();
  expect(before).toBe(1);
  expect(taken.states.missing).toEqual([]);
});
