/** Facts about open waits: signals that were found and timers that are due. */
import { STORED_NULL } from "../../wire/value.ts";
import type { FoundSignal } from "../facts.ts";
import type { GivenSignals, TimerState } from "../record/record.ts";
import { type Draft, isSignalNode, projectionOf } from "./draft.ts";
import { move } from "./move.ts";
import { completeStep, failStep } from "./steps.ts";

/** Gives a signal to the oldest open wait of its name; consumption, cursor and what it enables are one write. */
export function applySignal(draft: Draft, signal: FoundSignal): void {
  const consumed = draft.machine.consumed.find((entry) => entry.name === signal.name);
  if (consumed?.ids.includes(signal.segment) === true) return;
  const wait = projectionOf(draft).waits.find((open) => open.signal === signal.name);
  if (wait === undefined) return;
  give(draft, wait, { signal: signal.name, id: signal.id, payload: signal.payload });
  const { step: name, generation, wake } = wait;
  if (!move(draft, { type: "signal.received", step: name, generation, wake }, `signal ${signal.name}`)) return;
  closeTimers(draft, name);
  const ids = [...(consumed?.ids ?? []), signal.segment];
  const others = draft.machine.consumed.filter((entry) => entry.name !== signal.name);
  draft.machine = { ...draft.machine, consumed: [...others, { ...consumed, name: signal.name, ids }] };
  const cursor = draft.record.signals.get(signal.name)?.cursor;
  if (cursor === undefined || cursor < signal.segment) {
    draft.record = {
      ...draft.record,
      signals: new Map(draft.record.signals).set(signal.name, { cursor: signal.segment }),
    };
  }
  if (isSignalNode(draft, name)) completeStep(draft, wait, signal.payload, 1);
}

/** A durable timer is due: it counts only for exactly what it was started for. */
export function applyDue(
  draft: Draft,
  due: { timer: "delay" | "deadline"; step: string; generation: number; wake: number },
): void {
  const { timer, step: name, generation, wake } = due;
  const matches = (other: TimerState): boolean =>
    other.timer === timer && other.step === name && other.generation === generation && other.wake === wake;
  if (!draft.machine.timers.some(matches)) return;
  const before = draft.machine;
  draft.machine = { ...draft.machine, timers: draft.machine.timers.filter((other) => !matches(other)) };
  if (timer === "deadline" && !isSignalNode(draft, name))
    give(draft, { step: name, generation }, { signal: waitedFor(draft, name, generation), id: null });
  if (!move(draft, { type: "timer.due", timer, step: name, generation, wake }, `${timer} ${name}`)) {
    draft.machine = { ...before, timers: draft.machine.timers };
    return;
  }
  if (timer === "deadline" && isSignalNode(draft, name)) endSignalNode(draft, name, generation);
}

/** The deadline of a signal node passed: it completed with null or failed, as its plan says. */
function endSignalNode(draft: Draft, name: string, generation: number): void {
  const view = projectionOf(draft).steps.get(name);
  if (view?.phase === "completed") return completeStep(draft, { step: name, generation }, STORED_NULL, 1);
  const message = `no signal ${JSON.stringify(name)} arrived in time`;
  failStep(draft, { step: name, generation }, { type: "SignalTimeout", message, outcome: "never", attempt: 1 });
}

/** The name that a handler waits for. */
function waitedFor(draft: Draft, step: string, generation: number): string {
  return draft.machine.given.find((entry) => entry.step === step && entry.generation === generation)?.signal ?? "";
}

function give(draft: Draft, wait: { step: string; generation: number }, payload: GivenSignals["given"][number]): void {
  const known = draft.machine.given.find((entry) => entry.step === wait.step && entry.generation === wait.generation);
  const others = draft.machine.given.filter((entry) => entry.step !== wait.step);
  const filled: GivenSignals = {
    step: wait.step,
    generation: wait.generation,
    given: [...(known?.given ?? []), payload],
  };
  draft.machine = { ...draft.machine, given: [...others, filled] };
}

/** A timer that lost its race is left to fire as a no-op; the record only forgets it. */
function closeTimers(draft: Draft, name: string): void {
  if (!draft.machine.timers.some((timer) => timer.step === name)) return;
  draft.machine = { ...draft.machine, timers: draft.machine.timers.filter((timer) => timer.step !== name) };
}
