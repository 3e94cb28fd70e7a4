/** A run as a sequence of frames: what is drawn, stepped through and compared. A stored run and a path of the explorer have the same form. */
import type { Plan } from "../../machines/plan.ts";
import type { PersistedSnapshot, RunStatus } from "../../machines/snapshot.ts";

/** The run after one write. */
export interface Frame {
  /** When it was written, in milliseconds since 1970; null for a path that has no clock. */
  readonly at: number | null;
  /** What was applied since the frame before, for people. */
  readonly events: readonly string[];
  readonly status: RunStatus;
  /** The machine after it; null where another program dropped it. */
  readonly snapshot: PersistedSnapshot | null;
  /** Everything else that is shown and compared, as JSON: data, steps, timers, waits, errors. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A run, or a path through its machine. */
export interface Timeline {
  /** The run's id, or what the path shows. */
  readonly id: string;
  readonly plan: Plan;
  /** Oldest first; never empty. */
  readonly frames: readonly Frame[];
}
