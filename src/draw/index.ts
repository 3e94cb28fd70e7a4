/** Drawings of workflows, for documents and other tools. */
import { compilePlan } from "../../machines/plan/compile.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { type ChecksOf, objectWith, oneOf, readArgument, readSettings } from "../settings.ts";
import { drawChart, type DrawingFormat } from "./drawing.ts";

export type { DrawingFormat } from "./drawing.ts";

/** How a workflow is drawn. */
export interface DrawOptions {
  /** @defaultValue "svg" */
  readonly format?: DrawingFormat;
  /** A stored snapshot (`snapshot` of what `client.get` gives) whose states are lit; `json` and `source` show none. @defaultValue none */
  readonly snapshot?: { readonly [member: string]: unknown } | undefined;
}

const CHECKS = {
  format: oneOf("svg", "mermaid", "json", "source"),
  snapshot: objectWith<NonNullable<DrawOptions["snapshot"]>>(),
} satisfies ChecksOf<DrawOptions>;

/**
 * Draws a workflow (what `workflow(…)` returns, or anything with a valid plan) before it ever runs, or as a run stands.
 * @throws {WorkflowError} `invalid` for options that cannot be
 *
 * @example
 * ```ts
 * const { snapshot } = await client.get("order-123");
 * const svg = await drawWorkflow(order, { snapshot });
 * ```
 */
export async function drawWorkflow(workflow: { readonly plan: Plan }, options: DrawOptions = {}): Promise<string> {
  readArgument("drawWorkflow", "workflow", objectWith("plan"), workflow);
  readSettings("drawWorkflow", CHECKS, options);
  return drawChart(compilePlan(workflow.plan), options.format ?? "svg", options.snapshot);
}
