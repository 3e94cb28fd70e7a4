/** Finds expired leases and repairs the index. Nothing is deleted after a read error (C-5). */
import { leaseKey, LEASES_PREFIX, minuteOf, parseIndexKey, taskKey } from "../keys.ts";
import { isUnanswered } from "../store/again.ts";
import { readDocument, updateDocument } from "../store/document.ts";
import { listKeys } from "../store/paging.ts";
import { workThrough } from "../store/work-through.ts";
import { formatInstant } from "../wire/instant.ts";
import { backoffMs } from "../wire/backoff.ts";
import { isLeaseOver } from "./claim.ts";
import { isOrphaned, repairIndex } from "./index-keys.ts";
import {
  isTaskOver,
  millisOf,
  type QueueContext,
  retryPolicyOf,
  serverNow,
  taskCodec,
  type TaskRecord,
  U32,
} from "./task.ts";

/** Options of the monitor. */
export interface MonitorOptions {
  /** Tasks that this process holds itself. */
  readonly ownIds: ReadonlySet<string>;
  /** Pending tasks that have a lease key, and when their ready key was put last; kept by the caller over its looks. */
  readonly repaired: Map<string, number>;
  /** Whether a task is passed over for now, by its id: it could not be looked at lately. @defaultValue none is */
  isPutOff?(taskId: string): boolean;
  /** Called with each task that cannot be read; nothing of it is deleted, and the others follow. */
  onUnreadable(key: string, error: unknown, taskId: string): void;
  canRun(task: TaskRecord): boolean | Promise<boolean>;
  onExpired(taskId: string, task: TaskRecord): Promise<void>;
}

/** The lease keys of one task. */
interface LeaseKeys {
  /** Those whose minute has come, oldest first. */
  readonly due: { readonly key: string; readonly minute: string }[];
  newest: string;
}

/** Notes a lease key among those of its task, unless the task is held here. `until`: the minute that has come last. */
function noteLeaseKey(
  leases: Map<string, LeaseKeys>,
  key: string,
  until: string,
  isOwn: (taskId: string) => boolean,
): void {
  const entry = parseIndexKey(key);
  if (entry === undefined || isOwn(entry.id)) return;
  const { id, minute } = entry;
  const known = leases.get(id) ?? { due: [], newest: minute };
  if (minute > known.newest) known.newest = minute;
  if (minute <= until) known.due.push({ key, minute });
  leases.set(id, known);
}

/**
 * Lease keys of a pending task that may go. One stays: a claimer may have put it a moment ago and be about to claim (protocol 1.15; found by
 * simulation), and it leads back to the task when a late delete takes its ready key. But every time that a task is given back one more is
 * left: of two, the one goes that was over long before the task was written last, for whoever put it read an older task and cannot claim
 * this one.
 */
function supersededKeys({ due, newest }: LeaseKeys, writtenAtMs: number): readonly string[] {
  const over = minuteOf(writtenAtMs - SUPERSEDED_MS);
  return due.filter(({ minute }) => minute < over && minute < newest).map(({ key }) => key);
}

/** Lease keys of a running task that belong to an earlier lease. None when the task names no lease. */
function staleKeys({ due }: LeaseKeys, leaseUntilMs: number | undefined): readonly string[] {
  if (leaseUntilMs === undefined) return [];
  const current = minuteOf(leaseUntilMs);
  return due.filter(({ minute }) => minute !== current).map(({ key }) => key);
}

/** The ready key of a pending task that has a lease key is put this often. */
const REPAIR_MS = 300_000;
/** A lease that ended this long before its task was last written belongs to nobody who could still claim the task. */
const SUPERSEDED_MS = 300_000;
/** Tasks of runs: never failed by a monitor, because the one who claims such a task next records in its run that a worker was lost. */
const RUN_TASK_PREFIX = "workflow.";

/**
 * Looks through the lease keys whose minute has come: one read for each task that has any.
 * @throws {WorkflowError} `unavailable` when the store does not answer.
 */
export async function checkLeases(queue: QueueContext, options: MonitorOptions): Promise<void> {
  const until = minuteOf(queue.store.time().latest);
  const leases = new Map<string, LeaseKeys>();
  for await (const key of listKeys(queue.store, LEASES_PREFIX))
    noteLeaseKey(leases, key, until, (id) => options.ownIds.has(id));
  for (const id of options.repaired.keys()) if (!leases.has(id)) options.repaired.delete(id);
  const due = [...leases].filter(([id, keys]) => keys.due.length > 0 && options.isPutOff?.(id) !== true);
  await workThrough(due, {
    work: ([id, keys]) => check(queue, id, keys, options),
    onFailed: ([id, keys], error) => options.onUnreadable(keys.due[0]?.key ?? id, error, id),
  });
}

async function check(queue: QueueContext, id: string, keys: LeaseKeys, options: MonitorOptions): Promise<void> {
  const read = await readDocument(queue.store, taskKey(id), taskCodec);
  if (read.kind === "missing") {
    for (const { key } of keys.due) if (isOrphaned(queue, key)) await queue.store.delete(key);
    return;
  }
  const task = read.value;
  if (isTaskOver(task)) {
    for (const { key } of keys.due) await queue.store.delete(key);
    return;
  }
  if (task.status === "pending") return checkPending(queue, task, keys, options);
  if (isLeaseOver(queue, task)) {
    if (await options.canRun(task)) await options.onExpired(id, task);
    else await releaseExpired(queue, task, read.etag);
    return;
  }
  // A newer lease stands in the task; its own key comes first, then the stale ones go.
  const stale = staleKeys(keys, task.lease_expires_at === null ? undefined : millisOf(task.lease_expires_at));
  if (stale.length === 0) return;
  await repairIndex(queue, task, false);
  for (const key of stale) await queue.store.delete(key);
}

async function checkPending(
  queue: QueueContext,
  task: TaskRecord,
  keys: LeaseKeys,
  options: MonitorOptions,
): Promise<void> {
  for (const key of supersededKeys(keys, millisOf(task.updated_at))) await queue.store.delete(key);
  const now = queue.host.clock.monotonic();
  if (now - (options.repaired.get(task.id) ?? Number.NEGATIVE_INFINITY) < REPAIR_MS) return;
  await repairIndex(queue, task, false);
  options.repaired.set(task.id, now);
}

/** For tasks that this process cannot run: as buquet's monitor does it, by its rule and in its words. */
async function releaseExpired(queue: QueueContext, task: TaskRecord, etag: string): Promise<void> {
  const now = serverNow(queue);
  const delayMs = backoffMs(retryPolicyOf(task), task.retry_count, () => queue.host.random.next());
  const updated = await updateDocument(
    queue.store,
    queue.host,
    taskKey(task.id),
    taskCodec,
    (current) =>
      // Its holder may have renewed the lease since it was read: the same lease, and not over.
      current.status === "running" && current.lease_id === task.lease_id && isLeaseOver(queue, current)
        ? timedOut(current, now, delayMs)
        : undefined,
    { value: task, etag },
  );
  if (updated.kind !== "updated") return;
  // Of a task that is pending again the lease key stays until the next check: it is the token of the ready key that is put here.
  if (updated.value.status === "pending") await repairIndex(queue, updated.value, false);
  else if (task.lease_expires_at !== null) await queue.store.delete(leaseKey(task.id, millisOf(task.lease_expires_at)));
}

function timedOut(task: TaskRecord, nowMs: number, delayMs: number): TaskRecord {
  const now = formatInstant(nowMs);
  const released = { ...task, lease_id: null, lease_expires_at: null, worker_id: null, updated_at: now };
  if (task.retry_count >= task.max_retries && !task.task_type.startsWith(RUN_TASK_PREFIX)) {
    const last_error = `Timeout after max retries (${task.retry_count} attempts)`;
    return { ...released, status: "failed", completed_at: now, last_error };
  }
  return {
    ...released,
    status: "pending",
    retry_count: Math.min(task.retry_count + 1, U32),
    available_at: formatInstant(nowMs + delayMs),
    last_error: "Timeout - task exceeded lease duration",
  };
}

/** The tasks that may be running. */
export interface LeasedTasks {
  /** Those that are running under some lease, expired or not. */
  readonly tasks: readonly TaskRecord[];
  /** Ids of those that cannot be read and whose lease may not be over: nobody can say whose they are. */
  readonly unreadable: readonly string[];
}

/** For so long after the minute of its last lease key the holder of a task that cannot be read may still be at work. */
const UNREADABLE_MS = 300_000;

/** Every task that may be running. It costs many requests and is used rarely. */
export async function listLeasedTasks(queue: QueueContext): Promise<LeasedTasks> {
  const newest = new Map<string, string>();
  for await (const key of listKeys(queue.store, LEASES_PREFIX)) {
    const entry = parseIndexKey(key);
    if (entry !== undefined && entry.minute > (newest.get(entry.id) ?? "")) newest.set(entry.id, entry.minute);
  }
  const tasks: TaskRecord[] = [];
  const unreadable: string[] = [];
  const over = minuteOf(queue.store.time().earliest - UNREADABLE_MS);
  await workThrough(newest, {
    work: async ([id]) => {
      const read = await readDocument(queue.store, taskKey(id), taskCodec);
      if (read.kind === "found" && read.value.status === "running") tasks.push(read.value);
    },
    // Who holds it cannot renew what it cannot read, so its last lease key says when its lease is over.
    onFailed: ([id, minute], error) => {
      if (isUnanswered(error) || minute > over) unreadable.push(id);
    },
  });
  return { tasks, unreadable };
}
