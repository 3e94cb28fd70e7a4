/**
 * Finds what programs that do not know us did to runs of workflows with `foreign: true`. They put a signal, rewrite a record or fail a
 * task, and wake nobody. A look costs one GET, one LIST for each awaited signal and one GET for each remote step in flight; only what
 * was found costs a tick.
 */
import { FOREIGN_PREFIX, stateKey } from "../keys.ts";
import { createTask, getTask } from "../queue/submit.ts";
import { isTaskOver, type QueueContext } from "../queue/task.ts";
import { EFFECTS } from "../run/effects/effects.ts";
import { lookIntoInbox } from "../run/inbox.ts";
import { repairRecord, type Repaired } from "../run/foreign/repair.ts";
import type { Program, Programs } from "../programs/programs.ts";
import { type Execution, hasUnknownOwner, ownerOf, type RunRecord } from "../run/record/record.ts";
import { recordCodec } from "../run/record/codec.ts";
import { executionTaskId } from "../run/tasks.ts";
import { drains, openWaits } from "../run/view.ts";
import { isUnanswered } from "../store/again.ts";
import { readDocument } from "../store/document.ts";
import { listKeys } from "../store/paging.ts";
import { workThrough } from "../store/work-through.ts";
import { reconcileFound, reconcileTick } from "../run/wakeups/reconcile.ts";
import { PutOff } from "./put-off.ts";
import { isDone } from "./sweeper.ts";

/** How often such runs are asked for. */
export const DEFAULT_FOREIGN_POLL_MS = 10_000;
/** An entry without a record is left until it is far older than any start can live. */
const ORPHAN_MS = 60 * 60_000;
/** A change that a tick did not take up is told again after this at the latest. */
const LONGEST_PATIENCE_MS = 10 * 60_000;
/** A run that cannot be looked at is asked for again after this at the latest. */
const LONGEST_PAUSE_MS = 60 * 60_000;

/** What a poll needs from its worker. */
export interface ForeignPollOptions {
  readonly queue: QueueContext;
  readonly programs: Programs;
  /** Names of the workflows that this worker serves. */
  readonly types: ReadonlySet<string>;
  readonly periodMs: number;
  onReady(taskId: string, availableAt: number): void;
  /** Told of a run that cannot be looked at, each time that it was asked for; the others are looked at all the same. */
  onUnreadable(runId: string, error: unknown): void;
}

/** The polls of one worker. */
export class ForeignPoll {
  readonly #options: ForeignPollOptions;
  /** Runs of workflows that are not served here: never asked for again. As long as the index of such runs, which each turn reads, at most. */
  readonly #others = new Set<string>();
  readonly #putOff: PutOff;
  readonly #missingSince = new Map<string, number>();
  /** What was told last of a run, and when it may be told again. */
  readonly #told = new Map<string, { readonly etag: string; readonly until: number; readonly waitMs: number }>();

  constructor(options: ForeignPollOptions) {
    this.#options = options;
    this.#putOff = new PutOff(options.queue.host.clock);
  }

  /** Looks at every such run once. @throws {WorkflowError} `unavailable` when the store does not answer. */
  async turn(): Promise<void> {
    const { queue } = this.#options;
    const seen = new Set<string>();
    await workThrough(listKeys(queue.store, FOREIGN_PREFIX), {
      work: async (key) => {
        const runId = key.slice(FOREIGN_PREFIX.length);
        seen.add(runId);
        if (this.#others.has(runId) || this.#putOff.has(runId)) return;
        await this.#look(runId, key);
        this.#putOff.forget(runId);
      },
      onFailed: (key, error) => {
        const runId = key.slice(FOREIGN_PREFIX.length);
        const longestMs = isUnanswered(error) ? this.#options.periodMs : LONGEST_PAUSE_MS;
        this.#putOff.add(runId, this.#options.periodMs, longestMs);
        this.#options.onUnreadable(runId, error);
      },
    });
    for (const known of [this.#others, this.#missingSince, this.#told])
      for (const runId of known.keys()) if (!seen.has(runId)) known.delete(runId);
  }

  async #look(runId: string, key: string): Promise<void> {
    const { queue, types } = this.#options;
    const read = await readDocument(queue.store, stateKey(runId), recordCodec);
    if (read.kind === "missing") return this.#forgetLater(runId, key);
    this.#missingSince.delete(runId);
    const { value: record, etag } = read;
    if (isDone(record, queue)) return queue.store.delete(key);
    if (!types.has(record.type)) {
      this.#others.add(runId);
      return;
    }
    const now = queue.host.clock.monotonic();
    const told = this.#told.get(runId);
    if (told !== undefined && told.etag === etag && now < told.until) return;
    if (!(await this.#hasChanged(record))) {
      this.#told.delete(runId);
      return;
    }
    // The same again: the tick is still on its way, or nobody can go on with the run.
    const same = told?.etag === etag;
    const waitMs = same ? Math.min(2 * told.waitMs, LONGEST_PATIENCE_MS) : this.#options.periodMs;
    this.#told.set(runId, { etag, until: now + waitMs, waitMs });
    const at = Math.round(queue.store.time().latest);
    const task = reconcileTick.task(record, reconcileFound(at));
    await createTask(queue, task);
    this.#options.onReady(task.id, at);
  }

  /** Whether a tick would find something to do that no task of ours brings. */
  async #hasChanged(record: RunRecord): Promise<boolean> {
    const { queue, programs } = this.#options;
    // Another program rewrote it, or it was made anew from plain fields: who holds what is found out by a check.
    if (hasUnknownOwner(record)) return true;
    const repaired = await repairRecord({ store: queue.store, programs, effects: EFFECTS }, record);
    if ("reason" in repaired) return false;
    if (repaired.facts.length > 0) return true;
    const { program }: Repaired = repaired;
    const isStopping = (execution: Execution): boolean =>
      record.machine !== undefined && drains(record.machine, program, execution);
    const remote = (record.machine?.executions ?? []).filter((execution) => isRemote(program, execution));
    for (const execution of remote) {
      const task = await getTask(queue, executionTaskId(record.id, execution));
      if (task === undefined) continue;
      // One that was given back after it was fenced is fenced again.
      if (isTaskOver(task) || (task.status === "pending" && isStopping(execution))) return true;
    }
    return (await lookIntoInbox(queue, record, openWaits(record, program))).length > 0;
  }

  #forgetLater(runId: string, key: string): Promise<void> | undefined {
    const now = this.#options.queue.host.clock.monotonic();
    const since = this.#missingSince.get(runId) ?? now;
    this.#missingSince.set(runId, since);
    return now - since > ORPHAN_MS ? this.#options.queue.store.delete(key) : undefined;
  }
}

/** A step that only other programs run, and that is theirs to take. */
function isRemote(program: Program, execution: Execution): boolean {
  if (execution.kind !== "run" || ownerOf(execution) !== undefined) return false;
  return program.activity(execution)?.remote === true;
}
