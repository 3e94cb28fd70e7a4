/** A definition as the bucket keeps it for others. */
import type { Plan } from "../../machines/plan/plan.ts";
import { toJsonSchema } from "./schema.ts";
import type { AnyWorkflow } from "./workflow.ts";

/** The part of a definition that runs need: no functions. */
export interface ServedDefinition {
  readonly name: string;
  readonly plan: Plan;
  readonly planHash: string;
  readonly definitionHash: string;
  /** JSON Schema of the input; null: anything. */
  readonly inputSchema: unknown;
}

/** The part of a definition that runs need. */
export function servedPlan(workflow: AnyWorkflow): ServedDefinition {
  return {
    name: workflow.name,
    plan: workflow.plan,
    planHash: workflow.planHash,
    definitionHash: workflow.definitionHash,
    inputSchema: workflow.inputSchema === undefined ? null : toJsonSchema(workflow.inputSchema),
  };
}
