/** Worker registrations in buquet's format: our own, and those of everybody on the bucket. */
import { z } from "zod";
import { workerKey, WORKERS_PREFIX } from "../keys.ts";
import { checkWorkerId } from "../names.ts";
import { Codec, readDocument } from "../store/document.ts";
import { listKeys } from "../store/paging.ts";
import { formatInstant } from "../wire/instant.ts";
import { stringifyJson } from "../wire/json.ts";
import { canonicalUuid, instant, millisOf, type QueueContext, serverNow } from "./task.ts";

/** What a worker says of itself. */
export interface WorkerRegistration {
  readonly workerId: string;
  readonly startedAt: number;
  readonly tasksCompleted: number;
  readonly tasksFailed: number;
}

/** A registration as it stands in the bucket. Instants are texts. */
export interface WorkerRecord {
  readonly worker_id: string;
  readonly started_at: string;
  readonly last_heartbeat: string;
  readonly shards: readonly string[];
  readonly current_task: string | null;
  readonly tasks_completed: number;
  readonly tasks_failed: number;
}

const count = z.number().int().min(0);

const workerSchema = z.looseObject({
  worker_id: z.string(),
  started_at: instant,
  last_heartbeat: instant,
  shards: z.array(z.string()),
  current_task: z
    .string()
    .refine((id) => canonicalUuid(id) !== undefined, "is not a UUID")
    .nullish()
    .transform((id) => id ?? null),
  tasks_completed: count,
  tasks_failed: count,
});

/** The codec of `workers/{id}.json`. */
export const workerCodec: Codec<WorkerRecord> = new Codec<WorkerRecord>({
  what: "a registration",
  read: (json) => workerSchema.parse(json),
  keyOf: ({ worker_id }) => workerKey(worker_id),
  write: (worker) => stringifyJson(worker),
});

/** Puts or renews a registration. @throws {WorkflowError} `invalid` for an id that cannot be a part of a key. */
export async function registerWorker(queue: QueueContext, worker: WorkerRegistration): Promise<void> {
  checkWorkerId(worker.workerId);
  const body = workerCodec.encode({
    worker_id: worker.workerId,
    started_at: formatInstant(worker.startedAt),
    last_heartbeat: formatInstant(serverNow(queue)),
    shards: [..."0123456789abcdef"],
    current_task: null,
    tasks_completed: worker.tasksCompleted,
    tasks_failed: worker.tasksFailed,
  });
  await queue.store.put(workerKey(worker.workerId), body, "always");
}

/** Removes a registration. */
export async function deregisterWorker(queue: QueueContext, workerId: string): Promise<void> {
  await queue.store.delete(workerKey(workerId));
}

/** Who has not been heard of for so long may be dead: our workers speak once a minute, those of buquet every ten seconds between tasks. */
const SILENT_MS = 75_000;

/** A worker of either kind, as it said last. Instants are in milliseconds since 1970. */
export interface ListedWorker extends WorkerRegistration {
  readonly lastHeartbeat: number;
  /** Not heard of for 75 s: dead, or a Python worker in the midst of a long handler. */
  readonly silent: boolean;
}

/** Options of a list of workers. */
export interface ListWorkersOptions {
  /** Told of a registration that cannot be read; it is left out. */
  readonly onUnreadable?: (key: string, error: unknown) => void;
}

/** Every worker that is registered on the bucket, in the order of ids. One LIST, and a GET for each. */
export async function listWorkers(
  queue: QueueContext,
  options: ListWorkersOptions = {},
): Promise<readonly ListedWorker[]> {
  const listed: ListedWorker[] = [];
  for await (const key of listKeys(queue.store, WORKERS_PREFIX)) {
    try {
      const read = await readDocument(queue.store, key, workerCodec);
      if (read.kind === "found") listed.push(seen(read.value, serverNow(queue)));
    } catch (error) {
      options.onUnreadable?.(key, error);
    }
  }
  return listed;
}

function seen(worker: WorkerRecord, now: number): ListedWorker {
  const lastHeartbeat = millisOf(worker.last_heartbeat);
  return {
    workerId: worker.worker_id,
    startedAt: millisOf(worker.started_at),
    lastHeartbeat,
    silent: now - lastHeartbeat > SILENT_MS,
    tasksCompleted: worker.tasks_completed,
    tasksFailed: worker.tasks_failed,
  };
}
