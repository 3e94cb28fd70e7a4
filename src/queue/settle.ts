/** Tasks of steps that others hold or that nobody began: settled when their step is over, fenced before it is undone. */
import { leaseKey, taskKey } from "../keys.ts";
import { createDocumentBytes, updateDocument } from "../store/document.ts";
import { formatInstant } from "../wire/instant.ts";
import type { Writable } from "../wire/json.ts";
import { deleteWaitingKeys, repairIndex } from "./index-keys.ts";
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

/** How the task of a finished step ends. */
export type TaskEnd =
  | { readonly status: "completed"; readonly output: Writable }
  | { readonly status: "failed" | "cancelled"; readonly error?: string };

function ended(task: TaskRecord, end: TaskEnd, nowMs: number): TaskRecord {
  const now = formatInstant(nowMs);
  const error = end.status === "completed" ? undefined : end.error;
  return {
    ...task,
    status: end.status,
    output: end.status === "completed" ? end.output : null,
    ...(error === undefined ? {} : { last_error: error }),
    updated_at: now,
    ...(end.status === "cancelled" ? { cancelled_at: now } : { completed_at: now }),
    lease_id: null,
    lease_expires_at: null,
    worker_id: null,
  };
}

/** Protocol 1.3: the task of a step that is over. One that is running is left to its holder; we end our own by `completeClaim`. */
export async function settleTask(queue: QueueContext, spec: TaskSpec, end: TaskEnd): Promise<void> {
  const key = taskKey(spec.id);
  const now = serverNow(queue);
  const whole = ended({ ...newTask(spec, now), attempt: 1 }, end, now);
  const made = await createDocumentBytes(queue.store, queue.host, key, taskCodec.encode(whole));
  if (made.kind === "stored") return;
  const before = taskCodec.decode(made.body, key);
  const updated = await updateDocument(
    queue.store,
    queue.host,
    key,
    taskCodec,
    (task) => (task.status === "pending" ? ended(task, end, now) : undefined),
    { value: before, etag: made.etag },
  );
  if (updated.kind === "updated") {
    if (before.lease_expires_at !== null)
      await queue.store.delete(leaseKey(spec.id, millisOf(before.lease_expires_at)));
    await deleteWaitingKeys(queue, before);
  } else if (updated.kind === "unchanged") await repairIndex(queue, updated.value, false);
}

export type FenceOutcome =
  /** It had no object; a tombstone stands there now. */
  | { readonly kind: "absent" }
  /** It was pending and is cancelled. */
  | { readonly kind: "pending"; readonly attempt: number }
  | { readonly kind: "over"; readonly status: TaskStatus; readonly attempt: number }
  /** Its holder completes it, or its lease expires and the next claimer reports that. */
  | { readonly kind: "running"; readonly attempt: number };

const FENCED: TaskEnd = { status: "cancelled", error: "fenced before its undo" };

/** Protocol 1.12: makes sure that a forward task can never start again. */
export async function fenceTask(queue: QueueContext, spec: TaskSpec): Promise<FenceOutcome> {
  const key = taskKey(spec.id);
  const now = serverNow(queue);
  const tombstone = ended(newTask(spec, now), FENCED, now);
  const made = await createDocumentBytes(queue.store, queue.host, key, taskCodec.encode(tombstone));
  if (made.kind === "stored") return { kind: "absent" };
  const before = taskCodec.decode(made.body, key);
  const updated = await updateDocument(
    queue.store,
    queue.host,
    key,
    taskCodec,
    (task) => {
      if (task.status === "pending") return ended(task, FENCED, now);
      // Also when that was asked for before: a holder that gives the task back at this moment meets the change, and does not delay it.
      const changed = { cancel_requested: true, updated_at: formatInstant(now) };
      return task.status === "running" ? { ...task, ...changed } : undefined;
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
    await deleteWaitingKeys(queue, before);
    return { kind: "pending", attempt: task.attempt };
  }
  return { kind: "over", status: task.status, attempt: task.attempt };
}
