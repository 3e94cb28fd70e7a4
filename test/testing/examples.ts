/** The workflows of the examples, and what their handlers wait for. */
import { flightDelays, onboarding, orderFulfilment } from "../examples/workflows.ts";
import { type AnyWorkflow, workflow } from "../../src/index.ts";
import type { PathsOptions } from "../../src/testing/index.ts";

/** One example. */
export interface Example {
  readonly name: string;
  readonly workflow: AnyWorkflow;
  readonly options: PathsOptions;
}

/** All five. */
export const EXAMPLES: readonly Example[] = [
  {
    name: "three in a row",
    workflow: workflow("order_fulfillment")
      .step("validate", () => 1)
      .step("charge", { dependsOn: ["validate"], run: () => 1 })
      .step("ship", { dependsOn: ["charge"], run: () => 1 }),
    options: {},
  },
  {
    name: "an approval",
    workflow: workflow("approval").step("wait_approval", () => 1),
    options: { waits: { wait_approval: [{ signal: "approval", timeout: "7d" }] } },
  },
  {
    name: "an order",
    workflow: orderFulfilment,
    options: {
      waits: { approve: [{ signal: "approval", timeout: "7d" }] },
      signals: { approval: { approver: "somebody" } },
      failures: 1,
    },
  },
  {
    name: "onboarding",
    workflow: onboarding(async () => {}),
    options: { waits: { profile: [{ signal: "profile_finished", timeout: "3d" }] } },
  },
  // Four transformations side by side: with their failures there are more paths than a test suite has time for.
  { name: "an ETL", workflow: flightDelays, options: { failures: 0, cancel: false } },
];
