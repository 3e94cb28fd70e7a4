/** Everything between a claimed task and its end: the lease, the handlers that its driver runs, and how the first task is finished. */
import type { StepQueue } from "../define/context.ts";
import { summarize } from "../host/error-data.ts";
import type { Logger } from "../host/host.ts";
import { joinSignals } from "../host/signals.ts";
import type { Claim } from "../queue/claim.ts";
import { completeClaim, failClaim, rescheduleClaim, retryClaim } from "../queue/finish.ts";
import type { TaskEnd } from "../queue/settle.ts";
import { createRunningTask } from "../queue/submit.ts";
import { type QueueContext, serverNow } from "../queue/task.ts";
import type { DispatchContext } from "../run/effects/effect.ts";
import { textOfAttempts } from "../run/attempts-text.ts";
import type { AttemptFailure, Fact } from "../run/facts.ts";
import { FAILURES_KEPT } from "../run/decide/failures.ts";
import type { RunWriters } from "../run/commit.ts";
import type { ActivityPolicy, Program } from "../programs/programs.ts";
import {
  type Execution,
  type ExecutionRef,
  ownerOf,
  refOf,
  type RunRecord,
  sameExecution,
} from "../run/record/record.ts";
import { outputOf, resultOutput } from "../run/step-output.ts";
import { drivenOutput } from "../run/outbox.ts";
import { executionTask, executionTaskId } from "../run/tasks.ts";
import { drains } from "../run/view.ts";
import type { WakeUp } from "../run/wakeups/wake-up.ts";
import { type DriveContext, type DriveEnd, Driver, type AfterExecution, ownExecution, type Unfit } from "./driver.ts";
import type { Writable } from "../wire/json.ts";
import { type AttemptEnd, factOf, runAttempt } from "./handler.ts";
import { KeptLease, type LeaseWatch } from "./lease.ts";

/** A step is long after a third of the lease: from then on it has a task object and a lease of its own. */
const LONG_STEP_SHARE = 3;
/** A run that is left for other workers is looked at again after this. */
const LEFT_DELAY_MS = 5_000;

/** What a claimed task needs from its worker. */
export interface ClaimedTaskContext {
  readonly queue: QueueContext;
  readonly writers: RunWriters;
  readonly dispatch: DispatchContext;
  readonly workerId: string;
  readonly leaseMs: number;
  readonly leaseWatch: LeaseWatch;
  /** Handlers of this process; undefined: none for this step. */
  handlerOf(workflow: string, ref: ExecutionRef): ((context: unknown, result?: unknown) => unknown) | undefined;
  checkVersion(record: RunRecord): Promise<Unfit | undefined>;
  isDriven(taskId: string): Promise<boolean>;
  /** Aborts when the worker shuts down: then no step is handed off and no attempt begun any more. */
  readonly stopping: AbortSignal;
  /** Aborts near the end of the grace of a shutdown: then running attempts are over. */
  readonly halt: AbortSignal;
  /** What handlers put tasks on the queue with. */
  readonly stepQueue: StepQueue;
  /** Whether an error that escapes a handler fails its attempt. */
  readonly catchesStrays: boolean;
  readonly log: Logger;
}

/** A task that was claimed, with the leases that are held meanwhile. */
export class ClaimedTask {
  readonly #context: ClaimedTaskContext;
  readonly #lease: KeptLease;
  readonly #workflow: string;
  readonly #runId: string;
  readonly #long = new Map<string, KeptLease>();
  readonly #ended = new Map<string, TaskEnd>();
  #over = false;

  constructor(context: ClaimedTaskContext, claim: Claim, workflow: string, runId: string) {
    this.#context = context;
    this.#workflow = workflow;
    this.#runId = runId;
    this.#lease = new KeptLease(context.queue, claim, context.leaseMs, context.leaseWatch);
  }

  /** The run that is driven. */
  get runId(): string {
    return this.#runId;
  }

  /** Ids of the tasks whose leases are held. */
  get taskIds(): readonly string[] {
    return [this.#lease.claim.task.id, ...this.#long.keys()];
  }

  /** If one of these is the task, tells its running handler that its run stops. The answer says whether the lease of the task is live. */
  requestCancel(taskId: string): boolean {
    const lease = this.#lease.claim.task.id === taskId ? this.#lease : this.#long.get(taskId);
    if (lease === undefined) return false;
    this.#lease.requestCancel();
    return lease.isLive();
  }

  /** Drives to the end. */
  async run(wakeUp: WakeUp): Promise<DriveEnd> {
    try {
      const end = await this.#context.writers.with(this.#runId, (writer) =>
        new Driver(this.#driveContext(), writer, this.#lease, wakeUp).drive(),
      );
      await this.#finish(end, wakeUp);
      return end;
    } finally {
      this.#over = true;
      this.#lease.stop();
      for (const lease of this.#long.values()) lease.stop();
    }
  }

  #driveContext(): DriveContext {
    const context = this.#context;
    return {
      dispatch: context.dispatch,
      takes: (ref) => !context.stopping.aborted && context.handlerOf(this.#workflow, ref) !== undefined,
      checkVersion: (record) => this.#lease.insist(() => context.checkVersion(record)),
      isDriven: (id) => this.#lease.insist(() => context.isDriven(id)),
      finishOwn: (taskId, end) => this.#finishOwn(taskId, end),
      run: (execution, record, program, isWanted) => this.#runExecution(execution, record, program, isWanted),
    };
  }

  /** The task of a long step of ours is ended under its own lease, which is not renewed any more. */
  async #finishOwn(taskId: string, end: TaskEnd): Promise<boolean> {
    const lease = this.#long.get(taskId);
    if (lease === undefined || end.status === "cancelled") return false;
    lease.stop();
    this.#long.delete(taskId);
    const { queue } = this.#context;
    const finished =
      end.status === "completed"
        ? await completeClaim(queue, lease.claim, end.output)
        : await failClaim(queue, lease.claim, end.error ?? "failed");
    return finished.kind === "finished";
  }

  async #finish(end: DriveEnd, wakeUp: WakeUp): Promise<void> {
    const { claim } = this.#lease;
    this.#lease.stop();
    if (end.kind === "left") {
      this.#context.log.info("run left to others", { run: this.#runId, reason: end.reason });
      await rescheduleClaim(this.#context.queue, claim, end.delayMs ?? LEFT_DELAY_MS);
      return;
    }
    if (end.kind === "dropped") {
      const fields = { run: this.#runId, task: claim.task.id };
      this.#context.log.warn("lease lost; what was done under it is dropped and done again by the next holder", fields);
    }
    if (end.kind !== "finished") return;
    // A record that was made anew, or terminated, did not know of the step any more: its task tells how it ended, and is asked when
    // the step is due. Left running it would be taken over.
    for (const [taskId, ended] of this.#ended) await this.#finishOwn(taskId, ended);
    const own = end.record === undefined ? undefined : ownStep(end.record, claim, wakeUp);
    const driven = drivenOutput(this.#runId);
    if (own?.failed === true) await failClaim(this.#context.queue, claim, own.message, driven);
    else await completeClaim(this.#context.queue, claim, own?.output ?? driven);
  }

  async #runExecution(
    execution: Execution,
    record: RunRecord,
    program: Program,
    isWanted: () => Promise<boolean>,
  ): Promise<AfterExecution> {
    const context = this.#context;
    const handler = context.handlerOf(this.#workflow, execution);
    const policy = program.activity(execution);
    if (handler === undefined || policy === undefined)
      return this.#giveBack(execution, 0, execution.retries, "no handler here", new Story(execution));
    const own = ownerOf(execution) === undefined;
    let retries = own ? this.#lease.claim.task.retry_count : execution.retries;
    const story = new Story(execution);
    // Attempts are counted by the retries that were used up: one that its handler asked for is none, however often it was claimed.
    for (;;) {
      if (context.stopping.aborted) return this.#giveBack(execution, 0, retries, "its worker shuts down", story, false);
      const attempt = retries + 1;
      const beganAt = serverNow(context.queue);
      story.began(beganAt);
      const end = await this.#attempt(execution, record, program, policy, handler, attempt);
      const error = "error" in end ? end.error : undefined;
      if (error !== undefined) story.failed({ attempt, beganAt, endedAt: serverNow(context.queue), error });
      let isLast = false;
      try {
        // Mostly it failed because its run stops: then no line says that it is tried again.
        isLast = end.kind === "again" && this.#lease.takeCancelRequest() && !(await isWanted());
      } finally {
        this.#logEnd(execution, attempt, end, isLast);
      }
      if (end.kind === "abandoned") return this.#abandoned(execution, retries, story);
      if (!(await this.#holds(execution))) return this.#dropped(execution, attempt);
      if (end.kind !== "again") {
        this.#remember(execution, end);
        return { kind: "facts", facts: [story.tell(factOf(end, refOf(execution), attempt))] };
      }
      if (isLast) return this.#notAgain(execution, end.message, story);
      const counts = error !== undefined;
      if (counts) retries += 1;
      const { clock } = context.queue.host;
      const dueAt = clock.monotonic() + end.delayMs;
      const isInPlace = counts && end.delayMs <= context.leaseMs / LONG_STEP_SHARE;
      if (!(await this.#rest(isInPlace ? dueAt : 0, isWanted))) {
        context.log.info("the next attempt is called off: its run stops", { run: this.#runId, step: execution.step });
        return this.#notAgain(execution, end.message, story);
      }
      if (!(await this.#holds(execution))) return this.#dropped(execution, attempt);
      if (isInPlace && !context.stopping.aborted) continue;
      const leftMs = Math.max(0, dueAt - clock.monotonic());
      return this.#giveBack(execution, leftMs, retries, end.message, story, counts);
    }
  }

  /**
   * Rests in place until then, on the monotonic clock; less, when no attempt may begin here any more. False: the run does not want the step.
   * It is asked only when somebody said so: a fence leaves the outbox once it is answered, so the run that stops waits for the holder.
   */
  async #rest(dueAt: number, isWanted: () => Promise<boolean>): Promise<boolean> {
    const { stopping, queue } = this.#context;
    const { lost, cancelRequested } = this.#lease;
    for (;;) {
      if (this.#lease.takeCancelRequest() && !(await isWanted())) return false;
      const leftMs = dueAt - queue.host.clock.monotonic();
      if (leftMs <= 0 || lost.aborted || stopping.aborted) return true;
      // The driver may have been told before, of another step: it would not rest at all.
      const rest = joinSignals(lost, stopping, cancelRequested.aborted ? undefined : cancelRequested);
      await queue.host.clock.sleep(leftMs, { signal: rest.signal });
      rest.release();
    }
  }

  /** No later attempt begins, here or elsewhere: its run stops. Whether the last one had effects is not known. */
  #notAgain(execution: Execution, error: string, story: Story): AfterExecution {
    this.#ended.set(executionTaskId(this.#runId, execution), { status: "failed", error });
    return { kind: "facts", facts: [story.tell({ fact: "fenced", ref: refOf(execution), outcome: "unknown" })] };
  }

  #dropped(execution: Execution, attempt: number): AfterExecution {
    this.#context.log.warn("the lease of a step is over; what its handler comes to is dropped", {
      run: this.#runId,
      step: execution.step,
      attempt,
    });
    return { kind: "dropped" };
  }

  /** What a step came to, for the end of its task in case it is long. Only what may still be asked for is kept. */
  #remember(execution: Execution, end: AttemptEnd): void {
    if (end.kind !== "completed" && end.kind !== "failed") return;
    for (const taskId of this.#ended.keys()) if (!this.#long.has(taskId)) this.#ended.delete(taskId);
    this.#ended.set(
      executionTaskId(this.#runId, execution),
      end.kind === "completed"
        ? { status: "completed", output: resultOutput(execution.step, end.result) }
        : { status: "failed", error: end.message },
    );
  }

  /** GATE: a long handed-off step is held by two leases, and both are looked at. */
  async #holds(execution: Execution): Promise<boolean> {
    const long = this.#long.get(executionTaskId(this.#runId, execution));
    return (await this.#lease.hold()) && (long === undefined || (await long.hold()));
  }

  async #attempt(
    execution: Execution,
    record: RunRecord,
    program: Program,
    policy: ActivityPolicy,
    handler: (context: unknown, result?: unknown) => unknown,
    attempt: number,
  ): Promise<AttemptEnd> {
    const context = this.#context;
    const ended = new AbortController();
    const long = this.#long.get(executionTaskId(record.id, execution));
    const stop = joinSignals(this.#lease.lost, context.halt, ended.signal, long?.lost);
    // Two tasks may be asked to stop: the one that was claimed, on whose behalf a run stops its steps, and that of the step itself.
    const cancelRequested = new AbortController();
    const requestCancel = (): void => cancelRequested.abort();
    // What is stopped are the steps; their undos are what the stop asks for.
    if (execution.kind === "run") whenAborted(this.#lease.cancelRequested, requestCancel, ended.signal);
    if (long !== undefined) whenAborted(long.cancelRequested, requestCancel, ended.signal);
    void this.#becomeLong(execution, record, program, ended, requestCancel);
    const end = await runAttempt(
      {
        host: context.queue.host,
        record,
        execution,
        policy,
        attempt,
        isSignal: (name) => program.takes(name),
        heartbeat: async () => {
          await this.#lease.beat();
        },
        cancelRequested: cancelRequested.signal,
        queue: context.stepQueue,
        catchesStrays: context.catchesStrays,
        log: context.log,
        handler,
      },
      stop.signal,
    );
    stop.release();
    ended.abort();
    return end;
  }

  /** Protocol 1.3: a handed-off step that turns out long gets its task object, as running, and a lease. Refused: somebody released it. */
  async #becomeLong(
    execution: Execution,
    record: RunRecord,
    program: Program,
    ended: AbortController,
    requestCancel: () => void,
  ): Promise<void> {
    if (ownerOf(execution) === undefined) return;
    const context = this.#context;
    const id = executionTaskId(record.id, execution);
    if (this.#long.has(id)) return;
    await context.queue.host.clock.sleep(context.leaseMs / LONG_STEP_SHARE, { signal: ended.signal });
    if (ended.signal.aborted) return;
    if (!(await this.#lease.hold())) return ended.abort();
    const spec = executionTask(record, program, execution);
    const { clock } = context.queue.host;
    const giveUpAt = clock.monotonic() + context.leaseMs;
    try {
      const made = await createRunningTask(context.queue, spec, {
        workerId: context.workerId,
        leaseMs: context.leaseMs,
        // Until then the lease of the claimed task holds the step: nobody else runs it.
        mayGoOn: () => !ended.signal.aborted && this.#lease.isLive() && clock.monotonic() < giveUpAt,
      });
      if (made.kind === "refused") return ended.abort();
      // The drive ended meanwhile: nobody would stop the heartbeats of this lease. It runs out.
      if (this.#over) return;
      const lease = new KeptLease(context.queue, made.claim, context.leaseMs, context.leaseWatch);
      this.#long.set(id, lease);
      lease.lost.addEventListener("abort", () => ended.abort(), { once: true });
      whenAborted(lease.cancelRequested, requestCancel, ended.signal);
    } catch {
      // Whether it stands is not known: without a lease of its own a long step must not go on.
      ended.abort();
    }
  }

  /** The next attempt comes from the queue. */
  #giveBack(
    execution: Execution,
    delayMs: number,
    retries: number,
    message: string,
    story: Story,
    counts = true,
  ): Promise<AfterExecution> {
    return ownerOf(execution) === undefined
      ? this.#requeue(delayMs, retries, story.text ?? message, counts)
      : this.#release(execution, delayMs, retries, message, story, counts);
  }

  async #requeue(delayMs: number, retries: number, error: string, counts: boolean): Promise<AfterExecution> {
    const { claim } = this.#lease;
    // Told just now: whoever claims it next finds out. Who tells it from here on finds no live lease here, and tells the task itself.
    const restMs = this.#lease.takeCancelRequest() ? 0 : delayMs;
    this.#lease.stop();
    await this.#putBack(claim, restMs, retries, error, counts);
    this.#context.dispatch.onReady(claim.task.id, this.#now() + restMs);
    return { kind: "requeued" };
  }

  /** Retries that were used up in place count like those over the queue, also where the handler then asks for a later time itself. */
  async #putBack(claim: Claim, delayMs: number, retries: number, error: string, counts: boolean): Promise<void> {
    const { queue } = this.#context;
    if (counts || retries > claim.task.retry_count) await retryClaim(queue, claim, error, delayMs, retries);
    else await rescheduleClaim(queue, claim, delayMs);
  }

  async #release(
    execution: Execution,
    delayMs: number,
    retries: number,
    message: string,
    story: Story,
    counts: boolean,
  ): Promise<AfterExecution> {
    const availableAt = this.#now() + delayMs;
    const long = this.#long.get(executionTaskId(this.#runId, execution));
    const fact: Fact = { fact: "backoff", ref: refOf(execution), availableAt, retries, asked: !counts };
    return {
      kind: "facts",
      facts: [story.tell(fact)],
      afterwards: async (record, program) => {
        if (long === undefined) return;
        const taskId = long.claim.task.id;
        // The run was terminated meanwhile: nobody asks for the step any more.
        if (record.machine?.executions.some((other) => sameExecution(other, execution)) !== true) {
          this.#ended.set(taskId, { status: "failed", error: message });
          return;
        }
        long.stop();
        this.#long.delete(taskId);
        // What stopped the run in the same write may have found the task running: whoever claims it next says that it does not go on.
        const stops = record.machine !== undefined && drains(record.machine, program, execution);
        await this.#putBack(long.claim, stops ? 0 : delayMs, retries, message, counts);
      },
    };
  }

  async #abandoned(execution: Execution, retries: number, story: Story): Promise<AfterExecution> {
    const halted = this.#context.halt.aborted && !this.#lease.lost.aborted;
    if (!halted || !(await this.#lease.hold())) return this.#dropped(execution, retries + 1);
    const message = "handed back: its worker shut down";
    this.#context.log.warn("step handed back: its worker shuts down", { run: this.#runId, step: execution.step });
    const now = serverNow(this.#context.queue);
    story.failed({ attempt: retries + 1, endedAt: now, error: { name: "WorkerStopped", message } });
    return this.#giveBack(execution, 0, retries + 1, message, story);
  }

  /** A line for what did not go well. The last failure of a step is told here, by who knows most of it, whatever becomes of the commit. */
  #logEnd(execution: Execution, attempt: number, end: AttemptEnd, isLast: boolean): void {
    const { log } = this.#context;
    const fields = { run: this.#runId, workflow: this.#workflow, step: execution.step, attempt };
    const what = execution.kind === "run" ? "step" : "undo";
    if (end.kind === "again") {
      const { message: reason, delayMs: again_in_ms, error } = end;
      const asked = `${what} asked to be run again later`;
      if (isLast && error === undefined) log.info(`${asked} and is not: its run stops`, { ...fields, reason });
      else if (isLast) log.warn(`${what} failed and is not tried again: its run stops`, { ...fields, reason, error });
      else if (error === undefined) log.info(asked, { ...fields, reason, again_in_ms });
      else log.warn(`${what} failed and is tried again`, { ...fields, reason, again_in_ms, error });
    } else if (end.kind === "failed") {
      log.error(`${what} failed`, { ...fields, reason: summarize(end.error), error: end.error });
    }
  }

  #now(): number {
    return this.#context.queue.store.time().latest;
  }
}

/** What happened to one handler execution in this process, for the record. */
class Story {
  readonly #isFirst: boolean;
  readonly #failures: AttemptFailure[] = [];
  #beganAt: number | undefined;

  constructor(execution: Execution) {
    // Retries that were used up before were made elsewhere, and it began then.
    this.#isFirst = execution.retries === 0;
  }

  /** An attempt begins. */
  began(at: number): void {
    if (this.#isFirst) this.#beganAt ??= at;
  }

  /** The failures as the text of a task. */
  get text(): string | undefined {
    return textOfAttempts(this.#failures);
  }

  failed(failure: AttemptFailure): void {
    this.#failures.push(failure);
    if (this.#failures.length > FAILURES_KEPT) this.#failures.shift();
  }

  /** A fact about it, with all of this. */
  tell(fact: Fact): Fact {
    return {
      ...fact,
      ...(this.#beganAt === undefined ? {} : { beganAt: this.#beganAt }),
      ...(this.#failures.length === 0 ? {} : { failures: [...this.#failures] }),
    };
  }
}

/** Calls back when a signal aborts, or at once if it did, until `over` aborts. */
function whenAborted(signal: AbortSignal, then: () => void, over: AbortSignal): void {
  if (signal.aborted) then();
  else signal.addEventListener("abort", then, { once: true, signal: over });
}

/** What the claimed task ends with, when it is the task of a step itself. */
function ownStep(
  record: RunRecord,
  claim: Claim,
  { activity }: WakeUp,
): { failed: boolean; message: string; output: Writable } | undefined {
  if (activity?.kind !== "run" || ownExecution(record, claim) !== undefined) return undefined;
  const state = record.steps.get(activity.step);
  if (state === undefined) return undefined;
  return {
    failed: state.status === "failed",
    message: state.error ?? "failed",
    output: outputOf(activity.step, state),
  };
}
