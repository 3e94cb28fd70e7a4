/** What the tests of the command line serve. */
import { z } from "zod";
import { PermanentError, workflow } from "../../src/index.ts";
import type { ExploreOptions } from "../../src/testing/index.ts";

export const greet = workflow("greet", { input: z.object({ name: z.string() }) }).step("hello", (ctx) => ({
  text: `hello ${ctx.input.name}`,
}));

export const asking = workflow("asking", { signals: { answer: z.object({ yes: z.boolean() }) } })
  .step("prepare", { run: () => 1, compensate: () => {} })
  .step("ask", {
    dependsOn: ["prepare"],
    run: async (ctx) => ({ yes: (await ctx.waitForSignal("answer"))?.yes ?? false }),
  });

/** What `explore --rules` finds; the rule is broken by every run that is over well. */
export const askingRules: ExploreOptions<"prepare" | "ask"> = {
  signals: { answer: { by: "ask" } },
  finally: ({ status }) => status !== "completed" || "nobody answered",
};

/** Broken before anything happens. */
export const brokenAtOnce: ExploreOptions<"prepare" | "ask"> = {
  always: ({ status }) => status !== "pending" || "it has not begun",
};

/** Rules of nobody: a name with two letters in the wrong order. */
export const misspelt = { fianlly: () => false };

/** Nothing in it. */
export const empty = {};

export const failing = workflow("failing").step("fall", () => {
  throw new PermanentError("it never works");
});

/** Not a workflow: modules may export other things too. */
export const unrelated = { name: "unrelated" };
