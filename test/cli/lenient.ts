/** A workflow whose schemas take nothing at all. */
import { z } from "zod";
import { workflow } from "../../src/index.ts";

export const lenient = workflow("lenient", {
  input: z.object({ n: z.number() }).default({ n: 7 }),
  signals: { nudge: z.string().default("nudged") },
}).step("wait", async (ctx) => `${ctx.input.n} ${(await ctx.waitForSignal("nudge")) ?? "never"}`);
