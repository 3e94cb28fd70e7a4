/**
 * Plays one run with the real worker and the real client, on a bucket in memory with a virtual clock, and counts their requests.
 *
 * Client and worker count as two processes: the worker learns of a run only by its own polls. The clock skips the time in which no index
 * leads the worker to anything; only idle rounds fall into that time, and these are not part of the cost of a run.
 */
import type { PlanProgram } from "../../machines/plan/program.ts";
import type { OpenWait, RunStatus } from "../../machines/snapshot.ts";
import { WorkflowClient } from "../client/client.ts";
import type { AnyWorkflow } from "../define/workflow.ts";
import { isWorkflowError } from "../errors.ts";
import { silentLogger } from "../host/logger.ts";
import { seededRandom } from "../host/seeded.ts";
import { ACTIVE_PREFIX, DUE_PREFIX, LEASES_PREFIX, READY_PREFIX, stateKey } from "../keys.ts";
import { handleOf, type QueueHandle } from "../queue/handle.ts";
import type { RunRecord } from "../run/record/record.ts";
import { recordCodec } from "../run/record/codec.ts";
import { openWaits } from "../run/view.ts";
import { Worker } from "../services/worker.ts";
import { DEFAULT_POLL_MS } from "../services/worker-options.ts";
import { MemoryStore } from "../store/memory.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { KitTime } from "../testing/time/kit-time.ts";
import { MeteredBucket } from "./metered-bucket.ts";
import type { CostPath, ScheduledCommand } from "./path.ts";
import type { Requests } from "./requests.ts";
import { stubsOf } from "./stubs.ts";

/** What to play. */
export interface Played {
  /** All of its steps run here, including remote ones. */
  readonly program: PlanProgram;
  /** Undefined: no run is started. */
  readonly path?: CostPath;
}

/** How to play it. Times are in milliseconds. */
export interface MeasureSettings {
  readonly leaseMs: number;
  /** How often runs of workflows with `foreign: true` are checked for changes. */
  readonly foreignPollMs: number;
  /** How long a request takes. @defaultValue 20 */
  readonly requestMs?: number;
  /** Counted from so long after the start. @defaultValue 0 */
  readonly fromMs?: number;
  /** Counted for exactly so long. @defaultValue until nothing more would happen but the daily look at a run that waits */
  readonly forMs?: number;
  /** Opens the bucket. @defaultValue a store in memory */
  readonly open?: (time: KitTime) => ObjectStore;
}

/** The counts. */
export interface Measured {
  /** The requests of the run by purpose, in the order in which each purpose first occurred. */
  readonly reasons: ReadonlyMap<string, Requests>;
  /** The requests that an idle worker sends as well: its rounds, unless the clock skipped them, and its announcements. */
  readonly idle: ReadonlyMap<string, Requests>;
  /** Undefined when no run was started. */
  readonly status: RunStatus | undefined;
  /** How many requests were sent, idle ones among them: a measure of the work, which does not depend on the machine. */
  readonly events: number;
}

/** Where a lease key moves to another minute depends on when a run starts: here the lease of a short run stays within its minute. */
const WORKER_AT = 1_767_225_600_000;
const START_AT = WORKER_AT + 80_000;
/** Usual for a bucket in the same region. */
const REQUEST_MS = 20;
/** A run that only waits for a person is checked once a day. A run is measured for at most a year. */
const LONGEST_MS = 366 * 86_400_000;
/** How often to check whether the run has come to rest; it has when two checks in a row say so. */
const CHECK_MS = 5_000;
/**
 * Tasks that are due later are moved to the ready ones at least so long before; and then no poll falls on the instant at which one is due.
 */
const PROMOTED_MS = 182_500;
/** Real milliseconds after which an unanswered request is given up. A store in memory answers at once. */
const PATIENCE_MS = 30_000;
const RUN_ID = "priced";

/** Plays a run along a path, or without a path an idle worker. */
export function measure(played: Played, settings: MeasureSettings): Promise<Measured> {
  return new Measurement(played, settings).run();
}

class Measurement {
  readonly #path: CostPath | undefined;
  readonly #settings: MeasureSettings;
  readonly #time: KitTime;
  readonly #bucket: MeteredBucket;
  readonly #workflow: AnyWorkflow;
  readonly #program: PlanProgram;
  readonly #client: WorkflowClient;
  readonly #worker: Worker;
  readonly #crash: () => void;
  readonly #answered = new Set<string>();
  readonly #called = new Set<string>();
  /** Planned work that has not ended: calls of the client, handlers. */
  #pending = 0;
  #record: string | undefined;
  #failed: unknown;

  constructor({ program, path }: Played, settings: MeasureSettings) {
    const { requestMs = REQUEST_MS, open = memory, leaseMs, foreignPollMs } = settings;
    this.#path = path;
    this.#program = program;
    this.#settings = settings;
    this.#time = new KitTime(WORKER_AT, PATIENCE_MS, async () => this.#quietUntil());
    this.#bucket = new MeteredBucket(open(this.#time), RUN_ID, {
      requestMs,
      pollMs: DEFAULT_POLL_MS,
      onRecord: (body) => this.#seen(body),
    });
    const life = this.#time.makeLife();
    this.#crash = () => life.crash();
    this.#workflow = stubsOf(program, path ?? { name: "idle" }, {
      sleep: (ms) => this.#during(() => this.#time.sleep(ms, {})),
      called: (step) => this.#call(step),
    });
    const workflows = [this.#workflow];
    this.#client = new WorkflowClient(this.#process(1, this.#time.freeClock), { workflows });
    this.#worker = new Worker(this.#process(2, this.#time.clockOf(life)), {
      workflows,
      id: "worker",
      lease: leaseMs,
      foreignPoll: foreignPollMs,
    });
  }

  async run(): Promise<Measured> {
    await this.#time.skipUntil(this.#play());
    this.#crash();
    if (this.#failed !== undefined) throw this.#failed;
    const { reasons, idle } = this.#bucket.bill();
    const events = [...reasons.values(), ...idle.values()].flatMap((bill) => Object.values(bill));
    return { reasons, idle, status: this.#read()?.status, events: events.reduce((sum, count) => sum + count, 0) };
  }

  #process(seed: number, clock: QueueHandle["context"]["host"]["clock"]): QueueHandle {
    return handleOf(this.#bucket.seenBy(clock), { clock, random: seededRandom(seed), logger: silentLogger });
  }

  async #play(): Promise<void> {
    const { clock } = this.#time;
    const { fromMs = 0, forMs } = this.#settings;
    await this.#worker.start();
    await this.#time.sleep(START_AT - clock.now(), {});
    if (this.#path !== undefined) {
      for (const one of this.#path.commands ?? []) if (one.after.step === undefined) this.#schedule(one);
      await this.#client.start(this.#workflow, null, { id: RUN_ID });
    }
    if (forMs !== undefined) {
      await this.#time.sleep(START_AT + fromMs - clock.now(), {});
      this.#bucket.forget();
      return this.#time.sleep(forMs, {});
    }
    for (let restful = 0; restful < 2 && clock.now() < START_AT + LONGEST_MS;) {
      // On a clock whose sleeps the leaps pass over.
      await this.#time.freeClock.sleep(CHECK_MS);
      restful = this.#isAtRest() ? restful + 1 : 0;
    }
  }

  /** Whether nothing would still happen but the daily look at a run that is not over. */
  #isAtRest(): boolean {
    const leading = [READY_PREFIX, LEASES_PREFIX, DUE_PREFIX] as const;
    return this.#pending === 0 && leading.every((index) => this.#bucket.firstIn(index) === Number.POSITIVE_INFINITY);
  }

  /**
   * Until when no index leads the worker to anything; now, while anything is leased, while runs are asked for changes, and while idle
   * rounds are counted.
   */
  #quietUntil(): number {
    const bucket = this.#bucket;
    const isBusy = bucket.underWay > 0 || bucket.firstIn(LEASES_PREFIX) < Number.POSITIVE_INFINITY;
    const isIdle = this.#path === undefined;
    if (isBusy || isIdle || this.#program.foreign) return this.#time.clock.now();
    const dueAt = bucket.firstIn(DUE_PREFIX) - PROMOTED_MS;
    return Math.min(bucket.firstIn(READY_PREFIX), dueAt, bucket.firstIn(ACTIVE_PREFIX));
  }

  // ------------------------------------------------------------------ what the path says

  #seen(record: string): void {
    this.#record = record;
    const answers = this.#path?.answers ?? new Map<string, number>();
    if (answers.size === 0) return;
    for (const wait of this.#openWaits()) {
      const id = waitId(wait);
      const afterMs = answers.get(wait.signal);
      if (this.#answered.has(id) || afterMs === undefined) continue;
      this.#answered.add(id);
      this.#later(afterMs, async () => {
        const isOpen = this.#openWaits().some((open) => waitId(open) === id);
        if (isOpen) await this.#client.signal(RUN_ID, wait.signal, null);
      });
    }
  }

  #openWaits(): readonly OpenWait[] {
    const record = this.#read();
    return record === undefined ? [] : openWaits(record, this.#program);
  }

  #read(): RunRecord | undefined {
    return this.#record === undefined ? undefined : recordCodec.decode(this.#record, stateKey(RUN_ID));
  }

  #call(step: string): void {
    if (this.#called.has(step)) return;
    this.#called.add(step);
    for (const one of this.#path?.commands ?? []) if (one.after.step === step) this.#schedule(one);
  }

  #schedule({ command, after }: ScheduledCommand): void {
    this.#later(after.ms, () => {
      switch (command.type) {
        case "cancel":
          return this.#client.cancel(RUN_ID, { compensate: command.compensate });
        case "skip":
          return this.#client.skip(RUN_ID, command.step);
        case "pause":
        case "resume":
        case "retry":
        case "terminate":
          return this.#client[command.type](RUN_ID);
      }
    });
  }

  #later(ms: number, act: () => Promise<void>): void {
    const wait = async (): Promise<void> => {
      await this.#time.sleep(ms, {});
      await act();
    };
    // What comes too late for the run is refused, as it would be.
    this.#during(wait).catch((error: unknown) => {
      if (!isWorkflowError(error, "invalid")) this.#failed ??= error;
    });
  }

  async #during<T>(act: () => Promise<T>): Promise<T> {
    this.#pending += 1;
    try {
      return await act();
    } finally {
      this.#pending -= 1;
    }
  }
}

function memory(time: KitTime): ObjectStore {
  return new MemoryStore({ clock: time.freeClock, versions: false });
}

function waitId({ signal, step, generation, wake }: OpenWait): string {
  return JSON.stringify([signal, step, generation, wake]);
}
