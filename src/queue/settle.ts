/** Tasks of steps that others hold or nobody began: settled when their step is over, fenced before it is undone. */
import { leaseKey, readyKey, taskKey } from "../keys.ts";
import { createDocumentBytes, updateDocument } from "../store/document.ts";
import { formatInstant } from "../wire/instant.ts";
import { repairIndex } from "./submit.ts";
import {
  millisOf,
  newTask,
  type QueueContext,
  serverNow,
  taskCodec,
  type TaskRecord,
  type TaskSpec,
  type TaskStatus,
} from "./task.ts";

/** How a task that is settled ends. */
export interface Settlement {
  readonly output?: unknown;
  readonly lastError?: string;
  /** The lease under which we ourselves run it. */
  readonly ownLeaseId?: string;
}

function ended(task: TaskRecord, status: TaskStatus, settlement: Settlement, nowMs: number): TaskRecord {
  const now = formatInstant(nowMs);
  return {
    ...task,
    status,
    output: settlement.output ?? null,
    ...(settlement.lastError === undefined ? {} : { last_error: settlement.lastError }),
    updated_at: now,
    ...(status === "cancelled" ? { cancelled_at: now } : { completed_at: now }),
    lease_id: null,
    lease_expires_at: null,
    worker_id: null,
  };
}

/** Protocol 1.3: the task of a step that is over, whatever state it is in. One that runs under somebody else's lease is left to its holder. */
export async function settleTask(
  queue: QueueContext,
  spec: TaskSpec,
  status: "completed" | "failed" | "cancelled",
  settlement: Settlement,
): Promise<void> {
  const key = taskKey(spec.id);
  const now = serverNow(queue);
  const whole = ended({ ...newTask(spec, now), attempt: 1 }, status, settlement, now);
  const made = await createDocumentBytes(queue.store, queue.host, key, taskCodec.encode(whole));
  if (made.kind === "stored") return;
  const before = taskCodec.decode(made.body, key);
  const mine = (task: TaskRecord): boolean =>
    task.status === "pending" || (task.status === "running" && task.lease_id === (settlement.ownLeaseId ?? ""));
  const updated = await updateDocument(
    queue.store,
    queue.host,
    key,
    taskCodec,
    (task) => (mine(task) ? ended(task, status, settlement, now) : undefined),
    { value: before, etag: made.etag },
  );
  if (updated.kind === "updated") {
    if (before.lease_expires_at !== null)
      await queue.store.delete(leaseKey(spec.id, millisOf(before.lease_expires_at)));
    await queue.store.delete(readyKey(spec.id, millisOf(before.available_at)));
  } else if (updated.kind === "unchanged") await repairIndex(queue, updated.value, false);
}

export type FenceOutcome =
  /** It had no object; a tombstone stands there now. */
  | { readonly kind: "absent" }
  /** It was pending and is cancelled. */
  | { readonly kind: "pending"; readonly attempt: number }
  | { readonly kind: "over"; readonly status: TaskStatus; readonly attempt: number }
  /** Its holder completes it, or its lease runs out and the next claimer says so. */
  | { readonly kind: "running"; readonly attempt: number };

/** Protocol 1.12: makes sure that a forward task can never start again. */
export async function fenceTask(queue: QueueContext, spec: TaskSpec): Promise<FenceOutcome> {
  const key = taskKey(spec.id);
  const now = serverNow(queue);
  const tombstone = ended(newTask(spec, now), "cancelled", { lastError: "fenced before its undo" }, now);
  const made = await createDocumentBytes(queue.store, queue.host, key, taskCodec.encode(tombstone));
  if (made.kind === "stored") return { kind: "absent" };
  const before = taskCodec.decode(made.body, key);
  const updated = await updateDocument(
    queue.store,
    queue.host,
    key,
    taskCodec,
    (task) => {
      if (task.status === "pending") return ended(task, "cancelled", { lastError: "fenced before its undo" }, now);
      return task.status === "running" && !task.cancel_requested ? { ...task, cancel_requested: true } : undefined;
    },
    { value: before, etag: made.etag },
  );
  if (updated.kind === "missing") return { kind: "absent" };
  const task = updated.value;
  if (task.status === "running") {
    await repairIndex(queue, task, false);
    return { kind: "running", attempt: task.attempt };
  }
  if (updated.kind === "updated") {
    await queue.store.delete(readyKey(spec.id, millisOf(before.available_at)));
    return { kind: "pending", attempt: task.attempt };
  }
  return { kind: "over", status: task.status, attempt: task.attempt };
}
