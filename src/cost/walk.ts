/**
 * Walks one run along a path and prices what it comes by.
 *
 * What a run decides is decided here as it is there: by `decide`, a pure function over the machine. What the decisions cost is said by
 * `rules.ts`. Nothing is stored and no request is made. The walk assumes what is written in `docs/costs.md`: one worker process,
 * requests that take no time and never fail, no two handlers of a run that end in the same millisecond.
 */
import type { OpenWait } from "../../machines/snapshot.ts";
import { backoffMs } from "../queue/backoff.ts";
import { decide } from "../run/decide/decide.ts";
import { isMine, isOpened } from "../run/dispatch.ts";
import type { Fact, FoundSignal } from "../run/facts.ts";
import type { TaskStep } from "../../machines/plan/plan.ts";
import type { PlanProgram } from "../../machines/plan/program.ts";
import {
  entryKey,
  type Flight,
  type FlightRef,
  isHeldBy,
  isOver,
  type OutboxEntry,
  ownerOf,
  refOf,
  type RunRecord,
  sameFlight,
} from "../run/record.ts";
import { firstRecord } from "../run/start.ts";
import { flightTask, flightTaskId, tickTask, type TickCause } from "../run/tasks.ts";
import { drains } from "../run/view.ts";
import { LONG_STEP_SHARE } from "../services/chain.ts";
import { heartbeatRestMs } from "../services/lease.ts";
import { formatOpaque } from "../wire/instant.ts";
import { STORED_NULL } from "../wire/value.ts";
import { Agenda, type Appointment } from "./agenda.ts";
import { Ledger } from "./ledger.ts";
import { type Course, type CostPath, DEFAULT_DURATION_MS, type Steering } from "./path.ts";
import { type PricedTask, PricedQueue } from "./queue.ts";
import { Upkeep } from "./upkeep.ts";

/** What a walk assumes of the worker and the clock. Times are milliseconds, instants since 1970. */
export interface WalkOptions {
  readonly startAt: number;
  /** When its worker was started: its monitor and sweeper tick from then on. */
  readonly workerAt: number;
  readonly leaseMs: number;
  readonly skewMarginMs: number;
  /** How often runs of workflows with `foreign: true` are asked for changes. */
  readonly foreignPollMs: number;
  /** The walk ends after this, even if something would still happen. */
  readonly horizonMs: number;
  /** Whether the sweeper's looks at a run that only waits count too. @defaultValue false */
  readonly looks?: boolean;
}

/** Something that a client sent on the way. `ms`: counted from the start. */
export type Sent = { readonly ms: number } & ({ readonly signal: string } | { readonly command: Steering["command"] });

/** What a walk came to. */
export interface Walked {
  readonly ledger: Ledger;
  readonly record: RunRecord;
  /** Milliseconds from the start until nothing more happened. */
  readonly lastMs: number;
  readonly sent: readonly Sent[];
}

/** One claim of the walk's worker, with what it has carried out. */
interface Chain {
  readonly task: PricedTask;
  readonly done: Set<string>;
  readonly asked: Map<string, boolean>;
  /** Flights whose handlers it began, by task. */
  readonly begun: Set<string>;
  readonly beats: Map<string, Appointment>;
  /** Long steps that have ended, by task. */
  readonly ended: Map<string, "completed" | "failed">;
  facts: Fact[];
  touched: boolean;
  /** It was told that its run stops, and has not asked the record since. */
  told: boolean;
  /** Rests before another attempt in place; a chain is woken once. */
  rest: Rest | "woken" | undefined;
}

/** What a chain that rests goes on with. */
interface Rest {
  readonly call: Call;
  readonly appointment: Appointment;
}

/** An entry that was sent, and what its answer says. */
interface Carried {
  readonly key: string;
  readonly facts: readonly Fact[];
}

/** One call of a handler. */
interface Call {
  readonly flight: Flight;
  readonly step: TaskStep;
  readonly attempt: number;
  readonly retries: number;
}

const RUN_ID = "priced";

/** Walks a run of this program along a path. */
export function walk(program: PlanProgram, path: CostPath, options: WalkOptions): Walked {
  return new Walk(program, path, options).toEnd();
}

class Walk {
  readonly #program: PlanProgram;
  readonly #path: CostPath;
  readonly #options: WalkOptions;
  readonly #agenda: Agenda;
  readonly #ledger = new Ledger();
  readonly #queue: PricedQueue;
  readonly #upkeep: Upkeep;
  readonly #chains = new Map<string, Chain>();
  /** What the chains of this process have carried out together; forgotten when none is left. */
  readonly #carried = new Set<string>();
  readonly #hints = new Map<string, number>();
  readonly #calls = new Map<string, number>();
  readonly #inbox = new Map<string, string[]>();
  readonly #waited = new Set<string>();
  readonly #sent: Sent[] = [];
  #record: RunRecord;
  #polledUntil: number;

  constructor(program: PlanProgram, path: CostPath, options: WalkOptions) {
    this.#program = program;
    this.#path = path;
    this.#options = options;
    this.#polledUntil = options.startAt;
    this.#agenda = new Agenda(options.startAt);
    this.#queue = new PricedQueue(this.#agenda, this.#ledger, options.leaseMs, RUN_ID);
    this.#queue.onReady = (id, at) => this.#hint(id, at);
    this.#record = firstRecord({ id: RUN_ID, program, data: STORED_NULL }, options.startAt, "");
    this.#upkeep = new Upkeep({
      agenda: this.#agenda,
      ledger: this.#ledger,
      queue: this.#queue,
      workerAt: options.workerAt,
      leaseMs: options.leaseMs,
      record: () => this.#record,
      begin: (task) => this.#begin(task),
      skewMarginMs: options.skewMarginMs,
      holds: (id) => [...this.#chains.values()].some((chain) => chain.beats.has(id)),
    });
  }

  toEnd(): Walked {
    this.#start();
    const until = this.#options.startAt + this.#options.horizonMs;
    for (;;) {
      const upkeepAt = this.#upkeep.nextAt(this.#isQuiet());
      const nextAt = Math.min(this.#agenda.next(), upkeepAt);
      if (nextAt > until) break;
      if (upkeepAt < this.#agenda.next()) this.#upkeep.step(upkeepAt);
      else this.#agenda.step();
    }
    this.#pollUntil(this.#options.looks === true ? until : this.#agenda.now);
    const lastMs = this.#agenda.now - this.#options.startAt;
    return { ledger: this.#ledger, record: this.#record, lastMs, sent: this.#sent };
  }

  /** Whether only the day's look of a parked run would still come. */
  #isQuiet(): boolean {
    if (this.#options.looks === true) return false;
    return this.#agenda.next() === Number.POSITIVE_INFINITY && !isOver(this.#record.status);
  }

  /**
   * The polls of a foreign run since the last change of its record: each found the same. One in the moment of a change is not counted
   * twice.
   */
  #pollUntil(at: number): void {
    const { foreignPollMs, workerAt } = this.#options;
    const turnsBefore = (instant: number): number => Math.floor((instant - workerAt) / foreignPollMs);
    const turns = turnsBefore(at) - turnsBefore(this.#polledUntil);
    this.#polledUntil = at;
    const { machine, status } = this.#record;
    if (!this.#isForeign || isOver(status) || turns <= 0) return;
    const isRemote = (flight: Flight): boolean =>
      flight.kind === "run" && flight.owner === undefined && this.#step(flight.step)?.remote === true;
    this.#ledger.charge("foreign poll", turns);
    this.#ledger.charge("foreign poll of a step", turns * (machine?.flights ?? []).filter(isRemote).length);
    const names = new Set(this.#waits().map(({ signal }) => signal));
    this.#ledger.charge("foreign poll of an inbox", turns * names.size);
  }

  get #isForeign(): boolean {
    return this.#program.foreign;
  }

  #start(): void {
    this.#ledger.charge("start");
    if (this.#isForeign) this.#ledger.charge("foreign entry");
    const lookAt = this.#record.machine?.look_at ?? null;
    if (lookAt !== null) this.#upkeep.file(lookAt);
    this.#tick({ kind: "start" });
    for (const steering of this.#path.steering ?? [])
      if (steering.after.step === undefined) this.#later(steering.after.ms, () => this.#steer(steering));
  }

  #later(ms: number, run: () => void): Appointment {
    return this.#agenda.plan(this.#agenda.now + ms, run);
  }

  // ------------------------------------------------------------------ what comes from outside

  #tick(cause: TickCause): void {
    this.#queue.add(tickTask(this.#record, cause), { cause });
  }

  #steer({ command }: Steering): void {
    const at = this.#agenda.now;
    this.#sent.push({ ms: at - this.#options.startAt, command });
    this.#ledger.charge("command");
    this.#tick({ kind: "command", id: `command ${this.#sent.length}`, command, at });
  }

  #signal(wait: OpenWait): void {
    if (!this.#waits().some((open) => waitId(open) === waitId(wait))) return;
    const at = this.#agenda.now;
    const name = wait.signal;
    this.#sent.push({ ms: at - this.#options.startAt, signal: name });
    this.#ledger.charge("signal");
    const segment = `${formatOpaque(at)}_${this.#sent.length}.json`;
    this.#inbox.set(name, [...(this.#inbox.get(name) ?? []), segment]);
    this.#tick({ kind: "signal", name, segment });
  }

  /** Plans the answers to waits that have just begun. */
  #answer(): void {
    for (const wait of this.#waits()) {
      const id = waitId(wait);
      const afterMs = this.#path.answers?.get(wait.signal);
      if (this.#waited.has(id) || afterMs === undefined) continue;
      this.#waited.add(id);
      this.#later(afterMs, () => this.#signal(wait));
    }
  }

  #waits(): readonly OpenWait[] {
    const { machine } = this.#record;
    return machine === undefined ? [] : this.#program.project(machine.snapshot).waits;
  }

  // ------------------------------------------------------------------ claims

  #hint(id: string, at: number): void {
    this.#hints.set(id, at);
    this.#agenda.plan(at, () => {
      if (this.#hints.get(id) !== at) return;
      this.#hints.delete(id);
      const task = this.#queue.claim(id);
      if (task !== undefined) this.#begin(task);
    });
  }

  /** What the claimer of a task does first: `errandOf` and the first two commits of `drive`. */
  #begin(task: PricedTask): void {
    const cause = "cause" in task.work ? task.work.cause : undefined;
    const recovered = task.attempt > 1;
    const listens =
      cause?.kind === "signal" ||
      cause?.kind === "sweep" ||
      (cause?.kind === "timer" && cause.timer.timer === "deadline");
    const chain: Chain = {
      task,
      done: new Set(),
      asked: new Map(),
      begun: new Set(),
      beats: new Map(),
      ended: new Map(),
      facts: [],
      touched: recovered || listens,
      told: false,
      rest: undefined,
    };
    this.#chains.set(task.id, chain);
    this.#keep(chain, task);
    let wrote = this.#commit(chain, recovered ? fenceFacts(task) : [], true);
    const facts = cause === undefined ? [] : this.#lookUp(cause);
    if (facts.length > 0) {
      chain.touched ||= wrote;
      wrote = this.#commit(chain, facts, false);
    }
    this.#go(chain, wrote);
  }

  #lookUp(cause: TickCause): readonly Fact[] {
    switch (cause.kind) {
      case "start":
        return [{ fact: "begin" }];
      case "signal":
        return [];
      case "command":
        return [{ fact: "command", id: cause.id, command: cause.command, at: cause.at }];
      case "timer": {
        const { timer, step, generation, wake } = cause.timer;
        const due: Fact = { fact: "due", timer, step, generation, wake };
        if (timer === "delay") return [due];
        const found = this.#listInbox(this.#waits().filter((wait) => wait.step === step));
        return [...(found.length === 0 ? [] : [{ fact: "signals" as const, found }]), due];
      }
      case "sweep":
        return [{ fact: "begin" }, ...this.#examine()];
    }
  }

  /** A look at a run whose holders live finds every task and puts its index key again. */
  #examine(): readonly Fact[] {
    const { machine } = this.#record;
    if (this.#isForeign && (machine?.look_at ?? null) !== null) this.#ledger.charge("foreign entry");
    for (const flight of machine?.flights ?? []) {
      this.#ledger.charge("examine");
      const task = this.#queue.tasks.get(ownerOf(flight)?.task ?? flightTaskId(RUN_ID, flight));
      if (task !== undefined) this.#queue.rekey(task, task.ownOnly);
    }
    return (machine?.timers ?? [])
      .filter(({ dueAt }) => dueAt <= this.#agenda.now)
      .map(({ timer, step, generation, wake }) => ({ fact: "due", timer, step, generation, wake }));
  }

  /** Keeps a lease until its chain is over. */
  #keep(chain: Chain, task: PricedTask): void {
    const { leaseMs, skewMarginMs } = this.#options;
    const restMs = heartbeatRestMs(leaseMs, leaseMs - skewMarginMs);
    const beat = (): void => {
      this.#queue.renew(task);
      chain.beats.set(task.id, this.#later(restMs, beat));
    };
    chain.beats.set(task.id, this.#later(restMs, beat));
  }

  #release(chain: Chain, taskId: string): void {
    const beat = chain.beats.get(taskId);
    if (beat !== undefined) beat.cancelled = true;
    chain.beats.delete(taskId);
  }

  #leave(chain: Chain): void {
    for (const id of chain.beats.keys()) this.#release(chain, id);
    this.#chains.delete(chain.task.id);
    if (this.#chains.size === 0) this.#carried.clear();
  }

  // ------------------------------------------------------------------ driving

  #takes(ref: Pick<FlightRef, "kind" | "step">): boolean {
    return ref.kind === "undo" || this.#step(ref.step)?.remote !== true;
  }

  #step(name: string): TaskStep | undefined {
    const step = this.#program.plan.steps.find((candidate) => candidate.name === name);
    return step?.kind === "task" ? step : undefined;
  }

  #commit(chain: Chain, facts: readonly Fact[], fresh: boolean): boolean {
    if (fresh) this.#ledger.charge("read");
    const actor = { task: chain.task.id, attempt: chain.task.attempt };
    const delivery = { actor, facts, takes: (ref: FlightRef) => this.#takes(ref) };
    const next = decide(this.#record, this.#program, [delivery], { now: this.#agenda.now, writeId: "" });
    if (next === this.#record) return false;
    this.#pollUntil(this.#agenda.now);
    this.#ledger.charge("decide");
    this.#record = next;
    this.#answer();
    return true;
  }

  /** The loop of `drive`: until a handler runs, or nothing is left. */
  #go(chain: Chain, written: boolean): void {
    let wrote = written;
    for (;;) {
      chain.touched ||= wrote;
      const sent = this.#carry(chain);
      const flight = this.#ownFlight(chain);
      if (flight !== undefined && this.#isFenced(flight)) {
        // It does not begin any more. What was sent a moment ago is not answered yet, so this write does not drop it.
        const outcome = chain.begun.has(flightTaskId(RUN_ID, flight)) ? "unknown" : "never";
        const facts: readonly Fact[] = [{ fact: "fenced", ref: refOf(flight), outcome }];
        wrote = this.#commit(chain, [...take(chain), ...facts, ...this.#confirmed(chain)], false);
        acknowledge(chain, sent);
        continue;
      }
      acknowledge(chain, sent);
      if (flight !== undefined) return this.#run(chain, flight);
      const learned = take(chain);
      const news = learned.length > 0 ? learned : this.#news(chain);
      if (news.length === 0) return this.#finish(chain);
      wrote = this.#commit(chain, [...news, ...this.#confirmed(chain)], true);
      if (!wrote && learned.length === 0 && this.#ownFlight(chain) === undefined) return this.#finish(chain);
    }
  }

  #ownFlight(chain: Chain): Flight | undefined {
    const actor = { task: chain.task.id, attempt: chain.task.attempt };
    return this.#record.machine?.flights.find((flight) => isHeldBy(flight, flightTaskId(RUN_ID, flight), actor));
  }

  #confirmed(chain: Chain): readonly Fact[] {
    const entries = (this.#record.machine?.outbox ?? []).map(entryKey).filter((key) => chain.done.has(key));
    return entries.length === 0 ? [] : [{ fact: "confirm", entries }];
  }

  /** Only a chain that wrote or that was told to listens. */
  #news(chain: Chain): readonly Fact[] {
    if (!chain.touched || isOver(this.#record.status)) return [];
    const found = this.#listInbox(this.#waits());
    return found.length === 0 ? [] : [{ fact: "signals", found }];
  }

  #listInbox(waits: readonly OpenWait[]): readonly FoundSignal[] {
    const wanted = new Map<string, number>();
    for (const { signal } of waits) wanted.set(signal, (wanted.get(signal) ?? 0) + 1);
    return [...wanted].flatMap(([name, count]) => {
      this.#ledger.charge("inbox");
      const consumed = this.#record.machine?.consumed.find((entry) => entry.name === name)?.ids ?? [];
      const fresh = (this.#inbox.get(name) ?? []).filter((segment) => !consumed.includes(segment)).slice(0, count);
      this.#ledger.charge("signal read", fresh.length);
      return fresh.map((segment) => ({ name, segment, id: segment, payload: STORED_NULL }));
    });
  }

  #finish(chain: Chain): void {
    for (const [id, status] of chain.ended) {
      const task = chain.beats.has(id) ? this.#queue.tasks.get(id) : undefined;
      if (task === undefined) continue;
      this.#release(chain, id);
      this.#queue.finish(task, status);
    }
    const { work } = chain.task;
    const state = "flight" in work && work.flight.kind === "run" ? this.#record.steps.get(work.flight.step) : undefined;
    this.#queue.finish(chain.task, state?.status === "failed" ? "failed" : "completed");
    this.#leave(chain);
  }

  // ------------------------------------------------------------------ the outbox

  #carry(chain: Chain): readonly Carried[] {
    const sent: Carried[] = [];
    for (const entry of this.#record.machine?.outbox ?? []) {
      const key = entryKey(entry);
      if (!isMine(entry, this.#record) || chain.done.has(key)) continue;
      sent.push({ key, facts: this.#isCarried(chain, entry, key) ? [] : this.#carryOut(chain, entry) });
      this.#carried.add(key);
    }
    return sent;
  }

  #isCarried(chain: Chain, entry: OutboxEntry, key: string): boolean {
    if (this.#carried.has(key)) return true;
    const by = entry.by?.task;
    if (by === undefined || by === chain.task.id) return false;
    if (this.#chains.has(by)) return true;
    const known = chain.asked.get(by);
    if (known !== undefined) return known;
    this.#ledger.charge("former driver");
    const task = this.#queue.tasks.get(by);
    const over = task === undefined || task.status === "completed" || task.status === "failed";
    chain.asked.set(by, over);
    return over;
  }

  #carryOut(chain: Chain, entry: OutboxEntry): readonly Fact[] {
    switch (entry.do) {
      case "result":
        if (this.#record.steps.get(entry.step)?.status === "completed") this.#putResult(entry.step);
        return [];
      case "settle":
        this.#settle(chain, entry);
        return [];
      case "create": {
        const flight = this.#flight(entry.ref);
        if (flight === undefined || flightTaskId(RUN_ID, flight) === chain.task.id) return [];
        this.#queue.create(this.#specOf(flight), { flight: refOf(flight) });
        return [];
      }
      case "timer": {
        const cause: TickCause = { kind: "timer", timer: entry.timer };
        this.#queue.create(tickTask(this.#record, cause), { cause }, "timer");
        return [];
      }
      case "fence":
        return this.#fence(entry.ref);
      case "look":
        this.#queue.moveLook(entry.at, entry.was);
        if (this.#isForeign && entry.at === null) this.#ledger.charge("foreign entry gone");
        if (this.#isForeign && isOpened(this.#record, entry)) this.#ledger.charge("foreign entry");
        return [];
    }
  }

  readonly #results = new Set<string>();

  #putResult(step: string): void {
    this.#ledger.charge(this.#results.has(step) ? "exists" : "result");
    this.#results.add(step);
  }

  #settle(chain: Chain, entry: Extract<OutboxEntry, { do: "settle" }>): void {
    const spec = this.#specOf(entry.ref);
    const task = this.#queue.tasks.get(spec.id);
    if (task === undefined || !chain.beats.has(spec.id) || entry.status === "cancelled") {
      this.#queue.settle(spec, { flight: entry.ref }, entry.status);
      return;
    }
    this.#release(chain, spec.id);
    this.#queue.finish(task, entry.status);
  }

  #fence(ref: FlightRef): readonly Fact[] {
    const flight = this.#flight(ref);
    if (flight === undefined) return [{ fact: "fenced", ref, outcome: "never" }];
    // Its owner is in the same process, and is told there.
    const owner = ownerOf(flight);
    this.#tell(owner?.task ?? flightTaskId(RUN_ID, flight));
    if (owner !== undefined) return [];
    const outcome = this.#queue.fence(this.#specOf(flight), { flight: refOf(flight) });
    return outcome === undefined ? [] : [{ fact: "fenced", ref, outcome }];
  }

  /** Tells the chain that holds this task; one that rests asks its run at once whether it is to go on. */
  #tell(taskId: string): void {
    const chain = [...this.#chains.values()].find(({ task, beats }) => task.id === taskId || beats.has(taskId));
    if (chain === undefined) return;
    chain.told = true;
    const { rest } = chain;
    if (rest === "woken") return;
    chain.rest = "woken";
    if (rest === undefined) return;
    this.#later(0, () => {
      if (rest.appointment.cancelled || this.#isWanted(chain, rest.call)) return;
      rest.appointment.cancelled = true;
      this.#notAgain(chain, rest.call);
    });
  }

  #isWanted(chain: Chain, { flight }: Call): boolean {
    if (!chain.told) return true;
    chain.told = false;
    this.#ledger.charge("read");
    return this.#flight(flight) !== undefined && !this.#isFenced(flight);
  }

  /** Its run stops: no later attempt begins. */
  #notAgain(chain: Chain, { flight }: Call): void {
    const id = flightTaskId(RUN_ID, flight);
    if (id !== chain.task.id) chain.ended.set(id, "failed");
    this.#end(chain, [{ fact: "fenced", ref: refOf(flight), outcome: "unknown" }]);
  }

  #flight(ref: FlightRef): Flight | undefined {
    return this.#record.machine?.flights.find((flight) => sameFlight(flight, ref));
  }

  #specOf(flight: FlightRef & Partial<Flight>): ReturnType<typeof flightTask> {
    return flightTask(this.#record, this.#program, flight);
  }

  // ------------------------------------------------------------------ handlers

  #isFenced(flight: Flight): boolean {
    const { machine } = this.#record;
    return machine !== undefined && drains(machine, this.#program, flight);
  }

  #run(chain: Chain, flight: Flight): void {
    const step = this.#step(flight.step);
    if (step === undefined) throw new Error(`${flight.step} has no handler`);
    chain.begun.add(flightTaskId(RUN_ID, flight));
    const own = ownerOf(flight) === undefined;
    const retries = own ? chain.task.retries : flight.retries;
    const attempt = Math.max(own ? chain.task.attempt : 1, retries + 1);
    this.#call(chain, { flight, step, attempt, retries });
  }

  #call(chain: Chain, call: Call): void {
    const { flight, step } = call;
    const courses = flight.kind === "run" ? this.#path.steps : this.#path.undos;
    const course = courses?.get(step.name) ?? {};
    const name = `${flight.kind} ${step.name}`;
    const calls = (this.#calls.get(name) ?? 0) + 1;
    this.#calls.set(name, calls);
    const { durationMs = DEFAULT_DURATION_MS, failures = 0 } = course;
    const long = this.#becomesLong(chain, flight);
    const isLate = durationMs >= step.timeoutMs;
    this.#later(Math.min(durationMs, step.timeoutMs), () => {
      if (long !== undefined) long.cancelled = true;
      if (isLate || calls <= failures) this.#again(chain, call);
      else this.#ended(chain, call, this.#outcome(call, course));
    });
    if (calls > 1 || flight.kind === "undo") return;
    for (const steering of this.#path.steering ?? [])
      if (steering.after.step === step.name) this.#later(steering.after.ms, () => this.#steer(steering));
  }

  #outcome({ flight, attempt }: Call, course: Course): Fact {
    const ref = refOf(flight);
    const given = this.#record.machine?.given.find(
      (entry) => entry.step === flight.step && entry.generation === flight.generation,
    );
    const wait = flight.kind === "run" ? course.waits?.[given?.given.length ?? 0] : undefined;
    if (wait !== undefined) return { fact: "waiting", ref, signal: wait.signal, timeoutMs: wait.timeoutMs ?? 0 };
    return course.ends === "fails"
      ? failed(ref, "never", attempt)
      : { fact: "done", ref, result: STORED_NULL, attempt };
  }

  /** A handed-off step is long after a part of the lease: then it has a task and a lease of its own. */
  #becomesLong(chain: Chain, flight: Flight): Appointment | undefined {
    const id = flightTaskId(RUN_ID, flight);
    if (ownerOf(flight) === undefined || chain.beats.has(id)) return undefined;
    return this.#later(this.#options.leaseMs / LONG_STEP_SHARE, () =>
      this.#keep(chain, this.#queue.createRunning(this.#specOf(flight), { flight: refOf(flight) })),
    );
  }

  /** An attempt failed: again here, from the queue, or never. */
  #again(chain: Chain, call: Call): void {
    const { flight, step, attempt, retries } = call;
    if (retries >= step.retries) return this.#ended(chain, call, failed(refOf(flight), "unknown", attempt));
    // No jitter: the middle of what chance may add or take.
    const delayMs = backoffMs(step.retryPolicy, retries, () => 0.5);
    if (!this.#isWanted(chain, call)) return this.#notAgain(chain, call);
    if (delayMs <= this.#options.leaseMs / LONG_STEP_SHARE) {
      const appointment = this.#later(delayMs, () => {
        if (chain.rest !== "woken") chain.rest = undefined;
        if (!this.#isWanted(chain, call)) return this.#notAgain(chain, call);
        this.#call(chain, { ...call, attempt: attempt + 1, retries: retries + 1 });
      });
      chain.rest ??= { call, appointment };
      return;
    }
    const availableAt = this.#agenda.now + delayMs;
    if (ownerOf(flight) === undefined) {
      this.#queue.requeue(chain.task, delayMs, retries + 1);
      this.#leave(chain);
      this.#hint(chain.task.id, availableAt);
      return;
    }
    const id = flightTaskId(RUN_ID, flight);
    const long = chain.beats.has(id) ? this.#queue.tasks.get(id) : undefined;
    this.#end(chain, [{ fact: "backoff", ref: refOf(flight), availableAt, retries: retries + 1 }], () => {
      if (long === undefined) return;
      if (this.#flight(flight) === undefined) {
        chain.ended.set(id, "failed");
        return;
      }
      this.#release(chain, id);
      this.#queue.requeue(long, delayMs, retries + 1);
    });
  }

  #ended(chain: Chain, { flight }: Call, fact: Fact): void {
    const id = flightTaskId(RUN_ID, flight);
    if (id !== chain.task.id && fact.fact !== "waiting")
      chain.ended.set(id, fact.fact === "done" ? "completed" : "failed");
    this.#end(chain, [fact]);
  }

  #end(chain: Chain, facts: readonly Fact[], afterwards?: () => void): void {
    const wrote = this.#commit(chain, [...take(chain), ...facts, ...this.#confirmed(chain)], false);
    afterwards?.();
    this.#go(chain, wrote);
  }
}

const waitId = ({ signal, step, generation, wake }: OpenWait): string =>
  JSON.stringify([signal, step, generation, wake]);

function acknowledge(chain: Chain, sent: readonly Carried[]): void {
  for (const { key, facts } of sent) {
    chain.done.add(key);
    chain.facts.push(...facts);
  }
}

function take(chain: Chain): readonly Fact[] {
  const { facts } = chain;
  chain.facts = [];
  return facts;
}

function failed(ref: FlightRef, outcome: "never" | "unknown", attempt: number): Fact {
  return { fact: "failed", ref, failure: { type: "StepFailed", message: "it failed", outcome, attempt } };
}

/** Every attempt after the first writes the record once before anything else. */
function fenceFacts(task: PricedTask): readonly Fact[] {
  const { id, attempt, retries } = task;
  return [
    { fact: "release", task: id, before: attempt },
    retries > task.maxRetries ? { fact: "lost", task: id, attempt: attempt - 1 } : { fact: "begun", task: id, retries },
    { fact: "fence" },
  ];
}
