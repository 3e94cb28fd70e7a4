/** A chart as a Mermaid `stateDiagram-v2`: nested, with regions side by side, in document order. */
import type { MachineConfig } from "../../machines/chart.ts";
import { type ChartEdge, type ChartNode, chartOf, nodesOf } from "./chart.ts";
import { labelOfEdge, labelOfExit } from "./edges.ts";
import type { ChartOptions } from "./svg.ts";
import { printable } from "./text.ts";

/** Draws a chart. Lit states have the class `live`. */
export function chartMermaid(config: MachineConfig, options: ChartOptions = {}): string {
  const chart = chartOf(config);
  const nodes = nodesOf(chart);
  // Names of states are for people; Mermaid gets plain ones.
  const names = new Map(nodes.map(({ id }, index) => [id, `s${index}`]));
  const name = (id: string): string => names.get(id) ?? id;
  const steps =
    nodes.filter(({ kind }) => kind === "step").length -
    nodes.filter(({ meta }) => "undo" in meta && !("phase" in meta)).length;
  const live = new Set(options.live);
  const lit = nodes.filter((node) => live.has(node.id) && node !== chart).map(({ id }) => name(id));
  return [
    "---",
    `title: ${JSON.stringify(asTitle(chart.label))}`,
    "---",
    "stateDiagram-v2",
    "  direction LR",
    "  classDef live fill:#2563eb,color:#ffffff,stroke:#1d4ed8",
    ...inside(chart, name, steps, "  "),
    ...(lit.length === 0 ? [] : [`  class ${lit.join(",")} live`]),
    "",
  ].join("\n");
}

function inside(node: ChartNode, name: (id: string) => string, steps: number, indent: string): readonly string[] {
  const parts = node.children.map((child) => state(child, name, steps, indent));
  const apart = node.kind === "parallel";
  return [
    ...parts.flatMap((lines, index) => (apart && index > 0 ? [`${indent}--`, ...lines] : lines)),
    ...node.children.filter(({ key }) => key === node.initial).map(({ id }) => `${indent}[*] --> ${name(id)}`),
    ...node.edges.flatMap((edge) => arrow(node, edge, name, steps, indent)),
    ...node.children.filter(({ final }) => final).map(({ id }) => `${indent}${name(id)} --> [*]`),
  ];
}

function state(node: ChartNode, name: (id: string) => string, steps: number, indent: string): readonly string[] {
  const label = node.note === "" ? node.label : `${node.label} (${node.note})`;
  const head = `${indent}state "${escape(label)}" as ${name(node.id)}`;
  return node.children.length === 0 ? [head] : [`${head} {`, ...inside(node, name, steps, `${indent}  `), `${indent}}`];
}

function arrow(
  node: ChartNode,
  edge: ChartEdge,
  name: (id: string) => string,
  steps: number,
  indent: string,
): readonly string[] {
  // From the whole to a part of it: Mermaid has no such arrow.
  if (edge.from === node.id) return [];
  const atTop =
    edge.causes.some(({ step }) => step !== undefined) && node.kind === "sequence" && node.meta["step"] === undefined;
  const label = atTop ? labelOfExit(edge, steps) : labelOfEdge(edge);
  return [`${indent}${name(edge.from)} --> ${name(edge.to)}${label === "" ? "" : ` : ${escape(label)}`}`];
}

/** Letters, digits and a few marks stay; the rest are entities as Mermaid writes them. */
function escape(text: string): string {
  return printable(text).replaceAll(/[^\p{L}\p{N}\p{M} _.,()·-]/gu, (found) => `#${found.codePointAt(0) ?? 0xfffd};`);
}

/** Titles are taken as they are, and as markup; so the marks of markup are only shown. */
function asTitle(text: string): string {
  return printable(text).replaceAll("<", "‹").replaceAll(">", "›").replaceAll("&", "＆").replaceAll('"', "”");
}
