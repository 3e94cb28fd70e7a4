/** Everything between a claimed task and its end: the lease, the handlers of the chain, and how the first task is finished. */
import type { TaskStep } from "../../machines/plan.ts";
import type { Logger } from "../host/host.ts";
import type { Claim } from "../queue/claim.ts";
import { completeClaim, failClaim, rescheduleClaim, retryClaim } from "../queue/finish.ts";
import { createRunningTask } from "../queue/submit.ts";
import type { QueueContext } from "../queue/task.ts";
import type { DispatchContext } from "../run/dispatch.ts";
import type { RunWriters } from "../run/commit.ts";
import type { Program } from "../run/program.ts";
import { type Flight, type FlightRef, refOf, type RunRecord } from "../run/record.ts";
import { flightTask, flightTaskId } from "../run/tasks.ts";
import {
  drive,
  type DriveContext,
  type DriveEnd,
  type Errand,
  type HandlerEnd,
  ownFlight,
  type Unfit,
} from "./driver.ts";
import { judge, runAttempt } from "./handler.ts";
import { KeptLease } from "./lease.ts";

/** A step is long after a third of the lease: from then on it has a task object and a lease of its own. */
const LONG_STEP_SHARE = 3;
/** A run that is left for other workers is looked at again after this. */
const LEFT_DELAY_MS = 5_000;

/** What a chain needs from its worker. */
export interface ChainContext {
  readonly queue: QueueContext;
  readonly writers: RunWriters;
  readonly dispatch: DispatchContext;
  readonly workerId: string;
  readonly leaseMs: number;
  /** Handlers of this process; undefined: none for this step. */
  handlerOf(workflow: string, ref: FlightRef): ((context: unknown, result?: unknown) => unknown) | undefined;
  checkVersion(record: RunRecord): Promise<Unfit | undefined>;
  isCompleted(taskId: string): Promise<boolean>;
  /** Aborts when the grace of a shutdown is over. */
  readonly halt: AbortSignal;
  /** Whether the worker shuts down: then steps are not handed off any more. */
  isStopping(): boolean;
  readonly queueHandle: unknown;
  readonly log: Logger;
}

/** One chain: the claim of its first task, and the leases it holds. */
export class Chain {
  readonly #context: ChainContext;
  readonly #lease: KeptLease;
  readonly #workflow: string;
  readonly #runId: string;
  readonly #long = new Map<string, KeptLease>();

  constructor(context: ChainContext, claim: Claim, workflow: string, runId: string) {
    this.#context = context;
    this.#workflow = workflow;
    this.#runId = runId;
    this.#lease = new KeptLease(context.queue, claim, context.leaseMs);
  }

  /** The run that this chain drives. */
  get runId(): string {
    return this.#runId;
  }

  /** Ids of the tasks whose leases this chain holds. */
  get taskIds(): readonly string[] {
    return [this.#lease.claim.task.id, ...this.#long.keys()];
  }

  /** Tells a running handler that its run stops. */
  discourage(): void {
    this.#lease.discourage();
  }

  /** Drives to the end. */
  async run(errand: Errand): Promise<DriveEnd> {
    try {
      const end = await this.#context.writers.with(this.#runId, (writer) =>
        drive(this.#driveContext(), writer, this.#lease, errand),
      );
      await this.#finish(end);
      return end;
    } finally {
      this.#lease.stop();
      for (const lease of this.#long.values()) lease.stop();
    }
  }

  #driveContext(): DriveContext {
    const context = this.#context;
    return {
      dispatch: context.dispatch,
      takes: (ref) => !context.isStopping() && context.handlerOf(this.#workflow, ref) !== undefined,
      checkVersion: (record) => context.checkVersion(record),
      isCompleted: (id) => context.isCompleted(id),
      ownLeaseOf: (taskId) => this.#long.get(taskId)?.claim.leaseId,
      run: (flight, record, program) => this.#runFlight(flight, record, program),
    };
  }

  async #finish(end: DriveEnd): Promise<void> {
    const { claim } = this.#lease;
    this.#lease.stop();
    if (end.kind === "left") {
      this.#context.log.info("run left to others", { run: this.#runId, reason: end.reason });
      await rescheduleClaim(this.#context.queue, claim, LEFT_DELAY_MS);
      return;
    }
    if (end.kind !== "finished") return;
    const own = end.record === undefined ? undefined : ownStep(end.record, claim);
    if (own?.failed === true) await failClaim(this.#context.queue, claim, own.message);
    else await completeClaim(this.#context.queue, claim, own?.output ?? { workflow_id: this.#runId, done: true });
  }

  async #runFlight(flight: Flight, record: RunRecord, program: Program): Promise<HandlerEnd> {
    const context = this.#context;
    const handler = context.handlerOf(this.#workflow, flight);
    const step = program.machine.plan.steps.find((candidate) => candidate.name === flight.step);
    if (handler === undefined || step?.kind !== "task")
      return this.#giveBack(flight, 0, flight.retries, "no handler here");
    const own = flight.owner === undefined;
    let retries = own ? this.#lease.claim.task.retry_count : flight.retries;
    for (let attempt = own ? this.#lease.claim.task.attempt : flight.retries + 1; ; attempt += 1) {
      const end = await this.#attempt(flight, record, program, step, handler, attempt);
      const after = judge(end, flight, step, attempt, retries, () => context.queue.host.random.next());
      if (after.kind === "abandoned") return this.#abandoned(flight, retries);
      if (!(await this.#lease.hold())) return { kind: "dropped" };
      if (after.kind === "facts") return { kind: "facts", facts: after.facts };
      this.#logAgain(flight, attempt, after.message, after.delayMs);
      if (after.counts) retries += 1;
      if (after.delayMs > context.leaseMs / LONG_STEP_SHARE || context.isStopping() || !after.counts) {
        return this.#giveBack(flight, after.delayMs, retries, after.message, after.counts);
      }
      await context.queue.host.clock.sleep(after.delayMs, { signal: this.#lease.lost });
      if (!(await this.#lease.hold())) return { kind: "dropped" };
    }
  }

  async #attempt(
    flight: Flight,
    record: RunRecord,
    program: Program,
    step: TaskStep,
    handler: (context: unknown, result?: unknown) => unknown,
    attempt: number,
  ): Promise<Awaited<ReturnType<typeof runAttempt>>> {
    const context = this.#context;
    const ended = new AbortController();
    const stop = AbortSignal.any([this.#lease.lost, context.halt, ended.signal]);
    void this.#becomeLong(flight, record, program, ended);
    const end = await runAttempt(
      {
        host: context.queue.host,
        record,
        flight,
        step,
        attempt,
        heartbeat: async () => {
          await this.#lease.beat();
        },
        isCancelled: () => this.#lease.unwanted.aborted,
        queue: context.queueHandle,
        log: context.log,
        handler,
      },
      stop,
    );
    ended.abort();
    return end;
  }

  /** 1.3: a handed-off step that turns out long gets its task object, as running, and a lease. Refused: somebody released it. */
  async #becomeLong(flight: Flight, record: RunRecord, program: Program, ended: AbortController): Promise<void> {
    if (flight.owner === undefined) return;
    const context = this.#context;
    const id = flightTaskId(record.id, flight);
    if (this.#long.has(id)) return;
    await context.queue.host.clock.sleep(context.leaseMs / LONG_STEP_SHARE, { signal: ended.signal });
    if (ended.signal.aborted) return;
    const spec = flightTask(record, program.machine.plan, flight);
    try {
      const made = await createRunningTask(context.queue, spec, {
        workerId: context.workerId,
        leaseMs: context.leaseMs,
      });
      if (made.kind === "refused") return ended.abort();
      this.#long.set(id, new KeptLease(context.queue, made.claim, context.leaseMs));
    } catch {
      // Whether it stands is not known: without a lease of its own a long step must not go on.
      ended.abort();
    }
  }

  /** The next attempt comes from the queue. */
  #giveBack(flight: Flight, delayMs: number, retries: number, message: string, counts = true): Promise<HandlerEnd> {
    return flight.owner === undefined
      ? this.#requeue(delayMs, message, counts)
      : this.#release(flight, delayMs, retries, message, counts);
  }

  async #requeue(delayMs: number, message: string, counts: boolean): Promise<HandlerEnd> {
    const { claim } = this.#lease;
    this.#lease.stop();
    if (counts) await retryClaim(this.#context.queue, claim, message, delayMs);
    else await rescheduleClaim(this.#context.queue, claim, delayMs);
    this.#context.dispatch.onReady(claim.task.id, this.#now() + delayMs);
    return { kind: "requeued" };
  }

  async #release(
    flight: Flight,
    delayMs: number,
    retries: number,
    message: string,
    counts: boolean,
  ): Promise<HandlerEnd> {
    const availableAt = this.#now() + delayMs;
    const long = this.#long.get(flightTaskId(this.#runId, flight));
    return {
      kind: "facts",
      facts: [{ fact: "backoff", ref: refOf(flight), availableAt, retries }],
      afterwards: async () => {
        if (long === undefined) return;
        long.stop();
        this.#long.delete(long.claim.task.id);
        if (counts) await retryClaim(this.#context.queue, long.claim, message, delayMs);
        else await rescheduleClaim(this.#context.queue, long.claim, delayMs);
      },
    };
  }

  async #abandoned(flight: Flight, retries: number): Promise<HandlerEnd> {
    const halted = this.#context.halt.aborted && !this.#lease.lost.aborted;
    if (!halted || !(await this.#lease.hold())) return { kind: "dropped" };
    return this.#giveBack(flight, 0, retries + 1, "handed back: its worker shut down");
  }

  #logAgain(flight: Flight, attempt: number, message: string, delayMs: number): void {
    const fields = { run: this.#runId, step: flight.step, attempt, reason: message, again_in_ms: delayMs };
    this.#context.log.warn(flight.kind === "run" ? "step tried again" : "undo tried again", fields);
  }

  #now(): number {
    return this.#context.queue.store.time().latest;
  }
}

/** What the first task of a chain ends with, when it is the task of a step itself. */
function ownStep(record: RunRecord, claim: Claim): { failed: boolean; message: string; output: unknown } | undefined {
  if (!claim.task.task_type.startsWith("workflow.step:") || ownFlight(record, claim) !== undefined) return undefined;
  const input = claim.task.input as { step?: unknown } | null;
  if (typeof input?.step !== "string") return undefined;
  const state = record.steps.get(input.step);
  if (state === undefined) return undefined;
  const message = (state.error as { message?: unknown } | undefined)?.message;
  return {
    failed: state.status === "failed",
    message: typeof message === "string" ? message : "failed",
    output: { success: true, result: state.result ?? null, step: input.step },
  };
}
