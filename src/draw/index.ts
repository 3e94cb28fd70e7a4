/** Drawings of workflows, for documents and other tools. */
import { compilePlan, type MachineConfig } from "../../machines/plan/compile.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { type ChecksOf, objectWith, oneOf, readArgument, readSettings } from "../settings.ts";
import { chartMermaid } from "./mermaid.ts";
import { liveStates, type StateValue } from "./live.ts";
import { chartJson, chartSource } from "./source.ts";
import { type ChartOptions, chartSvg } from "./svg.ts";

/**
 * `svg`: a picture that follows the reader's light or dark; `mermaid`: a `stateDiagram-v2`; `json`: the statechart, which Stately
 * imports; `source`: TypeScript that makes the machine.
 */
export type DrawingFormat = "svg" | "mermaid" | "json" | "source";

/** How a workflow is drawn. */
export interface DrawOptions {
  /** @defaultValue "svg" */
  readonly format?: DrawingFormat;
  /** A stored snapshot (`run.record.machine.snapshot`) whose states are lit; `json` and `source` show none. @defaultValue none */
  readonly snapshot?: { readonly [member: string]: unknown } | undefined;
}

const CHECKS = {
  format: oneOf("svg", "mermaid", "json", "source"),
  snapshot: objectWith<NonNullable<DrawOptions["snapshot"]>>(),
} satisfies ChecksOf<DrawOptions>;

/**
 * Draws a workflow (what `workflow(…)` returns, or anything with a valid plan) before it ever runs, or as a run stands.
 * @throws {WorkflowError} `invalid` for options that cannot be
 */
export async function drawWorkflow(workflow: { readonly plan: Plan }, options: DrawOptions = {}): Promise<string> {
  readArgument("drawWorkflow", "workflow", objectWith("plan"), workflow);
  readSettings("drawWorkflow", CHECKS, options);
  const config = compilePlan(workflow.plan);
  const value = options.snapshot?.["value"];
  const live = value === undefined ? [] : liveStates(config, value as StateValue);
  return drawChart(config, options.format ?? "svg", { live });
}

async function drawChart(config: MachineConfig, format: DrawingFormat, options: ChartOptions): Promise<string> {
  switch (format) {
    case "svg":
      return chartSvg(config, options);
    case "mermaid":
      return chartMermaid(config, options);
    case "json":
      return chartJson(config);
    case "source":
      return chartSource(config);
  }
}
