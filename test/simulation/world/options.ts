import type { Process } from "./process.ts";
import type { FaultPlan, FaultRates } from "./faults.ts";
import type { EtagStyle } from "./shared-objects.ts";

/**
 * Time of one request, in virtual milliseconds: a number is constant (applied half way), a range is uniform and the request is applied
 * anywhere on its way.
 */
export type Latency = number | { readonly minMs: number; readonly maxMs: number };

/** A stretch of time in virtual milliseconds since the world began. */
export interface Outage {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** How a world behaves. */
export interface WorldOptions {
  /** @defaultValue `{ minMs: 5, maxMs: 50 }` */
  readonly latency?: Latency;
  /** Probabilities of faults for every process that does not bring its own. @defaultValue none */
  readonly rates?: FaultRates;
  /** Planned faults; they win over drawn ones. @defaultValue none */
  readonly faults?: readonly FaultPlan[];
  /** Stretches of virtual time in which the store is away: every request that is sent then is refused, for sure not applied. @defaultValue none */
  readonly outages?: readonly Outage[];
  /** Virtual instant from which nothing is drawn any more (planned faults go on). @defaultValue never */
  readonly calmAtMs?: number;
  /** Range of drawn delays of `late` and `echo`, and of `freeze`. @defaultValue `{ minMs: 1, maxMs: 60_000 }` */
  readonly delays?: { readonly minMs: number; readonly maxMs: number };
  /** How long a caller waits for a lost reply; half of the time the connection breaks at once instead. @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** Probability that a request on its way still arrives when its process dies. @defaultValue 0.5 */
  readonly arrivesAfterCrash?: number;
  /** @defaultValue "content" */
  readonly etags?: EtagStyle;
  /** Whether the store keeps versions. @defaultValue true */
  readonly versions?: boolean;
  /** True wall time at which the world begins, in milliseconds since 1970. @defaultValue 2026-01-01T00:00:00Z */
  readonly startAt?: number;
  /** Half the width of the bounds that `store.time()` gives, in milliseconds. @defaultValue 500 */
  readonly timeErrorMs?: number;
  /** Whether requests are kept in `trace` (counters always are). @defaultValue true */
  readonly keepTrace?: boolean;
  /** Turns of the event loop after each action; more when the code under test uses `setImmediate` itself. @defaultValue 1 */
  readonly turnsPerAction?: number;
  /** Called when a process dies, for instance to spawn it again through `world.after`. @defaultValue nothing */
  readonly onCrash?: (process: Process) => void;
}

/** How one process differs from the others. */
export interface SpawnOptions {
  /** What its wall clock shows more than the true time, in milliseconds. @defaultValue 0 */
  readonly clockOffsetMs?: number;
  /** How much faster both its clocks run, in parts per million. @defaultValue 0 */
  readonly driftPpm?: number;
  /** @defaultValue the world's */
  readonly rates?: FaultRates;
  /** @defaultValue the world's */
  readonly latency?: Latency;
  /** @defaultValue the world's */
  readonly outages?: readonly Outage[];
}

/** When `run` stops. */
export interface RunOptions {
  /** Asked before each action; must not wait for virtual time. @defaultValue never true */
  readonly until?: () => boolean | Promise<boolean>;
  /** From now on, in virtual milliseconds. @defaultValue 3_600_000 */
  readonly maxVirtualMs?: number;
  /** @defaultValue 1_000_000 */
  readonly maxActions?: number;
}

/** Why `run` stopped: `until` held, the virtual time or the number of actions ran out, or nothing is left to happen. */
export interface RunEnd {
  readonly kind: "done" | "time" | "actions" | "idle";
  readonly actions: number;
}
