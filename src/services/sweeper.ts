/** The net under everything else: looks at runs of the active index that are due, and puts a tick for those that can move. */
import { ACTIVE_PREFIX, activeKey, minuteOf, minuteStart, parseIndexKey, stateKey } from "../keys.ts";
import { createTask } from "../queue/submit.ts";
import type { QueueContext } from "../queue/task.ts";
import { lookAgainAt } from "../run/decide/look.ts";
import { isOver, recordCodec, type RunRecord } from "../run/record.ts";
import { tickTask } from "../run/tasks.ts";
import { readDocument } from "../store/document.ts";
import { listKeys } from "../store/paging.ts";
import { sweepCause } from "./errands.ts";

/** An entry without a record is left until it is far older than any request can live. */
const ORPHAN_MS = 60 * 60_000;

/** What a sweep looks at and tells. */
export interface SweepOptions {
  /** Only runs of these workflows get a tick; absent: all. */
  readonly types?: ReadonlySet<string>;
  /** Only looks and tells, changes nothing. */
  readonly report?: boolean;
  readonly prefix?: string;
  /** Most runs in one sweep. @defaultValue 1000 */
  readonly limit?: number;
  readonly onReady?: (taskId: string, availableAt: number) => void;
}

/** What was done about one run. */
export interface SweptRun {
  readonly runId: string;
  readonly status: string;
  readonly action: "ticked" | "forgotten" | "moved" | "waits";
}

/** Looks at every run that is due for it. Several sweepers at once are safe: ticks of one minute have one id. */
export async function sweepActive(queue: QueueContext, options: SweepOptions = {}): Promise<readonly SweptRun[]> {
  const now = Math.round(queue.store.time().latest);
  const until = minuteOf(now);
  const swept: SweptRun[] = [];
  const limit = options.limit ?? 1_000;
  for await (const key of listKeys(queue.store, ACTIVE_PREFIX)) {
    const entry = parseIndexKey(key);
    if (entry === undefined) continue;
    if (entry.minute > until || swept.length >= limit) break;
    if (options.prefix !== undefined && !entry.id.startsWith(options.prefix)) continue;
    const run = await look(queue, entry.id, key, entry.minute, now, options);
    if (run !== undefined) swept.push(run);
  }
  return swept;
}

async function look(
  queue: QueueContext,
  runId: string,
  key: string,
  minute: string,
  now: number,
  options: SweepOptions,
): Promise<SweptRun | undefined> {
  const record = await readRecord(queue, runId);
  const change = options.report !== true;
  if (record === undefined || isDone(record, queue)) {
    if (record === undefined && minuteStart(minute) > now - ORPHAN_MS) return undefined;
    if (change) await queue.store.delete(key);
    return { runId, status: record?.status ?? "missing", action: "forgotten" };
  }
  const planned = record.machine?.look_at ?? null;
  if (planned !== null && minuteOf(planned) > minute) {
    // A newer entry stands in the record; it may not be in the index yet.
    if (change) await moveEntry(queue, runId, key, planned);
    return { runId, status: record.status, action: "moved" };
  }
  if (options.types !== undefined && !options.types.has(record.type))
    return { runId, status: record.status, action: "waits" };
  if (change) {
    const task = tickTask({ id: runId, type: record.type }, sweepCause(now));
    await createTask(queue, task);
    options.onReady?.(task.id, now);
    await moveEntry(queue, runId, key, lookAgainAt(record, now));
  }
  return { runId, status: record.status, action: "ticked" };
}

/** Over, and not only by the word of a foreign writer, who does not know of its steps in flight and its undos. */
export function isDone(record: RunRecord, queue: QueueContext): boolean {
  if (!isOver(record.status)) return false;
  if (record.machine !== undefined) return record.machine.look_at === null;
  return record.status !== "cancelled" && !queue.store.capabilities.versions;
}

async function moveEntry(queue: QueueContext, runId: string, key: string, lookAt: number): Promise<void> {
  const next = activeKey(runId, lookAt);
  if (next === key) return;
  await queue.store.put(next, "", "always");
  await queue.store.delete(key);
}

async function readRecord(queue: QueueContext, runId: string): Promise<RunRecord | undefined> {
  const read = await readDocument(queue.store, stateKey(runId), recordCodec);
  return read.kind === "found" ? read.value : undefined;
}
