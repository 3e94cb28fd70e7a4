/** What a layout is made of. Coordinates are pixels from the corner of the enclosing box. */
import type { ChartNode } from "./chart.ts";
import type { TextLine } from "./text.ts";

/** x and y. */
export type Point = readonly [x: number, y: number];

/** A way between boxes, along straight pieces. */
export interface Line {
  readonly points: readonly Point[];
  /** Whether it ends in an arrowhead. */
  readonly arrow: boolean;
  /** `fork`: to and from the branches of what runs side by side; `fail`, `cancel`: the ways off the good one. */
  readonly look: "flow" | "fork" | "undo" | "fail" | "cancel" | "region";
  /** Why it is taken, for whoever points at it. */
  readonly title?: string;
}

/** A line of text. */
export interface Label {
  readonly line: TextLine;
  readonly x: number;
  /** Of the base line. */
  readonly y: number;
  readonly look: "name" | "title" | "heading" | "note" | "event";
  readonly anchor?: "middle" | "end";
}

/** How a node is drawn. */
export type Look = "root" | "frame" | "lane" | "step" | "signal" | "chip" | "pill" | "point" | "final";

/** A node in its place, with everything inside. */
export interface Box {
  readonly node: ChartNode;
  readonly look: Look;
  x: number;
  y: number;
  readonly width: number;
  readonly height: number;
  /** Where the way comes in on the left and goes out on the right, from the top. */
  readonly enter: number;
  readonly leave: number;
  readonly children: readonly Box[];
  readonly lines: readonly Line[];
  readonly labels: readonly Label[];
}

/** A box somewhere else. */
export function at<B extends Box>(box: B, x: number, y: number): B {
  box.x = x;
  box.y = y;
  return box;
}

/** The right and the lower side. */
export const right = (box: Box): number => box.x + box.width;
export const bottom = (box: Box): number => box.y + box.height;
