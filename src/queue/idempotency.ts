/**
 * Idempotency keys: the record that maps a key to a task, in the format of buquet.
 *
 * A valid record fixes the id of the task for good: whoever reads one creates *that* task if it is missing, and never another one. A
 * submitter that dies or stalls between the record and the task therefore leaves no second task behind (C-1).
 */
import { z } from "zod";
import { brand, WorkflowError } from "../errors.ts";
import { sha256Hex } from "../host/uuid.ts";
import { idempotencyKey, taskKey } from "../keys.ts";
import { Codec, createDocumentBytes, updateDocument } from "../store/document.ts";
import { canonicalJson } from "../wire/canonical.ts";
import { formatInstant } from "../wire/instant.ts";
import { stringifyJson } from "../wire/json.ts";
import { canonicalUuid, instant, millisOf, type QueueContext, serverNow } from "./task.ts";

/** Makes a submission count once. */
export interface Idempotency {
  /** The key: any text. */
  readonly key: string;
  /**
   * Where the key counts: `"task_type"` (within the type of the task), `"queue"` (in the whole bucket), or a name of your own.
   * @defaultValue "task_type"
   */
  readonly scope?: string;
  /** How long the key counts, in milliseconds. @defaultValue thirty days */
  readonly ttlMs?: number;
}

/** Thrown when an idempotency key, or the id of a run, was used before for something else. Nothing was changed. Code `conflict`. */
export class IdempotencyConflictError extends WorkflowError {
  static {
    brand(this, "IdempotencyConflictError");
  }

  /** The idempotency key, or the id of the run. */
  readonly key: string;

  constructor(
    key: string,
    message: string = `idempotency key ${JSON.stringify(key)} was used with another input; use another key, or the same input`,
  ) {
    super("conflict", message);
    this.key = key;
  }
}

interface IdempotencyRecord {
  readonly key: string;
  readonly key_hash: string;
  readonly task_id: string;
  readonly task_key: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly task_type: string;
  readonly input_hash: string;
}

const DEFAULT_TTL_MS = 30 * 24 * 60 * 60_000;

const recordSchema = z.looseObject({
  key: z.string(),
  key_hash: z.string(),
  task_id: z.string().refine((id) => canonicalUuid(id) !== undefined, "is not a UUID"),
  task_key: z.string(),
  created_at: instant,
  expires_at: instant,
  task_type: z.string(),
  input_hash: z.string(),
});

/** The codec of `idempotency/{scope}/{digest}.json`. */
export const idempotencyCodec: Codec<IdempotencyRecord> = new Codec<IdempotencyRecord>({
  what: "an idempotency record",
  read: (json) => recordSchema.parse(json),
  // The scope stands in the key alone; the digest is made over both.
  keyOf: ({ key }, at) => {
    const scope = at.slice("idempotency/".length, at.lastIndexOf("/"));
    return idempotencyKey(scope, keyDigest(scope, key));
  },
  write: (record) => stringifyJson(record),
});

/** The folder of a scope. The names are those of buquet's Python package; they share one space with everything else. */
export function scopeName(scope: string | undefined, taskType: string): string {
  if (scope === undefined || scope === "task_type" || scope === "TaskType") return taskType;
  return scope === "queue" || scope === "Queue" ? "queue" : scope;
}

/** Digest of a key within its scope: the file name of its record. */
export function keyDigest(scope: string, key: string): string {
  return sha256Hex(`${scope}:${key}`);
}

/** Hash of an input, as buquet computes it from the text that it reads. */
export function inputHash(input: unknown): string {
  return `sha256:${sha256Hex(canonicalJson(input))}`;
}

/**
 * The id of the task that a key stands for: that of the record that is valid, else `freshId`, recorded now.
 * @throws {IdempotencyConflictError} when the key was used with another input.
 */
export async function reserveTaskId(
  queue: QueueContext,
  freshId: string,
  taskType: string,
  input: unknown,
  idempotency: Idempotency,
): Promise<string> {
  const scope = scopeName(idempotency.scope, taskType);
  const digest = keyDigest(scope, idempotency.key);
  const now = serverNow(queue);
  const record: IdempotencyRecord = {
    key: idempotency.key,
    key_hash: `sha256:${digest}`,
    task_id: freshId,
    task_key: taskKey(freshId),
    created_at: formatInstant(now),
    expires_at: formatInstant(now + (idempotency.ttlMs ?? DEFAULT_TTL_MS)),
    task_type: taskType,
    input_hash: inputHash(input),
  };
  const key = idempotencyKey(scope, digest);
  const made = await createDocumentBytes(queue.store, queue.host, key, idempotencyCodec.encode(record));
  if (made.kind === "stored") return freshId;
  const renewed = await updateDocument(
    queue.store,
    queue.host,
    key,
    idempotencyCodec,
    (current) => (now > millisOf(current.expires_at) ? record : undefined),
    { value: idempotencyCodec.decode(made.body, key), etag: made.etag },
  );
  // Nobody deletes these records; if somebody did just now, the key is free again.
  if (renewed.kind === "missing") return reserveTaskId(queue, freshId, taskType, input, idempotency);
  if (renewed.value.input_hash !== record.input_hash) throw new IdempotencyConflictError(idempotency.key);
  return canonicalUuid(renewed.value.task_id) ?? freshId;
}
