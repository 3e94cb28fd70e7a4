/** The claims that one worker works on: each is driven to its end, and the places for handlers are counted. */
import { stateKey } from "../keys.ts";
import type { Claim } from "../queue/claim.ts";
import { recordCodec } from "../run/record/codec.ts";
import { insist } from "../store/again.ts";
import { readDocument } from "../store/document.ts";
import { ClaimedTask, type ClaimedTaskContext } from "./claimed-task.ts";
import type { DriveEnd } from "./driver.ts";
import type { Registry } from "./registry.ts";
import { Lifecycle, type Service } from "./service.ts";
import type { WorkerScope } from "./worker-scope.ts";

/** What the drivers of a worker need. */
export interface DriversOptions {
  readonly registry: Pick<Registry, "wakeUpOf">;
  readonly context: ClaimedTaskContext;
  /** How many claims are worked on at once. */
  readonly concurrency: number;
  /** Told when a place became free. */
  onFree(): void;
  /** Told how a task was driven to its end. */
  onDriven(taskId: string, end: DriveEnd): void;
}

/** The drivers of one worker. Stopping waits until no claim is held any more. */
export class Drivers implements Service {
  readonly #scope: WorkerScope;
  readonly #options: DriversOptions;
  readonly #life: Lifecycle;
  readonly #tasks = new Map<string, ClaimedTask>();
  readonly #running = new Set<Promise<void>>();
  #done = 0;
  #failed = 0;

  constructor(scope: WorkerScope, options: DriversOptions) {
    this.#scope = scope;
    this.#options = options;
    this.#life = new Lifecycle({
      name: "drivers",
      clock: scope.queue.host.clock,
      stopMs: scope.stopMs,
      begin: async () => {},
      end: async () => {
        while (this.#running.size > 0) await Promise.all(this.#running);
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

  /** Whether there is no place for another claim. */
  get isFull(): boolean {
    return this.#running.size >= this.#options.concurrency;
  }

  /** How many claims were driven to an end, and how many failed on the way. */
  get counts(): { readonly done: number; readonly failed: number } {
    return { done: this.#done, failed: this.#failed };
  }

  /** The tasks that are held now. */
  get held(): readonly ClaimedTask[] {
    return [...this.#tasks.values()];
  }

  /** Drives a claim to its end. */
  take(claim: Claim): void {
    const work = this.#drive(claim).catch((error: unknown) => {
      this.#failed += 1;
      if (this.#scope.over.aborted) return;
      const message = "a task could not be driven to its end; its lease runs out and it is tried again";
      this.#scope.log.error(message, error, { task: claim.task.id });
    });
    this.#running.add(work);
    void work.finally(() => {
      this.#running.delete(work);
      this.#options.onFree();
    });
  }

  /** Tells the handler of a task, if it runs here, that its run stops. Answers whether its lease is live here. */
  requestCancel(taskId: string): boolean {
    return this.held.some((task) => task.requestCancel(taskId));
  }

  async #drive(claim: Claim): Promise<void> {
    const wakeUp = this.#options.registry.wakeUpOf(claim.task);
    if (wakeUp === undefined) return;
    const { runId } = wakeUp;
    const workflow = wakeUp.workflow ?? (await this.#typeOf(runId, claim));
    const task = new ClaimedTask(this.#options.context, claim, workflow ?? "", runId);
    this.#tasks.set(claim.task.id, task);
    try {
      const end = await task.run(wakeUp);
      this.#done += 1;
      this.#options.onDriven(claim.task.id, end);
      this.#scope.signals.emit({ signal: "driven", run: runId, task: claim.task.id, end: end.kind });
    } finally {
      this.#tasks.delete(claim.task.id);
    }
  }

  async #typeOf(runId: string, claim: Claim): Promise<string | undefined> {
    const { host, store } = this.#scope.queue;
    const read = await insist(
      host,
      () => host.clock.monotonic() < claim.leaseUntil,
      () => readDocument(store, stateKey(runId), recordCodec),
    );
    return read.kind === "found" ? read.value.type : undefined;
  }
}
