/** When this process asks for tasks that it knows of, so that it need not find them by a list. Hints only: nothing is lost with them. */

/** Most tasks that are known. The index leads to those that come later: to one of a crowd, or to one of many parked runs. */
const MOST_HINTS = 10_000;

interface Hint {
  readonly id: string;
  readonly at: number;
}

/** Tasks by the instant from which on they are asked for, in milliseconds since 1970: the next ones, however many there are. */
export class Hints {
  readonly #most: number;
  readonly #at = new Map<string, number>();
  /** A binary heap, the next one first. What does not agree with the map is out of date and passed over. */
  #heap: Hint[] = [];

  constructor(most: number = MOST_HINTS) {
    this.#most = most;
  }

  /** How many tasks are known: never more than twice as many as are kept. */
  get size(): number {
    return this.#at.size;
  }

  /** When this task is asked for; undefined when it is not known. */
  at(id: string): number | undefined {
    return this.#at.get(id);
  }

  /** The instant of the next one; infinite when there is none. */
  get nextAt(): number {
    return this.#next()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Asks for a task at an instant, in place of the one that was known. */
  set(id: string, at: number): void {
    if (this.#at.get(id) === at) return;
    this.#at.set(id, at);
    this.#push({ id, at });
    if (this.#heap.length > 2 * this.#most) this.#forgetLast();
  }

  /** Takes the next task that is to be asked for by now; undefined when there is none. */
  takeDue(now: number): string | undefined {
    const next = this.#next();
    if (next === undefined || next.at > now) return undefined;
    this.#at.delete(next.id);
    return next.id;
  }

  /** Those that come last are left to the index. An array in order is a heap. */
  #forgetLast(): void {
    const hints = [...this.#at].map(([id, at]): Hint => ({ id, at })).toSorted((a, b) => a.at - b.at);
    for (const { id } of hints.slice(this.#most)) this.#at.delete(id);
    this.#heap = hints.slice(0, this.#most);
  }

  #next(): Hint | undefined {
    for (;;) {
      const [next] = this.#heap;
      if (next === undefined || this.#at.get(next.id) === next.at) return next;
      this.#pop();
    }
  }

  #push(hint: Hint): void {
    const heap = this.#heap;
    let index = heap.push(hint) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.at <= hint.at) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = hint;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = heap[left + 1];
      const below = right !== undefined && right.at < (heap[left]?.at ?? 0) ? left + 1 : left;
      const child = heap[below];
      if (child === undefined || child.at >= last.at) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
  }
}
