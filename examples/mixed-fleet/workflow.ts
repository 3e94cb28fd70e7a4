/** An invoice whose risk is scored in Python: the other steps run here. `invoice.py` is the same workflow in the words of buquet. */
import { z } from "zod";
import { workflow } from "buquet-workflow";

export const invoice = workflow("invoice", {
  input: z.object({ number: z.string(), amount: z.number() }),
  signals: { approval: z.object({ by: z.string() }) },
  // The service in Python signals, pauses and cancels, and wakes nobody.
  foreign: true,
})
  .step("check", (ctx) => ({ number: ctx.input.number, total: Math.round(ctx.input.amount * 100) / 100 }))
  .step("score", { dependsOn: ["check"], remote: true })
  .signal("approval", { dependsOn: ["score"], timeout: "7d" })
  .step("pay", {
    dependsOn: ["check", "score", "approval"],
    run: (ctx) => ({ paid: ctx.results.check.total, score: ctx.results.score }),
  });
