/** An order: validate, then reserve and charge side by side, approve large ones, ship. What was done is undone when it fails. */
import { z } from "zod";
import { PermanentError, workflow } from "buquet-workflow";
import { payments } from "./payments-client.ts";
import { release, reserve } from "./warehouse.ts";

/** One order as it comes in. */
export const orderSchema = z.object({
  order_id: z.string().regex(/^\w+$/),
  item: z.string(),
  amount: z.number().positive(),
  card: z.string(),
});

/** Orders above this wait for a person. */
const LARGE_AMOUNT = 1_000;
/** A payment service that is away comes back: about two minutes of trying. */
const PATIENT = { retries: 10, retryPolicy: { initialMs: 500, maxMs: 15_000 } };

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
    run: (ctx) => {
      reserve(ctx.input.order_id, ctx.input.item, ctx.idempotencyKey);
      return { reserved: ctx.input.item };
    },
    compensate: (ctx) => release(ctx.input.order_id, ctx.input.item, ctx.idempotencyKey),
  })
  .step("charge", {
    ...PATIENT,
    dependsOn: ["validate"],
    run: (ctx) => {
      const { order_id: order, amount, card } = ctx.input;
      return payments("charge", { key: ctx.idempotencyKey, order, amount, card }, ctx.signal);
    },
    compensate: (ctx) => payments("refund", { key: ctx.idempotencyKey, order: ctx.input.order_id }, ctx.signal),
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
