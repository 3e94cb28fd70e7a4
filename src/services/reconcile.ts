/** Has one run compared with its tasks, timers and inbox now, whatever the active index says of it. */
import { RunNotFoundError } from "../errors.ts";
import { activeKey, stateKey } from "../keys.ts";
import { createTask } from "../queue/submit.ts";
import type { QueueContext } from "../queue/task.ts";
import { standingCheck } from "../run/decide/next-check.ts";
import { recordCodec } from "../run/record/codec.ts";
import { readDocument } from "../store/document.ts";
import { reconcileAt, reconcileTick } from "../run/wakeups/reconcile.ts";
import { isDone, type SweptRun } from "./sweeper.ts";

/**
 * Puts a task that makes the next worker compare the run with its tasks, timers and inbox, and gives the run an entry in the active index.
 * For a record that was put back by hand: the index knows only the run that it was. Twice in a minute is the same as once.
 * @throws {RunNotFoundError} without a record. {WorkflowError} `data` for a record that cannot be read.
 */
export async function reconcileRun(queue: QueueContext, runId: string): Promise<SweptRun> {
  const read = await readDocument(queue.store, stateKey(runId), recordCodec);
  if (read.kind === "missing") throw new RunNotFoundError(runId);
  const record = read.value;
  if (isDone(record, queue)) return { runId, status: record.status, action: "forgotten" };
  const now = Math.round(queue.store.time().latest);
  // The entry first: a run whose only token is this task would be lost with it.
  await queue.store.put(activeKey(runId, standingCheck(record, now)), "", "always");
  await createTask(queue, reconcileTick.task({ id: runId, type: record.type }, reconcileAt(now)));
  return { runId, status: record.status, action: "ticked" };
}
