import type { Chance } from "./chance.ts";

/**
 * What can go wrong with one store call. Puts with a condition then answer `unknown`; everything else throws `unavailable`.
 *
 * - `crash-before`: the process dies instead of sending. `crash-after`: it dies when the call was applied, before the answer.
 * - `crash-late`: it dies when it has sent, and the network delivers the call `delayMs` after that.
 * - `reply-lost`: applied, but the caller is not told. `request-lost`: not applied.
 * - `late`: the caller is answered, the request is applied `delayMs` after that (a read is just lost).
 * - `echo`: applied and answered, and applied once more `delayMs` later. Only deletes and unconditional puts, which a store repeats by itself.
 * - `unavailable`: refused by the store (throttled), surely not applied.
 * - `slow`: applied in time, and the caller is told `delayMs` later.
 * - `freeze`: the process stands still for `delayMs` from the sending on, then gets everything at once; the call itself goes through.
 */
export type FaultKind =
  | "crash-before"
  | "crash-after"
  | "crash-late"
  | "reply-lost"
  | "request-lost"
  | "late"
  | "echo"
  | "unavailable"
  | "freeze"
  | "slow";

/** One fault at one call. */
export interface FaultPlan {
  /** Name of the process. */
  readonly process: string;
  /** The how-many-th store call of that name, from 1, counted over restarts. */
  readonly call: number;
  readonly kind: FaultKind;
  /** For `late`, `echo`, `freeze` and `slow`, in virtual milliseconds. @defaultValue drawn by the world's seed */
  readonly delayMs?: number;
}

/** Probability of each fault per call. @defaultValue 0 for every kind */
export type FaultRates = Readonly<Partial<Record<FaultKind, number>>>;

const KINDS: readonly FaultKind[] = [
  "crash-before",
  "crash-after",
  "crash-late",
  "reply-lost",
  "request-lost",
  "late",
  "echo",
  "unavailable",
  "freeze",
  "slow",
];

/** Whether the kind uses `delayMs`. */
export function hasDelay(kind: FaultKind): boolean {
  return kind === "late" || kind === "crash-late" || kind === "echo" || kind === "freeze" || kind === "slow";
}

/** Draws at most one fault for a call. */
export function drawFault(rates: FaultRates, chance: Chance): FaultKind | undefined {
  let point = chance.next();
  for (const kind of KINDS) {
    point -= rates[kind] ?? 0;
    if (point < 0) return kind;
  }
  return undefined;
}
