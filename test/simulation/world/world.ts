import type { ObjectStore, TimeBounds } from "../../../src/store/object-store.ts";
import { SimulatedClock } from "../../../src/testing/time/clock.ts";
import { collectLog, Life, type LogLine } from "../../../src/testing/time/process.ts";
import { Scheduler } from "../../../src/testing/time/scheduler.ts";
import { Chance, mixSeed } from "./chance.ts";
import { drawFault, hasDelay } from "./faults.ts";
import type { FaultKind, FaultPlan } from "./faults.ts";
import { FaultyStore } from "./faulty-store.ts";
import type { Request, RequestHead } from "./faulty-store.ts";
import { travel } from "./network.ts";
import type { Journey } from "./network.ts";
import type { RunEnd, RunOptions, SpawnOptions, WorldOptions } from "./options.ts";
import type { Process } from "./process.ts";
import { SharedObjects } from "./shared-objects.ts";
import { countRequest, zeroCounters } from "./trace.ts";
import type { Counters, TraceEntry } from "./trace.ts";

const NEW_YEAR_2026 = 1_767_225_600_000;

/** What stays with a name over restarts. */
interface NameHistory {
  spawned: number;
  calls: number;
  current?: Process;
}

/**
 * A whole fleet in one Node process under virtual time. The same seed, options and code give the same history: every store call, every timer
 * and every fault is drawn from the seed, and one thing happens at a time.
 */
export class World {
  readonly seed: number | string;
  /** The shared store, without faults, time or trace: for looking and for preparing a bucket. */
  readonly store: ObjectStore;
  /** Every request in the order of sending; empty when `keepTrace` is off. */
  readonly trace: TraceEntry[] = [];
  readonly counters: Counters = zeroCounters();
  /** Every fault that struck, drawn or planned, with its delay: give it to a new world as `faults` (without `rates`) to replay or to shrink. */
  readonly struck: FaultPlan[] = [];
  readonly #options: WorldOptions;
  readonly #scheduler: Scheduler;
  readonly #objects: SharedObjects;
  readonly #names = new Map<string, NameHistory>();
  readonly #plans = new Map<string, FaultPlan>();
  readonly #startAt: number;
  #calm = false;
  #entered = 0;

  constructor(seed: number | string, options: WorldOptions = {}) {
    this.seed = seed;
    this.#options = options;
    this.#startAt = options.startAt ?? NEW_YEAR_2026;
    const ties = new Chance(mixSeed(seed, "ties"));
    this.#scheduler = new Scheduler(() => ties.next(), options.turnsPerAction ?? 1);
    this.#objects = new SharedObjects({
      etags: options.etags ?? "content",
      versions: options.versions ?? true,
      now: () => this.#startAt + this.nowMs,
    });
    this.store = this.#makeStore((request) => Promise.resolve(request.apply()));
    for (const fault of options.faults ?? []) this.plan(fault);
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#scheduler.now;
  }

  /** Starts a process. A name may come again when its former process is dead; its calls are counted on. @throws {RangeError} when it lives */
  spawn(name: string, options: SpawnOptions = {}): Process {
    const history = this.#historyOf(name);
    if (history.current?.alive === true) throw new RangeError(`process ${JSON.stringify(name)} is alive`);
    const process = this.#makeProcess(name, history, options);
    history.spawned += 1;
    history.current = process;
    return process;
  }

  /** Plans one fault, in place of the one planned for that call before. */
  plan(fault: FaultPlan): void {
    this.#plans.set(planKey(fault.process, fault.call), fault);
  }

  /** Kills a process before it sends, or after the store carried out, its `call`-th request (from 1, over restarts). */
  crashAt(process: string, call: number, when: "before" | "after"): void {
    this.plan({ process, call, kind: when === "before" ? "crash-before" : "crash-after" });
  }

  /** From now on no fault is drawn any more; planned ones go on. */
  calm(): void {
    this.#calm = true;
  }

  /** Runs a piece of the test's script in so many virtual milliseconds. */
  after(delayMs: number, act: () => void): void {
    this.#scheduler.schedule(delayMs, act);
  }

  /** Store calls of a process name so far. */
  callCount(process: string): number {
    return this.#names.get(process)?.calls ?? 0;
  }

  /** Lets things happen one by one until something says stop. */
  async run(options: RunOptions = {}): Promise<RunEnd> {
    const endAt = this.nowMs + (options.maxVirtualMs ?? 3_600_000);
    const maxActions = options.maxActions ?? 1_000_000;
    for (let actions = 0; ; actions += 1) {
      await this.#scheduler.drain();
      if (options.until !== undefined && (await options.until())) return { kind: "done", actions };
      const dueAt = this.#scheduler.nextDueAt();
      if (dueAt === undefined) return { kind: "idle", actions };
      if (dueAt > endAt) {
        this.#scheduler.moveTo(endAt);
        return { kind: "time", actions };
      }
      if (actions >= maxActions) return { kind: "actions", actions };
      this.#scheduler.step();
    }
  }

  /** Lets exactly so many virtual milliseconds pass, with everything due in them. */
  async advance(ms: number): Promise<void> {
    const endAt = this.nowMs + ms;
    await this.run({ maxVirtualMs: ms, maxActions: Number.POSITIVE_INFINITY });
    this.#scheduler.moveTo(endAt);
  }

  #historyOf(name: string): NameHistory {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const history: NameHistory = { spawned: 0, calls: 0 };
    this.#names.set(name, history);
    return history;
  }

  #makeProcess(name: string, history: NameHistory, options: SpawnOptions): Process {
    const life = new Life(this.#scheduler);
    const clock = new SimulatedClock(
      this.#scheduler,
      life,
      this.#startAt,
      options.clockOffsetMs ?? 0,
      options.driftPpm ?? 0,
    );
    const random = new Chance(mixSeed(this.seed, "process", name, history.spawned));
    const log: LogLine[] = [];
    const process: Process = {
      name,
      restarts: history.spawned,
      host: { clock, random, logger: collectLog(log, () => this.nowMs) },
      store: this.#makeStore((request) => this.#send(process, history, life, options, request)),
      log,
      get alive() {
        return life.alive;
      },
      get frozen() {
        return life.frozen;
      },
      get calls() {
        return history.calls;
      },
      crash: () => {
        if (!life.alive) return;
        life.crash();
        this.#options.onCrash?.(process);
      },
      freeze: () => {
        life.frozen = true;
      },
      thaw: () => life.thaw(),
      jumpClock: (ms) => {
        clock.offsetMs += ms;
      },
    };
    return process;
  }

  #makeStore(send: <T>(request: Request<T>) => Promise<T>): ObjectStore {
    return new FaultyStore(this.#objects, { versions: this.#options.versions ?? true }, send, () => this.#bounds());
  }

  #bounds(): TimeBounds {
    const trueTime = this.#startAt + this.nowMs;
    const errorMs = this.#options.timeErrorMs ?? 500;
    return { earliest: trueTime - errorMs, latest: trueTime + errorMs };
  }

  #send<T>(process: Process, history: NameHistory, life: Life, options: SpawnOptions, request: Request<T>): Promise<T> {
    // The dead send nothing and hear nothing.
    if (!life.alive) return new Promise<T>(() => undefined);
    history.calls += 1;
    const chance = new Chance(mixSeed(this.seed, "call", process.name, history.calls));
    const fault = this.#chooseFault(process.name, history.calls, request, options, chance);
    const entry = this.#enter(process.name, history.calls, request, fault?.kind);
    // A process that dies while it sends hears nothing any more.
    if (fault?.kind === "crash-before") {
      process.crash();
      return new Promise<T>(() => undefined);
    }
    const journey: Journey = {
      entry,
      fault: fault?.kind,
      delayMs: fault?.delayMs ?? 0,
      latency: options.latency ?? this.#options.latency ?? { minMs: 5, maxMs: 50 },
      timeoutMs: this.#options.timeoutMs ?? 5000,
      arrivesAfterCrash: chance.chance(this.#options.arrivesAfterCrash ?? 0.5),
      chance,
    };
    const freezeFor = (ms: number): void => {
      process.freeze();
      this.after(ms, () => process.thaw());
    };
    return travel(this.#scheduler, { life, crash: process.crash, freezeFor }, request, journey);
  }

  /** Planned, else drawn. Always takes the same draws, so that a replay from plans sees the same times. */
  #chooseFault(
    process: string,
    call: number,
    request: RequestHead,
    options: SpawnOptions,
    chance: Chance,
  ): FaultPlan | undefined {
    const drawn = drawFault(options.rates ?? this.#options.rates ?? {}, chance);
    const { minMs, maxMs } = this.#options.delays ?? { minMs: 1, maxMs: 60_000 };
    const drawnDelayMs = chance.between(minMs, maxMs);
    const isCalm = this.#calm || this.nowMs >= (this.#options.calmAtMs ?? Number.POSITIVE_INFINITY);
    const planned = this.#plans.get(planKey(process, call));
    // It is part of the options of the world, and no fault of one call.
    const isAway = (options.outages ?? this.#options.outages ?? []).some(
      ({ fromMs, untilMs }) => this.nowMs >= fromMs && this.nowMs < untilMs,
    );
    if (planned === undefined && isAway) return { process, call, kind: "unavailable" };
    const kind = planned?.kind ?? (isCalm ? undefined : drawn);
    if (kind === undefined || !canStrike(kind, request)) return undefined;
    const delayMs = planned?.delayMs ?? drawnDelayMs;
    const fault: FaultPlan = hasDelay(kind) ? { process, call, kind, delayMs } : { process, call, kind };
    this.struck.push(fault);
    return fault;
  }

  #enter(process: string, call: number, request: RequestHead, fault: FaultKind | undefined): TraceEntry {
    const { kind, key, condition } = request;
    const entry: TraceEntry = {
      index: this.#entered++,
      process,
      call,
      kind,
      key,
      ...(condition === undefined ? {} : { condition }),
      sentAt: this.nowMs,
      appliedAt: [],
      effect: "",
      outcome: "",
      ...(fault === undefined ? {} : { fault }),
    };
    if (this.#options.keepTrace ?? true) this.trace.push(entry);
    if (fault !== "crash-before") countRequest(this.counters, process, kind);
    return entry;
  }
}

function planKey(process: string, call: number): string {
  return `${call} ${process}`;
}

/** A conditional put is sent once by contract, and repeating a read shows nothing: only other writes can have an echo. */
function canStrike(kind: FaultKind, request: RequestHead): boolean {
  if (kind !== "echo") return true;
  return request.kind === "delete" || (request.kind === "put" && request.condition === "always");
}
