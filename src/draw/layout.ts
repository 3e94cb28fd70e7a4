/**
 * Where everything stands inside of a node: what follows each other in a row, what runs side by side in a column, entangled groups in
 * levels. Rows and columns need no engine, and none draws them as straight: the arrow into a box is on the height of the arrow out of
 * the one before.
 */
import { type Box, at, bottom, type Label, type Line, type Look, type Point, right } from "./box.ts";
import type { ChartEdge, ChartNode } from "./chart.ts";
import { labelOfEdge, titleOfEdge } from "./edges.ts";
import { layoutGroup } from "./group.ts";
import { measure, type Setting, type TextLine, wrap } from "./text.ts";

/** Sizes of the fonts, in pixels; the style of the drawing has them too. */
export const SIZES = { title: 16, name: 13, heading: 11.5, note: 10.5, event: 10.5 } as const;

const CHIP = { width: 20, height: 16, gap: 4 } as const;
const POINT = 12;
/** Room between two boxes of a row: for an arrow, and for one with a word on it. */
const GAP = 28;
const NAME: Setting = { size: SIZES.name, room: 168, lines: 3 };

/** How the surroundings want a node. */
export interface Wish {
  /** In a column: the name beside the chips, not above them. */
  readonly flat?: boolean;
  readonly width?: number;
}

/** Lays a node and everything inside out. */
export async function place(node: ChartNode, wish: Wish = {}): Promise<Box> {
  switch (node.kind) {
    case "step":
      return wish.flat === true ? flatStep(node, wish.width) : tallStep(node);
    case "sequence":
      return placeRow(node, wish.width);
    case "parallel":
      return placeColumn(node);
    case "group":
      return placeGroup(node);
    case "phase":
    case "state":
      return pill(node, "pill");
    case "end":
      return box(node, "point", POINT, POINT);
  }
}

/** A box without anything inside; ways go through its middle. */
export function box(
  node: ChartNode,
  look: Look,
  width: number,
  height: number,
  inside: Partial<Pick<Box, "enter" | "leave" | "children" | "lines" | "labels">> = {},
): Box {
  const middle = height / 2;
  return {
    node,
    look,
    x: 0,
    y: 0,
    width,
    height,
    enter: middle,
    leave: middle,
    children: [],
    lines: [],
    labels: [],
    ...inside,
  };
}

/** A text on one line. */
export function textLine(text: string, size: number, room: number): TextLine {
  const [line] = wrap(text, { size, room, lines: 1 });
  return line ?? { text: "", width: 0, guessed: false };
}

/** A state with nothing inside but its name. */
export function pill(node: ChartNode, look: "pill" | "final"): Box {
  const line = textLine(node.label, SIZES.name, NAME.room);
  const width = Math.max(64, line.width + 28);
  return box(node, look, width, 28, { labels: [{ line, x: width / 2, y: 18.5, look: "name", anchor: "middle" }] });
}

// ------------------------------------------------------------------ steps

/** A node of the plan that waits for a signal has no handler, so it never runs. */
const lookOf = (node: ChartNode): Look => (node.note.startsWith("signal") ? "signal" : "step");

function chips(node: ChartNode, x: number, y: number): readonly Box[] {
  return node.children.map((phase, index) =>
    at(box(phase, "chip", CHIP.width, CHIP.height), x + index * (CHIP.width + CHIP.gap), y),
  );
}

/** Room that the notch of a signal takes. */
const notch = (node: ChartNode): number => (lookOf(node) === "signal" ? 6 : 0);

const chipsWidth = (node: ChartNode): number => node.children.length * (CHIP.width + CHIP.gap) - CHIP.gap;

function words(node: ChartNode): readonly Label[] {
  const names = wrap(node.label, NAME).map((line, index): Label => ({ line, x: 10, y: 20 + index * 16, look: "name" }));
  if (node.note === "") return names;
  const line = textLine(node.note, SIZES.note, NAME.room);
  return [...names, { line, x: 10, y: 20 + names.length * 16 - 1, look: "note" }];
}

const widest = (labels: readonly Label[]): number => Math.max(...labels.map(({ line }) => line.width));

function tallStep(node: ChartNode): Box {
  const labels = words(node);
  const top = 12 + labels.length * 16 + 4;
  const width = Math.max(widest(labels), chipsWidth(node), 60) + 20 + notch(node);
  return box(node, lookOf(node), width, top + CHIP.height + 9, { labels, children: chips(node, 10, top) });
}

function flatStep(node: ChartNode, wanted = 0): Box {
  const labels = words(node);
  const height = 16 + labels.length * 16;
  const width = Math.max(wanted, widest(labels) + chipsWidth(node) + 36 + notch(node));
  const x = width - 10 - notch(node) - chipsWidth(node);
  return box(node, lookOf(node), width, height, { labels, children: chips(node, x, (height - CHIP.height) / 2) });
}

// ------------------------------------------------------------------ rows

/** Padding of a frame. */
export const PAD = 12;

/** Children in a row, as wide as wanted if that is wider than they need. */
async function placeRow(node: ChartNode, wanted = 0): Promise<Box> {
  const boxes: Box[] = [];
  const between = (a: ChartNode, b: ChartNode): readonly ChartEdge[] =>
    node.edges.filter(({ from, to }) => (from === a.id && to === b.id) || (from === b.id && to === a.id));
  let x = PAD;
  let way = 0;
  for (const child of node.children) {
    const placed = await place(child);
    const before = boxes.at(-1);
    if (before !== undefined) x = right(before) + gapFor(between(before.node, child));
    at(placed, x, way - placed.enter);
    way = placed.y + placed.leave;
    boxes.push(placed);
  }
  const top = Math.min(...boxes.map(({ y }) => y)) - PAD;
  for (const placed of boxes) placed.y -= top;
  const first = boxes[0];
  const last = boxes.at(-1);
  if (first === undefined || last === undefined) return box(node, "lane", wanted, POINT);
  // The end of a branch stands where the other branches end.
  last.x = Math.max(last.x, wanted - PAD - last.width);
  const lines: Line[] = [];
  const labels: Label[] = [];
  for (const [index, placed] of boxes.entries()) {
    const next = boxes[index + 1];
    if (next === undefined) continue;
    const edges = between(placed.node, next.node);
    for (const edge of edges) {
      const back = edge.from === next.node.id;
      const shift = edges.length === 1 ? 0 : back ? 6 : -6;
      const y = next.y + next.enter + shift;
      const ends: Point[] = [
        [right(placed), y],
        [next.x, y],
      ];
      lines.push({ points: back ? ends.toReversed() : ends, arrow: true, look: "flow", title: titleOfEdge(edge) });
      const line = textLine(labelOfEdge(edge), SIZES.event, NAME.room);
      const middle = (right(placed) + next.x) / 2;
      if (line.text !== "") labels.push({ line, x: middle, y: back ? y + 12 : y - 5, look: "event", anchor: "middle" });
    }
  }
  return box(node, "lane", right(last) + PAD, Math.max(...boxes.map(bottom)) + PAD, {
    enter: first.y + first.enter,
    leave: last.y + last.leave,
    children: boxes,
    lines,
    labels,
  });
}

function gapFor(edges: readonly ChartEdge[]): number {
  const words = edges.map((edge) => measure(labelOfEdge(edge), SIZES.event));
  const word = Math.max(0, ...words);
  return word === 0 ? GAP : Math.max(GAP, word + 20);
}

// ------------------------------------------------------------------ columns

/** More than this in one column is folded into several, which are not forked to. */
const HIGHEST = 24;
/** Room for the ways that fork and join. */
const FORK = 30;
const BETWEEN = 10;

async function placeColumn(node: ChartNode): Promise<Box> {
  const first: Box[] = [];
  for (const child of node.children) first.push(await place(child, { flat: true }));
  const folded = first.length > HIGHEST;
  // About as wide as high, and the last column as full as the others.
  const highest = Math.max(HIGHEST, Math.ceil(Math.sqrt(first.length * 3)));
  const rows = Math.ceil(first.length / Math.ceil(first.length / highest));
  // Steps are as wide as the widest step, rows as the widest of all: both end on one line.
  const width = Math.max(...first.map((placed) => placed.width));
  const stepWidth = Math.max(...first.filter(({ node }) => node.kind === "step").map((placed) => placed.width));
  const boxes: Box[] = [];
  for (const { node: child } of first) {
    const wish = child.kind === "step" ? stepWidth : child.kind === "sequence" ? width : 0;
    boxes.push(await place(child, { flat: true, width: wish }));
  }
  const top = folded ? PAD + 18 : PAD;
  let x: number = folded ? PAD : FORK;
  let y = top;
  let lowest = 0;
  for (const [index, placed] of boxes.entries()) {
    if (index > 0 && index % rows === 0) {
      x += width + BETWEEN;
      y = top;
    }
    at(placed, x, y);
    y = bottom(placed) + BETWEEN;
    lowest = Math.max(lowest, bottom(placed));
  }
  const height = lowest + PAD;
  if (folded) {
    const line = textLine(`${boxes.length} side by side`, SIZES.heading, width);
    const labels: Label[] = [{ line, x: PAD, y: 18, look: "heading" }];
    return box(node, "frame", x + width + PAD, height, { children: boxes, labels });
  }
  const end = FORK + width + FORK;
  return box(node, "frame", end, height, { children: boxes, lines: forks(boxes, end, height / 2) });
}

function forks(boxes: readonly Box[], end: number, middle: number): readonly Line[] {
  return boxes.flatMap((placed): readonly Line[] => {
    const into = placed.y + placed.enter;
    const out = placed.y + placed.leave;
    const fork = FORK / 2 - 3;
    const join = end - FORK / 2;
    return [
      { points: bend([0, middle], fork, [placed.x, into]), arrow: true, look: "fork" },
      { points: bend([right(placed), out], join, [end, middle]), arrow: false, look: "fork" },
    ];
  });
}

/** Across, along x = `at`, across. */
export function bend(from: Point, at: number, to: Point): readonly Point[] {
  return from[1] === to[1] ? [from, to] : [from, [at, from[1]], [at, to[1]], to];
}

// ------------------------------------------------------------------ groups

async function placeGroup(node: ChartNode): Promise<Box> {
  const boxes: Box[] = [];
  for (const child of node.children) boxes.push(await place(child));
  const index = new Map(node.children.map((child, position) => [child.id, position]));
  const laid = await layoutGroup({
    members: boxes,
    edges: node.edges.map(({ from, to }) => [index.get(from) ?? 0, index.get(to) ?? 0] as const),
  });
  for (const [position, placed] of boxes.entries()) {
    const [x, y] = laid.places[position] ?? [0, 0];
    at(placed, x + PAD, y + PAD);
  }
  const width = laid.width + 2 * PAD;
  const lines = laid.ways.map(({ from, to, points }): Line => {
    const moved = points.map(([x, y]): Point => [x + PAD, y + PAD]);
    const [, firstY] = moved[0] ?? [0, 0];
    const [, lastY] = moved.at(-1) ?? [0, 0];
    const way: Point[] = [
      ...(from === null ? [[0, firstY] as const] : []),
      ...moved,
      ...(to === null ? [[width, lastY] as const] : []),
    ];
    return { points: way, arrow: to !== null, look: from === null || to === null ? "fork" : "flow" };
  });
  return box(node, "frame", width, laid.height + 2 * PAD, {
    enter: laid.enter + PAD,
    leave: laid.leave + PAD,
    children: boxes,
    lines,
  });
}
