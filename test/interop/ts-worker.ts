/** Our side at the level of the queue: runs plain tasks with the modules that workers are made of. */
import { backoffMs } from "../../src/wire/backoff.ts";
import { type Claim, claimTask } from "../../src/queue/claim.ts";
import { completeClaim, failClaim, retryClaim } from "../../src/queue/finish.ts";
import { ReadyLister } from "../../src/queue/poll.ts";
import { type QueueContext, retryPolicyOf, type TaskRecord } from "../../src/queue/task.ts";
import { until } from "./server.ts";
import { StoredValue } from "../../src/wire/value.ts";

/** Gives the output of a task; throws to have it tried again while it may be. */
export type TaskHandler = (task: TaskRecord, claim: Claim) => unknown;

/** A worker of plain tasks. */
export interface TaskWorker {
  /** Stops after the task in hand. */
  stop(): Promise<void>;
}

/** Claims a task that must be free. It is due by a clock that knows the time to a second at first: so long it is waited for. */
export async function take(queue: QueueContext, id: string, leaseMs = 30_000): Promise<Claim> {
  const answer = await until(`the task ${id} is due`, async () => {
    const claimed = await claimTask(queue, id, { workerId: "ts-worker", leaseMs, accepts: () => true });
    return claimed.kind === "not_due" ? undefined : claimed;
  });
  if (answer.kind !== "claimed") throw new Error(`the task ${id} is ${answer.kind}`);
  return answer.claim;
}

/** Runs one task that is held, and ends it as its handler says. */
export async function runClaim(queue: QueueContext, claim: Claim, handler: TaskHandler): Promise<void> {
  const { task } = claim;
  try {
    await completeClaim(queue, claim, StoredValue.parsed(await handler(task, claim)));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (task.retry_count >= task.max_retries) await failClaim(queue, claim, text);
    else {
      const delay = backoffMs(retryPolicyOf(task), task.retry_count, () => queue.host.random.next());
      await retryClaim(queue, claim, text, delay);
    }
  }
}

/** Lists, claims and runs tasks of the types it knows until it is stopped. */
export function startTaskWorker(
  queue: QueueContext,
  handlers: Readonly<Record<string, TaskHandler>>,
  options: { readonly workerId?: string; readonly leaseMs?: number } = {},
): TaskWorker {
  const { workerId = "ts-worker", leaseMs = 30_000 } = options;
  let stopped = false;
  const loop = async (): Promise<void> => {
    const lister = new ReadyLister();
    while (!stopped) {
      const ready = await lister.list(queue);
      let worked = false;
      for (const { id, foundAt } of ready) {
        if (stopped) break;
        const accepts = (task: TaskRecord): boolean => handlers[task.task_type] !== undefined;
        const answer = await claimTask(queue, id, { workerId, leaseMs, foundAt, accepts });
        if (answer.kind !== "claimed") continue;
        worked = true;
        const handler = handlers[answer.claim.task.task_type];
        if (handler !== undefined) await runClaim(queue, answer.claim, handler);
      }
      if (!worked) await queue.host.clock.sleep(50);
    }
  };
  const ended = loop();
  return {
    stop: () => {
      stopped = true;
      return ended;
    },
  };
}
