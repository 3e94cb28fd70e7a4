/** Finding work: one LIST serves all shards while it fits one page; beyond that the shards take turns. */
import { DUE_PREFIX, minuteOf, minuteStart, parseIndexKey, READY_PREFIX, readyKey } from "../keys.ts";
import type { QueueContext } from "./task.ts";

const SHARDS = [..."0123456789abcdef"];

/** A task that its index key calls ready. */
export interface ReadyTask {
  readonly id: string;
  readonly foundAt: string;
}

/** Lists ready tasks, oldest minute first. */
export class ReadyLister {
  #turn = -1;

  /** Tasks whose minute has come. One LIST. */
  async list(queue: QueueContext): Promise<readonly ReadyTask[]> {
    const { store } = queue;
    const prefix = this.#turn < 0 ? READY_PREFIX : `${READY_PREFIX}${SHARDS[this.#turn % SHARDS.length] ?? "0"}/`;
    const page = await store.list(prefix);
    if (this.#turn >= 0)
      this.#turn = this.#turn >= SHARDS.length - 1 && !page.truncated ? -1 : (this.#turn + 1) % SHARDS.length;
    else if (page.truncated) this.#turn = 0;
    const until = minuteOf(store.time().latest);
    const due = page.objects.flatMap(({ key }) => {
      const entry = parseIndexKey(key);
      return entry === undefined || entry.minute > until ? [] : [{ ...entry, key }];
    });
    return due
      .toSorted((a, b) => (a.minute < b.minute ? -1 : a.minute > b.minute ? 1 : 0))
      .map(({ id, key: foundAt }) => ({ id, foundAt }));
  }
}

/** A task of our own index whose time has nearly come. */
export interface DueTask {
  readonly id: string;
  /** The start of its minute: the task itself knows better. */
  readonly availableAt: number;
}

/** Moves tasks that are due until an instant from our own index to buquet's. */
export async function listDue(queue: QueueContext, untilMs: number): Promise<readonly DueTask[]> {
  const { store } = queue;
  const until = minuteOf(untilMs);
  const page = await store.list(DUE_PREFIX);
  const due: DueTask[] = [];
  for (const { key } of page.objects) {
    const entry = parseIndexKey(key);
    if (entry === undefined) continue;
    if (entry.minute > until) break;
    const availableAt = minuteStart(entry.minute);
    await store.put(readyKey(entry.id, availableAt), "", "always");
    await store.delete(key);
    due.push({ id: entry.id, availableAt });
  }
  return due;
}
