/** A definition as the bucket keeps it for others. */
import { z } from "zod";
import type { Plan } from "../../machines/plan.ts";
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

/** What a schema takes, as JSON Schema; null: anything, or what JSON Schema cannot say. */
export function toJsonSchema(schema: z.ZodType): unknown {
  try {
    return z.toJSONSchema(schema, { unrepresentable: "any", io: "input" });
  } catch {
    // A schema that JSON Schema cannot say is published as "anything".
    return null;
  }
}
