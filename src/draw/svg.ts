/** A chart as one SVG document: no scripts, no links, nothing loaded from anywhere, every text escaped. */
import type { MachineConfig } from "../../machines/chart.ts";
import type { Box, Label, Line, Point } from "./box.ts";
import { type ChartNode, chartOf, nodesOf } from "./chart.ts";
import { type Icon, iconOf, legendOf } from "./icons.ts";
import { SIZES } from "./layout.ts";
import { placeSheet } from "./sheet.ts";
import { STYLE } from "./style.ts";
import { measure, printable } from "./text.ts";

/** How a chart is drawn. */
export interface ChartOptions {
  /** Ids of the states that are lit (`liveStates`). @defaultValue none */
  readonly live?: Iterable<string>;
}

/**
 * Draws a chart. Each state is one `<g class="state …" data-state="id" data-tags="tags">`, inside of the one around it; lit ones have the
 * class `live`. Colours are the properties `--chart-…` of `.chart`, light or dark as the reader prefers. The same chart always gives the
 * same text.
 */
export async function chartSvg(config: MachineConfig, options: ChartOptions = {}): Promise<string> {
  const chart = chartOf(config);
  const sheet = await placeSheet(chart);
  const legend = drawLegend(chart, sheet);
  const width = Math.ceil(sheet.width);
  const height = Math.ceil(sheet.height + legend.height);
  const live = new Set(options.live);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="${escape(chart.label)}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<style>${STYLE}</style>`,
    ...drawBox({ ...sheet, width, height }, [0, 0], live, undefined),
    ...legend.parts,
    "</svg>\n",
  ].join("\n");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as it stands between tags or in quotes. */
function escape(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (found) => ENTITIES[found] ?? found);
}

/** Two digits are more than anyone sees. */
const num = (value: number): string => String(Math.round(value * 100) / 100);

/** A name as a class: letters, digits, `_` and `-` only. */
const className = (key: string): string => key.replaceAll(/[^\w-]/g, "-");

function classesOf({ node, look }: Box, parent: ChartNode | undefined, live: ReadonlySet<string>): string {
  const region = look === "lane" && parent?.key === "active";
  return [
    "state",
    region ? "region" : look,
    ...(look === "chip" || look === "final" ? [className(node.key)] : []),
    ...(node.tags.includes("compensating") ? ["rollback"] : []),
    // The root is in every configuration; lit it would say nothing.
    ...(live.has(node.id) && look !== "root" ? ["live"] : []),
  ].join(" ");
}

function drawBox(
  box: Box,
  [left, top]: Point,
  live: ReadonlySet<string>,
  parent: ChartNode | undefined,
): readonly string[] {
  const { node, look } = box;
  const x = left + box.x;
  const y = top + box.y;
  const here: Point = [x, y];
  const lines = box.lines.flatMap((line) => drawLine(line, here));
  const children = box.children.flatMap((child) => drawBox(child, here, live, node));
  return [
    `<g class="${classesOf(box, parent, live)}" data-state="${escape(node.id)}" data-tags="${escape(node.tags.join(" "))}">`,
    ...(look === "root" ? [] : [`<title>${escape(titleOf(box))}</title>`]),
    ...outline(box, x, y),
    // On the sheet ways lead over the sides of boxes, to what is inside.
    ...(look === "root" ? [...children, ...lines] : [...lines, ...children]),
    ...box.labels.map((label) => drawLabel(label, here)),
    "</g>",
  ];
}

function titleOf({ node, look }: Box): string {
  if (look === "chip") return iconOf(node.key).meaning;
  if (look === "point") return "done";
  if (look !== "step" && look !== "signal") return node.description === "" ? node.label : node.description;
  return node.note === "" ? node.label : `${node.label} (${node.note})`;
}

const ROUND: Readonly<Record<Box["look"], number>> = {
  root: 0,
  frame: 8,
  lane: 6,
  step: 5,
  signal: 5,
  chip: 4,
  pill: 14,
  point: 6,
  final: 14,
};

function outline({ node, look, width, height }: Box, x: number, y: number): readonly string[] {
  const rect = (className: string, inset: number, round: number): string =>
    `<rect class="${className}" x="${num(x + inset)}" y="${num(y + inset)}" width="${num(width - 2 * inset)}" height="${num(height - 2 * inset)}" rx="${round}"/>`;
  const box = rect("box", 0, ROUND[look]);
  if (look === "signal") return [`<path class="box" d="${flag(x, y, width, height)}"/>`];
  if (look === "final") return [box, rect("ring", 3, ROUND[look] - 3)];
  if (look === "point")
    return [box, `<circle class="dot" cx="${num(x + width / 2)}" cy="${num(y + height / 2)}" r="3"/>`];
  if (look === "chip") return [box, drawIcon(iconOf(node.key), x + width / 2 - 5, y + height / 2 - 5)];
  return [box];
}

function drawIcon({ path, solid = false }: Icon, x: number, y: number): string {
  const filled = solid ? ' class="solid"' : "";
  return `<g class="icon" transform="translate(${num(x)} ${num(y)})"><path${filled} d="${path}"/></g>`;
}

/** The shape of "accept a signal" in activity diagrams, with the notch on the right, where it takes no room from the name. */
function flag(x: number, y: number, width: number, height: number): string {
  return `M${num(x)} ${num(y)}H${num(x + width)}L${num(x + width - 7)} ${num(y + height / 2)}L${num(x + width)} ${num(y + height)}H${num(x)}Z`;
}

const CORNER = 6;
const HEAD = 6;

function drawLine({ points, arrow, look, title }: Line, [left, top]: Point): readonly string[] {
  const moved = points.map(([x, y]): Point => [x + left, y + top]);
  const end = moved.at(-1);
  const before = moved.at(-2);
  if (end === undefined || before === undefined) return [];
  const [dx, dy] = [Math.sign(end[0] - before[0]), Math.sign(end[1] - before[1])];
  const head: Point[] = [
    end,
    [end[0] - dx * HEAD - dy * 3.5, end[1] - dy * HEAD - dx * 3.5],
    [end[0] - dx * HEAD + dy * 3.5, end[1] - dy * HEAD + dx * 3.5],
  ];
  // The line ends inside of its head, so that its blunt end does not show.
  const shaft = arrow ? [...moved.slice(0, -1), [end[0] - dx * 3, end[1] - dy * 3] as const] : moved;
  return [
    `<g class="edge ${look}">`,
    ...(title === undefined || title === "" ? [] : [`<title>${escape(title)}</title>`]),
    `<path d="${pathOf(shaft)}"/>`,
    ...(arrow ? [`<path class="head" d="M${head.map(([x, y]) => `${num(x)} ${num(y)}`).join("L")}Z"/>`] : []),
    "</g>",
  ];
}

/** Straight pieces with round corners. */
function pathOf(points: readonly Point[]): string {
  return points
    .map(([x, y], index) => {
      const before = points[index - 1];
      const after = points[index + 1];
      if (before === undefined) return `M${num(x)} ${num(y)}`;
      if (after === undefined) return `L${num(x)} ${num(y)}`;
      const towards = ([toX, toY]: Point): Point => {
        const length = Math.hypot(toX - x, toY - y);
        const cut = Math.min(CORNER, length / 2) / (length || 1);
        return [x + (toX - x) * cut, y + (toY - y) * cut];
      };
      const [inX, inY] = towards(before);
      const [outX, outY] = towards(after);
      return `L${num(inX)} ${num(inY)}Q${num(x)} ${num(y)} ${num(outX)} ${num(outY)}`;
    })
    .join("");
}

function drawLabel({ line, x, y, look, anchor }: Label, [left, top]: Point): string {
  const end = anchor === undefined ? "" : ` text-anchor="${anchor}"`;
  // A font that has other widths than we guessed must not run over the side.
  const fit = line.guessed ? ` textLength="${num(line.width)}" lengthAdjust="spacingAndGlyphs"` : "";
  return `<text class="${look}" x="${num(left + x)}" y="${num(top + y)}"${end}${fit}>${escape(line.text)}</text>`;
}

const LEGEND_ROW = 22;

/** What the small pictures mean, as far as there are any. */
function drawLegend(chart: ChartNode, sheet: Box): { readonly height: number; readonly parts: readonly string[] } {
  const keys = new Set(
    nodesOf(chart)
      .filter(({ kind }) => kind === "phase")
      .map(({ key }) => key),
  );
  const parts: string[] = [];
  const start = 20;
  let x = start;
  let y = sheet.height;
  for (const icon of legendOf(keys)) {
    const width = 18 + measure(icon.meaning, SIZES.note) + 16;
    if (x > start && x + width > sheet.width) {
      x = start;
      y += LEGEND_ROW;
    }
    parts.push(
      drawIcon(icon, x, y),
      `<text class="note" x="${num(x + 16)}" y="${num(y + 9)}">${escape(icon.meaning)}</text>`,
    );
    x += width;
  }
  return { height: keys.size === 0 ? 0 : y + LEGEND_ROW - sheet.height, parts };
}
