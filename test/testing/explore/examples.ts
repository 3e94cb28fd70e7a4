/** The workflows of the five examples, and how their signals behave. */
import { flightDelays, onboarding, orderFulfilment } from "../../examples/workflows.ts";
import type { AnyWorkflow } from "../../../src/define/workflow.ts";
import { workflow } from "../../../src/index.ts";
import type { SignalBehaviour } from "../../../src/testing/index.ts";

/** One of them. */
export interface Example {
  readonly name: string;
  readonly workflow: AnyWorkflow;
  readonly signals: Readonly<Record<string, SignalBehaviour>>;
}

// The programs of the seed page run when they are imported, so their plans are written again.
const seedOrder = workflow("order_fulfillment")
  .step("validate", () => ({ valid: true }))
  .step("charge", { dependsOn: ["validate"], run: () => ({ charged: true }) })
  .step("ship", { dependsOn: ["charge"], run: () => ({ shipped: true }) });
const seedApproval = untypedApproval();

function untypedApproval(): AnyWorkflow {
  return workflow("approval").step("wait_approval", async (ctx) => {
    await ctx.waitForSignal("approval" as never);
  });
}

export const EXAMPLES: readonly Example[] = [
  { name: "order-fulfilment", workflow: orderFulfilment, signals: { approval: { by: "approve" } } },
  { name: "seed-page, order", workflow: seedOrder, signals: {} },
  { name: "seed-page, approval", workflow: seedApproval, signals: { approval: { by: "wait_approval" } } },
  { name: "etl", workflow: flightDelays, signals: {} },
  { name: "onboarding", workflow: onboarding(async () => {}), signals: { profile_finished: { by: "profile" } } },
];
