/**
 * The net under everything else: looks at runs of the active index that are due, and puts a tick for those that can move.
 *
 * A run that is served leaves the due part of the index when it was looked at: its entry moves to its next check. What stays there cannot be
 * read here or is not served here, so it is others' to look at, and it is put off with growing pauses. Because entries are only ever filed
 * under minutes that come, a pause needs no list of runs: it is a stretch of the index.
 */
import { ACTIVE_PREFIX, activeKey, minuteOf, minuteStart, parseIndexKey, stateKey } from "../keys.ts";
import { reasonOf } from "../host/error-data.ts";
import { createTask } from "../queue/submit.ts";
import type { QueueContext } from "../queue/task.ts";
import { standingCheck } from "../run/decide/next-check.ts";
import { isOver, type RunRecord } from "../run/record/record.ts";
import { recordCodec } from "../run/record/codec.ts";
import { isUnanswered } from "../store/again.ts";
import { readDocument } from "../store/document.ts";
import { listKeys } from "../store/paging.ts";
import { compareBytes } from "../store/order.ts";
import { workThrough } from "../store/work-through.ts";
import { reconcileAt, reconcileTick } from "../run/wakeups/reconcile.ts";
import { FewLines } from "./few-lines.ts";

/** An entry without a record is left until it is far older than any request can live. */
const ORPHAN_MS = 60 * 60_000;
/** What cannot be looked at is put off for so long at first, then each time for twice as long, */
const FIRST_PAUSE_MS = 60_000;
/** and never for longer than this. */
const LONGEST_PAUSE_MS = 60 * 60_000;
/** Most runs that one turn of a worker looks at; the next turn goes on behind them. */
const MOST_LOOKS = 10_000;
/** So many are looked at at a time. */
const AT_ONCE = 16;

/** What a sweep looks at and tells. */
export interface SweepOptions {
  /** Only runs of these workflows get a tick; absent: all. */
  readonly types?: ReadonlySet<string>;
  /** Only looks and tells, changes nothing. */
  readonly report?: boolean;
  /** Only runs whose ids begin with this. */
  readonly prefix?: string;
  /** Most runs that one sweep does something about; those that it can do nothing about are not counted. @defaultValue all */
  readonly limit?: number;
  /** Told of each tick that was put. */
  readonly onReady?: (taskId: string, availableAt: number) => void;
}

/** What was done about one run. */
export interface SweptRun {
  readonly runId: string;
  /** `missing` without a record, `unreadable` when it cannot be read. */
  readonly status: string;
  /**
   * `ticked`: a worker looks at it next. `moved`: its entry stands at its next check now. `forgotten`: it is over, and its entry is gone.
   * `waits`: it is not served here. `unreadable`: its record cannot be read by this version; nothing was changed.
   */
  readonly action: "ticked" | "forgotten" | "moved" | "waits" | "unreadable";
  /** Why it cannot be read. */
  readonly error?: string;
}

/** What the sweeps of one process look at and tell. */
export interface SweeperOptions extends SweepOptions {
  /** Told of each run that was looked at. */
  onSwept?(run: SweptRun): void;
  /** Aborts when no more runs are to be looked at. */
  readonly stop?: AbortSignal;
}

/** A stretch of the index, from the end of the one before it to `to`, of which what still stands there is put off. */
interface Stretch {
  readonly to: string;
  /** On the monotonic clock. */
  readonly until: number;
  readonly pauseMs: number;
}

/** What one walk along a part of the index came to. */
interface Walk {
  /** The last entry that stays where it is; undefined: none does. */
  readonly stays: string | undefined;
  /** Whether it ended before the end of its part. */
  readonly isCut: boolean;
  /** The store did not answer any more. */
  readonly error?: unknown;
}

/** Sweeps again and again, and remembers what it cannot do anything about. */
export class Sweeper {
  #queue: QueueContext;
  readonly #options: SweeperOptions;
  /** In the order of the index, without gaps: what comes behind the last one was never put off. */
  #stretches: readonly Stretch[] = [];
  #looks = 0;
  #acted = 0;

  constructor(queue: QueueContext, options: SweeperOptions = {}) {
    this.#queue = queue;
    this.#options = options;
  }

  /**
   * Looks at every run that is due and not put off: what is new first, then what was put off for long enough. `queue`: the same bucket,
   * from now on through another store.
   * @throws {WorkflowError} `unavailable` when the store does not answer; the next turn goes on behind what was asked for.
   */
  async turn(queue: QueueContext = this.#queue): Promise<void> {
    this.#queue = queue;
    this.#looks = 0;
    this.#acted = 0;
    const now = Math.round(this.#queue.store.time().latest);
    const lines = new FewLines(this.#queue.host.logger);
    const startedAt = this.#queue.host.clock.monotonic();
    const known = this.#stretches;
    const next: Stretch[] = [];
    const tail = await this.#walk(now, { after: known.at(-1)?.to, lines });
    let { error } = tail;
    for (const [index, stretch] of known.entries()) {
      if (stretch.until > startedAt || this.#isEnough() || error !== undefined) {
        next.push(stretch);
        continue;
      }
      const walk = await this.#walk(now, { after: known[index - 1]?.to, to: stretch.to, lines });
      if (walk.stays !== undefined) next.push(this.#putOff(walk.stays, 2 * stretch.pauseMs));
      if (walk.isCut) next.push(stretch);
      ({ error } = walk);
    }
    if (tail.stays !== undefined) next.push(this.#putOff(tail.stays, FIRST_PAUSE_MS));
    this.#stretches = joined(next);
    lines.end();
    if (error !== undefined) throw error;
  }

  #putOff(to: string, pauseMs: number): Stretch {
    const least = Math.min(pauseMs, LONGEST_PAUSE_MS);
    return { to, until: this.#queue.host.clock.monotonic() + least, pauseMs: least };
  }

  #isEnough(): boolean {
    const { limit = Number.POSITIVE_INFINITY, stop } = this.#options;
    return this.#looks >= MOST_LOOKS || this.#acted >= limit || stop?.aborted === true;
  }

  /** Looks at the due entries behind `after`, up to `to`; absent: to those that are due now, for the first time. */
  async #walk(now: number, part: { after: string | undefined; to?: string; lines: FewLines }): Promise<Walk> {
    let stays: string | undefined;
    let isCut = false;
    const stay = (key: string): void => {
      if (stays === undefined || compareBytes(key, stays) > 0) stays = key;
    };
    const others = new Map<string, number>();
    const { limit, onSwept } = this.#options;
    const work = async ({ key, id, minute }: DueEntry): Promise<void> => {
      const found = await look(this.#queue, id, key, minute, now, this.#options);
      if (found === undefined) return stay(key);
      const { type, ...run } = found;
      if (run.action !== "waits") this.#acted += 1;
      else {
        stay(key);
        others.set(type, (others.get(type) ?? 0) + 1);
      }
      onSwept?.(run);
    };
    const onFailed = ({ key, id }: DueEntry, error: unknown): void => {
      stay(key);
      part.lines.warn("run could not be looked at; it is looked at again later", error, { run: id });
      if (!isUnanswered(error))
        onSwept?.({ runId: id, status: "unreadable", action: "unreadable", error: reasonOf(error) });
    };
    let failed: { readonly error: unknown } | undefined;
    try {
      // A limit is kept exactly.
      const atOnce = limit === undefined ? AT_ONCE : 1;
      await workThrough(
        this.#due(now, part, () => (isCut = true)),
        { atOnce, work, onFailed },
      );
    } catch (error) {
      failed = { error };
      isCut = true;
    }
    // The first time they are a moment away from being looked at by others.
    for (const [workflow, runs] of part.to === undefined ? [] : others)
      part.lines.warn("runs of a workflow that is not served here are due and nobody looks at them", undefined, {
        workflow,
        runs,
      });
    return { stays, isCut, ...failed };
  }

  async *#due(
    now: number,
    { after, to }: { readonly after: string | undefined; readonly to?: string },
    cut: () => void,
  ): AsyncGenerator<DueEntry> {
    const until = minuteOf(now);
    const { prefix = "" } = this.#options;
    for await (const key of listKeys(this.#queue.store, ACTIVE_PREFIX, after)) {
      const entry = parseIndexKey(key);
      if (entry === undefined || !entry.id.startsWith(prefix)) continue;
      if (entry.minute > until || (to !== undefined && compareBytes(key, to) > 0)) return;
      if (this.#isEnough()) return cut();
      this.#looks += 1;
      yield { key, ...entry };
    }
  }
}

/** An entry whose minute has come. */
interface DueEntry {
  readonly key: string;
  readonly id: string;
  readonly minute: string;
}

/** Neighbours that are put off for equally long are one from now on, so that few are kept however often something is put off. */
function joined(stretches: readonly Stretch[]): readonly Stretch[] {
  const few: Stretch[] = [];
  for (const stretch of stretches) {
    const last = few.at(-1);
    if (last?.pauseMs === stretch.pauseMs)
      few.splice(-1, 1, { ...stretch, until: Math.min(last.until, stretch.until) });
    else few.push(stretch);
  }
  return few;
}

/** Undefined: its start may be under way. */
async function look(
  queue: QueueContext,
  runId: string,
  key: string,
  minute: string,
  now: number,
  options: SweepOptions,
): Promise<(SweptRun & { readonly type: string }) | undefined> {
  const record = await readRecord(queue, runId);
  const change = options.report !== true;
  const told = { runId, status: record?.status ?? "missing", type: record?.type ?? "" };
  if (record === undefined || isDone(record, queue)) {
    if (record === undefined && minuteStart(minute) > now - ORPHAN_MS) return undefined;
    if (change) await queue.store.delete(key);
    return { ...told, action: "forgotten" };
  }
  const planned = record.machine?.next_check_at ?? null;
  if (planned !== null && minuteOf(planned) > minute) {
    // A newer entry stands in the record; it may not be in the index yet.
    if (change) await moveEntry(queue, runId, key, planned);
    return { ...told, action: "moved" };
  }
  if (options.types !== undefined && !options.types.has(record.type)) return { ...told, action: "waits" };
  if (change) {
    const task = reconcileTick.task({ id: runId, type: record.type }, reconcileAt(now));
    await moveEntry(queue, runId, key, standingCheck(record, now), async () => {
      await createTask(queue, task);
      options.onReady?.(task.id, now);
    });
  }
  return { ...told, action: "ticked" };
}

/** Over, and not only by the word of a foreign writer, who does not know of its steps in flight and its undos. */
export function isDone(record: RunRecord, queue: QueueContext): boolean {
  if (!isOver(record.status)) return false;
  if (record.machine !== undefined) return record.machine.next_check_at === null;
  return record.status !== "cancelled" && !queue.store.capabilities.versions;
}

/** The new entry stands before a tick brings a driver, who may end the run and take it away, and the old one until both stand. */
async function moveEntry(
  queue: QueueContext,
  runId: string,
  key: string,
  nextCheckAt: number,
  tick?: () => Promise<void>,
): Promise<void> {
  await queue.store.put(activeKey(runId, nextCheckAt), "", "always");
  await tick?.();
  await queue.store.delete(key);
}

async function readRecord(queue: QueueContext, runId: string): Promise<RunRecord | undefined> {
  const read = await readDocument(queue.store, stateKey(runId), recordCodec);
  return read.kind === "found" ? read.value : undefined;
}
