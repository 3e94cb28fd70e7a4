/** Why a task was claimed for a run, and what its claimer does before it drives. */
import type { Program } from "../../programs/programs.ts";
import type { QueueContext, TaskRecord } from "../../queue/task.ts";
import type { Fact } from "../facts.ts";
import type { ExecutionRef, RunRecord } from "../record/record.ts";

/** What a claimer knows before it has read the record, and what it wants to look up once it has. */
export interface Known {
  readonly facts: readonly Fact[];
  /** Whether the inbox is looked into even when nothing was written. */
  readonly listens: boolean;
  /** Whether the same comes again by itself. */
  readonly recurs?: boolean;
  /** More facts, looked up with the record in hand. */
  lookUp?(queue: QueueContext, record: RunRecord, program: Program): Promise<readonly Fact[]>;
}

/** Why a task was claimed for a run. */
export interface WakeUp extends Known {
  readonly runId: string;
  /** The workflow of the run. Absent: the task does not name it, the record of the run does. */
  readonly workflow?: string;
  /** The activity whose own task this is: only who has its handler takes it. Absent: the task only wakes the run. */
  readonly activity?: Pick<ExecutionRef, "kind" | "step">;
}

/**
 * A cause for which runs are woken: how its task is read, and what its claimer then knows. A new cause is a file of its own and a line in
 * `wake-ups.ts`.
 */
export interface WakeUpKind {
  /** Undefined: the task is of another cause, or its input makes no sense. */
  read(task: TaskRecord): WakeUp | undefined;
}
