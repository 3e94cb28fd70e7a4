/** Worker registrations in buquet's format. */
import { workerKey } from "../keys.ts";
import { checkWorkerId } from "../names.ts";
import { formatInstant } from "../wire/instant.ts";
import { type QueueContext, serverNow } from "./task.ts";

/** What a worker says of itself. */
export interface WorkerRegistration {
  readonly workerId: string;
  readonly startedAt: number;
  readonly tasksCompleted: number;
  readonly tasksFailed: number;
}

/** Puts or renews a registration. @throws {WorkflowError} `invalid` for an id that cannot be a part of a key. */
export async function registerWorker(queue: QueueContext, worker: WorkerRegistration): Promise<void> {
  checkWorkerId(worker.workerId);
  const body = {
    worker_id: worker.workerId,
    started_at: formatInstant(worker.startedAt),
    last_heartbeat: formatInstant(serverNow(queue)),
    shards: [..."0123456789abcdef"],
    current_task: null,
    tasks_completed: worker.tasksCompleted,
    tasks_failed: worker.tasksFailed,
  };
  await queue.store.put(workerKey(worker.workerId), JSON.stringify(body), "always");
}

/** Removes a registration. */
export async function deregisterWorker(queue: QueueContext, workerId: string): Promise<void> {
  await queue.store.delete(workerKey(workerId));
}
