/**
 * What the chains of one run carry out in one process: every entry of the outbox once. R4 makes twice harmless, not free: each of n
 * branches that begin together would carry out what the others were told.
 */
export class CarriedOut {
  readonly #live = new Map<string, number>();
  readonly #done = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #waiting = new Set<() => void>();

  /** A chain of this task begins; the answer says that it is over. */
  enter(task: string): () => void {
    this.#live.set(task, (this.#live.get(task) ?? 0) + 1);
    return () => {
      const left = (this.#live.get(task) ?? 1) - 1;
      if (left > 0) this.#live.set(task, left);
      else this.#live.delete(task);
      this.#tell();
    };
  }

  /** An entry is durable. */
  done(key: string): void {
    this.#done.add(key);
    this.#failed.delete(key);
    this.#tell();
  }

  /** The store did not take an entry: others need not wait for who tried. */
  failed(key: string): void {
    this.#failed.add(key);
    this.#tell();
  }

  /** Whether an entry is durable; asked while a chain of the task that stamped it is at it, it waits for that chain. */
  async isDone(key: string, by: string | undefined): Promise<boolean> {
    while (!this.#done.has(key) && !this.#failed.has(key) && by !== undefined && this.#live.has(by)) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return this.#done.has(key);
  }

  #tell(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
