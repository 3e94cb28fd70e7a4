/**
 * Drives a run under the claim of one task: apply, persist, dispatch, and go on with the next step at once (hand-off). The claimed
 * task stays leased and is finished last; its lease key is the token of the whole drive.
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
  type Execution,
  type ExecutionRef,
  isHeldBy,
  isOver,
  refOf,
  type RunRecord,
  sameExecution,
} from "../run/record/record.ts";
import { Outbox } from "../run/outbox.ts";
import { executionTaskId } from "../run/tasks.ts";
import { drains, openWaits } from "../run/view.ts";
import type { WakeUp } from "../run/wakeups/wake-up.ts";

/** What follows for the drive once the handler of an execution is over: facts about it, or the end. */
export type AfterExecution =
  | {
      readonly kind: "facts";
      readonly facts: readonly Fact[];
      /** Done once the facts are committed, with the record as it stands then. */
      readonly afterwards?: (record: RunRecord, program: Program) => Promise<void>;
    }
  | Extract<DriveEnd, { kind: "requeued" | "dropped" }>;

/** The lease under which a driver acts. */
export interface DriverLease {
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
  takes(ref: ExecutionRef): boolean;
  /** Whether the definition served here fits the run: leave it to others, or pause it with this message. */
  checkVersion(record: RunRecord): Promise<Unfit | undefined>;
  /** Whether everything that the drivers of a task added to the outbox is durable: their task is over. */
  isDriven(taskId: string): Promise<boolean>;
  /** `isWanted`: whether the run, read anew, still wants this execution from this claim. */
  run(
    execution: Execution,
    record: RunRecord,
    program: Program,
    isWanted: () => Promise<boolean>,
  ): Promise<AfterExecution>;
  /** Ends a task that is held beside the claimed one. False: it does not hold it. */
  finishOwn(taskId: string, end: TaskEnd): Promise<boolean>;
}

/** Why a run is not driven here. */
export type Unfit =
  | { readonly kind: "leave"; readonly reason: string }
  | { readonly kind: "mismatch"; readonly message: string };

/** Why a drive ended. Only after `finished` may the claimed task be completed. */
export type DriveEnd =
  | { readonly kind: "finished"; readonly record?: RunRecord }
  /** The task itself went back to the queue, for another attempt. */
  | { readonly kind: "requeued" }
  /** The lease is lost: nothing that was done under it may be used. */
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

/** The execution that the holder of this claim runs: handed off to it, or the one whose own task it holds. */
export function ownExecution(record: RunRecord, claim: Claim): Execution | undefined {
  const actor = { task: claim.task.id, attempt: claim.task.attempt };
  return record.machine?.executions.find((execution) =>
    isHeldBy(execution, executionTaskId(record.id, execution), actor),
  );
}

/** A record as it was read or written last, and the program that it follows. */
interface Decided {
  readonly record: RunRecord;
  readonly program: Program;
}

/**
 * What a driver goes through:
 *
 *     claimed → read → decided ⇄ running
 *        ↓        ↓      ⇅
 *        ↓      misfit  idle
 *        ↓        ↓      ↓
 *        └──────→ over ←─┘
 */
type State =
  /** Nothing is known of the run yet. */
  | { readonly at: "claimed" }
  /** The record is read and fits; what the wake-up says is not in it yet. */
  | ({ readonly at: "read" } & Decided)
  /** Another definition than the one served here fits the run (P76). */
  | { readonly at: "misfit"; readonly message: string }
  /** The record holds everything that this driver knows: what follows from it is to be done. */
  | ({ readonly at: "decided" } & Decided)
  /** The claim of this driver holds an execution. */
  | ({ readonly at: "running"; readonly execution: Execution } & Decided)
  /** Nothing is left to run under this claim. */
  | ({ readonly at: "idle" } & Decided)
  | { readonly at: "over"; readonly end: DriveEnd };

/** Drives a run until nothing is left to do under the claim of one task. */
export class Driver {
  readonly #context: DriveContext;
  readonly #writer: RunWriter;
  readonly #lease: DriverLease;
  readonly #wakeUp: WakeUp;
  readonly #outbox: Outbox;
  /** The claim under which everything is done. */
  readonly #actor: Actor;
  /** Ids of the executions that were begun under this claim. */
  readonly #begun = new Set<string>();
  /** Protocol 1.7: who changed the record, or was woken to do so, lists the inbox before it finishes. */
  #owesInbox: boolean;

  constructor(context: DriveContext, writer: RunWriter, lease: DriverLease, wakeUp: WakeUp) {
    const { task } = lease.claim;
    this.#context = context;
    this.#writer = writer;
    this.#lease = lease;
    this.#wakeUp = wakeUp;
    this.#actor = { task: task.id, attempt: task.attempt };
    this.#outbox = outboxOf(context, writer, lease, this.#actor);
    this.#owesInbox = isRecovered(lease.claim) || wakeUp.listens;
  }

  /** Drives to the end. @throws when the store does not answer for as long as the lease lives: then the task must not be finished. */
  async drive(): Promise<DriveEnd> {
    const leave = this.#writer.dispatched.enter(this.#actor.task);
    try {
      let state: State = { at: "claimed" };
      while (state.at !== "over") state = await this.#next(state);
      return state.end;
    } finally {
      leave();
    }
  }

  #next(state: Exclude<State, { readonly at: "over" }>): State | Promise<State> {
    switch (state.at) {
      case "claimed":
        return this.#read();
      case "read":
        return this.#tell(state);
      case "misfit":
        return this.#leaveToOthers(state.message);
      case "decided":
        return this.#follow(state);
      case "running":
        return this.#run(state);
      case "idle":
        return this.#settle(state);
    }
  }

  /** R4: the record is read before any handler, and fenced by who recovers a task. */
  async #read(): Promise<State> {
    const { claim } = this.#lease;
    const outcome = await this.#commit(isRecovered(claim) ? fenceFacts(claim) : [], { fresh: true });
    const isWithoutMachine =
      outcome.kind === "left" && outcome.record !== undefined && outcome.record.machine === undefined;
    if (outcome.kind !== "committed" && !isWithoutMachine) return after(outcome);
    const unfit = outcome.record && (await this.#context.checkVersion(outcome.record));
    if (outcome.kind === "committed") {
      const { record, program } = outcome;
      if (unfit === undefined) return { at: "read", record, program };
      return unfit.kind === "leave"
        ? over({ kind: "left", reason: unfit.reason })
        : { at: "misfit", message: unfit.message };
    }
    if (unfit?.kind !== "mismatch") return after(outcome);
    await this.#commit([{ fact: "mismatch", message: unfit.message }], { fresh: true });
    return over({ kind: "finished" });
  }

  /** Applies what the wake-up says, and what it looks up now that the record is known. */
  async #tell({ record, program }: Decided): Promise<State> {
    const { queue } = this.#context.dispatch;
    const lookedUp = await this.#lease.insist(async () => this.#wakeUp.lookUp?.(queue, record, program));
    const facts = [...this.#wakeUp.facts, ...(lookedUp ?? [])];
    return facts.length === 0 ? { at: "decided", record, program } : after(await this.#commit(facts));
  }

  /** P76: pauses a run that another definition fits. What was to be done for it is left for a worker that fits. */
  async #leaveToOthers(message: string): Promise<State> {
    const wakeUp = this.#wakeUp;
    const terminate = wakeUp.facts.filter((fact) => fact.fact === "command" && fact.command.type === "terminate");
    const paused = await this.#commit([...terminate, { fact: "mismatch", message }]);
    if (paused.kind !== "committed") return after(paused);
    const { record, program } = paused;
    this.#outbox.dispatchAll(record, program);
    await this.#outbox.settle();
    const isOwed =
      wakeUp.facts.length > 0 || wakeUp.lookUp !== undefined || ownExecution(record, this.#lease.claim) !== undefined;
    // The next check of the sweeper comes by itself. What is over is owed nothing but to be opened again.
    const reopens = record.status === "failed" && wakeUp.facts.some(isRetry);
    return isOwed && wakeUp.recurs !== true && (reopens || !isOver(record.status))
      ? over({ kind: "left", reason: message, delayMs: UNFIT_DELAY_MS })
      : over({ kind: "finished", record });
  }

  /** R3: what the record asks for is dispatched at once; then this claim's own execution runs. */
  #follow({ record, program }: Decided): State {
    this.#outbox.dispatchAll(record, program);
    const execution = ownExecution(record, this.#lease.claim);
    return execution === undefined ? { at: "idle", record, program } : { at: "running", execution, record, program };
  }

  /** Runs the execution that this claim holds, and applies how it ended. */
  async #run({ execution, record, program }: Decided & { readonly execution: Execution }): Promise<State> {
    const end = await this.#runOwn(execution, record, program);
    if (end.kind === "requeued") await this.#outbox.settle();
    if (end.kind !== "facts") return over(end);
    const facts = end.facts.map((fact) => ({ ...fact, claim: this.#actor }));
    const outcome = await this.#commit([...this.#outbox.takeFacts(), ...facts, ...this.#outbox.confirmed(record)]);
    if (outcome.kind === "committed") await end.afterwards?.(outcome.record, outcome.program);
    return after(outcome);
  }

  /** R9: how the execution ended; one that the run stops, and that did not begin under this claim, never begins. */
  async #runOwn(execution: Execution, record: RunRecord, program: Program): Promise<AfterExecution> {
    const ref = refOf(execution);
    const id = executionTaskId(record.id, ref);
    if (record.machine !== undefined && drains(record.machine, program, ref)) {
      const outcome = this.#begun.has(id) ? "unknown" : "never";
      return { kind: "facts", facts: [{ fact: "fenced", ref, outcome }] };
    }
    if (!(await this.#lease.hold())) return { kind: "dropped" };
    this.#begun.add(id);
    return this.#context.run(execution, record, program, () => this.#isWanted(ref));
  }

  /** Whether the run, read anew, still wants this execution from this claim. */
  async #isWanted(ref: ExecutionRef): Promise<boolean> {
    const read = await this.#commit([], { fresh: true });
    // Whoever acts next finds out.
    if (read.kind !== "committed" || read.record.machine === undefined) return true;
    // What others brought may have been written in this claim's name: it is dispatched at once, however long the handler goes on.
    if (read.wrote) this.#outbox.dispatchAll(read.record, read.program);
    const execution = read.record.machine.executions.find((other) => sameExecution(other, ref));
    if (execution === undefined || !isHeldBy(execution, executionTaskId(read.record.id, ref), this.#actor))
      return false;
    return !drains(read.record.machine, read.program, ref);
  }

  /** R7: the claim ends only when everything that the record asks for is durable, and nothing was learned meanwhile. */
  async #settle({ record, program }: Decided): Promise<State> {
    await this.#outbox.settle();
    const learned = this.#outbox.takeFacts();
    const news = learned.length > 0 ? learned : await this.#lease.insist(() => this.#signals(record, program));
    if (news.length === 0) return over({ kind: "finished", record });
    const outcome = await this.#commit([...news, ...this.#outbox.confirmed(record)], { fresh: true });
    // Signals that change nothing were taken by somebody else: they are not looked for again.
    const isNothingNew =
      outcome.kind === "committed" && !outcome.wrote && ownExecution(outcome.record, this.#lease.claim) === undefined;
    return isNothingNew && learned.length === 0 ? over({ kind: "finished", record: outcome.record }) : after(outcome);
  }

  /** Protocol 1.7: only after the record that waits was acknowledged is the inbox listed. */
  async #signals(record: RunRecord, program: Program): Promise<readonly Fact[]> {
    if (!this.#owesInbox || record.machine === undefined || isOver(record.status)) return [];
    const waits = openWaits(record, program);
    if (waits.length === 0) return [];
    const found = await lookIntoInbox(this.#context.dispatch.queue, record, waits);
    return found.length === 0 ? [] : [{ fact: "signals", found }];
  }

  /** `fresh`: the record is read from the store first, because this process's copy may be older than the claim. */
  async #commit(facts: readonly Fact[], { fresh = false } = {}): Promise<CommitOutcome> {
    const outcome = await this.#writer.commit({
      actor: this.#actor,
      facts,
      fresh,
      gate: () => this.#lease.hold(),
      takes: (ref) => this.#context.takes(ref),
    });
    if (outcome.kind === "committed" && outcome.wrote) this.#owesInbox = true;
    return outcome;
  }
}

const over = (end: DriveEnd): State => ({ at: "over", end });

/** Where a driver stands after a commit. */
function after(outcome: CommitOutcome): State {
  if (outcome.kind === "committed") return { at: "decided", record: outcome.record, program: outcome.program };
  return over(outcome.kind === "missing" ? { kind: "finished" } : outcome);
}

/** Whether another claim of the task came before this one. */
function isRecovered({ task }: Claim): boolean {
  return task.attempt > 1;
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

/** The part of a driver in the outbox. What it dispatches is tried again while its lease lives. */
function outboxOf(context: DriveContext, writer: RunWriter, lease: DriverLease, actor: Actor): Outbox {
  const dispatcher = {
    actor,
    finishOwn: (id: string, end: TaskEnd) => context.finishOwn(id, end),
  };
  return new Outbox({
    shared: writer.dispatched,
    task: actor.task,
    effects: context.dispatch.effects,
    dispatch: (entry, record, program) =>
      lease.insist(() => dispatchEntry(entry, { context: context.dispatch, record, program, dispatcher })),
    isDriven: (id) => context.isDriven(id),
  });
}
