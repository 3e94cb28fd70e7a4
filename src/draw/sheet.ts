/**
 * The whole sheet. The good way is on top, from `pending` to `completed`; below it, apart, the ways off it: what undoes, what only
 * stops; on the right the ends. Ways off leave through the lower side and come in on the right.
 *
 * ```
 * pending ─→ ┌ active: the steps ────┐ ─→ completed
 *    │       └─┬───┬─────────────────┘
 *    │         │   ▼
 *    │         │ ┌ compensating ─────┐ ─→ failed
 *    │         │ └───────────────────┘  ╳
 *    │         └→ stopping ──────────── ─→ cancelled
 *    └──────────────────────────────────────↑
 * ```
 */
import { at, type Box, bottom, type Label, type Line, type Point, right } from "./box.ts";
import { type ChartEdge, type ChartNode, nodesOf } from "./chart.ts";
import { labelOfEdge, labelOfExit, titleOfEdge } from "./edges.ts";
import { bend, box, PAD, pill, place, SIZES, textLine } from "./layout.ts";
import { measure, wrap } from "./text.ts";

const MARGIN = 20;
/** Between the good way and what is below, with room for the words on the way down. */
const DROP = 46;
/** Room for the ways that go down the left side of what is below. */
const LANE = 34;
/** Room for the ways between what is below and the ends. */
const EXITS = 64;

/** Lays the whole chart out. */
export async function placeSheet(root: ChartNode): Promise<Box> {
  const part = (key: string): ChartNode | undefined => root.children.find((child) => child.key === key);
  const must = (key: string): ChartNode => {
    const node = part(key);
    if (node === undefined) throw new Error(`${root.id} is no chart of a plan: it has no state ${key}`);
    return node;
  };
  const edge = (from: ChartNode, to: ChartNode): ChartEdge | undefined =>
    root.edges.find((known) => known.from === from.id && known.to === to.id);
  const steps = nodesOf(must("active")).filter(({ kind }) => kind === "step").length;

  const pending = pill(must("pending"), "pill");
  const active = await placePart(must("active"));
  const undoing = part("compensating");
  const compensating = undoing === undefined ? undefined : await placePart(undoing);
  const stopping = pill(must("stopping"), "pill");
  const [completed, failed, cancelled] = ["completed", "failed", "cancelled"].map((key) =>
    pill(must(key), "final"),
  ) as [Box, Box, Box];

  const heading = wrap(root.label, { size: SIZES.title, room: 560, lines: 2, bold: true });
  const labels: Label[] = heading.map((line, index) => ({
    line,
    x: MARGIN,
    y: MARGIN + 14 + index * 20,
    look: "title",
  }));
  const top = MARGIN + heading.length * 20 + 14;

  // The good way, on one height.
  const start = edge(pending.node, active.node);
  const startWord = start === undefined ? "" : labelOfEdge(start);
  at(active, MARGIN + 24 + pending.width + Math.max(34, measure(startWord, SIZES.event) + 26), top);
  const enter = active.y + active.enter;
  at(pending, MARGIN + 24, enter - pending.height / 2);

  // Below it.
  const below = active.x + LANE;
  let low = bottom(active) + DROP;
  if (compensating !== undefined) {
    at(compensating, below, low);
    low = bottom(compensating) + 26;
  }
  at(stopping, below, low);

  // The ends.
  const leave = active.y + active.leave;
  const ends = Math.max(
    right(active) + 44,
    (compensating === undefined ? 0 : right(compensating)) + EXITS,
    right(stopping) + EXITS,
  );
  at(completed, ends, leave - completed.height / 2);
  const middle = (placed: Box): number => placed.y + placed.leave;
  const failedY = compensating === undefined ? middle(stopping) : middle(compensating);
  at(failed, ends, failedY - failed.height / 2);
  at(cancelled, ends, Math.max(middle(stopping) - cancelled.height / 2, bottom(failed) + 34));

  const lines: Line[] = [];
  const say = (text: string, x: number, y: number, anchor?: "middle"): void => {
    const line = textLine(text, SIZES.event, 600);
    if (line.text !== "") labels.push({ line, x, y, look: "event", ...(anchor === undefined ? {} : { anchor }) });
  };
  const draw = (known: ChartEdge | undefined, look: Line["look"], points: readonly Point[]): void => {
    if (known !== undefined) lines.push({ points, arrow: true, look, title: titleOfEdge(known) });
  };

  const [first, last] = flowOf(active);
  draw(start, "flow", [
    [right(pending), enter],
    [first, enter],
  ]);
  say(startWord, (right(pending) + active.x) / 2, enter - 6, "middle");
  draw(edge(active.node, completed.node), "flow", [
    [last, leave],
    [completed.x, leave],
  ]);

  const toUndo = compensating === undefined ? undefined : edge(active.node, compensating.node);
  const toStop = edge(active.node, stopping.node);
  if (compensating !== undefined && toUndo !== undefined) {
    const x = compensating.x + 32;
    draw(toUndo, "undo", [
      [x, bottom(active)],
      [x, compensating.y],
    ]);
    say(labelOfExit(toUndo, steps), x + 9, bottom(active) + DROP - 18);
  }
  if (toStop !== undefined) {
    const y = stopping.y + stopping.enter;
    const x = active.x + LANE / 2;
    draw(toStop, "cancel", [
      [x, bottom(active)],
      [x, y],
      [stopping.x, y],
    ]);
    const word = labelOfExit(toStop, steps);
    say(
      toUndo === undefined ? word : `${word}, nothing is undone`,
      toUndo === undefined ? x + 9 : stopping.x,
      toUndo === undefined ? bottom(active) + 17 : stopping.y + stopping.height + 14,
    );
  }

  // Two sources, two ends: one crossing, next to the ends.
  const inner = ends - 38;
  const outer = ends - 22;
  if (compensating !== undefined) {
    const y = middle(compensating);
    draw(edge(compensating.node, failed.node), "fail", [
      [right(compensating), y],
      [ends, y],
    ]);
    draw(edge(compensating.node, cancelled.node), "cancel", [
      [right(compensating), y + 9],
      ...bend([right(compensating), y + 9], outer, [ends, middle(cancelled) - 6]).slice(1),
    ]);
    draw(edge(stopping.node, failed.node), "fail", [
      [right(stopping), middle(stopping) - 6],
      [inner, middle(stopping) - 6],
      [inner, failedY + 6],
      [ends, failedY + 6],
    ]);
    draw(
      edge(stopping.node, cancelled.node),
      "cancel",
      bend([right(stopping), middle(stopping) + 4], outer, [ends, middle(cancelled) + 4]),
    );
  } else {
    draw(edge(stopping.node, failed.node), "fail", [
      [right(stopping), failedY],
      [ends, failedY],
    ]);
    draw(
      edge(stopping.node, cancelled.node),
      "cancel",
      bend([right(stopping), failedY + 7], inner, [ends, middle(cancelled)]),
    );
  }

  // What does not go through the steps: cancelled before it began.
  const floor = Math.max(bottom(cancelled), bottom(stopping) + (toUndo === undefined ? 0 : 18)) + 18;
  const early = edge(pending.node, cancelled.node);
  const drop = pending.x + pending.width / 2;
  draw(early, "cancel", [
    [drop, bottom(pending)],
    [drop, floor],
    [cancelled.x + cancelled.width / 2, floor],
    [cancelled.x + cancelled.width / 2, bottom(cancelled)],
  ]);
  if (early !== undefined) say(labelOfEdge(early), drop + 8, bottom(pending) + 18);

  const side = Math.max(right(completed), right(failed), right(cancelled));
  const width = Math.max(side, MARGIN + Math.max(...heading.map((line) => line.width))) + MARGIN;

  const height = floor + MARGIN;
  const children = [
    pending,
    active,
    ...(compensating === undefined ? [] : [compensating]),
    stopping,
    completed,
    failed,
    cancelled,
  ];
  return box(root, "root", width, height, { children, lines, labels });
}

/** Where the flow begins and ends inside of the active part, seen from the sheet. Steps side by side begin at its border. */
function flowOf(active: Box): readonly [first: number, last: number] {
  const [first] = active.children;
  const last = active.children.at(-1);
  if (active.node.kind !== "sequence" || first === undefined || last === undefined) return [active.x, right(active)];
  return [active.x + first.x, active.x + right(last)];
}

/** A part of the sheet: its steps as they are laid out anywhere, in a frame with its name. */
async function placePart(node: ChartNode): Promise<Box> {
  const inside = await place(node);
  const name = textLine(node.label, SIZES.heading, 200);
  const note = textLine(node.description, SIZES.note, 420);
  const labels: Label[] = [
    { line: name, x: PAD, y: 19, look: "heading" },
    ...(note.text === "" ? [] : [{ line: note, x: PAD + name.width + 8, y: 19, look: "note" } as const]),
  ];
  const down = 16;
  for (const child of inside.children) child.y += down;
  const lines = inside.lines.map((line): Line => ({
    ...line,
    points: line.points.map(([x, y]): Point => [x, y + down]),
  }));
  return box(node, "frame", Math.max(inside.width, PAD * 2 + 8 + name.width + note.width), inside.height + down, {
    enter: inside.enter + down,
    leave: inside.leave + down,
    children: inside.children,
    lines,
    labels: [...labels, ...inside.labels.map((label) => ({ ...label, y: label.y + down }))],
  });
}
