/** Putting tasks on the queue: the object first, then its index key. */
import { dueKey, leaseKey, readyKey, taskKey } from "../keys.ts";
import { createDocumentBytes, readDocument } from "../store/document.ts";
import { WorkflowError } from "../errors.ts";
import { checkJsonValue } from "../wire/check.ts";
import { formatInstant } from "../wire/instant.ts";
import { Claim } from "./claim.ts";
import { millisOf, newTask, type QueueContext, serverNow, taskCodec, type TaskRecord, type TaskSpec } from "./task.ts";

/** What is due later than this waits in our own index, so that it neither hides ready work nor costs anything. */
export const PARK_MS = 60_000;

export type CreateTaskOutcome = { readonly kind: "created" } | { readonly kind: "exists"; readonly task: TaskRecord };

/** Puts a pending task and its index key. One that exists gets the index key that it should have. */
export async function createTask(queue: QueueContext, spec: TaskSpec): Promise<CreateTaskOutcome> {
  const task = newTask(spec, serverNow(queue));
  const made = await createDocumentBytes(queue.store, queue.host, taskKey(spec.id), taskCodec.encode(task));
  if (made.kind === "stored") {
    await putWaitingKey(queue, task, spec.ownOnly === true);
    return { kind: "created" };
  }
  const existing = taskCodec.decode(made.body, taskKey(spec.id));
  await repairIndex(queue, existing, spec.ownOnly === true);
  return { kind: "exists", task: existing };
}

/** The index key of a pending task: ready, or due when only we run it and it is due later. */
export async function putWaitingKey(queue: QueueContext, task: TaskRecord, ownOnly: boolean): Promise<void> {
  const at = millisOf(task.available_at);
  const parked = ownOnly && at > queue.store.time().latest + PARK_MS;
  await queue.store.put(parked ? dueKey(task.id, at) : readyKey(task.id, at), "", "always");
}

/** Gives a task the index key that its status demands; one that is over needs none. */
export async function repairIndex(queue: QueueContext, task: TaskRecord, ownOnly: boolean): Promise<void> {
  if (task.status === "pending") await putWaitingKey(queue, task, ownOnly);
  else if (task.status === "running" && task.lease_expires_at !== null) {
    await queue.store.put(leaseKey(task.id, millisOf(task.lease_expires_at)), "", "always");
  }
}

/** The task with this id; undefined when there is none. */
export async function getTask(queue: QueueContext, taskId: string): Promise<TaskRecord | undefined> {
  const read = await readDocument(queue.store, taskKey(taskId), taskCodec);
  return read.kind === "found" ? read.value : undefined;
}

/** Who takes a lease, and for how long. */
export interface LeaseOptions {
  readonly workerId: string;
  readonly leaseMs: number;
}

/** Puts a task as running under a new lease, lease key beside it. Refused: its key is taken by somebody else. */
export async function createRunningTask(
  queue: QueueContext,
  spec: TaskSpec,
  options: LeaseOptions,
): Promise<{ readonly kind: "claimed"; readonly claim: Claim } | { readonly kind: "refused" }> {
  const sentAt = queue.host.clock.monotonic();
  const now = serverNow(queue);
  const expiresAt = now + options.leaseMs;
  const leaseId = queue.host.random.uuid();
  const task: TaskRecord = {
    ...newTask(spec, now),
    status: "running",
    attempt: 1,
    lease_id: leaseId,
    lease_expires_at: formatInstant(expiresAt),
    worker_id: options.workerId,
  };
  const [, made] = await Promise.all([
    queue.store.put(leaseKey(spec.id, expiresAt), "", "always"),
    createDocumentBytes(queue.store, queue.host, taskKey(spec.id), taskCodec.encode(task)),
  ]);
  if (made.kind === "exists") return { kind: "refused" };
  return { kind: "claimed", claim: new Claim(task, made.etag, sentAt + options.leaseMs - queue.skewMarginMs) };
}

/** Options of a task that is not part of a run. */
export interface SubmitOptions {
  /** @defaultValue 300000 */
  readonly timeoutMs?: number;
  /** @defaultValue 3 */
  readonly maxRetries?: number;
  /** Not before this instant, in milliseconds since 1970. */
  readonly availableAt?: number;
}

/** Puts a task of any type on the queue. */
export async function submitTask(
  queue: QueueContext,
  taskType: string,
  input: unknown,
  options: SubmitOptions = {},
): Promise<TaskRecord> {
  const problem = checkJsonValue(input);
  if (problem !== undefined)
    throw new WorkflowError("invalid", `the input of a ${taskType} task is not JSON: ${problem}`);
  const spec: TaskSpec = {
    id: queue.host.random.uuid(),
    taskType,
    input,
    timeoutMs: options.timeoutMs ?? 300_000,
    maxRetries: options.maxRetries ?? 3,
    ...(options.availableAt === undefined ? {} : { availableAt: options.availableAt }),
  };
  await createTask(queue, spec);
  return newTask(spec, serverNow(queue));
}
