/** What a worker's rounds do for this run: stale lease keys, tasks that are nearly due, looks of the sweeper. Empty rounds are free here. */
import { activeKey, minuteOf, minuteStart, parseIndexKey } from "../keys.ts";
import { type LeaseKeys, noteLeaseKey, REPAIR_MS, staleKeys, supersededKeys } from "../queue/monitor.ts";
import { standingLook } from "../run/decide/look.ts";
import { isOver, type RunRecord } from "../run/record.ts";
import { tickTask } from "../run/tasks.ts";
import { sweepCause } from "../services/errands.ts";
import { DUE_MS, MONITOR_SHARE, SWEEP_MS } from "../services/worker.ts";
import type { Agenda } from "./agenda.ts";
import type { Ledger } from "./ledger.ts";
import type { PricedQueue, PricedTask } from "./queue.ts";

/** What the rounds look at. */
export interface UpkeepOptions {
  readonly agenda: Agenda;
  readonly ledger: Ledger;
  readonly queue: PricedQueue;
  readonly workerAt: number;
  readonly leaseMs: number;
  record(): RunRecord;
  readonly skewMarginMs: number;
  /** Drives a task that was taken over. */
  begin(task: PricedTask): void;
  /** Whether a chain of the worker holds this task now. */
  holds(taskId: string): boolean;
}

/** One kind of round. */
interface Round {
  readonly periodMs: number;
  /** When there is something to meet; infinite: nothing. */
  from(): number;
  go(): void;
}

/** The rounds of one worker, as far as they meet something of the run. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #rounds: readonly Round[];
  readonly #repaired = new Map<string, number>();
  readonly #monitorMs: number;
  #doneAt = Number.NEGATIVE_INFINITY;
  #parked = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    const { queue } = options;
    this.#monitorMs = options.leaseMs * MONITOR_SHARE;
    this.#rounds = [
      { periodMs: this.#monitorMs, from: () => earliest(queue.leases), go: () => this.#monitor() },
      {
        periodMs: SWEEP_MS,
        from: () => (this.#parked ? Number.POSITIVE_INFINITY : earliest(queue.active)),
        go: () => this.#sweep(),
      },
      { periodMs: DUE_MS, from: () => earliest(queue.due.keys()) - 2 * DUE_MS, go: () => this.#promote() },
    ];
  }

  /** The first entry of the active index, which the start has paid for. */
  file(lookAt: number): void {
    this.#options.queue.active.add(activeKey(this.#options.record().id, lookAt));
  }

  /** When a round next meets something. `parked`: the looks at a run that only waits are left out. */
  nextAt(parked: boolean): number {
    this.#parked = parked;
    return Math.min(...this.#rounds.map((round) => this.#nextOf(round)));
  }

  /** Goes all rounds of this instant. */
  step(at: number): void {
    const due = this.#rounds.filter((round) => this.#nextOf(round) === at);
    this.#options.agenda.moveTo(at);
    this.#doneAt = at;
    for (const round of due) round.go();
  }

  /** The first round, after those that were gone, that comes when something is there. A worker goes all of them when it starts. */
  #nextOf({ periodMs, from }: Round): number {
    const { agenda, workerAt } = this.#options;
    const least = Math.max(from(), agenda.now, workerAt);
    if (least === Number.POSITIVE_INFINITY) return least;
    const at = this.#roundFrom(least, periodMs);
    return at > this.#doneAt ? at : at + periodMs;
  }

  /** The first round of this period at that instant or later. */
  #roundFrom(at: number, periodMs: number): number {
    const { workerAt } = this.#options;
    return workerAt + Math.ceil((at - workerAt) / periodMs) * periodMs;
  }

  /** As `checkLeases` does it: one read for each task that has lease keys whose minute has come. */
  #monitor(): void {
    const { agenda, ledger, queue, holds } = this.#options;
    const until = minuteOf(agenda.now);
    const leases = new Map<string, LeaseKeys>();
    for (const key of queue.leases) noteLeaseKey(leases, key, until, holds);
    for (const [id, at] of this.#repaired)
      if (!leases.has(id) || this.#wasHeldInARound(id, at)) this.#repaired.delete(id);
    for (const [id, keys] of leases) {
      if (keys.due.length === 0) continue;
      ledger.charge("stale lease key");
      const task = queue.tasks.get(id);
      if (task?.status === "pending") {
        this.#drop(supersededKeys(keys, task.updatedAt));
        if (agenda.now - (this.#repaired.get(id) ?? Number.NEGATIVE_INFINITY) < REPAIR_MS) continue;
        queue.rekey(task, false);
        this.#repaired.set(id, agenda.now);
      } else if (task?.status !== "running") this.#drop(keys.due.map(({ key }) => key));
      else if (agenda.now > task.leaseUntil + this.#options.skewMarginMs) {
        queue.takeOver(task);
        this.#options.begin(task);
      } else {
        const stale = staleKeys(keys, task.leaseUntil);
        if (stale.length > 0) queue.rekey(task, false);
        this.#drop(stale);
      }
    }
  }

  /** A task that the worker holds in a round is not looked at, and its repair is forgotten; rounds that meet nothing are not gone here. */
  #wasHeldInARound(id: string, sinceMs: number): boolean {
    const task = this.#options.queue.tasks.get(id);
    if (task === undefined || task.claimedAt < sinceMs) return false;
    return this.#roundFrom(task.claimedAt, this.#monitorMs) < task.updatedAt;
  }

  #drop(keys: readonly string[]): void {
    for (const key of keys) {
      this.#options.ledger.charge("unindex");
      this.#options.queue.leases.delete(key);
    }
  }

  #promote(): void {
    const { agenda, ledger, queue } = this.#options;
    const until = minuteOf(agenda.now + 2 * DUE_MS);
    for (const key of queue.due.keys()) {
      const minute = parseIndexKey(key)?.minute ?? "";
      if (minute > until) continue;
      ledger.charge("promote");
      queue.due.delete(key);
    }
  }

  #sweep(): void {
    const { agenda, ledger, queue } = this.#options;
    const record = this.#options.record();
    const now = agenda.now;
    // What stands there as the round begins: a look may file the run in the same minute again.
    const listed = [...queue.active];
    for (const key of listed) {
      const minute = parseIndexKey(key)?.minute ?? "";
      if (minute > minuteOf(now)) continue;
      ledger.charge("sweep");
      const lookAt = record.machine?.look_at ?? null;
      if (isOver(record.status) && lookAt === null) {
        ledger.charge("unlook");
        queue.active.delete(key);
      } else if (lookAt !== null && minuteOf(lookAt) > minute) this.#move(key, lookAt);
      else {
        const cause = sweepCause(now);
        queue.create(tickTask(record, cause), { cause }, "sweep tick");
        this.#move(key, standingLook(record, now));
      }
    }
  }

  #move(key: string, lookAt: number): void {
    const { ledger, queue } = this.#options;
    const next = activeKey(this.#options.record().id, lookAt);
    if (next === key) return;
    ledger.charge("look");
    ledger.charge("unlook");
    queue.active.delete(key);
    queue.active.add(next);
  }
}

/** When the first of these index keys has its minute. */
function earliest(keys: Iterable<string>): number {
  let first = Number.POSITIVE_INFINITY;
  for (const key of keys) first = Math.min(first, minuteStart(parseIndexKey(key)?.minute ?? ""));
  return first;
}
