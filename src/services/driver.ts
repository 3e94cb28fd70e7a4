/**
 * Drives a run under the claim of one task: apply, persist, carry out, and go on with the next step at once (hand-off). The first
 * task of the chain stays leased and is finished last; its lease key is the token of the whole chain.
 */
import type { Claim } from "../queue/claim.ts";
import type { TaskRecord } from "../queue/task.ts";
import type { TaskEnd } from "../queue/settle.ts";
import type { DispatchContext } from "../run/effects/effect.ts";
import { dispatchEntry } from "../run/effects/effects.ts";
import type { CommitOutcome, RunWriter } from "../run/commit.ts";
import { attemptsOfText } from "../run/attempts-text.ts";
import type { AttemptFailure, Fact } from "../run/facts.ts";
import { lookIntoInbox } from "../run/inbox.ts";
import type { Program } from "../programs/programs.ts";
import {
  type Actor,
  type Flight,
  type FlightRef,
  isHeldBy,
  isOver,
  refOf,
  type RunRecord,
  sameFlight,
} from "../run/record/record.ts";
import { Outbox } from "../run/outbox.ts";
import { flightTaskId } from "../run/tasks.ts";
import { drains, openWaits } from "../run/view.ts";
import type { WakeUp } from "../run/wakeups/wake-up.ts";

/** How a handler execution ended. */
export type HandlerEnd =
  | {
      readonly kind: "facts";
      readonly facts: readonly Fact[];
      /** Done once the facts are committed, with the record as it stands then. */
      readonly afterwards?: (record: RunRecord, program: Program) => Promise<void>;
    }
  /** The task itself went back to the queue (own retry): the chain is over. */
  | { readonly kind: "requeued" }
  /** The lease is lost: nothing of it may be used. */
  | { readonly kind: "dropped" };

/** The lease under which a chain runs. */
export interface ChainLease {
  readonly claim: Claim;
  /** GATE: unexpired by our own clock, renewed if need be. */
  hold(): Promise<boolean>;
  /** Does something again while the store does not answer, as long as the lease lives. */
  insist<T>(act: () => Promise<T>): Promise<T>;
  readonly lost: AbortSignal;
}

/** What driving needs beside the claim. */
export interface DriveContext {
  readonly dispatch: DispatchContext;
  /** Whether this process runs the handler and wants to (not while it shuts down). */
  takes(ref: FlightRef): boolean;
  /** Whether the definition served here fits the run: leave it to others, or pause it with this message. */
  checkVersion(record: RunRecord): Promise<Unfit | undefined>;
  /** Whether everything that the drivers of a task added to the outbox is durable: their task is over. */
  isDriven(taskId: string): Promise<boolean>;
  /** `isWanted`: whether the run, read anew, still wants this flight from this claim. */
  run(flight: Flight, record: RunRecord, program: Program, isWanted: () => Promise<boolean>): Promise<HandlerEnd>;
  /** Ends a task that this chain holds beside its first one. False: it does not hold it. */
  finishOwn(taskId: string, end: TaskEnd): Promise<boolean>;
}

/** Why a run is not driven here. */
export type Unfit =
  | { readonly kind: "leave"; readonly reason: string }
  | { readonly kind: "mismatch"; readonly message: string };

/** Why a chain ended. Only after `finished` may its first task be completed. */
export type DriveEnd =
  | { readonly kind: "finished"; readonly record?: RunRecord }
  | { readonly kind: "requeued" }
  | { readonly kind: "dropped" }
  /** The run is left alone; the task is finished or left for others as the reason demands. */
  | {
      readonly kind: "left";
      readonly reason: string;
      readonly delayMs?: number;
      /** Its record, or the plan that it follows, cannot be read by this process; another may be able to. */
      readonly isUnreadable?: boolean;
    };

/** A task that only another definition can go on with is asked for again after this. */
const UNFIT_DELAY_MS = 60_000;

/** The flight that the holder of this claim runs: handed off to it, or the one whose own task it holds. */
export function ownFlight(record: RunRecord, claim: Claim): Flight | undefined {
  const actor = { task: claim.task.id, attempt: claim.task.attempt };
  return record.machine?.flights.find((flight) => isHeldBy(flight, flightTaskId(record.id, flight), actor));
}

/** Drives until nothing is left to do for this chain. */
export async function drive(
  context: DriveContext,
  writer: RunWriter,
  lease: ChainLease,
  wakeUp: WakeUp,
): Promise<DriveEnd> {
  const leave = writer.dispatched.enter(lease.claim.task.id);
  try {
    return await driveChain(context, writer, lease, wakeUp);
  } finally {
    leave();
  }
}

async function driveChain(
  context: DriveContext,
  writer: RunWriter,
  lease: ChainLease,
  wakeUp: WakeUp,
): Promise<DriveEnd> {
  const { task } = lease.claim;
  const outbox = outboxOf(context, writer, lease);
  const actor = { task: task.id, attempt: task.attempt };
  const commit = (facts: readonly Fact[], fresh: boolean): Promise<CommitOutcome> =>
    writer.commit({ actor, facts, fresh, gate: () => lease.hold(), takes: (ref) => context.takes(ref) });

  /** P76: pauses a run that another definition fits. What was to be done for it is left for a worker that fits. */
  const leaveToOthers = async (message: string): Promise<DriveEnd> => {
    const terminate = wakeUp.facts.filter((fact) => fact.fact === "command" && fact.command.type === "terminate");
    const paused = await commit([...terminate, { fact: "mismatch", message }], false);
    if (paused.kind !== "committed") return paused.kind === "missing" ? { kind: "finished" } : paused;
    const { record, program } = paused;
    outbox.dispatchAll(record, program);
    await outbox.settle();
    const isOwed =
      wakeUp.facts.length > 0 || wakeUp.lookUp !== undefined || ownFlight(record, lease.claim) !== undefined;
    // The next look of the sweeper comes by itself. What is over is owed nothing but to be opened again.
    const reopens = record.status === "failed" && wakeUp.facts.some(isRetry);
    return isOwed && wakeUp.recurs !== true && (reopens || !isOver(record.status))
      ? { kind: "left", reason: message, delayMs: UNFIT_DELAY_MS }
      : { kind: "finished", record };
  };

  /** The flights that were begun under this claim. */
  const begun = new Set<string>();
  const isWanted = async (ref: FlightRef): Promise<boolean> => {
    const read = await commit([], true);
    // Whoever acts next finds out.
    if (read.kind !== "committed" || read.record.machine === undefined) return true;
    // What others brought may have been written in this claim's name: it is dispatched at once, however long the handler goes on.
    if (read.wrote) outbox.dispatchAll(read.record, read.program);
    const flight = read.record.machine.flights.find((other) => sameFlight(other, ref));
    if (flight === undefined || !isHeldBy(flight, flightTaskId(read.record.id, ref), actor)) return false;
    return !drains(read.record.machine, read.program, ref);
  };
  const recovered = task.attempt > 1;
  let touched = recovered || wakeUp.listens;
  let outcome = await commit(recovered ? fenceFacts(lease.claim) : [], true);
  if (outcome.kind === "left" && outcome.record !== undefined && outcome.record.machine === undefined) {
    const unfit = await context.checkVersion(outcome.record);
    if (unfit?.kind !== "mismatch") return outcome;
    await commit([{ fact: "mismatch", message: unfit.message }], true);
    return { kind: "finished" };
  }
  if (outcome.kind === "committed") {
    const unfit = await context.checkVersion(outcome.record);
    if (unfit?.kind === "leave") return { kind: "left", reason: unfit.reason };
    if (unfit !== undefined) return leaveToOthers(unfit.message);
    const facts = [...wakeUp.facts, ...(await lookUp(context, wakeUp, outcome.record, outcome.program, lease))];
    if (facts.length > 0) {
      touched ||= outcome.wrote;
      outcome = await commit(facts, false);
    }
  }
  for (;;) {
    if (outcome.kind === "missing") return { kind: "finished" };
    if (outcome.kind !== "committed") return outcome;
    const { record, program } = outcome;
    touched ||= outcome.wrote;
    outbox.dispatchAll(record, program);
    const flight = ownFlight(record, lease.claim);
    if (flight !== undefined) {
      const end = await runOwn(context, flight, record, program, lease, begun, isWanted);
      if (end.kind !== "facts") {
        if (end.kind === "requeued") await outbox.settle();
        return end;
      }
      outcome = await commit([...outbox.takeFacts(), ...end.facts, ...outbox.confirmed(record)], false);
      if (outcome.kind === "committed") await end.afterwards?.(outcome.record, outcome.program);
      continue;
    }
    await outbox.settle();
    const learned = outbox.takeFacts();
    const news = learned.length > 0 ? learned : await lease.insist(() => signalsFor(context, record, program, touched));
    if (news.length === 0) return { kind: "finished", record };
    outcome = await commit([...news, ...outbox.confirmed(record)], true);
    if (
      outcome.kind === "committed" &&
      !outcome.wrote &&
      ownFlight(outcome.record, lease.claim) === undefined &&
      learned.length === 0
    ) {
      return { kind: "finished", record: outcome.record };
    }
  }
}

async function lookUp(
  context: DriveContext,
  wakeUp: WakeUp,
  record: RunRecord,
  program: Program,
  lease: ChainLease,
): Promise<readonly Fact[]> {
  return (await lease.insist(async () => wakeUp.lookUp?.(context.dispatch.queue, record, program))) ?? [];
}

const isRetry = (fact: Fact): boolean => fact.fact === "command" && fact.command.type === "retry";

/** FENCE WRITE: makes every etag held by an earlier holder stale, and releases what it owned. */
function fenceFacts({ task, isTakenOver }: Claim): readonly Fact[] {
  const lost = task.retry_count > task.max_retries;
  const failures = attemptsBefore(task, isTakenOver);
  return [
    { fact: "release", task: task.id, before: task.attempt },
    // Each attempt that was lost used up a retry, also those before the step had a task of its own.
    lost
      ? { fact: "lost", task: task.id, attempt: task.retry_count, failures }
      : { fact: "begun", task: task.id, retries: task.retry_count, failures },
    { fact: "fence" },
  ];
}

/** What the task says of its attempts, and what its take-over does. */
function attemptsBefore(
  { last_error, retry_count: attempt }: TaskRecord,
  isTakenOver: boolean,
): readonly AttemptFailure[] {
  if (!isTakenOver) return attemptsOfText(last_error ?? "handed back", { attempt });
  // The text of another program does not say which attempt it is about.
  const told = attemptsOfText(last_error ?? "");
  const error = { name: "WorkerLost", message: "its worker was lost: it let the lease run out" };
  return told.some((one) => one.attempt === attempt) ? told : [...told, { attempt, error }];
}

async function runOwn(
  context: DriveContext,
  flight: Flight,
  record: RunRecord,
  program: Program,
  lease: ChainLease,
  begun: Set<string>,
  isWanted: (ref: FlightRef) => Promise<boolean>,
): Promise<HandlerEnd> {
  const { task } = lease.claim;
  const claim: Actor = { task: task.id, attempt: task.attempt };
  const ref = refOf(flight);
  const id = flightTaskId(record.id, ref);
  // The run is being stopped: a handler that has not begun under this claim never will.
  if (record.machine !== undefined && drains(record.machine, program, ref)) {
    const outcome = begun.has(id) ? "unknown" : "never";
    return { kind: "facts", facts: [{ fact: "fenced", ref, outcome, claim }] };
  }
  if (!(await lease.hold())) return { kind: "dropped" };
  begun.add(id);
  const end = await context.run(flight, record, program, () => isWanted(ref));
  return end.kind === "facts" ? { ...end, facts: end.facts.map((fact) => ({ ...fact, claim })) } : end;
}

/** The part of a driver in the outbox. What it dispatches is tried again while its lease lives. */
function outboxOf(context: DriveContext, writer: RunWriter, lease: ChainLease): Outbox {
  const { task } = lease.claim;
  const dispatcher = {
    actor: { task: task.id, attempt: task.attempt },
    finishOwn: (id: string, end: TaskEnd) => context.finishOwn(id, end),
  };
  return new Outbox({
    shared: writer.dispatched,
    task: task.id,
    effects: context.dispatch.effects,
    dispatch: (entry, record, program) =>
      lease.insist(() => dispatchEntry(entry, { context: context.dispatch, record, program, dispatcher })),
    isDriven: (id) => context.isDriven(id),
  });
}

/** Protocol 1.7: only after the record that waits was acknowledged is the inbox listed. */
async function signalsFor(
  context: DriveContext,
  record: RunRecord,
  program: Program,
  touched: boolean,
): Promise<readonly Fact[]> {
  if (!touched || record.machine === undefined || isOver(record.status)) return [];
  const waits = openWaits(record, program);
  if (waits.length === 0) return [];
  const found = await lookIntoInbox(context.dispatch.queue, record, waits);
  return found.length === 0 ? [] : [{ fact: "signals", found }];
}
