/**
 * The only code that writes the record of a run.
 *
 * R1 The record is the only truth and is changed only by a conditional put.
 * R2 A decision is a pure function of (record, events); a lost race is repaired by deciding again on the winner's record.
 * R3 Effects are committed with the snapshot that caused them, before any is dispatched, and stay in the outbox until the worker that
 *    dispatched them, or one that saw that worker's task completed, drops them in a later write, naming each by its id *and* its stamp
 *    (the task and attempt that added it). Nobody drops an entry because it is old. No write is made only to confirm. The effects of a
 *    handed-off step name their owner and are dispatched by nobody else.
 * R4 Every object that a command creates has an id computed from run, step or cause, kind and generation; dispatching twice is the
 *    same as once. A claimer reads the record before any handler.
 * R5 A fact reported twice is the same as once; the first committed result of a step wins, for ever.
 * R6 A decision that changes nothing writes nothing, but for the one fence write of a claim of attempt 2 or more.
 * R7 At every instant each run that can move has something durable that will move it: a ready task, a leased task whose lease key was
 *    put before the claim, a due timer, an active-index entry (a run parked on a signal has one), or an unacknowledged caller. A worker
 *    finishes its own task only after everything that its last read or written record asks for is durable, all executions that it owns
 *    included. A worker whose lease is over, by its own clock, renews or drops everything.
 * R8 After a conflict or an unknown reply: read, then decide again. Never conclude from the reply alone.
 * R9 No handler starts for a generation that is not recorded, nor without an unexpired lease of the claim that owns it; attempt 2 or
 *    more only after its fence write.
 *
 * In one process all writers of a run share one queue: facts that arrive while a put is under way go into the next one together. Where
 * a key may be written only so often, the queue is kept for so long before it is emptied.
 */
import { isWorkflowError, WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { stateKey } from "../keys.ts";
import { insistMs, isUnanswered } from "../store/again.ts";
import type { ETag, ObjectStore, PutOutcome } from "../store/object-store.ts";
import { readDocument, replaceDocument } from "../store/document.ts";
import { decide } from "./decide/decide.ts";
import type { EffectKind } from "./effects/effect.ts";
import type { FactBatch } from "./facts.ts";
import type { Program, Programs } from "../programs/programs.ts";
import { repairRecord, type Unrepairable, pausePlain, type Repaired } from "./foreign/repair.ts";
import { isGrowing, leaveOut } from "./record/too-large.ts";
import type { RunRecord } from "./record/record.ts";
import { type RecordCodecs, recordCodecsOf, RecordTooLargeError } from "./record/codec.ts";
import { SharedDispatch } from "./outbox.ts";

/** What a commit needs from its surroundings. */
export interface CommitContext {
  readonly store: ObjectStore;
  readonly host: Host;
  readonly programs: Programs;
  /** The kinds of effects that outboxes may hold. */
  readonly effects: readonly EffectKind[];
  /**
   * For how long a batch is tried again while the store does not answer. Each of its members is dropped as soon as its lease is over.
   * @defaultValue 30000
   */
  readonly patienceMs?: number;
  /** Told of every record that this process wrote, for followers in the same process, and of the one that it replaced. */
  readonly onWritten?: (record: RunRecord, facts: readonly string[], before: RunRecord) => void;
}

/** Facts with the conditions under which they may be written. */
export interface CommitRequest extends FactBatch {
  /** Whether the record must be read from the store first: a claimer's view may be older than its claim. */
  readonly fresh: boolean;
  /** GATE: whether the lease under which this acts is unexpired, renewed if need be. False: everything is dropped. */
  gate(): Promise<boolean>;
}

export type CommitOutcome =
  | {
      readonly kind: "committed";
      readonly record: RunRecord;
      readonly program: Program;
      /** Whether this changed the record, or may have: what was sent without an answer may have landed. */
      readonly wrote: boolean;
    }
  | { readonly kind: "dropped" }
  | { readonly kind: "missing" }
  /** The run is left as it is, with the reason for a log line. */
  | {
      readonly kind: "left";
      readonly record?: RunRecord;
      readonly reason: string;
      /** Its record, or the plan that it follows, cannot be read by this process; another may be able to. */
      readonly isUnreadable?: boolean;
    };

interface Waiting {
  readonly request: CommitRequest;
  resolve(outcome: CommitOutcome): void;
  reject(error: unknown): void;
}

interface Cached {
  readonly record: RunRecord;
  readonly etag: ETag;
  readonly repaired: Repaired | Unrepairable;
}

interface Written {
  readonly next: RunRecord;
  readonly before: RunRecord;
}

const FIRST_BACKOFF_MS = 20;
const LONGEST_BACKOFF_MS = 2_000;
const DEFAULT_PATIENCE_MS = 30_000;

/** The writers of one run in this process. */
export class RunWriter {
  /** What the drivers that share this writer have dispatched. */
  readonly dispatched: SharedDispatch = new SharedDispatch();
  readonly #context: CommitContext;
  readonly #runId: string;
  readonly #waiting: Waiting[] = [];
  #cached: Cached | undefined;
  #running = false;
  /** On the monotonic clock. */
  #wroteAt = Number.NEGATIVE_INFINITY;

  constructor(context: CommitContext, runId: string) {
    this.#context = context;
    this.#runId = runId;
  }

  /** Applies the facts in one conditional put, with those of everybody who waits. */
  commit(request: CommitRequest): Promise<CommitOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Facts that were reported in the same turn go into the same write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#restFromWriting();
      const batch = this.#waiting.splice(0);
      try {
        await this.#commitBatch(batch);
      } catch (error) {
        this.#cached = undefined;
        for (const member of batch) member.reject(error);
      }
    }
    this.#running = false;
  }

  /** What comes meanwhile goes into the same write; sent sooner it would be refused, and only what comes later would. */
  async #restFromWriting(): Promise<void> {
    const { store, host } = this.#context;
    const restMs = this.#wroteAt + (store.capabilities.writeIntervalMs ?? 0) - host.clock.monotonic();
    if (restMs > 0) await host.clock.sleep(restMs);
  }

  async #commitBatch(batch: readonly Waiting[]): Promise<void> {
    let members = batch;
    let backoffMs = FIRST_BACKOFF_MS;
    const patience = new Patience(this.#context);
    let fresh = members.some((member) => member.request.fresh);
    /** What was sent and not answered. */
    let sent: Written | undefined;
    /** Stays true: whoever wrote over it has not looked at what this batch is to look at. */
    let mayHaveWritten = false;
    for (;;) {
      const read = await this.#read(fresh);
      if (read.kind === "unanswered") {
        members = await this.#passGate(members);
        if (members.length === 0) return;
        await patience.rest(read.error);
        continue;
      }
      if (read.kind !== "found") return settle(members, read);
      const { record, repaired, etag } = read.cached;
      // It landed, and nobody else will tell of it.
      if (sent !== undefined && record.machine?.write.id === sent.next.machine?.write.id) this.#tell(sent);
      sent = undefined;
      members = await this.#passGate(members);
      if (members.length === 0) return;
      if ("reason" in repaired) return this.#leave(members, record, repaired, etag);
      const { program } = repaired;
      const repair: readonly FactBatch[] =
        repaired.facts.length === 0 ? [] : [{ takes: () => false, facts: repaired.facts }];
      const next = decide(repaired.record, program, [...repair, ...members.map((member) => member.request)], {
        now: this.#now(),
        effects: this.#context.effects,
        writeId: this.#context.host.random.ulid(this.#now()),
      });
      if (next === repaired.record)
        return settle(members, { kind: "committed", record: next, program, wrote: mayHaveWritten });
      const put = await this.#put(etag, next, members);
      if (put.kind === "refused") {
        members = put.members;
        continue;
      }
      this.#wroteAt = this.#context.host.clock.monotonic();
      if (put.kind === "stored") {
        this.#cached = { record: next, etag: put.etag, repaired: { record: next, program, facts: [] } };
        this.#tell({ next, before: repaired.record });
        return settle(members, { kind: "committed", record: next, program, wrote: true });
      }
      // R8: the reply alone says nothing.
      this.#cached = undefined;
      fresh = true;
      if (put.kind === "unknown") {
        sent = { next, before: repaired.record };
        mayHaveWritten = true;
        await patience.rest(put.cause);
        continue;
      }
      patience.answered();
      await this.#context.host.clock.sleep(this.#context.host.random.next() * backoffMs);
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    }
  }

  #tell({ next, before }: Written): void {
    this.#context.onWritten?.(next, next.machine?.write.events ?? [], before);
  }

  /** `refused`: nothing was sent, because it does not fit; decided again with less. */
  async #put(
    etag: ETag,
    next: RunRecord,
    members: readonly Waiting[],
  ): Promise<PutOutcome | { readonly kind: "refused"; readonly members: readonly Waiting[] }> {
    const given = members.map(({ request }) => request);
    const codec = isGrowing(given) ? this.#codecs.growing : this.#codecs.record;
    try {
      return await replaceDocument(this.#context.store, stateKey(this.#runId), codec, etag, next);
    } catch (error) {
      // As good as an unknown reply.
      if (isUnanswered(error)) return { kind: "unknown", cause: error };
      if (!(error instanceof RecordTooLargeError)) throw error;
      const requests = leaveOut(given, error.message);
      if (requests === undefined) throw error;
      this.#context.host.logger.warn("news of a run do not fit into its record", { run: this.#runId });
      return {
        kind: "refused",
        members: members.map((member, index) => ({ ...member, request: requests[index] ?? member.request })),
      };
    }
  }

  async #read(
    fresh: boolean,
  ): Promise<
    | { kind: "found"; cached: Cached }
    | { kind: "unanswered"; error: unknown }
    | Exclude<CommitOutcome, { kind: "committed" }>
  > {
    if (!fresh && this.#cached !== undefined) return { kind: "found", cached: this.#cached };
    try {
      const read = await readDocument(this.#context.store, stateKey(this.#runId), this.#codecs.record);
      if (read.kind === "missing") return { kind: "missing" };
      this.#cached = {
        record: read.value,
        etag: read.etag,
        repaired: await repairRecord(this.#context, read.value),
      };
      return { kind: "found", cached: this.#cached };
    } catch (error) {
      if (isUnanswered(error)) return { kind: "unanswered", error };
      this.#cached = undefined;
      if (!isWorkflowError(error, "data")) throw error;
      // Nobody here can work on it; whoever repairs it, or knows its layout, finds everything as it was.
      this.#context.host.logger.warn("run left alone: its record cannot be used", {
        run: this.#runId,
        reason: error.message,
      });
      return { kind: "left", reason: error.message, isUnreadable: true };
    }
  }

  async #passGate(members: readonly Waiting[]): Promise<readonly Waiting[]> {
    const passed: Waiting[] = [];
    for (const member of members) {
      if (await member.request.gate()) passed.push(member);
      else member.resolve({ kind: "dropped" });
    }
    return passed;
  }

  /** A record without a machine that nobody here can rebuild; P76 holds for it all the same. */
  async #leave(members: readonly Waiting[], record: RunRecord, why: Unrepairable, etag: ETag): Promise<void> {
    this.#cached = undefined;
    const mismatch = members.flatMap((member) => member.request.facts).find((fact) => fact.fact === "mismatch");
    if (mismatch !== undefined && record.machine === undefined) {
      const paused = pausePlain(record, mismatch.message, this.#now());
      // Lost or unknown: the next claimer tries again.
      if (paused !== undefined) {
        const put = await replaceDocument(
          this.#context.store,
          stateKey(this.#runId),
          this.#codecs.record,
          etag,
          paused,
        );
        if (put.kind === "stored") this.#context.onWritten?.(paused, ["mismatch"], record);
      }
    }
    settle(members, { kind: "left", record, reason: why.reason });
  }

  get #codecs(): RecordCodecs {
    return recordCodecsOf(this.#context.effects);
  }

  #now(): number {
    const { earliest, latest } = this.#context.store.time();
    return Math.round((earliest + latest) / 2);
  }
}

/** How long a batch waits for a store that does not answer: what a handler returned is not to be lost to an outage of seconds. */
class Patience {
  readonly #context: CommitContext;
  #since: number | undefined;
  #tries = 0;

  constructor(context: CommitContext) {
    this.#context = context;
  }

  /** Rests before the next try. @throws what the store said last, when it has kept silent for too long. */
  async rest(error: unknown): Promise<void> {
    const { host, patienceMs = DEFAULT_PATIENCE_MS } = this.#context;
    const now = host.clock.monotonic();
    this.#since ??= now;
    if (now - this.#since >= patienceMs)
      throw new WorkflowError("unavailable", "the store did not answer for as long as a lease lives", { cause: error });
    await host.clock.sleep(insistMs(host.random, this.#tries));
    this.#tries += 1;
  }

  /** A write was answered, if only by a conflict. */
  answered(): void {
    this.#since = undefined;
    this.#tries = 0;
  }
}

function settle(members: readonly Waiting[], outcome: CommitOutcome): void {
  for (const member of members) member.resolve(outcome);
}

/** The writers of all runs in this process. A writer lives while somebody uses it. */
export class RunWriters {
  readonly #context: CommitContext;
  readonly #writers = new Map<string, { writer: RunWriter; users: number }>();

  constructor(context: CommitContext) {
    this.#context = context;
  }

  /** Lends the writer of a run for the length of `use`. */
  async with<T>(runId: string, use: (writer: RunWriter) => Promise<T>): Promise<T> {
    const entry = this.#writers.get(runId) ?? { writer: new RunWriter(this.#context, runId), users: 0 };
    this.#writers.set(runId, entry);
    entry.users += 1;
    try {
      return await use(entry.writer);
    } finally {
      entry.users -= 1;
      if (entry.users === 0) this.#writers.delete(runId);
    }
  }
}
