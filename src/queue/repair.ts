/**
 * Repairs the index: finds tasks without an index key in the task log itself.
 *
 * This package puts every key before it is needed and removes none too early. What this finds was left by a submitter that died between a
 * task and its key, or by a program of buquet (C-2, C-4, C-5). It reads every task, and is therefore run by hand or once in a while.
 */
import { TASKS_PREFIX } from "../keys.ts";
import { callback, type ChecksOf, count, readSettings, text } from "../settings.ts";
import { readDocument } from "../store/document.ts";
import { isOrdered, nextPage } from "../store/paging.ts";
import { isLeaseOver } from "./claim.ts";
import { repairIndex } from "./index-keys.ts";
import { millisOf, type QueueContext, taskCodec, type TaskRecord } from "./task.ts";

/** A task whose key is late by less than this may still be on its way. */
const LATE_MS = 60_000;

/** Options of `repairTasks`, which works on one page of the task log. */
export interface RepairOptions {
  /** Where to continue: `next` of the page before. @defaultValue the beginning */
  readonly after?: string;
  /** The most tasks that are read: 1 to 1000. @defaultValue 1000 */
  readonly limit?: number;
  /** Called with each task that cannot be read; the task is left as it is. @defaultValue nothing */
  readonly onUnreadable?: (key: string, error: unknown) => void;
}

const CHECKS = { after: text, limit: count(1, 1_000), onUnreadable: callback } satisfies ChecksOf<RepairOptions>;

/** What `repairTasks` did. */
export interface RepairedTasks {
  /** The ids of the tasks whose index keys were put again. */
  readonly repaired: readonly string[];
  /** Where to continue; undefined at the end. */
  readonly next: string | undefined;
}

/** Gives overdue tasks of one page of the task log their index keys again. One LIST, a GET for each task, a PUT for each that is stuck. */
export async function repairTasks(queue: QueueContext, options: RepairOptions = {}): Promise<RepairedTasks> {
  const { after, limit = 1_000 } = readSettings("repairTasks", CHECKS, options);
  const from = after === undefined ? {} : isOrdered(queue.store) ? { after } : { cursor: after };
  const page = await queue.store.list(TASKS_PREFIX, { limit, ...from });
  const repaired: string[] = [];
  for (const { key } of page.objects) {
    try {
      const read = await readDocument(queue.store, key, taskCodec);
      if (read.kind === "missing" || !isOverdue(queue, read.value)) continue;
      await repairIndex(queue, read.value, false);
      repaired.push(read.value.id);
    } catch (error) {
      options.onUnreadable?.(key, error);
    }
  }
  const next = nextPage(page);
  return { repaired, next: next?.cursor ?? next?.after };
}

function isOverdue(queue: QueueContext, task: TaskRecord): boolean {
  if (task.status === "running") return isLeaseOver(queue, task);
  return task.status === "pending" && millisOf(task.available_at) < queue.store.time().earliest - LATE_MS;
}
