/** The registration of a worker, in buquet's format. */
import { z } from "zod";
import { workerKey } from "../keys.ts";
import { checkWorkerId } from "../names.ts";
import { Codec } from "../store/document.ts";
import { formatInstant } from "../wire/instant.ts";
import { stringifyJson } from "../wire/json.ts";
import { canonicalUuid, instant, type QueueContext, serverNow } from "./task.ts";

/** The data of a registration. */
export interface WorkerRegistration {
  readonly workerId: string;
  readonly startedAt: number;
  readonly tasksCompleted: number;
  readonly tasksFailed: number;
}

/** A registration as it is stored. Instants are texts. */
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
