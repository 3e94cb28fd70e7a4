/** A chart in each of the formats. */
import type { MachineConfig } from "../../machines/chart.ts";
import { liveStates, type StateValue } from "./live.ts";
import { chartMermaid } from "./mermaid.ts";
import { chartJson, chartSource } from "./source.ts";
import { chartSvg } from "./svg.ts";

/**
 * `svg`: a picture that follows the light or dark mode of its reader. `mermaid`: a `stateDiagram-v2`. `json`: the statechart, which Stately
 * imports. `source`: TypeScript that makes the machine.
 */
export type DrawingFormat = "svg" | "mermaid" | "json" | "source";

/** Draws a chart; the states of a snapshot are lit where the format shows any. */
export async function drawChart(
  config: MachineConfig,
  format: DrawingFormat,
  snapshot?: { readonly [member: string]: unknown },
): Promise<string> {
  const value = snapshot?.["value"];
  const live = value === undefined ? [] : liveStates(config, value as StateValue);
  switch (format) {
    case "svg":
      return chartSvg(config, { live });
    case "mermaid":
      return chartMermaid(config, { live });
    case "json":
      return chartJson(config);
    case "source":
      return chartSource(config);
  }
}
