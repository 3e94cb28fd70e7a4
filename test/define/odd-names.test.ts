/** Names are arbitrary strings: all of them go through a run, its undo and its signals. */
import { describe, expect, test } from "vitest";
import { PermanentError, untypedWorkflow, WorkflowClient, WorkflowError } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

const NAMES = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "1",
  "0",
  "-1",
  "a.b",
  "#x",
  "a b",
  " ",
  "ü",
  "日本語",
  "🦀",
  "a:b",
  ":",
  "*",
  "sessionId",
  "send",
  "ref",
  "$ref",
  "xstate.init",
  "%2e%2e",
  "...",
  "~1~",
  "\\",
  '"',
  "'",
  "?x=y&z",
  "state.json",
  "null",
  "UPPER",
  "upper",
  "e\u0301",
  "\u00e9",
  "x".repeat(200),
];

describe("a workflow whose steps have odd names", () => {
  test("runs them in order, each with the result of the one before", async () => {
    let definition = untypedWorkflow("__proto__");
    for (const [index, name] of NAMES.entries()) {
      const before = NAMES[index - 1];
      definition = definition.step(name, {
        dependsOn: before === undefined ? [] : [before],
        run: (ctx) => (before === undefined ? 1 : Number(ctx.results[before]) + 1),
      });
    }
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start("__proto__", null, { id: "constructor" });
    expect(await run.result()).toEqual({ [NAMES.at(-1) ?? ""]: NAMES.length });
    for (const [index, name] of NAMES.entries()) {
      const stored = await kit.store.get(`workflow/constructor/steps/${name}.json`);
      expect(stored).toMatchObject({ object: { body: String(index + 1) } });
    }
  });

  test("undoes every one of them", async () => {
    const undone: string[] = [];
    let definition = untypedWorkflow("undo");
    for (const name of NAMES)
      definition = definition.step(name, {
        run: () => name,
        compensate: (ctx, result) => void undone.push(`${ctx.step}=${String(result)}`),
      });
    definition = definition.step("bad", {
      dependsOn: NAMES,
      run: () => {
        throw new PermanentError("no");
      },
    });
    await using kit = await createTestKit({ workflows: [definition] });
    const view = await (await kit.client.start("undo")).wait();
    expect(view.status).toBe("failed");
    expect(undone.toSorted()).toEqual(NAMES.map((name) => `${name}=${name}`).toSorted());
  });

  test("takes a signal under every one of them, as a node and inside a handler", async () => {
    let definition = untypedWorkflow("signals");
    for (const name of NAMES) definition = definition.signal(name);
    definition = definition.step("inside", async (ctx) => {
      const got: unknown[] = [];
      for (const name of NAMES) got.push(await ctx.waitForSignal(`in ${name}`.slice(0, 200)));
      return got;
    });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start("signals");
    for (const name of NAMES) await run.signal(name, name);
    for (const name of NAMES) await run.signal(`in ${name}`.slice(0, 200), name);
    const { steps } = await run.wait();
    expect(steps["inside"]?.result).toEqual(NAMES);
    for (const name of NAMES) expect(Object.entries(steps).find(([step]) => step === name)?.[1].result).toBe(name);
  });
});

describe("names that cannot be parts of a key", () => {
  const bad: readonly (readonly [string, string])[] = [
    ["a/b", "slash"],
    ["a\u0000b", "control character"],
    ["a\u007fb", "control character"],
    ["", "empty"],
    [".", "folder"],
    ["..", "folder"],
    ["\udc00", "half of a character"],
    ["a\uffff", "a character that XML cannot spell"],
    ["x".repeat(201), "longer than 200 bytes"],
    ["🦀".repeat(51), "longer than 200 bytes"],
  ];

  test.each(bad)("%j is refused as a run id and as a signal name, with the reason", async (name, reason) => {
    const definition = untypedWorkflow("w").signal("go");
    await using kit = await createTestKit({ workflows: [definition] });
    const start = kit.client.start("w", null, { id: name });
    await expect(start).rejects.toThrow(reason);
    await expect(start).rejects.toBeInstanceOf(WorkflowError);
    const run = await kit.client.start("w");
    await expect(run.signal(name, null)).rejects.toThrow(reason);
    await expect(kit.client.get(name)).rejects.toThrow(reason);
    expect(() => kit.client.run(name)).toThrow(reason);
    expect(kit.client).toBeInstanceOf(WorkflowClient);
  });
});
