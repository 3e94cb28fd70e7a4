/** What a write applied: the short labels of its record, as words for people and as events of the machine. */
import type { AppliedEvent } from "../draw/timeline.ts";
import { MISTAKEN_PAUSE } from "../run/foreign/changes.ts";

/** One label, read. */
export interface ReadLabel {
  readonly words: string;
  readonly event: AppliedEvent;
}

type Reader = (name: string) => ReadLabel;

const step =
  (type: string, words: (step: string) => string, members: Readonly<Record<string, unknown>> = {}): Reader =>
  (name) => ({ words: words(name), event: { type, ...members, step: name } });

/** Labels that end with a name. */
const NAMED: ReadonlyMap<string, Reader> = new Map([
  ["step.done", step("step.done", (name) => `${name} completed`)],
  ["step.failed", step("step.failed", (name) => `${name} failed`)],
  ["step.waiting", step("step.waiting", (name) => `${name} waits for a signal`)],
  ["undo.done", step("undo.done", (name) => `${name} was undone`)],
  ["undo.failed", step("undo.failed", (name) => `${name} could not be undone`)],
  ["fenced", step("step.fenced", (name) => `${name} can never start again`)],
  ["delay", step("timer.due", (name) => `the delay of ${name} is over`, { timer: "delay" })],
  ["deadline", step("timer.due", (name) => `the deadline of ${name} passed`, { timer: "deadline" })],
  ["backoff", step("backoff", (name) => `${name} will be tried again`)],
  ["rescheduled", step("backoff", (name) => `${name} goes back to the queue; that uses up no retry`)],
  ["again", step("attempt", (name) => `${name} is tried again`)],
  ["rerun", step("attempt", (name) => `${name} is run again; that used up no retry`)],
  ["release", step("release", (name) => `the worker of ${name} is gone`)],
  ["signal", (name) => ({ words: `signal ${name} was taken`, event: { type: "signal.received", signal: name } })],
]);

const plain = (words: string, type: string): ReadLabel => ({ words, event: { type } });

/** Labels that stand alone. `xstate.init` is what XState calls the event before the first. */
const WHOLE: ReadonlyMap<string, ReadLabel> = new Map([
  ["created", plain("created", "xstate.init")],
  ["start", plain("started", "start")],
  ["pause", plain("paused", "pause")],
  ["resume", plain("resumed", "resume")],
  ["cancel", plain("cancelled", "cancel")],
  ["terminate", plain("terminated", "terminate")],
  ["skip", plain("a held step was skipped", "skip")],
  ["retry", plain("opened again by retry", "retry")],
  ["mismatch", plain("paused: no worker serves its definition", "pause")],
  ["paused by another program", plain("paused by another program", "pause")],
  [MISTAKEN_PAUSE, plain("a worker of another program paused it by mistake; undone", "foreign")],
  ["resumed by another program", plain("resumed by another program", "resume")],
  ["cancelled by another program", plain("cancelled by another program", "cancel")],
  ["failed by another program", plain("failed by another program", "cancel")],
]);

/** Reads a label; one that a newer version writes is shown as it stands. */
export function readLabel(label: string): ReadLabel {
  const whole = WHOLE.get(label);
  if (whole !== undefined) return whole;
  const space = label.indexOf(" ");
  const reader = space === -1 ? undefined : NAMED.get(label.slice(0, space));
  return reader === undefined ? plain(label, label) : reader(label.slice(space + 1));
}
