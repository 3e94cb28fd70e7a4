/** Finds ready tasks: one LIST serves all shards while it fits one page; beyond that the shards take turns. */
import { minuteOf, parseIndexKey, READY_PREFIX } from "../keys.ts";
import type { ListOptions, ListPage } from "../store/object-store.ts";
import { nextPage } from "../store/paging.ts";
import type { QueueContext } from "./task.ts";

const SHARDS = [..."0123456789abcdef"];

/** A task that is ready by its index key. */
export interface ReadyTask {
  readonly id: string;
  readonly foundAt: string;
}

/** Lists ready tasks, oldest minute first. */
export class ReadyLister {
  /** Undefined: one LIST for all. */
  #shard: number | undefined;
  #from: ListOptions = {};

  /** Tasks whose minute has come; where processes have clocks of their own, all: what is not due says so when it is claimed. One LIST. */
  async list(queue: QueueContext): Promise<readonly ReadyTask[]> {
    const { store } = queue;
    const prefix = this.#shard === undefined ? READY_PREFIX : `${READY_PREFIX}${SHARDS[this.#shard] ?? "0"}/`;
    const page = await store.list(prefix, this.#from);
    const until = store.capabilities.localClock === true ? undefined : minuteOf(store.time().latest);
    const due = page.objects.flatMap(({ key }) => {
      const entry = parseIndexKey(key);
      return entry === undefined || (until !== undefined && entry.minute > until) ? [] : [{ ...entry, key }];
    });
    this.#turn(page, due.at(-1)?.key);
    return due
      .toSorted((a, b) => (a.minute < b.minute ? -1 : a.minute > b.minute ? 1 : 0))
      .map(({ id, key: foundAt }) => ({ id, foundAt }));
  }

  /**
   * A shard whose page is full of due keys goes on behind them: tasks that nobody here runs must not hide the others (C-3). A page in no
   * order says nothing about those behind it.
   */
  #turn(page: ListPage, lastDue: string | undefined): void {
    if (this.#shard === undefined) {
      this.#shard = page.truncated ? 0 : undefined;
      return;
    }
    const mayHideDue = page.cursor !== undefined || page.objects.at(-1)?.key === lastDue;
    const from = mayHideDue ? nextPage(page) : undefined;
    this.#from = from ?? {};
    if (from !== undefined) return;
    this.#shard = this.#shard + 1 < SHARDS.length ? this.#shard + 1 : undefined;
  }
}
