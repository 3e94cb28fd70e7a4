/** The empty objects by which tasks are found: `ready/`, `leases/` and our own `due/`. They are hints; the task object is the truth. */
import { dueKey, leaseKey, minuteOf, parseIndexKey, readyKey } from "../keys.ts";
import { millisOf, type QueueContext, type TaskRecord } from "./task.ts";

/** What is due later than this waits in our own index, so that it neither hides ready work nor costs anything. */
export const PARK_MS = 60_000;

/** The index key of a pending task: ready, or due when only we run it and it is due later. */
export async function putWaitingKey(queue: QueueContext, task: TaskRecord, ownOnly: boolean): Promise<void> {
  const at = millisOf(task.available_at);
  const parked = ownOnly && at > queue.store.time().latest + PARK_MS;
  await queue.store.put(parked ? dueKey(task.id, at) : readyKey(task.id, at), "", "always");
}

/** Deletes the index keys of a task that does not wait any more. One that was due when it was made never had a due key. */
export async function deleteWaitingKeys(queue: QueueContext, waited: TaskRecord): Promise<void> {
  const at = millisOf(waited.available_at);
  const mayBeParked = at > millisOf(waited.created_at);
  await Promise.all([
    queue.store.delete(readyKey(waited.id, at)),
    ...(mayBeParked ? [queue.store.delete(dueKey(waited.id, at))] : []),
  ]);
}

/** Puts the index key that the status of a task requires; none for a task that is over. */
export async function repairIndex(queue: QueueContext, task: TaskRecord, ownOnly: boolean): Promise<void> {
  if (task.status === "pending") await putWaitingKey(queue, task, ownOnly);
  else if (task.status === "running" && task.lease_expires_at !== null) {
    await queue.store.put(leaseKey(task.id, millisOf(task.lease_expires_at)), "", "always");
  }
}

/** An index key exists a moment before its task: a key without a task counts as new for this many minutes. */
const MISSING_GRACE_MINUTES = 5;

/** Whether an index key is so old that the task it names would be there. */
export function isOrphaned(queue: QueueContext, indexKey: string): boolean {
  const minute = parseIndexKey(indexKey)?.minute;
  return minute !== undefined && Number(minute) < Number(minuteOf(queue.store.time().earliest)) - MISSING_GRACE_MINUTES;
}
