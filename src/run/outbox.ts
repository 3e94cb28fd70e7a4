import type { Fact } from "./facts.ts";
import type { Actor } from "./record/record.ts";

/**
 * What the drivers of one run dispatch in one process: every entry of the outbox once. R4 makes twice harmless, not free: each of n
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
