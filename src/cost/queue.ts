/** The queue as far as it costs something: tasks and index keys by name, and what each act on them sends. */
import { activeKey, dueKey, leaseKey } from "../keys.ts";
import { PARK_MS } from "../queue/index-keys.ts";
import type { TaskSpec } from "../queue/task.ts";
import type { FlightRef } from "../run/record.ts";
import type { TickCause } from "../run/tasks.ts";
import type { Agenda } from "./agenda.ts";
import type { Ledger } from "./ledger.ts";
import type { RuleName } from "./rules.ts";

/** What a task is for. */
export type Work = { readonly flight: FlightRef } | { readonly cause: TickCause };

/** A task object. Times are milliseconds since 1970. */
export interface PricedTask {
  readonly id: string;
  readonly work: Work;
  readonly createdAt: number;
  readonly maxRetries: number;
  readonly ownOnly: boolean;
  status: "pending" | "running" | "completed" | "failed" | "cancelled";
  attempt: number;
  retries: number;
  availableAt: number;
  leaseUntil: number;
  /** When it was claimed last. */
  claimedAt: number;
  updatedAt: number;
}

/** All tasks of one run. */
export class PricedQueue {
  readonly tasks: Map<string, PricedTask> = new Map();
  readonly leases: Set<string> = new Set();
  readonly due: Map<string, PricedTask> = new Map();
  readonly active: Set<string> = new Set();
  /** Told of tasks that are ready, so that nobody has to list for them. */
  onReady: (taskId: string, at: number) => void = () => {};
  readonly #agenda: Agenda;
  readonly #ledger: Ledger;
  readonly #leaseMs: number;
  readonly #runId: string;

  constructor(agenda: Agenda, ledger: Ledger, leaseMs: number, runId: string) {
    this.#agenda = agenda;
    this.#ledger = ledger;
    this.#leaseMs = leaseMs;
    this.#runId = runId;
  }

  /** Puts a pending task; one that exists gets its index key again. */
  create(spec: TaskSpec, work: Work, rule: RuleName = "create"): void {
    const known = this.tasks.get(spec.id);
    if (known === undefined) {
      this.#ledger.charge(rule);
      this.#park(this.#put(spec, work, "pending"));
    } else {
      this.#ledger.charge("exists");
      this.rekey(known, spec.ownOnly === true);
    }
    this.onReady(spec.id, spec.availableAt ?? this.#agenda.now);
  }

  /** Notes a task that another rule has paid for. */
  add(spec: TaskSpec, work: Work): void {
    this.#park(this.#put(spec, work, "pending"));
    this.onReady(spec.id, spec.availableAt ?? this.#agenda.now);
  }

  /** Claims a task that is due. Undefined: it is over, held, or not due. */
  claim(id: string): PricedTask | undefined {
    const task = this.tasks.get(id);
    if (task?.status !== "pending" || task.availableAt > this.#agenda.now) {
      this.#ledger.charge("ask in vain");
      if (task?.status === "pending") this.onReady(id, Math.max(task.availableAt, this.#agenda.now + 1));
      return undefined;
    }
    this.#ledger.charge("claim");
    this.#unpark(task, false);
    task.status = "running";
    task.attempt += 1;
    this.#lease(task);
    return task;
  }

  /** Takes over a task whose holder let its lease run out. */
  takeOver(task: PricedTask): void {
    this.#ledger.charge("take over");
    if ("flight" in task.work) task.retries += 1;
    task.attempt += 1;
    this.#lease(task);
  }

  /** A handed-off step that turns out long gets its task, running. */
  createRunning(spec: TaskSpec, work: Work): PricedTask {
    this.#ledger.charge("long");
    const task = this.#put(spec, work, "running");
    task.attempt = 1;
    this.#lease(task);
    return task;
  }

  renew(task: PricedTask): void {
    this.#ledger.charge("heartbeat");
    const before = leaseKey(task.id, task.leaseUntil);
    task.leaseUntil = this.#agenda.now + this.#leaseMs;
    const next = leaseKey(task.id, task.leaseUntil);
    if (next === before) return;
    this.#ledger.charge("heartbeat into another minute");
    this.leases.delete(before);
    this.leases.add(next);
  }

  finish(task: PricedTask, status: "completed" | "failed"): void {
    this.#ledger.charge("finish");
    this.leases.delete(leaseKey(task.id, task.leaseUntil));
    task.status = status;
  }

  /** Pending again: the lease key stays. `retries` were used up so far, those in place included. */
  requeue(task: PricedTask, delayMs: number, retries: number): void {
    this.#ledger.charge("requeue");
    task.status = "pending";
    task.retries = retries;
    task.availableAt = this.#agenda.now + Math.round(delayMs);
    task.updatedAt = this.#agenda.now;
  }

  /** The task of a step that is over, held by nobody here. */
  settle(spec: TaskSpec, work: Work, status: PricedTask["status"]): void {
    const known = this.tasks.get(spec.id);
    if (known === undefined) {
      this.#ledger.charge("settle");
      this.#put(spec, work, status).attempt = 1;
      return;
    }
    this.#ledger.charge("exists");
    if (known.status === "pending") {
      this.#ledger.charge("mark");
      known.status = status;
      this.#unpark(known, true);
    } else this.rekey(known, false);
  }

  /** Makes sure that a forward task can never start again. Undefined: it runs, and its holder will say. */
  fence(spec: TaskSpec, work: Work): "never" | "unknown" | undefined {
    const known = this.tasks.get(spec.id);
    if (known === undefined) {
      this.#ledger.charge("tombstone");
      this.#put(spec, work, "cancelled");
      return "never";
    }
    // Its holder is in the same process, and is told there.
    if (known.status === "running") return undefined;
    this.#ledger.charge("exists");
    if (known.status === "pending") {
      this.#ledger.charge("mark");
      known.status = "cancelled";
      this.#unpark(known, true);
    }
    return known.attempt > 0 ? "unknown" : "never";
  }

  /** Puts the index key again that the status of a task demands. */
  rekey(task: PricedTask, ownOnly: boolean): void {
    if (task.status !== "pending" && task.status !== "running") return;
    this.#ledger.charge("rekey");
    if (task.status === "running") this.leases.add(leaseKey(task.id, task.leaseUntil));
    else if (this.#isParked(task, ownOnly)) this.due.set(dueKey(task.id, task.availableAt), task);
  }

  /** Moves the entry of the run in the active index; null: none. An entry whose time has come is the sweeper's. */
  moveLook(at: number | null, was: readonly number[]): void {
    if (at !== null && at <= this.#agenda.now) return;
    const put = at === null ? undefined : activeKey(this.#runId, at);
    const gone = new Set(was.map((minute) => activeKey(this.#runId, minute)));
    if (put !== undefined) {
      this.#ledger.charge("look");
      this.active.add(put);
      gone.delete(put);
    }
    for (const key of gone) {
      this.#ledger.charge("unlook");
      this.active.delete(key);
    }
  }

  #put(spec: TaskSpec, work: Work, status: PricedTask["status"]): PricedTask {
    const now = this.#agenda.now;
    const task: PricedTask = {
      id: spec.id,
      work,
      createdAt: now,
      maxRetries: spec.maxRetries,
      ownOnly: spec.ownOnly === true,
      status,
      attempt: 0,
      retries: spec.retryCount ?? 0,
      availableAt: spec.availableAt ?? now,
      leaseUntil: 0,
      claimedAt: 0,
      updatedAt: now,
    };
    this.tasks.set(spec.id, task);
    return task;
  }

  #isParked(task: PricedTask, ownOnly: boolean): boolean {
    return ownOnly && task.availableAt > this.#agenda.now + PARK_MS;
  }

  #park(task: PricedTask): void {
    if (this.#isParked(task, task.ownOnly)) this.due.set(dueKey(task.id, task.availableAt), task);
  }

  #unpark(task: PricedTask, alone: boolean): void {
    if (alone) this.#ledger.charge("unindex");
    if (task.availableAt > task.createdAt) this.#ledger.charge(alone ? "unindex" : "claim of a later task");
    this.due.delete(dueKey(task.id, task.availableAt));
  }

  #lease(task: PricedTask): void {
    task.claimedAt = this.#agenda.now;
    task.leaseUntil = this.#agenda.now + this.#leaseMs;
    this.leases.add(leaseKey(task.id, task.leaseUntil));
  }
}
