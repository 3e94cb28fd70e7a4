/** Drawings of workflows, for documents and other tools. */
import { compilePlan } from "../../machines/plan/compile.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { type ChecksOf, objectWith, oneOf, readArgument, readSettings } from "../settings.ts";
import { drawChart, type DrawingFormat } from "./drawing.ts";

export type { DrawingFormat } from "./drawing.ts";

/** Options of `drawWorkflow`. */
export interface DrawOptions {
  /** The format of the drawing. @defaultValue "svg" */
  readonly format?: DrawingFormat;
  /** The `snapshot` of a run, whose states are highlighted. The formats `json` and `source` ignore it. @defaultValue none */
  readonly snapshot?: { readonly [member: string]: unknown } | undefined;
}

const CHECKS = {
  format: oneOf("svg", "mermaid", "json", "source"),
  snapshot: objectWith<NonNullable<DrawOptions["snapshot"]>>(),
} satisfies ChecksOf<DrawOptions>;

/**
 * Draws a workflow as a picture or as text: its definition, or a run with the states that it is in.
 * @throws {WorkflowError} `invalid` for options that are not valid.
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
