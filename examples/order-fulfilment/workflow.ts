/** An order: validate, then reserve and charge side by side, approve large ones, ship. What was done is undone when it fails. */
import { z } from "zod";
import { PermanentError, workflow } from "../../src/index.ts";
import { payments } from "./payments-client.ts";

/** One order as it comes in. */
export const orderSchema = z.object({
  order_id: z.string(),
  item: z.string(),
  amount: z.number().positive(),
  card: z.string(),
});

/** Orders above this wait for a person. */
const LARGE_AMOUNT = 1_000;

export const orderFulfilment = workflow("order_fulfilment", {
  input: orderSchema,
  signals: { approval: z.object({ approver: z.string() }) },
})
  .step("validate", (ctx) => {
    if (ctx.input.item === "") throw new PermanentError("nothing was ordered");
    return { valid: true };
  })
  .step("reserve", {
    dependsOn: ["validate"],
    run: (ctx) => ({ bin: `bin-${ctx.input.item.length}` }),
    compensate: (ctx) => ctx.log.info("stock released", { run: ctx.runId }),
  })
  .step("charge", {
    dependsOn: ["validate"],
    run: async (ctx) => {
      const { order_id, amount, card } = ctx.input;
      return payments("charge", { key: ctx.idempotencyKey, order: order_id, amount, card });
    },
    compensate: async (ctx) => {
      await payments("refund", { key: ctx.idempotencyKey, order: ctx.input.order_id });
    },
  })
  .step("approve", {
    dependsOn: ["reserve", "charge"],
    run: async (ctx) => {
      if (ctx.input.amount <= LARGE_AMOUNT) return { approved_by: "nobody needed" };
      const approval = await ctx.waitForSignal("approval", { timeout: "7d" });
      if (approval === undefined) throw new PermanentError("nobody approved");
      return { approved_by: approval.approver };
    },
  })
  .step("ship", {
    dependsOn: ["approve"],
    run: (ctx) => {
      if (ctx.input.item === "anvil") throw new PermanentError("no carrier takes anvils");
      return { parcel: `parcel-${ctx.input.order_id}` };
    },
  });
