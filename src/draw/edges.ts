/** What an edge says. */
import type { Cause, ChartEdge } from "./chart.ts";

const WORDS: Readonly<Record<string, string>> = {
  "step.done": "done",
  "step.failed": "fails",
  "step.waiting": "waits",
  "step.fenced": "fenced",
  "signal.received": "signal",
  release: "released",
  "undo.release": "released",
  "undo.done": "done",
  "undo.failed": "fails",
  "undo.none": "nothing to undo",
};

/** One cause in a word; empty for what happens by itself. */
function wordOf({ event, guard }: Cause): string {
  if (event === "timer.due") return guard?.params?.["timer"] === "delay" ? "delay over" : "too late";
  return WORDS[event] ?? event;
}

const unique = (words: readonly string[]): readonly string[] => [...new Set(words.filter((word) => word !== ""))];

/** The steps whose failure leads along an edge. */
function failing({ causes }: ChartEdge): readonly string[] {
  return unique(
    causes.map(({ event, step }) => (event === "step.failed" || event === "timer.due" ? (step ?? "") : "")),
  );
}

/** An edge between states of one step, or of the run. */
export function labelOfEdge(edge: ChartEdge): string {
  return unique(edge.causes.map(wordOf)).join(" · ");
}

/** Names of more steps than this are only counted. */
const NAMED = 2;
const LONGEST_NAME = 24;

/** The way out of the steps: what an operator may say, and which steps fail into it. */
export function labelOfExit(edge: ChartEdge, steps: number): string {
  const names = failing(edge);
  const commands = unique(edge.causes.filter(({ step }) => step === undefined).map(wordOf));
  const short = names.length <= NAMED && names.every((name) => name.length <= LONGEST_NAME);
  const fails =
    names.length === 0
      ? []
      : names.length === steps
        ? ["a step fails"]
        : short
          ? [`${names.join(" or ")} fails`]
          : [`one of ${names.length} steps fails`];
  return [...fails, ...commands].join(" · ");
}

/** The same in full, a cause to a line. */
export function titleOfEdge(edge: ChartEdge): string {
  const names = failing(edge);
  const others = edge.causes.filter(({ step }) => step === undefined || names.length === 0);
  const told = unique(others.map((cause) => [wordOf(cause), guardOf(cause)].filter((word) => word !== "").join(" ")));
  return [...told, ...(names.length === 0 ? [] : [`fails: ${names.join(", ")}`])].join("\n");
}

/** Conditions that people should know of. */
const CONDITIONS: Readonly<Record<string, string>> = {
  compensates: "with undo",
  undoFailed: "an undo failed",
  drainedAs: "after a cancel",
};

const guardOf = ({ guard }: Cause): string => CONDITIONS[guard?.type ?? ""] ?? "";
