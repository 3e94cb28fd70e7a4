/**
 * Ends an attempt under its own lease: complete, fail, retry, reschedule. A flag that is set meanwhile is kept, and so is the end (C-7).
 * While the store does not answer, the write is retried for as long as the lease is valid by our own clock.
 */
import { leaseKey, taskKey } from "../keys.ts";
import { insist } from "../store/again.ts";
import { updateDocument } from "../store/document.ts";
import { formatInstant } from "../wire/instant.ts";
import type { Writable } from "../wire/json.ts";
import type { Claim } from "./claim.ts";
import { putWaitingKey } from "./index-keys.ts";
import { millisOf, type QueueContext, serverNow, taskCodec, type TaskRecord, U32 } from "./task.ts";

/** Whether the end was written, or the lease was lost. */
export type FinishOutcome = { readonly kind: "finished" } | { readonly kind: "lost" };

type Change = (task: TaskRecord, now: string) => Partial<TaskRecord>;

/** The task under the lease, as it stood last, and as it was left. */
interface Ended {
  readonly held: TaskRecord;
  readonly task: TaskRecord;
}

const RELEASED = { lease_id: null, lease_expires_at: null, worker_id: null } as const;

/**
 * Writes the end of an attempt. The write may have landed though its reply was lost: then nobody holds the lease and the task stands
 * exactly as we left it, which is ours to go on with.
 */
async function finish(queue: QueueContext, claim: Claim, change: Change): Promise<Ended | undefined> {
  const now = formatInstant(serverNow(queue));
  let sent: string | undefined;
  let held = claim.task;
  const decide = (task: TaskRecord): TaskRecord | undefined => {
    if (task.status !== "running" || task.lease_id !== claim.leaseId) return undefined;
    const next = { ...task, ...RELEASED, updated_at: now, ...change(task, now) };
    sent = taskCodec.encode(next);
    held = task;
    return next;
  };
  const known = { value: claim.task, etag: claim.etag };
  const updated = await whileHeld(queue, claim, () =>
    updateDocument(queue.store, queue.host, taskKey(claim.task.id), taskCodec, decide, known),
  );
  if (updated.kind === "missing") return undefined;
  const ours = updated.kind === "updated" || taskCodec.encode(updated.value) === sent;
  return ours ? { held, task: updated.value } : undefined;
}

/** Retries for as long as the lease is valid. */
function whileHeld<T>(queue: QueueContext, claim: Claim, act: () => Promise<T>): Promise<T> {
  return insist(queue.host, () => queue.host.clock.monotonic() < claim.leaseUntil, act);
}

async function end(queue: QueueContext, claim: Claim, change: Change): Promise<FinishOutcome> {
  const ended = await finish(queue, claim, change);
  if (ended === undefined) return { kind: "lost" };
  await whileHeld(queue, claim, () => deleteLeaseKey(queue, ended.held));
  return { kind: "finished" };
}

/** The lease may have been extended since it was claimed: its key is that of the task as it stood last. */
async function deleteLeaseKey(queue: QueueContext, held: TaskRecord): Promise<void> {
  const { lease_expires_at } = held;
  if (lease_expires_at !== null) await queue.store.delete(leaseKey(held.id, millisOf(lease_expires_at)));
}

/** Completes the task with this output. */
export function completeClaim(queue: QueueContext, claim: Claim, output: Writable): Promise<FinishOutcome> {
  return end(queue, claim, (_task, now) => ({ status: "completed", output: output ?? null, completed_at: now }));
}

/** Fails the task. `output`: what is stored as its output. */
export function failClaim(queue: QueueContext, claim: Claim, error: string, output?: unknown): Promise<FinishOutcome> {
  const told = output === undefined ? {} : { output };
  return end(queue, claim, (_task, now) => ({ status: "failed", last_error: error, completed_at: now, ...told }));
}

/**
 * Pending again after a delay, one retry used up, or so many in all. Without the delay when the task is asked to stop at this moment, which
 * the caller did not know of: whoever claims it finds out what is wanted (a fence that found the task running waits for that). The lease key
 * stays: the next claimer or the monitor removes it (planted mistake 15).
 */
export function retryClaim(
  queue: QueueContext,
  claim: Claim,
  error: string,
  delayMs: number,
  retries: number = claim.task.retry_count + 1,
): Promise<FinishOutcome> {
  return requeue(queue, claim, delayMs, () => ({ retry_count: Math.min(retries, U32), last_error: error }));
}

/** Pending again after a delay; costs no retry. A task that has been rescheduled as often as it may (`max_reschedules`) fails instead. */
export function rescheduleClaim(queue: QueueContext, claim: Claim, delayMs: number): Promise<FinishOutcome> {
  return requeue(queue, claim, delayMs, (task) =>
    task.max_reschedules !== undefined && task.reschedule_count >= task.max_reschedules
      ? { status: "failed", last_error: `Max reschedules (${task.max_reschedules}) exceeded` }
      : { reschedule_count: task.reschedule_count + 1 },
  );
}

async function requeue(
  queue: QueueContext,
  claim: Claim,
  delayMs: number,
  change: (task: TaskRecord) => Partial<TaskRecord>,
): Promise<FinishOutcome> {
  const dueAt = formatInstant(serverNow(queue) + Math.round(delayMs));
  const ended = await finish(queue, claim, (current, now) => {
    const availableAt = current !== claim.task && current.cancel_requested ? now : dueAt;
    const changed = change(current);
    return changed.status === "failed"
      ? { ...changed, completed_at: now }
      : { ...changed, status: "pending", available_at: availableAt };
  });
  if (ended === undefined) return { kind: "lost" };
  await whileHeld(queue, claim, () =>
    ended.task.status === "failed" ? deleteLeaseKey(queue, ended.held) : putWaitingKey(queue, ended.task, false),
  );
  return { kind: "finished" };
}
