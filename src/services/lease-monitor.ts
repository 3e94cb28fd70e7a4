/** Looks through the leases of all workers, and takes over tasks whose workers are gone. */
import { type Claim, takeOverTask } from "../queue/claim.ts";
import { checkLeases } from "../queue/monitor.ts";
import { isTick } from "../run/tasks.ts";
import { longestPauseMs } from "./claimer.ts";
import { PutOff } from "./put-off.ts";
import type { Registry } from "./registry.ts";
import type { Loop, Service } from "./service.ts";
import { serviceLoop, type WorkerScope } from "./worker-scope.ts";

/** How often leases are looked through; two thirds of the default lease, so that a crash is found within two lease periods. */
const MONITOR_SHARE = 2 / 3;

/** What a lease monitor needs. */
export interface LeaseMonitorOptions {
  readonly registry: Pick<Registry, "canRun">;
  /** For how long a task is put off at first whose lease could not be looked at, in milliseconds. */
  readonly firstPauseMs: number;
  /** Whether there is no place for another task. */
  isFull(): boolean;
  /** The tasks that this worker holds itself. */
  ownTaskIds(): Iterable<string>;
  /** Takes a claim over. */
  take(claim: Claim): void;
}

/** The lease monitor of one worker. It looks at once when it starts, so that a worker that lives for seconds looks too. */
export class LeaseMonitor implements Service {
  readonly #scope: WorkerScope;
  readonly #options: LeaseMonitorOptions;
  readonly #loop: Loop;
  readonly #repaired = new Map<string, number>();
  /** Tasks whose leases could not be looked at. One that is not for us is no such task: when its holder dies it has to be given back. */
  readonly #putOff: PutOff;

  constructor(scope: WorkerScope, options: LeaseMonitorOptions) {
    this.#scope = scope;
    this.#options = options;
    this.#putOff = new PutOff(scope.queue.host.clock);
    this.#loop = serviceLoop(scope, {
      name: "lease monitor",
      restMs: scope.leaseMs * MONITOR_SHARE,
      turn: () => this.#turn(),
    });
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

  async #turn(): Promise<void> {
    const { queue, stopping, log } = this.#scope;
    const { registry, isFull, ownTaskIds, firstPauseMs } = this.#options;
    const lines = log.fewLines();
    await checkLeases(queue, {
      ownIds: new Set(ownTaskIds()),
      repaired: this.#repaired,
      isPutOff: (taskId) => this.#putOff.has(taskId),
      onUnreadable: (key, error, taskId) => {
        this.#putOff.add(taskId, firstPauseMs, longestPauseMs(error));
        lines.warn("lease could not be looked at", error, { key });
      },
      canRun: async (task) => !isFull() && !stopping.aborted && (await registry.canRun(task)),
      onExpired: (taskId) => this.#takeOver(taskId),
    }).finally(() => lines.end());
  }

  async #takeOver(taskId: string): Promise<void> {
    const { queue, id: workerId, leaseMs, log } = this.#scope;
    const taken = await takeOverTask(queue, taskId, {
      workerId,
      leaseMs,
      handlerMayHaveBegun: (task) => !isTick(task.task_type),
    });
    if (taken.kind !== "claimed") return;
    log.info("took over a task whose worker is gone", { task: taskId });
    this.#options.take(taken.claim);
  }
}
