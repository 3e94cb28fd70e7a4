/** Claims a task (protocol 1.2). The lease key is durable before the claim. */
import { leaseKey, taskKey } from "../keys.ts";
import { insist } from "../store/again.ts";
import { readDocument, replaceDocument } from "../store/document.ts";
import type { ETag } from "../store/object-store.ts";
import { formatInstant } from "../wire/instant.ts";
import { deleteWaitingKeys, isOrphaned } from "./index-keys.ts";
import { millisOf, type QueueContext, serverNow, taskCodec, type TaskRecord } from "./task.ts";

/** A claim: a task and its lease. */
export class Claim {
  readonly task: TaskRecord;
  readonly etag: ETag;
  /** Monotonic milliseconds of the host's clock, counted from sending the put, minus the margin for skew. */
  readonly leaseUntil: number;
  /** Whether a worker that is gone held the task before. */
  readonly isTakenOver: boolean;

  constructor(task: TaskRecord, etag: ETag, leaseUntil: number, isTakenOver = false) {
    this.task = task;
    this.etag = etag;
    this.leaseUntil = leaseUntil;
    this.isTakenOver = isTakenOver;
  }

  /** The name of this lease. */
  get leaseId(): string {
    return this.task.lease_id ?? "";
  }
}

export type ClaimOutcome =
  | { readonly kind: "claimed"; readonly claim: Claim }
  /** Another worker was faster, or the reply was lost and the claim is not ours. */
  | { readonly kind: "refused" }
  | { readonly kind: "not_due"; readonly availableAt: number }
  | { readonly kind: "not_mine" }
  /** Missing, over, or past its `expires_at`. */
  | { readonly kind: "gone" };

/** Who takes a lease, and for how long. */
export interface LeaseOptions {
  readonly workerId: string;
  readonly leaseMs: number;
}

/** Options of a claim. */
export interface ClaimOptions extends LeaseOptions {
  /** The index key under which the task was found. It is deleted when the task is over, or long missing (protocol 1.15). */
  readonly foundAt?: string;
  accepts(task: TaskRecord): boolean | Promise<boolean>;
}

/** Claims a pending task. */
export async function claimTask(queue: QueueContext, taskId: string, options: ClaimOptions): Promise<ClaimOutcome> {
  const read = await readDocument(queue.store, taskKey(taskId), taskCodec);
  if (read.kind === "missing") {
    if (options.foundAt !== undefined && isOrphaned(queue, options.foundAt)) await queue.store.delete(options.foundAt);
    return { kind: "gone" };
  }
  const task = read.value;
  if (task.status === "running") return { kind: "refused" };
  if (task.status !== "pending") {
    if (options.foundAt !== undefined) await queue.store.delete(options.foundAt);
    return { kind: "gone" };
  }
  const availableAt = millisOf(task.available_at);
  // What was to be done at once is due, though the clock of its maker is ahead of this one.
  const wasDueWhenMade = task.available_at === task.created_at;
  if (!wasDueWhenMade && availableAt > queue.store.time().latest) return { kind: "not_due", availableAt };
  if (!(await options.accepts(task))) return { kind: "not_mine" };
  if (task.expires_at !== undefined && queue.store.time().latest >= millisOf(task.expires_at))
    return markExpired(queue, task, read.etag, task.expires_at);
  const claim = await takeLease(queue, task, read.etag, options, task.retry_count);
  if (claim === undefined) return { kind: "refused" };
  try {
    await deleteWaitingKeys(queue, task);
  } catch {
    // The task is held all the same. Who finds a key that stayed deletes it once the task is over.
  }
  return { kind: "claimed", claim };
}

/** It is not run, whoever's clock is right; it is marked once every clock says so. A lost race is left to the winner. */
async function markExpired(
  queue: QueueContext,
  task: TaskRecord,
  etag: ETag,
  expiresAt: string,
): Promise<ClaimOutcome> {
  if (queue.store.time().earliest < millisOf(expiresAt)) return { kind: "refused" };
  const now = formatInstant(serverNow(queue));
  const expired: TaskRecord = { ...task, status: "expired", updated_at: now, expired_at: now };
  const put = await replaceDocument(queue.store, taskKey(task.id), taskCodec, etag, expired);
  if (put.kind !== "stored") return { kind: "refused" };
  await deleteWaitingKeys(queue, task);
  return { kind: "gone" };
}

/** Options of a take-over. */
export interface TakeOverOptions extends LeaseOptions {
  handlerMayHaveBegun(task: TaskRecord): boolean;
}

/** Takes over a running task whose lease has expired by every clock. */
export async function takeOverTask(
  queue: QueueContext,
  taskId: string,
  options: TakeOverOptions,
): Promise<ClaimOutcome> {
  const read = await readDocument(queue.store, taskKey(taskId), taskCodec);
  if (read.kind === "missing") return { kind: "gone" };
  const task = read.value;
  if (task.status !== "running") return { kind: task.status === "pending" ? "refused" : "gone" };
  if (!isLeaseOver(queue, task)) return { kind: "refused" };
  const retries = options.handlerMayHaveBegun(task) ? task.retry_count + 1 : task.retry_count;
  const claim = await takeLease(queue, task, read.etag, options, retries);
  return claim === undefined ? { kind: "refused" } : { kind: "claimed", claim };
}

/** Whether a lease has expired by every clock, with the skew margin added. */
export function isLeaseOver(queue: QueueContext, task: TaskRecord): boolean {
  if (task.lease_expires_at === null) return true;
  return queue.store.time().earliest > millisOf(task.lease_expires_at) + queue.skewMarginMs;
}

async function takeLease(
  queue: QueueContext,
  task: TaskRecord,
  etag: ETag,
  options: LeaseOptions,
  retryCount: number,
): Promise<Claim | undefined> {
  const now = serverNow(queue);
  const expiresAt = now + options.leaseMs;
  await queue.store.put(leaseKey(task.id, expiresAt), "", "always");
  const sentAt = queue.host.clock.monotonic();
  const claimed: TaskRecord = {
    ...task,
    status: "running",
    retry_count: retryCount,
    attempt: task.attempt + 1,
    lease_id: queue.host.random.uuid(),
    lease_expires_at: formatInstant(expiresAt),
    worker_id: options.workerId,
    updated_at: formatInstant(now),
  };
  const leaseUntil = sentAt + options.leaseMs - queue.skewMarginMs;
  const isTakenOver = task.status === "running";
  const put = await replaceDocument(queue.store, taskKey(task.id), taskCodec, etag, claimed);
  if (put.kind === "stored") return new Claim(claimed, put.etag, leaseUntil, isTakenOver);
  // The loser never deletes the lease key: in the same minute it is the winner's (planted mistake 10).
  if (put.kind === "conflict") return undefined;
  // Whether it is ours is worth half of the lease: taken over, it would have cost a retry.
  const askUntil = sentAt + options.leaseMs / 2;
  const read = await insist(
    queue.host,
    () => queue.host.clock.monotonic() < askUntil,
    () => readDocument(queue.store, taskKey(task.id), taskCodec),
  );
  if (read.kind === "missing" || read.value.lease_id !== claimed.lease_id) return undefined;
  return new Claim(read.value, read.etag, leaseUntil, isTakenOver);
}
