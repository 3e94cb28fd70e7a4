/** The persisted form of a machine, and what it means in words that need no machine. */

import type { Outcome } from "./events.ts";

/** The stored state of a machine: JSON that `createActor(machine, { snapshot })` loads. Its members are not part of the API. */
export type PersistedSnapshot = {
  /** What XState stores. */
  readonly [member: string]: unknown;
};

/** The status of a run. */
export type RunStatus =
  | "pending"
  | "running"
  | "waiting_signal"
  | "compensating"
  | "paused"
  | "completed"
  | "failed"
  | "cancelled";

/** The state of a step in its machine. */
export type StepPhase =
  /** Not startable yet. */
  | "pending"
  /** Startable, but its delay is not over. */
  | "delaying"
  /** Startable, but the run is paused. Said by whoever holds the pause, never by a program. */
  | "parked"
  | "running"
  | "waiting"
  | "completed"
  | "skipped"
  | "held"
  | "failed"
  /** Stopped before it ended, or never reached by a run that is over. */
  | "cancelled";

/** The state of the undo of a step. `none`: no undo was asked for. */
export type UndoPhase = "none" | "running" | "done" | "failed";

/** A step as its machine describes it. */
export interface StepView {
  /** The state of the step. */
  readonly phase: StepPhase;
  /**
   * The generation of the step, from 1. It grows when the step is resumed after a hold or retried by an operator. 0: nothing was asked for
   * yet.
   */
  readonly generation: number;
  /** How many times a handler that waits for signals was woken. */
  readonly wake: number;
  /** For a step that did not complete: whether it may have had effects. */
  readonly outcome?: Outcome;
  /** The state of its undo. */
  readonly undo: UndoPhase;
}

/** What is written down of a step, and is read without the plan. */
export interface StepMarks {
  readonly phase?: "completed" | "failed" | "skipped" | "held" | "cancelled";
  /** `running` is not written down. */
  readonly undo: UndoPhase;
  readonly isWaiting: boolean;
  /** The run stops, and this step is not over yet. */
  readonly isDraining: boolean;
}

/** What is read of a snapshot without the plan. */
export interface SnapshotMarks {
  /** Why the run does not end as completed. */
  readonly outcome: "failed" | "cancelled" | null;
  /** What is written down of a step; a fresh step's when nothing is. */
  of(step: string): StepMarks;
}

/** A wait that is open: the next signal of this name goes to it. */
export interface OpenWait {
  readonly signal: string;
  readonly step: string;
  readonly generation: number;
  readonly wake: number;
}

/** Everything that a snapshot says, without states or tags. */
export interface Projection {
  readonly status: RunStatus;
  /** Names of the steps that run, wait or are being undone, in plan order. */
  readonly currentSteps: readonly string[];
  /** One entry for each step of the plan. A Map, because `__proto__` is a legal step name. */
  readonly steps: ReadonlyMap<string, StepView>;
  /** Open waits in the order in which signals are given to them. */
  readonly waits: readonly OpenWait[];
  /** Why a run that is stopping, compensating or over does not end as completed. */
  readonly outcome: "failed" | "cancelled" | null;
  /** Stopping or draining: steps whose forward task is not over yet. */
  readonly draining: readonly string[];
}
