import { setImmediate as nextTurn } from "node:timers/promises";

/** Something due at a virtual instant. */
export interface ScheduledCall {
  /** Virtual milliseconds since the scheduler was made. */
  readonly dueAt: number;
  /** Orders calls of one instant; drawn by chance. */
  readonly tie: number;
  /** Orders calls whose tie is equal too, so that nothing depends on the heap. */
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Cancelled calls are swept out of the heap when there are more of them than this and than living ones. */
const SWEEP_ABOVE = 1024;

/** Virtual time and what is due in it: one call at a time, everything it set off settled before the next. */
export class Scheduler {
  readonly #drawTie: () => number;
  readonly #turns: number;
  #heap: ScheduledCall[] = [];
  #cancelled = 0;
  #order = 0;
  #now = 0;

  /** `drawTie` orders calls of one instant; `turns` is how many turns of the event loop are granted after each call. */
  constructor(drawTie: () => number, turns: number) {
    this.#drawTie = drawTie;
    this.#turns = turns;
  }

  /** Virtual milliseconds since the scheduler was made. */
  get now(): number {
    return this.#now;
  }

  /** Plans `run` in `delayMs` virtual milliseconds (less than 0 counts as 0). @throws {RangeError} when it is not a number */
  schedule(delayMs: number, run: () => void): ScheduledCall {
    if (Number.isNaN(delayMs)) throw new RangeError("a delay is not a number");
    const dueAt = this.#now + Math.max(0, delayMs);
    const call: ScheduledCall = { dueAt, tie: this.#drawTie(), order: this.#order++, run, cancelled: false };
    this.#heap.push(call);
    this.#siftUp(this.#heap.length - 1);
    return call;
  }

  /** Takes a call back; quiet when it ran already. */
  cancel(call: ScheduledCall): void {
    if (call.cancelled) return;
    call.cancelled = true;
    this.#cancelled += 1;
    if (this.#cancelled > SWEEP_ABOVE && this.#cancelled * 2 > this.#heap.length) this.#sweep();
  }

  /** When the next call is due, `undefined` when there is none. */
  nextDueAt(): number | undefined {
    while (this.#heap[0]?.cancelled === true) {
      this.#pop();
      this.#cancelled -= 1;
    }
    return this.#heap[0]?.dueAt;
  }

  /** Moves to the next call and runs it. The caller drains afterwards. */
  step(): boolean {
    if (this.nextDueAt() === undefined) return false;
    const call = this.#pop();
    this.#now = Math.max(this.#now, call.dueAt);
    // A call that ran must not be counted when somebody cancels it later.
    call.cancelled = true;
    call.run();
    return true;
  }

  /** Moves the time on with nothing due in between. */
  moveTo(instant: number): void {
    this.#now = Math.max(this.#now, instant);
  }

  /** Lets all code that can go on without virtual time go on: a turn of the event loop empties the microtask queue. */
  async drain(): Promise<void> {
    for (let turn = 0; turn < this.#turns; turn += 1) await nextTurn();
  }

  #sweep(): void {
    const living = this.#heap.filter((call) => !call.cancelled);
    this.#heap = [];
    this.#cancelled = 0;
    for (const call of living) {
      this.#heap.push(call);
      this.#siftUp(this.#heap.length - 1);
    }
  }

  #pop(): ScheduledCall {
    const top = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#siftDown();
    }
    return top;
  }

  #siftUp(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(this.#heap[index]!, this.#heap[parent]!)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #siftDown(): void {
    let index = 0;
    for (;;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#heap.length && isBefore(this.#heap[child]!, this.#heap[least]!)) least = child;
      }
      if (least === index) return;
      this.#swap(index, least);
      index = least;
    }
  }

  #swap(left: number, right: number): void {
    const kept = this.#heap[left]!;
    this.#heap[left] = this.#heap[right]!;
    this.#heap[right] = kept;
  }
}

function isBefore(left: ScheduledCall, right: ScheduledCall): boolean {
  if (left.dueAt !== right.dueAt) return left.dueAt < right.dueAt;
  if (left.tie !== right.tie) return left.tie < right.tie;
  return left.order < right.order;
}
