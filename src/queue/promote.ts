/** Our index of tasks that are due later: they move to the index of ready tasks when their time comes. */
import { DUE_PREFIX, minuteOf, minuteStart, parseIndexKey, readyKey } from "../keys.ts";
import { listKeys } from "../store/paging.ts";
import { workThrough } from "../store/work-through.ts";
import type { QueueContext } from "./task.ts";

/** A task of our own index whose time has nearly come. */
export interface DueTask {
  readonly id: string;
  /** The start of its minute: the task itself knows better. */
  readonly availableAt: number;
}

/** Options of a promotion. */
export interface PromoteOptions {
  onReady(task: DueTask): void;
  /** Called with each key that could not be moved; the others are moved. */
  onFailed(key: string, error: unknown): void;
  /** Aborts when no more are to be moved; those that are under way are moved to the end. */
  readonly stop?: AbortSignal;
}

/** How many are moved at a time; each costs one put and one delete. */
const AT_ONCE = 16;

/**
 * Moves the tasks that are due until an instant from our own index to buquet's, those that have waited longest first. One LIST for each
 * thousand, more where lists have no order. Several at once are safe: the same key is put twice.
 * @throws {WorkflowError} `unavailable` when the store does not answer.
 */
export async function promoteDue(queue: QueueContext, untilMs: number, options: PromoteOptions): Promise<void> {
  const { store } = queue;
  await workThrough(dueTasks(queue, minuteOf(untilMs), options.stop), {
    atOnce: AT_ONCE,
    work: async ({ key, id, availableAt }) => {
      await store.put(readyKey(id, availableAt), "", "always");
      options.onReady({ id, availableAt });
      await store.delete(key);
    },
    onFailed: ({ key }, error) => options.onFailed(key, error),
  });
}

async function* dueTasks(
  queue: QueueContext,
  until: string,
  stop: AbortSignal | undefined,
): AsyncGenerator<DueTask & { readonly key: string }> {
  for await (const key of listKeys(queue.store, DUE_PREFIX)) {
    if (stop?.aborted === true) return;
    const entry = parseIndexKey(key);
    if (entry === undefined) continue;
    if (entry.minute > until) return;
    yield { key, id: entry.id, availableAt: minuteStart(entry.minute) };
  }
}
