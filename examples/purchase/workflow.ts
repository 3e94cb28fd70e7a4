/** A purchase that a person decides on. It has no program of its own: the command line serves it (`docs/signals.md`, `docs/operate.md`). */
import { z } from "zod";
import { PermanentError, workflow } from "buquet-workflow";

export const purchase = workflow("purchase", {
  input: z.object({ item: z.string(), amount: z.number().positive() }),
  signals: { decision: z.object({ approved: z.boolean(), by: z.string() }) },
})
  .step("reserve", {
    run: (ctx) => {
      ctx.log.info("budget reserved", { amount: ctx.input.amount });
      return { reserved: ctx.input.amount };
    },
    compensate: (ctx) => ctx.log.info("budget released", { amount: ctx.input.amount }),
  })
  .step("approve", {
    dependsOn: ["reserve"],
    run: async (ctx) => {
      const decision = await ctx.waitForSignal("decision", { timeout: "7d" });
      if (decision === undefined) throw new PermanentError("nobody decided within a week");
      if (!decision.approved) throw new PermanentError(`${decision.by} said no`);
      return { approved_by: decision.by };
    },
  })
  .step("order", {
    dependsOn: ["approve"],
    run: (ctx) => ({ ordered: ctx.input.item, approved_by: ctx.results.approve.approved_by }),
  });
