/** A run as a sequence of frames: what is drawn, stepped through and compared. A stored run and a path of the explorer have the same form. */
import type { Plan } from "../../machines/plan/plan.ts";
import type { PersistedSnapshot, RunStatus } from "../../machines/snapshot.ts";

/** An event as the machine takes it, as far as it is still known. */
export interface AppliedEvent {
  /** The type of the event. */
  readonly type: string;
  /** What the event carries. */
  readonly [member: string]: unknown;
}

/** The run after one write. */
export interface Frame {
  /** When it was written, in milliseconds since 1970; null for a path that has no clock. */
  readonly at: number | null;
  /** What was applied since the frame before, for people. */
  readonly events: readonly string[];
  /** The same for tools that know the chart. Absent: only the words are known. */
  readonly applied?: readonly AppliedEvent[];
  /** The status of the run after it. */
  readonly status: RunStatus;
  /** The machine after it; null where another program dropped it. */
  readonly snapshot: PersistedSnapshot | null;
  /** Everything else that is shown and compared, as JSON: data, steps, timers, waits, errors. */
  readonly details: Readonly<Record<string, unknown>>;
  /** The store's name for this version; absent where there is none. */
  readonly version?: string;
  /** Why this frame says less than others, for people. */
  readonly note?: string;
}

/** A run, or a path through its machine. */
export interface Timeline {
  /** The run's id, or what the path shows. */
  readonly id: string;
  /** The plan that the run follows. */
  readonly plan: Plan;
  /** Oldest first; never empty. */
  readonly frames: readonly Frame[];
  /** What is missing from the whole, for people: versions that the store does not keep, a plan that is not there. */
  readonly notes?: readonly string[];
}
