/** Facts about handler executions: how they ended, who holds them, and whether they may have begun. */
import type { Outcome, RunEvent } from "../../../machines/events.ts";
import type { AttemptFailure, Fact } from "../facts.ts";
import { formatOpaque } from "../../wire/instant.ts";
import { errorOfText } from "../../host/error-data.ts";
import { type Flight, type FlightRef, ownerOf, refOf } from "../record/record.ts";
import { createEntry } from "../effects/create.ts";
import { entryId } from "../effects/effect.ts";
import { fenceEntry } from "../effects/fence.ts";
import { type SettleEntry, settleEntry } from "../effects/settle.ts";
import { addEntry, removeEntry } from "../outbox.ts";
import { flightTaskId } from "../tasks.ts";
import { type Draft, findFlight, flightOfTask, isDraining, mapFlight, setStep } from "./draft.ts";
import { keepFailures } from "./failures.ts";
import { move } from "./move.ts";
import { completeStep, failStep } from "./steps.ts";

/** The handler returned. */
export function applyDone(draft: Draft, fact: Extract<Fact, { fact: "done" }>): void {
  const { ref, result, attempt } = fact;
  const flight = findFlight(draft, ref);
  if (flight === undefined) return;
  if (ref.kind === "undo") {
    if (move(draft, { type: "undo.done", step: ref.step, generation: ref.generation }, `undo.done ${ref.step}`)) {
      endFlight(draft, flight, "completed");
      keepFailures(draft, ref, fact.failures);
    }
    return;
  }
  if (!move(draft, { type: "step.done", step: ref.step, generation: ref.generation }, `step.done ${ref.step}`)) return;
  endFlight(draft, flight, "completed");
  keepFailures(draft, ref, fact.failures);
  noteBegin(draft, ref, fact.beganAt);
  completeStep(draft, ref, result, attempt);
}

/** The handler failed for good. */
export function applyFailed(draft: Draft, fact: Omit<Extract<Fact, { fact: "failed" }>, "fact">): void {
  const { ref, failure } = fact;
  const flight = findFlight(draft, ref);
  if (flight === undefined) return;
  if (ref.kind === "undo") {
    if (!move(draft, { type: "undo.failed", step: ref.step, generation: ref.generation }, `undo.failed ${ref.step}`))
      return;
    endFlight(draft, flight, "failed", failure.message);
    keepFailures(draft, ref, allFailures(fact));
    const failed = { step: ref.step, message: failure.message };
    draft.machine = { ...draft.machine, compensation_errors: [...draft.machine.compensation_errors, failed] };
    return;
  }
  const event: RunEvent = { type: "step.failed", step: ref.step, generation: ref.generation, outcome: failure.outcome };
  if (!move(draft, event, `step.failed ${ref.step}`)) return;
  endFlight(draft, flight, "failed", failure.message);
  keepFailures(draft, ref, allFailures(fact));
  noteBegin(draft, ref, fact.beganAt);
  failStep(draft, ref, failure);
}

/** The last of them is what made the step fail; nobody may have told it as one, such as a program of buquet that failed a step. */
function allFailures({
  failure,
  failures = [],
}: Omit<Extract<Fact, { fact: "failed" }>, "fact">): readonly AttemptFailure[] {
  const { attempt, type, message } = failure;
  if (failures.at(-1)?.attempt === attempt) return failures;
  return [...failures, { attempt, error: type === "StepFailed" ? errorOfText(message) : { name: type, message } }];
}

/** The handler waits for a signal: its task is over, the next one comes with the wake. */
export function applyWaiting(draft: Draft, fact: Extract<Fact, { fact: "waiting" }>): void {
  const { ref, signal, timeoutMs } = fact;
  const flight = findFlight(draft, ref);
  if (flight === undefined) return;
  const { step: name, generation, wake } = ref;
  if (!move(draft, { type: "step.waiting", step: name, generation, wake, signal, timeoutMs }, `step.waiting ${name}`))
    return;
  endFlight(draft, flight, "completed");
  keepFailures(draft, ref, fact.failures);
  noteBegin(draft, ref, fact.beganAt);
  const before = draft.record.steps.get(name);
  setStep(draft, name, { ...(before ?? { status: "running" as const }), attempt: flight.retries + 1 });
}

/** The next attempt comes from the queue; while the run stops there is none, and whether the last one had effects is not known. */
export function applyBackoff(draft: Draft, fact: Extract<Fact, { fact: "backoff" }>): void {
  const { ref, availableAt, retries } = fact;
  const flight = findFlight(draft, ref);
  if (flight === undefined) return;
  if (isDraining(draft, ref)) return applyFenced(draft, { ...fact, outcome: "unknown" });
  const { owner: _gone, ...rest } = flight;
  mapFlight(draft, ref, () => ({ ...rest, begun: true, retries, availableAt }));
  leaveToTask(draft, ref);
  keepFailures(draft, ref, fact.failures);
  noteBegin(draft, ref, fact.beganAt);
  draft.applied.push(`${fact.asked === true ? "rescheduled" : "backoff"} ${ref.step}`);
}

/** What a holder that is gone owned becomes a task of its own. */
export function applyRelease(draft: Draft, task: string, before: number): void {
  for (const flight of draft.machine.flights) {
    const owner = ownerOf(flight);
    if (owner !== undefined && owner.task === task && owner.attempt < before) setFree(draft, flight);
  }
}

/** Nobody holds a flight of unknown owner. */
export function applyDisown(draft: Draft): void {
  for (const flight of draft.machine.flights) if (flight.owner === "unknown") setFree(draft, flight);
}

/** Its handler may have begun; from now on its own task stands for it. */
function setFree(draft: Draft, flight: Flight): void {
  const { owner: _gone, ...rest } = flight;
  const ref = refOf(flight);
  const attempt = flight.retries + 1;
  mapFlight(draft, ref, () => ({ ...rest, begun: true, retries: attempt }));
  keepFailures(draft, ref, [{ attempt, error: { name: "WorkerLost", message: "its worker was lost" } }]);
  draft.applied.push(`release ${flight.step}`);
  leaveToTask(draft, ref);
}

/**
 * Nobody holds the flight any more: its task is created, or fenced while the run stops. A fence that was asked for before may have been
 * dispatched already, and found an owner who would end the flight: the new one has a stamp of its own, so that it is dispatched again.
 */
function leaveToTask(draft: Draft, ref: FlightRef): void {
  addEntry(draft, isDraining(draft, ref) ? fenceEntry(ref) : createEntry(ref));
}

/**
 * A claim of attempt 2 or more: the handler may have begun. Whoever takes over the task of a long step that was handed off holds the
 * step: its owner has lost that lease too. While the run drains it is not run again: its outcome is unknown.
 */
export function applyBegun(draft: Draft, { task, retries, failures }: Extract<Fact, { fact: "begun" }>): void {
  const flight = flightOfTask(draft, task);
  if (flight === undefined) return;
  const { owner, ...rest } = flight;
  const isStopping = isDraining(draft, flight);
  keepFailures(draft, flight, unknownOf(flight, failures));
  // When the first one began is not known any more.
  if (!flight.begun) noteBegin(draft, flight, draft.nowMs);
  // One that used up no retry did not fail: its handler asked for the next, or it was left to another worker.
  draft.applied.push(`${retries > flight.retries ? "again" : "rerun"} ${flight.step}`);
  if (owner === undefined && flight.begun && flight.retries === retries && !isStopping) return;
  mapFlight(draft, flight, () => ({ ...rest, begun: true, retries }));
  if (isStopping) applyFenced(draft, { ref: refOf(flight), outcome: "unknown" });
}

/** The workers of this step died more often than it has retries. */
export function applyLost(draft: Draft, { task, attempt, failures }: Extract<Fact, { fact: "lost" }>): void {
  const flight = flightOfTask(draft, task);
  if (flight === undefined) return;
  const message = `given up after ${attempt} attempts: its last worker was lost`;
  applyFailed(draft, {
    ref: refOf(flight),
    failure: { type: "WorkerLost", message, outcome: "unknown", attempt },
    failures: unknownOf(flight, failures).filter((one) => one.attempt < attempt),
  });
}

/** A task keeps its text over later claims: of what it says, the attempts that used up retries of which the record does not know yet. */
function unknownOf({ retries }: Flight, failures: readonly AttemptFailure[] = []): readonly AttemptFailure[] {
  return failures.filter(({ attempt }) => attempt > retries);
}

/** The forward task can never start again. */
export function applyFenced(draft: Draft, fact: Omit<Extract<Fact, { fact: "fenced" }>, "fact">): void {
  const { ref, outcome } = fact;
  const flight = findFlight(draft, ref);
  if (flight === undefined) return removeEntry(draft, entryId("fence", ref));
  const known: Outcome = flight.begun || ref.wake > 0 ? "unknown" : outcome;
  if (
    !move(
      draft,
      { type: "step.fenced", step: ref.step, generation: ref.generation, outcome: known },
      `fenced ${ref.step}`,
    )
  )
    return;
  land(draft, flight);
  keepFailures(draft, ref, fact.failures);
  noteBegin(draft, ref, fact.beganAt);
}

/**
 * On the wire a step has begun when it was asked for, as a program of buquet says it. Who ran the handler knows when that was. A handler
 * that was woken began before it waited.
 */
function noteBegin(draft: Draft, ref: FlightRef, beganAt: number | undefined): void {
  const state = draft.record.steps.get(ref.step);
  if (beganAt === undefined || ref.kind === "undo" || ref.wake > 0 || state === undefined) return;
  setStep(draft, ref.step, { ...state, started_at: formatOpaque(beganAt) });
}

/** Takes a flight out, with what was still to be done about it. */
function land(draft: Draft, flight: Flight): void {
  draft.machine = { ...draft.machine, flights: draft.machine.flights.filter((other) => other !== flight) };
  removeEntry(draft, entryId("create", flight));
  removeEntry(draft, entryId("fence", flight));
}

/** Ends a flight. Its task object is settled in the outbox, unless it is the task of the one who says so, which is finished last. */
function endFlight(draft: Draft, flight: Flight, status: SettleEntry["status"], error?: string): void {
  land(draft, flight);
  const ref = refOf(flight);
  if (flightTaskId(draft.record.id, ref) === draft.by?.task) return;
  addEntry(draft, settleEntry(ref, status, error));
}
