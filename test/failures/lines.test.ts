/** A failure is told in one line that is true: what becomes of the step is known before the line is written. */
import { expect, test } from "vitest";
import { PermanentError, workflow } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

test.each(["first", "second"])("a step that fails because its run stops is not said to be tried again", async (at) => {
  const slow = {
    retries: 3,
    run: async (ctx: { readonly signal: AbortSignal }): Promise<null> => {
      while (!ctx.signal.aborted) await kit.clock.sleep("1s");
      throw new Error("told to end");
    },
  };
  const failing = {
    run: async (): Promise<null> => {
      await kit.clock.sleep("20s");
      throw new PermanentError("declined");
    },
  };
  const wf =
    at === "first"
      ? workflow("fork").step("slow", slow).step("failing", failing)
      : workflow("fork").step("failing", failing).step("slow", slow);
  await using kit = await createTestKit({ workflows: [wf] });
  const view = await (await kit.client.start(wf)).wait();
  expect(view.status).toBe("failed");
  const told = kit.log.filter(({ fields }) => fields?.["step"] === "slow");
  expect(told.map(({ level, message }) => [level, message])).toEqual([
    ["warn", "step failed and is not tried again: its run stops"],
  ]);
  expect(told[0]?.fields).toMatchObject({ attempt: 1, reason: expect.stringContaining("told to end") });
});

test("a run that stops while a step waits for its next attempt calls that attempt off, in a line of its own", async () => {
  const wf = workflow("resting")
    .step("slow", {
      retries: 3,
      retryPolicy: { initialMs: 8_000, maxMs: 8_000, multiplier: 1, jitter: 0 },
      run: (): null => {
        throw new Error("not yet");
      },
    })
    .step("failing", {
      run: async (): Promise<null> => {
        await kit.clock.sleep("3s");
        throw new PermanentError("declined");
      },
    });
  await using kit = await createTestKit({ workflows: [wf] });
  await (await kit.client.start(wf)).wait();
  const told = kit.log.filter(({ fields }) => fields?.["step"] === "slow");
  expect(told.map(({ level, message }) => [level, message])).toEqual([
    ["warn", "step failed and is tried again"],
    ["info", "the next attempt is called off: its run stops"],
  ]);
});
