/** Finds leases that ran out, and repairs the index on the way. Nothing is deleted on a read error (C-5). */
import { LEASES_PREFIX, minuteOf, parseIndexKey, taskKey } from "../keys.ts";
import { readDocument, updateDocument } from "../store/document.ts";
import { formatInstant } from "../wire/instant.ts";
import { isLeaseOver } from "./claim.ts";
import { repairIndex } from "./submit.ts";
import { isTaskOver, millisOf, type QueueContext, serverNow, taskCodec, type TaskRecord } from "./task.ts";

/** What the monitor does with what it finds. */
export interface MonitorOptions {
  /** Tasks that this process holds itself. */
  readonly ownIds: ReadonlySet<string>;
  /** Lease keys of pending tasks, and when their ready key was put last; kept by the caller over its looks. */
  readonly repaired: Map<string, number>;
  /** Told of a task that cannot be looked at; nothing of it is deleted, and the others are looked at all the same. */
  onUnreadable(key: string, error: unknown): void;
  canRun(task: TaskRecord): boolean;
  onExpired(taskId: string, task: TaskRecord): Promise<void>;
}

/** The ready key of a pending task that has a lease key is put this often. */
const REPAIR_MS = 300_000;
/** A lease key may be put together with its task: one without a task is young for this many minutes. */
const MISSING_GRACE_MINUTES = 5;

/** Looks through the lease keys whose minute has come. */
export async function checkLeases(queue: QueueContext, options: MonitorOptions): Promise<void> {
  const until = minuteOf(queue.store.time().latest);
  let after: string | undefined;
  for (;;) {
    const page = await queue.store.list(LEASES_PREFIX, after === undefined ? {} : { after });
    for (const { key } of page.objects) {
      const entry = parseIndexKey(key);
      if (entry === undefined || entry.minute > until || options.ownIds.has(entry.id)) continue;
      try {
        await check(queue, key, entry.minute, entry.id, options);
      } catch (error) {
        options.onUnreadable(key, error);
      }
    }
    const last = page.objects.at(-1);
    if (!page.truncated || last === undefined) return;
    after = last.key;
  }
}

async function check(
  queue: QueueContext,
  key: string,
  minute: string,
  id: string,
  options: MonitorOptions,
): Promise<void> {
  const read = await readDocument(queue.store, taskKey(id), taskCodec);
  if (read.kind === "missing") {
    if (Number(minute) < Number(minuteOf(queue.store.time().earliest)) - MISSING_GRACE_MINUTES)
      await queue.store.delete(key);
    return;
  }
  if (isTaskOver(read.value)) {
    await queue.store.delete(key);
    return;
  }
  const task = read.value;
  if (task.status === "pending") {
    // The lease key stays: a claimer may have put it a moment ago and be about to claim (1.15). Found by simulation.
    const now = queue.host.clock.monotonic();
    if (now - (options.repaired.get(key) ?? Number.NEGATIVE_INFINITY) < REPAIR_MS) return;
    await repairIndex(queue, task, false);
    options.repaired.set(key, now);
    return;
  }
  if (isLeaseOver(queue, task)) {
    if (options.canRun(task)) await options.onExpired(id, task);
    else await makeReadyAgain(queue, task, read.etag);
    return;
  }
  // A newer lease stands in the task; its own key comes first, then the stale one goes.
  const current = task.lease_expires_at === null ? minute : minuteOf(millisOf(task.lease_expires_at));
  if (current === minute) return;
  await repairIndex(queue, task, false);
  await queue.store.delete(key);
}

/** For tasks that this process cannot run: pending again, as buquet's monitor does it; the lease key stays until the next look. */
async function makeReadyAgain(queue: QueueContext, task: TaskRecord, etag: string): Promise<void> {
  const now = serverNow(queue);
  const updated = await updateDocument(
    queue.store,
    queue.host,
    taskKey(task.id),
    taskCodec,
    (current): TaskRecord | undefined =>
      current.status === "running" && current.lease_id === task.lease_id
        ? {
            ...current,
            status: "pending",
            available_at: formatInstant(now),
            updated_at: formatInstant(now),
            lease_id: null,
            lease_expires_at: null,
            worker_id: null,
          }
        : undefined,
    { value: task, etag },
  );
  if (updated.kind === "updated") await repairIndex(queue, updated.value, false);
}
