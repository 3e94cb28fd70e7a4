/**
 * The workflows of the examples, as the sources type them. Examples import the package as users do, and its built declarations leave out
 * what is internal; in a test the code behind both names is the same.
 */
import { flightDelays as etl } from "../../examples/etl/workflow.ts";
import { onboarding as letters } from "../../examples/onboarding/workflow.ts";
import { orderFulfilment as order } from "../../examples/order-fulfilment/workflow.ts";
import type { AnyWorkflow } from "../../src/define/workflow.ts";

export const flightDelays = etl as unknown as AnyWorkflow;
export const orderFulfilment = order as unknown as AnyWorkflow;
export const onboarding = letters as unknown as (...given: Parameters<typeof letters>) => AnyWorkflow;
