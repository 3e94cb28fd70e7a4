/**
 * The whole life of an effect: it is added to the record that asks for it, dispatched, perhaps by several drivers of one process, and
 * confirmed, which drops it. R3 is kept here and nowhere else; how one is dispatched is in `effects/`.
 */
import type { Program } from "../programs/programs.ts";
import type { TaskRecord } from "../queue/task.ts";
import { sortedJson } from "../wire/hash.ts";
import type { StoredValue } from "../wire/value.ts";
import { type Draft, hasMoved } from "./decide/draft.ts";
import type { EffectKind } from "./effects/effect.ts";
import { kindOf, type OutboxEntry } from "./effects/effects.ts";
import type { Fact } from "./facts.ts";
import type { Actor, EntryBase, RunRecord } from "./record/record.ts";

/** Adds an entry, stamped with the claim that brings the facts; it replaces the one with the same id. */
export function addEntry(draft: Draft, entry: EntryBase): void {
  const stamped = (draft.by === undefined ? entry : { ...entry, by: draft.by }) as OutboxEntry;
  const outbox = [...draft.machine.outbox.filter((other) => other.id !== entry.id), stamped];
  draft.machine = { ...draft.machine, outbox };
}

/** Takes an entry out that the new state has made moot. */
export function removeEntry(draft: Draft, id: string): void {
  if (!draft.machine.outbox.some((entry) => entry.id === id)) return;
  draft.machine = { ...draft.machine, outbox: draft.machine.outbox.filter((entry) => entry.id !== id) };
}

/** Takes out what is moot once the run was terminated. What tells of its past stays: nobody else puts the results and ends the tasks. */
export function removeMoot(draft: Draft): void {
  const outbox = draft.machine.outbox.filter((entry) => kindOf(draft.effects, entry).outlivesTermination);
  draft.machine = { ...draft.machine, outbox };
}

/** The step table forgets the result of a step: the entries that are about it take it along (P10). */
export function keepResult(draft: Draft, step: string, result: StoredValue): void {
  const outbox = draft.machine.outbox.map(
    (entry) => (kindOf(draft.effects, entry).withResult?.(entry, step, result) ?? entry) as OutboxEntry,
  );
  draft.machine = { ...draft.machine, outbox };
}

/**
 * Drops entries that were dispatched (R3): only those that are named, because the record may hold another under the same id by now. No
 * write is made only to confirm.
 */
export function confirmEntries(draft: Draft, keys: readonly string[]): void {
  const entries = new Set(keys);
  const outbox = draft.machine.outbox.filter((entry) => !entries.has(entryKey(entry)));
  if (outbox.length !== draft.machine.outbox.length && hasMoved(draft)) draft.machine = { ...draft.machine, outbox };
}

const entryKeys = new WeakMap<EntryBase, string>();

/**
 * What an entry of the outbox is told apart by: everything that it says, its stamp included. An id alone names whatever stands under it
 * by now: what was dispatched may have been replaced by an entry that nobody has dispatched yet.
 */
export function entryKey(entry: EntryBase): string {
  const known = entryKeys.get(entry) ?? sortedJson(entry);
  entryKeys.set(entry, known);
  return known;
}

/** What a driver's task ends with when it has no result, also when it failed: everything that its driver added is durable. */
export function drivenOutput(runId: string): { readonly workflow_id: string; readonly done: true } {
  return { workflow_id: runId, done: true };
}

/**
 * Whether everything that the drivers of a task added to the outbox is durable (R3): the task was ended by its driver, which it does
 * last, or pruned. One that a monitor of buquet failed or that was called off was not.
 */
export function isDriven(task: TaskRecord | undefined): boolean {
  if (task === undefined || task.status === "completed") return true;
  return task.status === "failed" && (task.output as { done?: unknown } | null)?.done === true;
}

/** What a driver's part in the outbox needs. */
export interface OutboxContext {
  /** What the drivers of the run have dispatched in this process. */
  readonly shared: SharedDispatch;
  /** The task under whose claim the driver acts. */
  readonly task: string;
  /** The kinds of effects that the outbox may hold. */
  readonly effects: readonly EffectKind[];
  /** Dispatches one entry; resolves once its effect is durable, with what was learned on the way. */
  dispatch(entry: OutboxEntry, record: RunRecord, program: Program): Promise<readonly Fact[]>;
  /** Whether everything that the drivers of a task added is durable. */
  isDriven(task: string): Promise<boolean>;
}

/** One driver's part in the outbox of its run: the entries that it has dispatched or is dispatching, or that others dispatched for it. */
export class Outbox {
  readonly #context: OutboxContext;
  readonly #running = new Map<string, Promise<void>>();
  readonly #done = new Set<string>();
  readonly #driven = new Map<string, Promise<boolean>>();
  #facts: Fact[] = [];
  #failed: unknown;

  constructor(context: OutboxContext) {
    this.#context = context;
  }

  /** Starts to dispatch every entry of a record that was read or written, unless this driver or another of this process did. */
  dispatchAll(record: RunRecord, program: Program): void {
    for (const entry of record.machine?.outbox ?? []) {
      if (kindOf(this.#context.effects, entry).isFree?.(entry, record) === false) continue;
      this.#start(entry, async () =>
        (await this.#isDurable(entry)) ? [] : this.#context.dispatch(entry, record, program),
      );
    }
  }

  /** The fact that confirms the entries of a record that were dispatched; none when there are none. */
  confirmed(record: RunRecord): readonly Fact[] {
    const entries = (record.machine?.outbox ?? []).map(entryKey).filter((key) => this.#done.has(key));
    return entries.length === 0 ? [] : [{ fact: "confirm", entries }];
  }

  /** What was learned since this was asked last. */
  takeFacts(): readonly Fact[] {
    const facts = this.#facts;
    this.#facts = [];
    return facts;
  }

  /** Waits until everything that was started is durable. @throws the first error: then the task must not be finished. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
    if (this.#failed !== undefined) throw this.#failed;
  }

  #start(entry: OutboxEntry, dispatch: () => Promise<readonly Fact[]>): void {
    const key = entryKey(entry);
    if (this.#running.has(key) || this.#done.has(key)) return;
    const { shared, task } = this.#context;
    const running = shared
      .once(key, entry.by, task, dispatch)
      .then((facts) => {
        this.#done.add(key);
        this.#facts.push(...facts);
      })
      .catch((error: unknown) => {
        this.#failed ??= error;
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, running);
  }

  /** Whether the task that stamped an entry is over: then its effect is durable, and what was learned from it is in the record. */
  async #isDurable({ by }: OutboxEntry): Promise<boolean> {
    const { shared, task } = this.#context;
    if (by === undefined || by.task === task) return false;
    const known = this.#driven.get(by.task) ?? shared.isDriven(by.task, (id) => this.#context.isDriven(id));
    this.#driven.set(by.task, known);
    return known;
  }
}

/**
 * What the drivers of one run dispatch in one process: every entry once. R4 makes twice harmless, not free: each of n
 * branches that end one after the other would dispatch what the others dispatched.
 *
 * An entry is known by its `entryKey`, so one that was made anew with another stamp is another entry.
 */
export class SharedDispatch {
  /** Tasks that are driven here, and how many drivers each has. */
  readonly #live = new Map<string, number>();
  /** Entries that are durable or on their way, with what was learned from each. */
  readonly #entries = new Map<string, Promise<readonly Fact[]>>();
  readonly #failed = new Set<string>();
  /** Tasks that are being asked for, or known to be over. */
  readonly #driven = new Map<string, Promise<boolean>>();
  readonly #waiting = new Set<() => void>();

  /** A driver of this task begins; the answer says that it is over. */
  enter(task: string): () => void {
    this.#live.set(task, (this.#live.get(task) ?? 0) + 1);
    return () => {
      const left = (this.#live.get(task) ?? 1) - 1;
      if (left > 0) this.#live.set(task, left);
      else this.#live.delete(task);
      this.#tell();
    };
  }

  /**
   * Dispatches an entry for the driver of `task`, unless another driver of this process did or is about to: the driver that stamped the
   * entry comes first while it lives, because it may hold leases that the entry is about. Whoever relies on another's dispatch gets the
   * same facts: it may drop the entry, and then nobody else would learn them.
   */
  async once(
    key: string,
    stamp: Actor | undefined,
    task: string,
    dispatch: () => Promise<readonly Fact[]>,
  ): Promise<readonly Fact[]> {
    for (;;) {
      const known = this.#entries.get(key);
      if (known !== undefined) {
        const facts = await known.catch(() => undefined);
        if (facts !== undefined) return facts;
        continue;
      }
      const isOthers = stamp !== undefined && stamp.task !== task && this.#live.has(stamp.task);
      if (!isOthers || this.#failed.has(key)) return this.#start(key, dispatch);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Whether what the drivers of a task added is durable, because it is over: once it is, nobody of this process asks again. */
  isDriven(task: string, ask: (task: string) => Promise<boolean>): Promise<boolean> {
    const known = this.#driven.get(task);
    if (known !== undefined) return known;
    const forget = (): void => void this.#driven.delete(task);
    const asked = ask(task);
    this.#driven.set(task, asked);
    asked.then((isDriven) => {
      if (!isDriven) forget();
    }, forget);
    return asked;
  }

  #start(key: string, dispatch: () => Promise<readonly Fact[]>): Promise<readonly Fact[]> {
    const dispatched = dispatch();
    this.#entries.set(key, dispatched);
    dispatched.catch(() => {
      // Others need not wait for who tried, and try it themselves.
      this.#entries.delete(key);
      this.#failed.add(key);
      this.#tell();
    });
    this.#tell();
    return dispatched;
  }

  #tell(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
