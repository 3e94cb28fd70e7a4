/** Finds the events that led from one version of a record to the next, from what each write says that it applied. */
import { isDeepStrictEqual } from "node:util";
import { operate, project, type RunMachine } from "../../../machines/plan/advance.ts";
import type { RunOperation } from "../../../machines/events.ts";
import type { PersistedSnapshot, Projection } from "../../../machines/snapshot.ts";

/** A version of a run: its machine, and the words of the facts that the write applied. */
export interface Moment {
  readonly snapshot: PersistedSnapshot;
  readonly facts: readonly string[];
}

/** One event, and where it was met. */
export interface Retraced {
  readonly before: PersistedSnapshot;
  readonly event: RunOperation;
}

/** The events between two versions that follow each other; undefined when none lead there. Words leave some things open: all are tried. */
export function retrace(machine: RunMachine, from: Moment, to: Moment): readonly Retraced[] | undefined {
  const follow = (snapshot: PersistedSnapshot, rest: readonly string[]): readonly Retraced[] | undefined => {
    const [fact, ...others] = rest;
    if (fact === undefined) return isDeepStrictEqual(snapshot, to.snapshot) ? [] : undefined;
    const events = meaningsOf(fact, project(machine, snapshot), project(machine, to.snapshot));
    // A fact that moves no machine: a backoff, a release, a fence.
    if (events.length === 0) return follow(snapshot, others);
    for (const event of events) {
      const next = operate(machine, snapshot, event);
      const found = next.changed ? follow(jsonOf(next.snapshot), others) : undefined;
      if (found !== undefined) return [{ before: snapshot, event }, ...found];
    }
    return undefined;
  };
  return follow(from.snapshot, to.facts);
}

/** As a record holds it: members that are undefined are gone. */
const jsonOf = (snapshot: PersistedSnapshot): PersistedSnapshot =>
  JSON.parse(JSON.stringify(snapshot)) as PersistedSnapshot;

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
