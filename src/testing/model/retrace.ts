/** Finds the events that led from one version of a record to the next, from what each write says that it applied. */
import { isDeepStrictEqual } from "node:util";
import type { RunEvent } from "../../../machines/events.ts";
import type { Program } from "../../../machines/program.ts";
import type { PersistedSnapshot, Projection } from "../../../machines/snapshot.ts";
import { type ControlledRun, operate, projectRun, type RunOperation } from "../../run/control.ts";

/** A version of a run: what its record holds of it, and the words of the facts that the write applied. */
export interface Moment {
  readonly run: ControlledRun;
  readonly facts: readonly string[];
}

/** One event of the chart, and where it was met. */
export interface Retraced {
  readonly before: PersistedSnapshot;
  readonly event: RunEvent;
}

/** The events between two versions that follow each other; undefined when none lead there. Words leave some things open: all are tried. */
export function retrace(program: Program, from: Moment, to: Moment): readonly Retraced[] | undefined {
  const end = runOf(to.run);
  const follow = (run: ControlledRun, rest: readonly string[]): readonly Retraced[] | undefined => {
    const [fact, ...others] = rest;
    if (fact === undefined) return isDeepStrictEqual(run, end) ? [] : undefined;
    const operations = meaningsOf(fact, projectRun(program, run), projectRun(program, end));
    // A fact that moves nothing: a backoff, a release, a fence.
    if (operations.length === 0) return follow(run, others);
    for (const operation of operations) {
      const events: Retraced[] = [];
      const next = operate(recorded(program, events), run, operation);
      const found = next.changed ? follow(runOf(next.run), others) : undefined;
      if (found !== undefined) return [...events, ...found];
    }
    return undefined;
  };
  return follow(runOf(from.run), to.facts);
}

/** A program that says which events it was told. */
function recorded(program: Program, told: Retraced[]): Pick<Program, "steps" | "advance" | "reopen" | "project"> {
  return {
    steps: program.steps,
    advance: (snapshot, events) => {
      let before = snapshot;
      for (const event of events) {
        told.push({ before, event });
        before = program.advance(before, [event]).snapshot;
      }
      return program.advance(snapshot, events);
    },
    reopen: (snapshot) => program.reopen(snapshot),
    project: (snapshot) => program.project(snapshot),
  };
}

/** As a record holds it: members that are undefined are gone. */
const runOf = ({ snapshot, paused, parked, terminated }: ControlledRun): ControlledRun =>
  JSON.parse(JSON.stringify({ snapshot, paused, parked, terminated })) as ControlledRun;

/** What the words of a fact may stand for, in the state in which it was applied. */
function meaningsOf(fact: string, view: Projection, after: Projection): readonly RunOperation[] {
  const [word = "", ...rest] = fact.split(" ");
  const name = rest.join(" ");
  const known = view.steps.get(name);
  const step = { step: name, generation: Math.max(1, known?.generation ?? 1) };
  const woken = { ...step, wake: known?.wake ?? 0 };
  switch (word) {
    case "start":
    case "pause":
    case "resume":
    case "terminate":
      return [{ type: word }];
    case "mismatch":
      return [{ type: "pause" }];
    case "cancel":
      return [
        { type: "cancel", compensate: true },
        { type: "cancel", compensate: false },
      ];
    case "skip":
      return [...view.steps].flatMap(([held, { phase }]) => (phase === "held" ? [{ type: "skip", step: held }] : []));
    case "step.done":
    case "undo.done":
    case "undo.failed":
      return [{ type: word, ...step }];
    case "step.failed":
      return [
        { type: "step.failed", ...step, outcome: "never" },
        { type: "step.failed", ...step, outcome: "unknown" },
      ];
    case "fenced":
      return [
        { type: "step.fenced", ...step, outcome: "unknown" },
        { type: "step.fenced", ...step, outcome: "never" },
      ];
    case "step.waiting": {
      // A wait that was closed in the same write leaves no trace of its signal.
      const signals = new Set([...after.waits.filter((wait) => wait.step === name).map(({ signal }) => signal), ""]);
      return [...signals].map((signal) => ({ type: "step.waiting", ...woken, signal, timeoutMs: 0 }));
    }
    case "delay":
    case "deadline":
      return [{ type: "timer.due", timer: word, ...woken }];
    case "signal":
      return view.waits
        .filter((wait) => wait.signal === name || wait.signal === "")
        .map(({ step: waiting, generation, wake }) => ({ type: "signal.received", step: waiting, generation, wake }));
    default:
      return [];
  }
}
