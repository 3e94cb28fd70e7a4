/** Says in the bucket that a worker lives and what it runs, again and again, and withdraws that when it stops. */
import { announcementKey } from "../keys.ts";
import { announcementCodec, type Announcement } from "../programs/announcements.ts";
import { deregisterWorker, registerWorker } from "../queue/workers.ts";
import { leashStore } from "../store/leash.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { Lifecycle, type Loop, type Service } from "./service.ts";
import { latestNow, serviceLoop, type WorkerScope } from "./worker-scope.ts";

/** How often a worker says that it lives: two puts. */
const ANNOUNCE_MS = 60_000;

/** What an announcer needs. */
export interface AnnouncerOptions {
  /** The store for the withdrawal, which is written while the worker ends. */
  readonly store: ObjectStore;
  /** What the worker runs. */
  readonly workflows: Announcement["workflows"];
  /** How many tasks it has ended, and how many failed. */
  counts(): { readonly done: number; readonly failed: number };
}

/** The announcer of one worker. Started, it has announced the worker; others leave runs to one that is announced. */
export class Announcer implements Service {
  readonly #scope: WorkerScope;
  readonly #options: AnnouncerOptions;
  readonly #life: Lifecycle;
  #loop: Loop | undefined;
  #startedAt = 0;
  #isAnnounced = false;

  constructor(scope: WorkerScope, options: AnnouncerOptions) {
    this.#scope = scope;
    this.#options = options;
    this.#life = new Lifecycle({
      name: "announcer",
      clock: scope.queue.host.clock,
      stopMs: scope.stopMs,
      begin: () => this.#begin(),
      end: (over) => this.#withdraw(over),
      // Later than that the worker has told it.
      unfinished: (error) => {
        if (!scope.over.aborted) this.tellUnfinished(error);
      },
    });
  }

  start(): Promise<void> {
    return this.#life.start();
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Logs that an announcement still stands, if it does. */
  tellUnfinished(error: unknown): void {
    if (!this.#isAnnounced) return;
    this.#scope.log.warn("this worker could not withdraw its announcement; it expires by itself within 75 s", error);
  }

  async #begin(): Promise<void> {
    this.#startedAt = latestNow(this.#scope.queue);
    this.#isAnnounced = true;
    await this.#announce();
    this.#loop = serviceLoop(this.#scope, {
      name: "announcer",
      firstRestMs: ANNOUNCE_MS,
      restMs: ANNOUNCE_MS,
      turn: () => this.#announce(),
    });
    await this.#loop.start();
  }

  async #announce(): Promise<void> {
    const { queue, id: workerId } = this.#scope;
    const { done, failed } = this.#options.counts();
    const seen = { worker_id: workerId, seen_at: latestNow(queue), workflows: this.#options.workflows };
    await Promise.all([
      queue.store.put(announcementKey(workerId), announcementCodec.encode(seen), "always"),
      registerWorker(queue, { workerId, startedAt: this.#startedAt, tasksCompleted: done, tasksFailed: failed }),
    ]);
  }

  async #withdraw(over: AbortSignal): Promise<void> {
    // An announcement under way would come after its own withdrawal.
    await this.#loop?.stop();
    if (!this.#isAnnounced) return;
    const { queue, id } = this.#scope;
    const store = leashStore(this.#options.store, over);
    await store.delete(announcementKey(id));
    await deregisterWorker({ ...queue, store }, id);
    this.#isAnnounced = false;
  }
}
