/** Submits tasks: the object first, then its index key. */
import type { RetryPolicy } from "../../machines/program.ts";
import { idempotencyKey, leaseKey, taskKey } from "../keys.ts";
import { checkMembers, copied, objectWith, readArgument } from "../settings.ts";
import { LONGEST_FILE_NAME, longestFileName } from "../store/file-names.ts";
import { insist } from "../store/again.ts";
import { createDocumentBytes, readDocument } from "../store/document.ts";
import { WorkflowError } from "../errors.ts";
import { checkLongestWait, checkRetryPolicy, DEFAULT_RETRY_POLICY } from "../wire/backoff.ts";
import { LONGEST_DURATION_MS, shown } from "../wire/duration.ts";
import { formatInstant } from "../wire/instant.ts";
import { StoredValue } from "../wire/value.ts";
import { Claim, type LeaseOptions } from "./claim.ts";
import { type Idempotency, reserveTaskId } from "./idempotency.ts";
import { putWaitingKey, repairIndex } from "./index-keys.ts";
import {
  canonicalUuid,
  newTask,
  type QueueContext,
  serverNow,
  taskCodec,
  type TaskRecord,
  type TaskSpec,
  U32,
} from "./task.ts";

/** The task, created now or before. */
export interface CreateTaskOutcome {
  readonly kind: "created" | "exists";
  readonly task: TaskRecord;
}

/** Creates a pending task and its index key. An existing task gets the index key that it should have. */
export async function createTask(queue: QueueContext, spec: TaskSpec): Promise<CreateTaskOutcome> {
  const task = newTask(spec, serverNow(queue));
  const made = await createDocumentBytes(queue.store, queue.host, taskKey(spec.id), taskCodec.encode(task));
  if (made.kind === "stored") {
    await putWaitingKey(queue, task, spec.ownOnly === true);
    return { kind: "created", task };
  }
  const existing = taskCodec.decode(made.body, taskKey(spec.id));
  await repairIndex(queue, existing, spec.ownOnly === true);
  return { kind: "exists", task: existing };
}

/** The task with this id; undefined when there is none. */
export async function getTask(queue: QueueContext, taskId: string): Promise<TaskRecord | undefined> {
  const id = canonicalUuid(taskId);
  if (id === undefined) return undefined;
  const read = await readDocument(queue.store, taskKey(id), taskCodec);
  return read.kind === "found" ? read.value : undefined;
}

/** Who takes the lease, and how long the store is asked again when it does not answer. */
export interface RunningTaskOptions extends LeaseOptions {
  mayGoOn(): boolean;
}

/**
 * Puts a task as running under a new lease, lease key beside it. While the store does not answer the same is put again, so that what landed
 * although its reply was lost is ours. Refused: its key is taken by somebody else.
 * @throws {WorkflowError} `unavailable` when it may not go on: whether it stands is not known.
 */
export async function createRunningTask(
  queue: QueueContext,
  spec: TaskSpec,
  options: RunningTaskOptions,
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
  const body = taskCodec.encode(task);
  const [, made] = await insist(queue.host, options.mayGoOn, () =>
    Promise.all([
      queue.store.put(leaseKey(spec.id, expiresAt), "", "always"),
      createDocumentBytes(queue.store, queue.host, taskKey(spec.id), body),
    ]),
  );
  if (made.kind === "exists") return { kind: "refused" };
  return { kind: "claimed", claim: new Claim(task, made.etag, sentAt + options.leaseMs - queue.skewMarginMs) };
}

/** Options of `submit`. */
export interface SubmitOptions {
  /** The longest time that one attempt may take, in milliseconds. @defaultValue 300000 */
  readonly timeoutMs?: number;
  /** How many times the task is retried. @defaultValue 3 */
  readonly maxRetries?: number;
  /** How long to wait before each retry. @defaultValue 1 s, doubled for each retry up to 60 s, ± 25 % */
  readonly retryPolicy?: RetryPolicy;
  /** The task is not run before this instant, in milliseconds since 1970. @defaultValue now */
  readonly availableAt?: number;
  /** The task is not run from this instant on, in milliseconds since 1970. @defaultValue never */
  readonly expiresAt?: number;
  /** How many times the task may be rescheduled. @defaultValue no limit */
  readonly maxReschedules?: number;
  /** Makes the submission count once: a second one with the same key returns the task of the first. @defaultValue none */
  readonly idempotency?: Idempotency;
}

/** Largest input of a task that is submitted, in UTF-16 units of its JSON. */
const MAX_INPUT_LENGTH: number = 4 * 1024 * 1024;

/**
 * Puts a task of any type on the queue. With a key that was used before it gives the task of then, whatever became of it. The input is
 * copied before this returns.
 * @throws {WorkflowError} `invalid` for a value that cannot be stored, or a key that was used with another input.
 */
export async function submitTask(
  queue: QueueContext,
  taskType: string,
  input: unknown,
  options: SubmitOptions = {},
): Promise<TaskRecord> {
  readArgument("submit", "the object of options", objectWith(), options);
  const { timeoutMs = 300_000, maxRetries = 3, idempotency, ...rest } = copyOf(options);
  const stored = takeInput(taskType, input);
  checkSubmission(taskType, { timeoutMs, maxRetries, ...rest, ...(idempotency === undefined ? {} : { idempotency }) });
  const fresh = queue.host.random.uuid();
  const id =
    idempotency === undefined ? fresh : await reserveTaskId(queue, fresh, taskType, stored.read(), idempotency);
  return (await createTask(queue, { ...rest, id, taskType, input: stored, timeoutMs, maxRetries })).task;
}

/** Copies the options, because the caller may change them after the call. */
function copyOf({ retryPolicy, idempotency, ...options }: SubmitOptions): SubmitOptions {
  return {
    ...options,
    ...(retryPolicy === undefined ? {} : { retryPolicy: copied(retryPolicy) }),
    ...(idempotency === undefined ? {} : { idempotency: copied(idempotency) }),
  };
}

/** 0001-01-01 and the end of 9999: years with four digits. */
const EARLIEST_MS = -62_135_596_800_000;
const LATEST_MS = 253_402_300_799_999;

/** Lists every option, so that a new one must be added here. */
const KNOWN: Readonly<Record<keyof SubmitOptions, true>> = {
  timeoutMs: true,
  maxRetries: true,
  retryPolicy: true,
  availableAt: true,
  expiresAt: true,
  maxReschedules: true,
  idempotency: true,
};
const KNOWN_IDEMPOTENCY: Readonly<Record<keyof Idempotency, true>> = { key: true, scope: true, ttlMs: true };

const refuser =
  (taskType: string) =>
  (what: string): never => {
    throw new WorkflowError("invalid", `a ${shown(taskType)} task cannot be submitted: ${what}`);
  };

function takeInput(taskType: string, input: unknown): StoredValue {
  const taken = StoredValue.take(input, MAX_INPUT_LENGTH);
  if (taken.kind === "taken") return taken.value;
  const refuse = refuser(taskType);
  if (taken.kind === "not_json") return refuse(`its input is not JSON: ${taken.problem}`);
  return refuse(
    `its input is more than ${MAX_INPUT_LENGTH} characters of JSON; store it elsewhere and pass a reference`,
  );
}

function checkSubmission(taskType: string, options: SubmitOptions): void {
  const refuse = refuser(taskType);
  checkKeyPart(taskType, "the task type", refuse);
  checkMembers(refuse, "its options", options, Object.keys(KNOWN));
  if (options.idempotency !== undefined)
    checkMembers(refuse, "the members of idempotency", options.idempotency, Object.keys(KNOWN_IDEMPOTENCY));
  const { availableAt, expiresAt } = options;
  if (availableAt !== undefined && expiresAt !== undefined && expiresAt <= availableAt)
    refuse(`it would expire (${expiresAt}) before it may begin (${availableAt}); give a later expiresAt`);
  for (const name of ["maxRetries", "maxReschedules"] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= U32))
      refuse(`${name} is ${String(value)}; it must be a whole number from 0 to ${U32}`);
  }
  for (const name of ["availableAt", "expiresAt"] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= EARLIEST_MS && value <= LATEST_MS))
      refuse(`${name} is ${String(value)}; it must be an instant in milliseconds since 1970`);
  }
  const durations = { timeoutMs: options.timeoutMs, "idempotency.ttlMs": options.idempotency?.ttlMs };
  for (const [name, value] of Object.entries(durations)) {
    if (value !== undefined && !(value > 0 && value <= LONGEST_DURATION_MS))
      refuse(`${name} is ${String(value)}; it must be a number of milliseconds up to ten years`);
  }
  if (options.retryPolicy !== undefined) {
    checkMembers(refuse, "the members of retryPolicy", options.retryPolicy, Object.keys(DEFAULT_RETRY_POLICY));
    checkRetryPolicy(options.retryPolicy, refuse);
  }
  checkLongestWait(options.maxRetries ?? 0, options.retryPolicy ?? DEFAULT_RETRY_POLICY, refuse);
  if (options.idempotency === undefined) return;
  const { key, scope } = options.idempotency;
  if (typeof key !== "string" || key === "") refuse(`its idempotency key is ${shown(key)}; it must be a string`);
  if (/\p{Surrogate}/u.test(key)) refuse("its idempotency key holds half of a character");
  if (scope !== undefined) checkKeyPart(scope, "the scope of its idempotency key", refuse);
}

/** S3 takes no longer key. */
const LONGEST_KEY_BYTES = 1_024;

/** Types and scopes may hold slashes, but no part may be empty, `.` or `..`. */
function checkKeyPart(text: string, what: string, refuse: (what: string) => never): void {
  const bad = typeof text !== "string" || /\p{Surrogate}|\p{Cc}/u.test(text);
  if (bad || text.split("/").some((part) => part === "" || part === "." || part === ".."))
    refuse(`${what} is ${shown(text)}`);
  const key = idempotencyKey(text, "0".repeat(64));
  const longest = longestFileName(key);
  if (longest > LONGEST_FILE_NAME || new TextEncoder().encode(key).length > LONGEST_KEY_BYTES)
    refuse(
      `${what} takes more than a key of a bucket holds (${LONGEST_KEY_BYTES} bytes, ${LONGEST_FILE_NAME} between two slashes)`,
    );
}
