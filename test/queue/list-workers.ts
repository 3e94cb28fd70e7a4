/** The workers of either kind that are registered on a bucket. */
import { WORKERS_PREFIX } from "../../src/keys.ts";
import { millisOf, type QueueContext, serverNow } from "../../src/queue/task.ts";
import { workerCodec, type WorkerRecord, type WorkerRegistration } from "../../src/queue/workers.ts";
import { readDocument } from "../../src/store/document.ts";
import { listKeys } from "../../src/store/paging.ts";

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
