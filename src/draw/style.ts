/** Colours and fonts of a drawing, for light and dark; whoever shows it may set the properties anew. */
import { SIZES } from "./layout.ts";

/** Each colour with its light and its dark value. The property is called `--chart-` and the name. */
const COLOURS = {
  sheet: ["#ffffff", "#14181e"],
  ink: ["#1d2433", "#e7ebf2"],
  muted: ["#667085", "#98a2b3"],
  line: ["#8a94a6", "#7b8698"],
  faint: ["#b9c1ce", "#4b5566"],
  frame: ["#f6f8fb", "#1a2028"],
  lane: ["#eef2f7", "#222a34"],
  border: ["#d3dae5", "#39434f"],
  box: ["#ffffff", "#262e39"],
  edge: ["#a3adbf", "#566274"],
  chip: ["#eceff5", "#333d4a"],
  undo: ["#fff7e8", "#2a2318"],
  "undo-lane": ["#ffefd2", "#352b1b"],
  "undo-edge": ["#e0ae5a", "#8f6d34"],
  "undo-ink": ["#8a5a0a", "#e8bf7c"],
  good: ["#15803d", "#4ade80"],
  bad: ["#c53030", "#f87171"],
  wait: ["#7c3aed", "#b794f6"],
  live: ["#2563eb", "#60a5fa"],
  "live-box": ["#e6efff", "#1c3357"],
  "on-live": ["#ffffff", "#0d1420"],
} as const;

type Colour = keyof typeof COLOURS;

/** The plain value first, for programs that know no properties. */
const paint = (property: "fill" | "stroke", colour: Colour): string =>
  `${property}:${COLOURS[colour][0]};${property}:var(--chart-${colour})`;

const values = (which: 0 | 1): string =>
  Object.entries(COLOURS)
    .map(([name, colours]) => `--chart-${name}:${colours[which]}`)
    .join(";");

const RULES: readonly (readonly [selector: string, declarations: string])[] = [
  [
    "text",
    `font-family:Helvetica,Arial,"Liberation Sans",sans-serif;font-size:${SIZES.name}px;${paint("fill", "ink")}`,
  ],
  ["text.title", `font-size:${SIZES.title}px;font-weight:600`],
  ["text.heading", `font-size:${SIZES.heading}px;font-weight:600;${paint("fill", "muted")}`],
  ["text.note,text.event", `font-size:${SIZES.note}px;${paint("fill", "muted")}`],
  [".box", `${paint("fill", "box")};${paint("stroke", "edge")};stroke-width:1.2`],
  [".root>.box", `${paint("fill", "sheet")};stroke:none`],
  [".frame>.box", `${paint("fill", "frame")};${paint("stroke", "border")}`],
  [".frame .frame>.box", "fill:none;stroke-dasharray:4 3"],
  [".lane>.box", `${paint("fill", "lane")};${paint("stroke", "border")}`],
  [".region>.box", "fill:none;stroke:none"],
  [".chip>.box", `${paint("fill", "chip")};stroke:none`],
  [".icon", `fill:none;${paint("stroke", "muted")};stroke-width:1.4;stroke-linecap:round;stroke-linejoin:round`],
  [".icon .solid", paint("fill", "muted")],
  [".point>.box", `${paint("fill", "sheet")};${paint("stroke", "line")}`],
  [".point>.dot", paint("fill", "line")],
  [".dot", paint("fill", "ink")],
  [".ring", `fill:none;${paint("stroke", "edge")};stroke-width:1.2`],
  [".edge path", `fill:none;${paint("stroke", "line")};stroke-width:1.3;stroke-linejoin:round`],
  [".edge .head", `${paint("fill", "line")};stroke:none`],
  [".edge.fork path", paint("stroke", "faint")],
  [".edge.fork .head", `${paint("fill", "faint")};stroke:none`],
  [".edge.region path", `${paint("stroke", "border")};stroke-dasharray:5 4`],
  [".edge.undo path", paint("stroke", "undo-edge")],
  [".edge.undo .head", `${paint("fill", "undo-edge")};stroke:none`],
  [".edge.fail path", `${paint("stroke", "bad")};stroke-opacity:.7`],
  [".edge.fail .head", `${paint("fill", "bad")};stroke:none`],
  [".edge.cancel path", "stroke-dasharray:5 3"],
  [".edge.cancel .head", "stroke-dasharray:none"],
  [".rollback.frame>.box", `${paint("fill", "undo")};${paint("stroke", "undo-edge")}`],
  [".rollback .frame>.box", `fill:none;${paint("stroke", "undo-edge")}`],
  [".rollback .lane>.box", `${paint("fill", "undo-lane")};${paint("stroke", "undo-edge")};stroke-opacity:.5`],
  [".rollback .step>.box,.rollback .pill>.box", paint("stroke", "undo-edge")],
  [".rollback>text.heading", paint("fill", "undo-ink")],
  [".completed.final>.box,.completed.final>.ring", paint("stroke", "good")],
  [".completed.final>text", paint("fill", "good")],
  [".failed.final>.box,.failed.final>.ring", paint("stroke", "bad")],
  [".failed.final>text", paint("fill", "bad")],
  [".live>.box", `${paint("stroke", "live")};stroke-width:2`],
  [".region.live>.box", "stroke:none"],
  [".step.live>.box,.signal.live>.box,.pill.live>.box,.final.live>.box", paint("fill", "live-box")],
  [".chip.live>.box", `${paint("fill", "live")};stroke:none`],
  [".chip.live .icon", paint("stroke", "on-live")],
  [".chip.live .icon .solid", paint("fill", "on-live")],
  [".chip.live[data-tags~=waiting]>.box", paint("fill", "wait")],
  [".chip.live.completed>.box,.chip.live.undone>.box", paint("fill", "good")],
  [".chip.live.failed>.box", paint("fill", "bad")],
  [".point.live>.dot", paint("fill", "live")],
  [".completed.final.live>.box", `${paint("fill", "good")};stroke:none`],
  [".failed.final.live>.box", `${paint("fill", "bad")};stroke:none`],
  [".cancelled.final.live>.box", `${paint("fill", "muted")};stroke:none`],
  [".final.live>text", paint("fill", "on-live")],
];

const scoped = (selector: string): string =>
  selector
    .split(",")
    .map((part) => `.chart ${part}`)
    .join(",");

/** The style sheet. Every rule stays inside of the drawing. */
export const STYLE: string = [
  `.chart{${values(0)}}`,
  `@media(prefers-color-scheme:dark){.chart{${values(1)}}}`,
  ...RULES.map(([selector, declarations]) => `${scoped(selector)}{${declarations}}`),
].join("\n");
