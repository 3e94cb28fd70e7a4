/** Cancels tasks from outside. */
import { taskKey } from "../keys.ts";
import { type ChecksOf, readSettings, text } from "../settings.ts";
import { updateDocument } from "../store/document.ts";
import { formatInstant } from "../wire/instant.ts";
import { deleteWaitingKeys } from "./index-keys.ts";
import { canonicalUuid, type QueueContext, serverNow, taskCodec, type TaskRecord, type TaskStatus } from "./task.ts";

/** Options of `cancelTask`. */
export interface CancelTaskOptions {
  /** The reason, for people. It becomes the `last_error` of a pending task. @defaultValue none */
  readonly reason?: string;
  /** Who cancels the task, for people. @defaultValue none */
  readonly by?: string;
}

const CHECKS = { reason: text, by: text } satisfies ChecksOf<CancelTaskOptions>;

/** The outcome of `cancelTask`. */
export type CancelTaskOutcome =
  /** It had not begun and never will, or it was cancelled before. */
  | { readonly kind: "cancelled" }
  /** It is running: its worker was asked to stop, and may still complete it. */
  | { readonly kind: "requested" }
  /** It had ended before. */
  | { readonly kind: "over"; readonly status: TaskStatus }
  | { readonly kind: "missing" };

/** Cancels a pending task, or asks the worker of a running one to stop. Idempotent. */
export async function cancelTask(
  queue: QueueContext,
  taskId: string,
  options: CancelTaskOptions = {},
): Promise<CancelTaskOutcome> {
  readSettings("cancelTask", CHECKS, options);
  const id = canonicalUuid(taskId);
  if (id === undefined) return { kind: "missing" };
  const now = formatInstant(serverNow(queue));
  const updated = await updateDocument(queue.store, queue.host, taskKey(id), taskCodec, (task) => {
    if (task.status === "pending") return cancelled(task, options, now);
    return task.status === "running" && !task.cancel_requested
      ? { ...task, cancel_requested: true, updated_at: now }
      : undefined;
  });
  if (updated.kind === "missing") return updated;
  const { status } = updated.value;
  if (status === "running") return { kind: "requested" };
  if (status !== "cancelled") return { kind: "over", status };
  // Also when it was cancelled before: whoever did may have died in between, or not have heard the answer.
  await deleteWaitingKeys(queue, updated.value);
  return { kind: "cancelled" };
}

function cancelled(task: TaskRecord, { reason, by }: CancelTaskOptions, now: string): TaskRecord {
  const { cancelled_by: _overwritten, ...rest } = task;
  return {
    ...rest,
    status: "cancelled",
    updated_at: now,
    cancelled_at: now,
    ...(by === undefined ? {} : { cancelled_by: by }),
    ...(reason === undefined ? {} : { last_error: reason }),
  };
}

/** Asks the worker of a running task to stop: its next heartbeat meets the change and tells its handler. Any other task stays as it is. */
export async function requestCancellation(queue: QueueContext, taskId: string): Promise<void> {
  const now = formatInstant(serverNow(queue));
  await updateDocument(queue.store, queue.host, taskKey(taskId), taskCodec, (task) =>
    task.status === "running" && !task.cancel_requested
      ? { ...task, cancel_requested: true, updated_at: now }
      : undefined,
  );
}
