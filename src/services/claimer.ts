/** Finds tasks that are ready, by lists and by what this process knows, and claims them while there is a place for them. */
import { type Claim, claimTask } from "../queue/claim.ts";
import { ReadyLister, type ReadyTask } from "../queue/poll.ts";
import { isUnanswered } from "../store/again.ts";
import { workThrough } from "../store/work-through.ts";
import { Hints } from "./hints.ts";
import { PutOff } from "./put-off.ts";
import type { Registry } from "./registry.ts";
import type { Loop, Service } from "./service.ts";
import { latestNow, serviceLoop, type WorkerScope } from "./worker-scope.ts";

/** A task that this worker cannot run is asked for again after this at first, then each time after twice as long, */
const IGNORE_MS = 300_000;
/** and the task of a run that it cannot read after this; others may be able to. */
const UNREADABLE_MS = 60_000;
/** No pause is longer. */
const LONGEST_IGNORE_MS = 3_600_000;
/** When the store did not answer for a task, this is the longest pause. */
const LONGEST_SILENCE_MS = 60_000;

/** For how long at most something is put off that could not be looked at: what cannot be read stays so until somebody repairs it. */
export function longestPauseMs(error: unknown): number {
  return isUnanswered(error) ? LONGEST_SILENCE_MS : LONGEST_IGNORE_MS;
}

/** What a claimer needs. */
export interface ClaimerOptions {
  readonly registry: Pick<Registry, "accepts">;
  /** How often an idle claimer lists, in milliseconds. */
  readonly pollMs: number;
  /** Whether there is no place for another task. */
  isFull(): boolean;
  /** Takes a claim over. */
  take(claim: Claim): void;
}

/** A task that may be ready: found by a list, or known to this process. */
type FoundTask = Pick<ReadyTask, "id"> & Partial<ReadyTask>;

/** The claimer of one worker. */
export class Claimer implements Service {
  readonly #scope: WorkerScope;
  readonly #options: ClaimerOptions;
  readonly #loop: Loop;
  readonly #lister = new ReadyLister();
  readonly #hints = new Hints();
  /** Tasks by id that were asked for in vain. */
  readonly #putOff: PutOff;
  #nextListAt = 0;

  constructor(scope: WorkerScope, options: ClaimerOptions) {
    this.#scope = scope;
    this.#options = options;
    this.#putOff = new PutOff(scope.queue.host.clock);
    this.#loop = serviceLoop(scope, { name: "poll", restMs: options.pollMs, turn: () => this.#turn() });
  }

  start(): Promise<void> {
    return this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** A place became free: looks for work now. */
  wake(): void {
    this.#loop.wake();
  }

  /** A task of this process is due at an instant (milliseconds since 1970): it is asked for then, without a list. */
  hint(taskId: string, availableAt: number): void {
    if (this.#scope.stopping.aborted) return;
    const isNext = availableAt < this.#hints.nextAt;
    this.#hints.set(taskId, availableAt);
    if (isNext) this.#loop.wake();
  }

  /** As `hint`, from an index that knows only the minute: where the instant is known already, that holds. */
  hintAbout(taskId: string, availableAt: number): void {
    if (this.#hints.at(taskId) === undefined) this.hint(taskId, availableAt);
  }

  /** A task was driven to an end. `isUnreadable`: its run cannot be read here, so it is put off. */
  driven(taskId: string, isUnreadable: boolean): void {
    if (isUnreadable) this.#putOff.add(taskId, UNREADABLE_MS, LONGEST_IGNORE_MS);
    else this.#putOff.forget(taskId);
  }

  /** One turn: hints of this process first, then one LIST when it is time. Returns how long to rest. */
  async #turn(): Promise<number> {
    const { queue, signals } = this.#scope;
    const { isFull, pollMs } = this.#options;
    const { clock } = queue.host;
    await this.#claimAll(this.#dueHints());
    if (!isFull() && clock.monotonic() >= this.#nextListAt) {
      const found = await this.#lister.list(queue);
      const claimed = await this.#claimAll(this.#readyTasks(found));
      signals.emit({ signal: "polled", found: found.length, claimed });
      if (claimed === 0) this.#nextListAt = clock.monotonic() + pollMs;
    }
    if (isFull()) return pollMs;
    return Math.max(1, Math.min(this.#nextListAt - clock.monotonic(), this.#hints.nextAt - latestNow(queue)));
  }

  /** The tasks of a list, as long as there is a place for them. A crowd that nobody here runs keeps no hint of this process waiting. */
  *#readyTasks(found: readonly ReadyTask[]): Generator<FoundTask> {
    for (const task of found) {
      yield* this.#dueHints();
      if (this.#isClosed()) return;
      // Asked for before, and not due yet.
      if ((this.#hints.at(task.id) ?? 0) <= latestNow(this.#scope.queue)) yield task;
    }
  }

  /** The tasks that this process knows to be due, as long as there is a place for them. */
  *#dueHints(): Generator<FoundTask> {
    const now = latestNow(this.#scope.queue);
    while (!this.#isClosed()) {
      const id = this.#hints.takeDue(now);
      if (id === undefined) return;
      yield { id };
    }
  }

  #isClosed(): boolean {
    return this.#options.isFull() || this.#scope.stopping.aborted;
  }

  /** Tries to claim tasks, one after the other, and says how many of a list it got. @throws when the store is away. */
  async #claimAll(tasks: Iterable<FoundTask>): Promise<number> {
    const lines = this.#scope.log.fewLines();
    let claimed = 0;
    await workThrough(tasks, {
      work: async ({ id, foundAt }) => {
        if ((await this.#claim(id, foundAt)) && foundAt !== undefined) claimed += 1;
      },
      onFailed: ({ id }, error) => {
        lines.warn("task could not be claimed", error, { task: id });
        this.#putOff.add(id, this.#options.pollMs, longestPauseMs(error));
      },
    }).finally(() => lines.end());
    return claimed;
  }

  async #claim(taskId: string, foundAt?: string): Promise<boolean> {
    if (this.#putOff.has(taskId)) return false;
    const { queue, id: workerId, leaseMs } = this.#scope;
    const answer = await claimTask(queue, taskId, {
      workerId,
      leaseMs,
      accepts: (task) => this.#options.registry.accepts(task),
      ...(foundAt === undefined ? {} : { foundAt }),
    });
    if (answer.kind === "claimed") {
      this.#options.take(answer.claim);
      return true;
    }
    if (answer.kind === "not_mine") this.#putOff.add(taskId, IGNORE_MS, LONGEST_IGNORE_MS);
    if (answer.kind === "not_due") this.#hints.set(taskId, Math.max(answer.availableAt, latestNow(queue) + 1));
    return false;
  }
}
