/**
 * (record, facts) → record. Pure: a lost race is repaired by deciding again on the winner's record (R2).
 *
 * Commands that the machine emits are put into the outbox of the same record (R3); a decision that changes nothing returns the same
 * object (R6); the first result of a step stays for ever, because the machine accepts one completion a generation (R5).
 */
import { advance, type Decision, project } from "../../machines/advance.ts";
import type { Command } from "../../machines/commands.ts";
import type { Outcome, RunEvent } from "../../machines/events.ts";
import type { Projection } from "../../machines/snapshot.ts";
import { formatOpaque } from "../wire/instant.ts";
import type { Delivery, Fact, Failure, FoundSignal } from "./facts.ts";
import type { Program } from "./program.ts";
import {
  type Flight,
  type FlightRef,
  type GivenSignals,
  isOver,
  type MachinePart,
  type OutboxEntry,
  refOf,
  type RunError,
  type RunRecord,
  sameFlight,
  type StepState,
  type TimerState,
} from "./record.ts";
import { flightTaskId } from "./tasks.ts";

/** A run that is not parked is looked at this often at most. */
export const LOOK_MS: number = 10 * 60_000;
/** A parked run without a deadline is looked at once a day. */
export const PARKED_LOOK_MS: number = 24 * 60 * 60_000;
/** A parked run that foreign writers may change is looked at this often. */
export const FOREIGN_LOOK_MS = 10_000;
/** Operator commands remembered, so that one that is repeated counts once. */
const APPLIED_KEPT = 64;

/** What the clock and chance say, so that deciding needs neither. */
export interface DecideInput {
  /** Server time in milliseconds since 1970. */
  readonly now: number;
  /** Id of the write, for people. */
  readonly writeId: string;
}

type Draft = {
  record: RunRecord;
  machine: MachinePart;
  readonly program: Program;
  readonly now: string;
  readonly nowMs: number;
  readonly applied: string[];
  /** Flights started in this decision, to be given to their bringers. */
  readonly fresh: FlightRef[];
  by: string | undefined;
  force: boolean;
};

/** Applies facts to a record. Returns the same object when nothing changed. */
export function decide(
  record: RunRecord,
  program: Program,
  deliveries: readonly Delivery[],
  input: DecideInput,
): RunRecord {
  if (record.machine === undefined) return record;
  const draft: Draft = {
    record,
    machine: record.machine,
    program,
    now: formatOpaque(input.now),
    nowMs: input.now,
    applied: [],
    fresh: [],
    by: undefined,
    force: false,
  };
  for (const delivery of deliveries) {
    draft.by = delivery.actor?.task;
    for (const fact of delivery.facts) applyFact(draft, fact);
  }
  if (draft.record === record && draft.machine === record.machine && !draft.force) return record;
  assignOwners(draft, deliveries);
  return finishDraft(draft, deliveries[0]?.actor?.task, input.writeId);
}

function applyFact(draft: Draft, fact: Fact): void {
  switch (fact.fact) {
    case "begin":
      step(draft, { type: "start" }, "start");
      return;
    case "done":
      return applyDone(draft, fact.ref, fact.result, fact.attempt);
    case "failed":
      return applyFailed(draft, fact.ref, fact.failure);
    case "waiting":
      return applyWaiting(draft, fact.ref, fact.signal, fact.timeoutMs);
    case "backoff":
      return applyBackoff(draft, fact.ref, fact.availableAt, fact.retries);
    case "release":
      return applyRelease(draft, fact.task, fact.before);
    case "begun":
      return applyBegun(draft, fact.task, fact.retries);
    case "lost":
      return applyLost(draft, fact.task, fact.attempt);
    case "signals":
      for (const signal of fact.found) applySignal(draft, signal);
      return;
    case "due":
      return applyDue(draft, fact);
    case "fenced":
      return applyFenced(draft, fact.ref, fact.outcome);
    case "command":
      return applyCommand(draft, fact);
    case "mismatch":
      return applyMismatch(draft, fact.message);
    case "confirm":
      return confirm(draft, new Set(fact.entries));
    case "fence":
      draft.force = true;
  }
}

/** Feeds the machine. Returns false when it did not move: then nothing else may change either. */
function step(draft: Draft, event: RunEvent, label: string): boolean {
  const decision: Decision = advance(draft.program.machine, draft.machine.snapshot, [event]);
  if (!decision.changed) return false;
  draft.applied.push(label);
  draft.machine = { ...draft.machine, snapshot: decision.snapshot };
  for (const command of decision.commands) applyEmitted(draft, command);
  return true;
}

function applyEmitted(draft: Draft, command: Command): void {
  switch (command.type) {
    case "step.start":
      return startFlight(draft, {
        kind: "run",
        step: command.step,
        generation: command.generation,
        wake: command.wake,
      });
    case "undo.start":
      return startFlight(draft, { kind: "undo", step: command.step, generation: command.generation, wake: 0 });
    case "step.fence": {
      const ref: FlightRef = { kind: "run", step: command.step, generation: command.generation, wake: command.wake };
      removeEntry(draft, entryId("create", ref));
      return addEntry(draft, { id: entryId("fence", ref), do: "fence", ref });
    }
    case "timer.start": {
      const { timer, step: name, generation, wake } = command;
      const started: TimerState = { timer, step: name, generation, wake, dueAt: draft.nowMs + command.ms };
      draft.machine = { ...draft.machine, timers: [...draft.machine.timers, started] };
      return addEntry(draft, { id: `timer:${timer}:${name}:${generation}:${wake}`, do: "timer", timer: started });
    }
    case "signal.await":
      return openWait(draft, command.step, command.generation, command.signal);
  }
}

function startFlight(draft: Draft, ref: FlightRef): void {
  const before = draft.machine.flights.filter((flight) => !(flight.kind === ref.kind && flight.step === ref.step));
  const retries = ref.wake > 0 ? retriesBefore(draft, ref) : 0;
  draft.machine = { ...draft.machine, flights: [...before, { ...ref, begun: false, retries }] };
  draft.fresh.push(ref);
}

/** A wake is no retry: what was used up before the wait is carried over in the waiting step's plain attempt count. */
function retriesBefore(draft: Draft, ref: FlightRef): number {
  const attempt = draft.record.steps.get(ref.step)?.attempt ?? 1;
  return Math.max(0, attempt - 1);
}

function findFlight(draft: Draft, ref: FlightRef): Flight | undefined {
  return draft.machine.flights.find((flight) => sameFlight(flight, ref));
}

function mapFlight(draft: Draft, ref: FlightRef, change: (flight: Flight) => Flight): void {
  if (findFlight(draft, ref) === undefined) return;
  const flights = draft.machine.flights.map((flight) => (sameFlight(flight, ref) ? change(flight) : flight));
  draft.machine = { ...draft.machine, flights };
}

/** Ends a flight. Its task object is settled in the outbox, unless it is the task of the one who says so, which is finished last. */
function endFlight(draft: Draft, flight: Flight, status: "completed" | "failed" | "cancelled", error?: string): void {
  draft.machine = { ...draft.machine, flights: draft.machine.flights.filter((other) => other !== flight) };
  const ref = refOf(flight);
  removeEntry(draft, entryId("create", ref));
  removeEntry(draft, entryId("fence", ref));
  if (flightTaskId(draft.record.id, ref) === draft.by) return;
  addEntry(draft, {
    id: entryId("settle", ref),
    do: "settle",
    ref,
    status,
    ...(error === undefined ? {} : { error }),
  });
}

function applyDone(draft: Draft, ref: FlightRef, result: unknown, attempt: number): void {
  const flight = findFlight(draft, ref);
  if (flight === undefined) return;
  if (ref.kind === "undo") {
    if (step(draft, { type: "undo.done", step: ref.step, generation: ref.generation }, `undo.done ${ref.step}`))
      endFlight(draft, flight, "completed");
    return;
  }
  if (!step(draft, { type: "step.done", step: ref.step, generation: ref.generation }, `step.done ${ref.step}`)) return;
  endFlight(draft, flight, "completed");
  completeStep(draft, ref.step, result, attempt);
}

function completeStep(draft: Draft, name: string, result: unknown, attempt: number): void {
  const before = draft.record.steps.get(name);
  setStep(draft, name, {
    status: "completed",
    ...(before?.started_at === undefined ? {} : { started_at: before.started_at }),
    completed_at: draft.now,
    result,
    attempt,
  });
  forgetGiven(draft, name);
  addEntry(draft, { id: `result:${name}`, do: "result", step: name });
}

function applyFailed(draft: Draft, ref: FlightRef, failure: Failure): void {
  const flight = findFlight(draft, ref);
  if (flight === undefined) return;
  if (ref.kind === "undo") {
    if (!step(draft, { type: "undo.failed", step: ref.step, generation: ref.generation }, `undo.failed ${ref.step}`))
      return;
    endFlight(draft, flight, "failed", failure.message);
    const failed = { step: ref.step, message: failure.message };
    draft.machine = { ...draft.machine, compensation_errors: [...draft.machine.compensation_errors, failed] };
    return;
  }
  const event: RunEvent = { type: "step.failed", step: ref.step, generation: ref.generation, outcome: failure.outcome };
  if (!step(draft, event, `step.failed ${ref.step}`)) return;
  endFlight(draft, flight, "failed", failure.message);
  failStep(draft, ref, failure);
}

function failStep(draft: Draft, ref: { step: string; generation: number }, failure: Failure): void {
  const before = draft.record.steps.get(ref.step);
  setStep(draft, ref.step, {
    status: "failed",
    ...(before?.started_at === undefined ? {} : { started_at: before.started_at }),
    completed_at: draft.now,
    error: { type: failure.type, message: failure.message },
    attempt: failure.attempt,
  });
  forgetGiven(draft, ref.step);
  if (failure.outcome === "never") bumpEpoch(draft, ref.step);
  const error: RunError = {
    type: failure.type,
    message: failure.message,
    step: ref.step,
    attempt: failure.attempt,
    at: draft.now,
  };
  const stopped = draft.record.error?.type;
  if (stopped !== "Cancelled" && stopped !== "Terminated") draft.record = { ...draft.record, error };
}

function applyWaiting(draft: Draft, ref: FlightRef, signal: string, timeoutMs: number): void {
  const flight = findFlight(draft, ref);
  if (flight === undefined) return;
  const { step: name, generation, wake } = ref;
  if (!step(draft, { type: "step.waiting", step: name, generation, wake, signal, timeoutMs }, `step.waiting ${name}`))
    return;
  endFlight(draft, flight, "completed");
  const before = draft.record.steps.get(name);
  setStep(draft, name, { ...(before ?? { status: "running" as const }), attempt: flight.retries + 1 });
}

function applyBackoff(draft: Draft, ref: FlightRef, availableAt: number, retries: number): void {
  const flight = findFlight(draft, ref);
  if (flight === undefined) return;
  const { owner: _gone, ...rest } = flight;
  mapFlight(draft, ref, () => ({ ...rest, begun: true, retries, availableAt }));
  addEntry(draft, { id: entryId("create", ref), do: "create", ref });
  draft.applied.push(`backoff ${ref.step}`);
}

function applyRelease(draft: Draft, task: string, before: number): void {
  for (const flight of draft.machine.flights) {
    const { owner, ...rest } = flight;
    if (owner === undefined || owner.task !== task || owner.attempt >= before) continue;
    const ref = refOf(flight);
    mapFlight(draft, ref, () => ({ ...rest, begun: true, retries: Math.max(flight.retries, 0) + 1 }));
    draft.applied.push(`release ${flight.step}`);
    if (!isFencing(draft, ref)) addEntry(draft, { id: entryId("create", ref), do: "create", ref });
  }
}

function flightOfTask(draft: Draft, task: string): Flight | undefined {
  return draft.machine.flights.find((flight) => flightTaskId(draft.record.id, flight) === task);
}

function isFencing(draft: Draft, ref: FlightRef): boolean {
  return draft.machine.outbox.some((entry) => entry.id === entryId("fence", ref));
}

/** A claim of attempt 2 or more: the handler may have begun. While the run drains it is not run again: its outcome is unknown. */
function applyBegun(draft: Draft, task: string, retries: number): void {
  const flight = flightOfTask(draft, task);
  if (flight === undefined) return;
  if (flight.begun && flight.retries === retries && !isFencing(draft, flight)) return;
  mapFlight(draft, flight, (old) => ({ ...old, begun: true, retries }));
  if (isFencing(draft, flight)) applyFenced(draft, refOf(flight), "unknown");
}

function applyLost(draft: Draft, task: string, attempt: number): void {
  const flight = flightOfTask(draft, task);
  if (flight === undefined) return;
  const message = `its worker was lost ${attempt} times`;
  applyFailed(draft, refOf(flight), { type: "WorkerLost", message, outcome: "unknown", attempt });
}

function applySignal(draft: Draft, signal: FoundSignal): void {
  const consumed = draft.machine.consumed.find((entry) => entry.name === signal.name);
  if (consumed?.ids.includes(signal.segment) === true) return;
  const wait = project(draft.program.machine, draft.machine.snapshot).waits.find((open) => open.signal === signal.name);
  if (wait === undefined) return;
  give(draft, wait, { id: signal.id, payload: signal.payload });
  const { step: name, generation, wake } = wait;
  if (!step(draft, { type: "signal.received", step: name, generation, wake }, `signal ${signal.name}`)) return;
  closeTimers(draft, name);
  const ids = [...(consumed?.ids ?? []), signal.segment];
  const others = draft.machine.consumed.filter((entry) => entry.name !== signal.name);
  draft.machine = { ...draft.machine, consumed: [...others, { name: signal.name, ids }] };
  const cursor = draft.record.signals.get(signal.name)?.cursor;
  if (cursor === undefined || cursor < signal.segment) {
    draft.record = {
      ...draft.record,
      signals: new Map(draft.record.signals).set(signal.name, { cursor: signal.segment }),
    };
  }
  if (isSignalNode(draft, name)) completeStep(draft, name, signal.payload, 1);
}

function applyDue(
  draft: Draft,
  due: { timer: "delay" | "deadline"; step: string; generation: number; wake: number },
): void {
  const { timer, step: name, generation, wake } = due;
  const matches = (other: TimerState): boolean =>
    other.timer === timer && other.step === name && other.generation === generation && other.wake === wake;
  if (!draft.machine.timers.some(matches)) return;
  const before = draft.machine;
  draft.machine = { ...draft.machine, timers: draft.machine.timers.filter((other) => !matches(other)) };
  if (timer === "deadline" && !isSignalNode(draft, name)) give(draft, { step: name, generation }, null);
  if (!step(draft, { type: "timer.due", timer, step: name, generation, wake }, `${timer} ${name}`)) {
    draft.machine = { ...before, timers: draft.machine.timers };
    return;
  }
  if (timer === "deadline" && isSignalNode(draft, name)) endSignalNode(draft, name, generation);
}

/** The deadline of a signal node passed: it completed with null or failed, as its plan says. */
function endSignalNode(draft: Draft, name: string, generation: number): void {
  const view = project(draft.program.machine, draft.machine.snapshot).steps.get(name);
  if (view?.phase === "completed") return completeStep(draft, name, null, 1);
  const message = `no signal ${JSON.stringify(name)} arrived in time`;
  failStep(draft, { step: name, generation }, { type: "SignalTimeout", message, outcome: "never", attempt: 1 });
}

function applyFenced(draft: Draft, ref: FlightRef, outcome: Outcome): void {
  const flight = findFlight(draft, ref);
  if (flight === undefined) return removeEntry(draft, entryId("fence", ref));
  const known: Outcome = flight.begun || ref.wake > 0 ? "unknown" : outcome;
  if (
    !step(
      draft,
      { type: "step.fenced", step: ref.step, generation: ref.generation, outcome: known },
      `fenced ${ref.step}`,
    )
  )
    return;
  draft.machine = { ...draft.machine, flights: draft.machine.flights.filter((other) => other !== flight) };
  removeEntry(draft, entryId("fence", ref));
  removeEntry(draft, entryId("create", ref));
}

function applyCommand(draft: Draft, fact: Extract<Fact, { fact: "command" }>): void {
  if (draft.machine.applied.includes(fact.id)) return;
  const { command } = fact;
  const event: RunEvent =
    command.type === "cancel"
      ? { type: "cancel", compensate: command.compensate }
      : command.type === "skip"
        ? command
        : { type: command.type };
  const wasOver = isOver(draft.record.status);
  const moved = step(draft, event, command.type);
  const applied = [...draft.machine.applied, fact.id].slice(-APPLIED_KEPT);
  draft.machine = { ...draft.machine, applied };
  if (!moved) return;
  if (command.type === "skip") completeStep(draft, command.step, null, 0);
  explainCommand(draft, command.type, "reason" in command ? command.reason : undefined, wasOver);
}

function explainCommand(draft: Draft, type: string, reason: string | undefined, wasOver: boolean): void {
  if (type === "resume" || type === "skip" || (type === "retry" && wasOver)) {
    const { error: _healed, ...rest } = draft.record;
    draft.record = rest;
    return;
  }
  const word =
    type === "cancel" ? "Cancelled" : type === "terminate" ? "Terminated" : type === "pause" ? "Paused" : undefined;
  if (word === undefined) return;
  draft.record = { ...draft.record, error: { type: word, message: reason ?? `${type} was asked for`, at: draft.now } };
  if (type === "terminate") draft.machine = { ...draft.machine, flights: [], timers: [], outbox: [] };
}

function applyMismatch(draft: Draft, message: string): void {
  if (draft.record.error?.type === "VersionMismatch" || isOver(draft.record.status)) return;
  if (!step(draft, { type: "pause" }, "mismatch")) return;
  draft.record = { ...draft.record, error: { type: "VersionMismatch", message, at: draft.now } };
}

/** R3: only the one who carried an entry out drops it; nobody drops one because it is old. */
function confirm(draft: Draft, entries: ReadonlySet<string>): void {
  const outbox = draft.machine.outbox.filter((entry) => !entries.has(entry.id));
  if (outbox.length !== draft.machine.outbox.length && hasMoved(draft)) draft.machine = { ...draft.machine, outbox };
}

/** No write is made only to confirm. */
function hasMoved(draft: Draft): boolean {
  return draft.applied.length > 0 || draft.force;
}

function entryId(kind: string, ref: FlightRef): string {
  return `${kind}:${ref.kind}:${ref.step}:${ref.generation}:${ref.wake}`;
}

type NewEntry = OutboxEntry extends infer E ? (E extends OutboxEntry ? Omit<E, "by"> : never) : never;

function addEntry(draft: Draft, entry: NewEntry): void {
  const stamped = (draft.by === undefined ? entry : { ...entry, by: draft.by }) as OutboxEntry;
  const outbox = [...draft.machine.outbox.filter((other) => other.id !== entry.id), stamped];
  draft.machine = { ...draft.machine, outbox };
}

function removeEntry(draft: Draft, id: string): void {
  if (!draft.machine.outbox.some((entry) => entry.id === id)) return;
  draft.machine = { ...draft.machine, outbox: draft.machine.outbox.filter((entry) => entry.id !== id) };
}

function setStep(draft: Draft, name: string, state: StepState): void {
  draft.record = { ...draft.record, steps: new Map(draft.record.steps).set(name, state) };
}

function isSignalNode(draft: Draft, name: string): boolean {
  return draft.program.machine.plan.steps.some((candidate) => candidate.name === name && candidate.kind === "signal");
}

function openWait(draft: Draft, name: string, generation: number, signal: string): void {
  const known = draft.machine.given.find((entry) => entry.step === name && entry.generation === generation);
  const others = draft.machine.given.filter((entry) => entry.step !== name);
  const opened: GivenSignals = { step: name, generation, given: known?.given ?? [], signal };
  draft.machine = { ...draft.machine, given: [...others, opened] };
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

function forgetGiven(draft: Draft, name: string): void {
  if (!draft.machine.given.some((entry) => entry.step === name)) return;
  draft.machine = { ...draft.machine, given: draft.machine.given.filter((entry) => entry.step !== name) };
}

/** A timer that lost its race is left to fire as a no-op; the record only forgets it. */
function closeTimers(draft: Draft, name: string): void {
  if (!draft.machine.timers.some((timer) => timer.step === name)) return;
  draft.machine = { ...draft.machine, timers: draft.machine.timers.filter((timer) => timer.step !== name) };
}

/** A new generation gets a new idempotency key only when the last one is known not to have happened. */
function bumpEpoch(draft: Draft, name: string): void {
  const epoch = epochOf(draft.machine, name) + 1;
  const others = draft.machine.epochs.filter((entry) => entry.step !== name);
  draft.machine = { ...draft.machine, epochs: [...others, { step: name, epoch }] };
}

/** The part of a step's idempotency key that changes. Counts from 1. */
export function epochOf(machine: MachinePart, name: string): number {
  return machine.epochs.find((entry) => entry.step === name)?.epoch ?? 1;
}

/** Hand-off: each bringer that can go on gets one of the flights that its facts started; the others become tasks. */
function assignOwners(draft: Draft, deliveries: readonly Delivery[]): void {
  const free = deliveries.filter((delivery) => delivery.actor !== undefined && !ownsSomething(draft, delivery));
  for (const ref of draft.fresh) {
    if (findFlight(draft, ref) === undefined) continue;
    const index = free.findIndex((delivery) => delivery.takes(ref));
    const actor = free[index]?.actor;
    if (actor === undefined) {
      addEntry(draft, { id: entryId("create", ref), do: "create", ref });
      continue;
    }
    free.splice(index, 1);
    mapFlight(draft, ref, (flight) => ({ ...flight, owner: { task: actor.task, attempt: actor.attempt } }));
  }
}

function ownsSomething(draft: Draft, delivery: Delivery): boolean {
  const { actor } = delivery;
  if (actor === undefined) return false;
  return draft.machine.flights.some((flight) =>
    flight.owner === undefined
      ? flightTaskId(draft.record.id, flight) === actor.task
      : flight.owner.task === actor.task && flight.owner.attempt === actor.attempt,
  );
}

function finishDraft(draft: Draft, by: string | undefined, writeId: string): RunRecord {
  const view = project(draft.program.machine, draft.machine.snapshot);
  syncSteps(draft, view);
  const over = isOver(view.status);
  if (over) draft.machine = { ...draft.machine, timers: [], flights: [] };
  moveLook(draft, view, over);
  const { error, ...rest } = draft.record;
  const settled = finalError(draft, view, error);
  return {
    ...rest,
    status: view.status,
    current_steps: [...view.currentSteps],
    ...(settled === undefined ? {} : { error: settled }),
    updated_at: draft.now,
    ...(by === undefined ? {} : { orchestrator_task_id: by }),
    machine: { ...draft.machine, write: { id: writeId, ...(by === undefined ? {} : { by }), events: draft.applied } },
  };
}

function finalError(draft: Draft, view: Projection, error: RunError | undefined): RunError | undefined {
  if (view.status === "completed") return undefined;
  const failed = draft.machine.compensation_errors;
  if (view.status === "failed" && failed.length > 0 && error?.type !== "CompensationFailed") {
    const names = failed.map((entry) => entry.step).join(", ");
    const first = error === undefined ? "" : ` (after ${error.type}: ${error.message})`;
    return { type: "CompensationFailed", message: `could not undo ${names}${first}`, at: draft.now };
  }
  if (view.status === "paused" && error === undefined)
    return { type: "Paused", message: "the run is paused", at: draft.now };
  return error;
}

/** Brings the plain step table in line with the machine, for steps that no fact wrote itself. */
function syncSteps(draft: Draft, view: Projection): void {
  const steps = new Map(draft.record.steps);
  let changed = false;
  for (const [name, current] of view.steps) {
    const before = steps.get(name);
    const status = wireStatus(current.phase, isOver(view.status));
    if (status === undefined || before?.status === status) continue;
    changed = true;
    const started = before?.started_at ?? (status === "running" ? draft.now : undefined);
    steps.set(name, {
      ...(status === "running" ? {} : before),
      status,
      ...(started === undefined ? {} : { started_at: started }),
      attempt: status === "running" ? Math.max(before?.attempt ?? 0, 1) : (before?.attempt ?? 0),
    });
  }
  if (changed) draft.record = { ...draft.record, steps };
}

function wireStatus(phase: string, over: boolean): StepState["status"] | undefined {
  switch (phase) {
    case "completed":
    case "skipped":
      return "completed";
    case "failed":
    case "held":
      return "failed";
    case "running":
    case "waiting":
      return "running";
    case "cancelled":
      return "cancelled";
    default:
      return over ? "cancelled" : undefined;
  }
}

/** The active index has a run looked at: soon while it moves, at its deadline while it is parked, never when it is over. */
function moveLook(draft: Draft, view: Projection, over: boolean): void {
  const was = draft.machine.look_at;
  const at = over ? null : nextLook(draft, view);
  const soonEnough = at !== null && was !== null && was <= at && was > draft.nowMs && !isParked(draft, view);
  if (at === was || soonEnough) return;
  draft.machine = { ...draft.machine, look_at: at };
  addEntry(draft, { id: "look", do: "look", at, was });
}

function isParked(draft: Draft, view: Projection): boolean {
  return (
    draft.machine.flights.length === 0 &&
    view.draining.length === 0 &&
    (view.waits.length > 0 || view.status === "paused" || draft.machine.timers.length > 0)
  );
}

function nextLook(draft: Draft, view: Projection): number {
  if (!isParked(draft, view)) return draft.nowMs + LOOK_MS;
  if (draft.program.machine.plan.foreign) return draft.nowMs + FOREIGN_LOOK_MS;
  const due = draft.machine.timers.map((timer) => timer.dueAt);
  return due.length === 0 ? draft.nowMs + PARKED_LOOK_MS : Math.min(...due) + LOOK_MS;
}
