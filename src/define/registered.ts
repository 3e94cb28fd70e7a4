/** A definition without functions, as programs are made of it and as the bucket stores it. */
import type { RegisteredDefinition } from "../programs/stored-programs.ts";
import { toJsonSchema } from "./schema.ts";
import type { AnyWorkflow } from "./workflow.ts";

/** The part of a definition that its runs need. */
export function registeredDefinition(workflow: AnyWorkflow): RegisteredDefinition {
  return {
    name: workflow.name,
    plan: workflow.plan,
    planHash: workflow.planHash,
    definitionHash: workflow.definitionHash,
    inputSchema: workflow.inputSchema === undefined ? null : toJsonSchema(workflow.inputSchema),
  };
}
