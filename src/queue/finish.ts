/** Ending an attempt under one's own lease: complete, fail, retry, reschedule. A flag set meanwhile is not lost, nor is our end (C-7). */
import { leaseKey, taskKey } from "../keys.ts";
import { updateDocument } from "../store/document.ts";
import { formatInstant } from "../wire/instant.ts";
import type { Claim } from "./claim.ts";
import { putWaitingKey } from "./submit.ts";
import { millisOf, type QueueContext, serverNow, taskCodec, type TaskRecord } from "./task.ts";

/** Whether the end was written, or the task is not held under this lease any more. */
export type FinishOutcome = { readonly kind: "finished" } | { readonly kind: "lost" };

type Change = (task: TaskRecord, now: string) => Partial<TaskRecord>;

const RELEASED = { lease_id: null, lease_expires_at: null, worker_id: null } as const;

/**
 * Writes the end of an attempt. The write may have landed though its reply was lost: then nobody holds the lease and the task stands
 * exactly as we left it, which is ours to go on with.
 */
async function finish(queue: QueueContext, claim: Claim, change: Change): Promise<TaskRecord | undefined> {
  const now = formatInstant(serverNow(queue));
  let sent: string | undefined;
  const updated = await updateDocument(
    queue.store,
    queue.host,
    taskKey(claim.task.id),
    taskCodec,
    (task) => {
      if (task.status !== "running" || task.lease_id !== claim.leaseId) return undefined;
      const next = { ...task, ...RELEASED, updated_at: now, ...change(task, now) };
      sent = taskCodec.encode(next);
      return next;
    },
    { value: claim.task, etag: claim.etag },
  );
  if (updated.kind === "missing") return undefined;
  return updated.kind === "updated" || taskCodec.encode(updated.value) === sent ? updated.value : undefined;
}

async function deleteLeaseKey(queue: QueueContext, claim: Claim): Promise<void> {
  const { lease_expires_at } = claim.task;
  if (lease_expires_at !== null) await queue.store.delete(leaseKey(claim.task.id, millisOf(lease_expires_at)));
}

async function end(queue: QueueContext, claim: Claim, change: Change): Promise<FinishOutcome> {
  const ended = await finish(queue, claim, change);
  if (ended === undefined) return { kind: "lost" };
  await deleteLeaseKey(queue, claim);
  return { kind: "finished" };
}

/** The task is completed with this output. */
export function completeClaim(queue: QueueContext, claim: Claim, output: unknown): Promise<FinishOutcome> {
  return end(queue, claim, (_task, now) => ({ status: "completed", output, completed_at: now }));
}

/** The task failed for good. */
export function failClaim(queue: QueueContext, claim: Claim, error: string): Promise<FinishOutcome> {
  return end(queue, claim, (_task, now) => ({ status: "failed", last_error: error, completed_at: now }));
}

/** Pending again after a delay, one retry used up. The lease key stays: the next claimer or the monitor removes it (planted mistake 15). */
export function retryClaim(queue: QueueContext, claim: Claim, error: string, delayMs: number): Promise<FinishOutcome> {
  return requeue(queue, claim, delayMs, (task) => ({ retry_count: task.retry_count + 1, last_error: error }));
}

/** Pending again after a delay; costs no retry. */
export function rescheduleClaim(queue: QueueContext, claim: Claim, delayMs: number): Promise<FinishOutcome> {
  return requeue(queue, claim, delayMs, (task) => ({ reschedule_count: task.reschedule_count + 1 }));
}

async function requeue(
  queue: QueueContext,
  claim: Claim,
  delayMs: number,
  change: (task: TaskRecord) => Partial<TaskRecord>,
): Promise<FinishOutcome> {
  const availableAt = formatInstant(serverNow(queue) + Math.round(delayMs));
  const task = await finish(queue, claim, (current) => ({
    ...change(current),
    status: "pending",
    available_at: availableAt,
  }));
  if (task === undefined) return { kind: "lost" };
  await putWaitingKey(queue, task, false);
  return { kind: "finished" };
}
