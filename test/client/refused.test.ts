/** What a program without types may give where a name, an event or an open bucket belongs: refused with words, never with an error of ours. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Worker, workflow, WorkflowClient, WorkflowError } from "../../src/index.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";

const circle: Record<string, unknown> = {};
circle["self"] = circle;
const throws = {
  toJSON: (): never => {
    throw new Error("not yet");
  },
};
const ODD: readonly [string, unknown][] = [
  ["a circle", circle],
  ["a list with a circle", [circle]],
  ["a bigint", 10n],
  ["what throws", throws],
  ["an object without prototype", Object.create(null)],
  ["a symbol", Symbol("odd")],
  ["a function", (): number => 1],
  ["null", null],
  ["a long text", "x".repeat(3000)],
];

const definition = workflow("waits").step("a", (ctx) => ctx.waitForSignal("never" as never));
let kit: TestKit;
beforeAll(async () => {
  kit = await createTestKit({ workflows: [definition] });
});
afterAll(() => kit[Symbol.asyncDispose]());

async function refusalOf(call: () => unknown): Promise<WorkflowError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof WorkflowError) return error;
    throw error;
  }
  throw new Error("it was taken");
}

test.each(ODD)("%s is no name and no event", async (_what, odd) => {
  const value = odd as never;
  for (const call of [
    () => kit.client.get(value),
    () => kit.client.start(definition, undefined, { id: value }),
    () => kit.client.signal("run", value, 1),
    () => kit.client.send("run", value),
    () => kit.client.send("run", { type: value }),
    () => workflow(value),
    () => workflow("w").step(value, () => 1),
  ]) {
    const { code, message } = await refusalOf(call);
    expect([code, message]).toEqual(["invalid", expect.any(String)]);
    expect(message.length).toBeLessThan(500);
  }
});

test.each([
  ["file:/data", 'not "file:/data"'],
  [{}, "not {}"],
  [undefined, "not undefined"],
  [Promise.resolve({}), "not a promise; await it"],
])("a client and a worker say what they are given instead of %j", async (given, words) => {
  const handle = given as never;
  for (const call of [() => new WorkflowClient(handle), () => new Worker(handle, { workflows: [definition] })]) {
    const { code, message } = await refusalOf(call);
    expect(code).toBe("invalid");
    expect(message).toMatch(/^a (client|worker) is given an open bucket, which connect\(url\) resolves to, /);
    expect(message).toContain(words);
  }
});
