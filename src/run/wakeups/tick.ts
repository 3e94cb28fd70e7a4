/** Tasks that only wake a run. Their type is ours, because real workers of buquet pause foreign runs whose ticks they claim (W-3). */
import { z } from "zod";
import type { TaskRecord, TaskSpec } from "../../queue/task.ts";
import { objectOf, type ShapeOf } from "../record/shape.ts";
import { ENDLESS_RETRIES, TICK_TIMEOUT_MS, tickTaskType, workflowOfTick } from "../tasks.ts";
import type { Known, WakeUp, WakeUpKind } from "./wake-up.ts";

/** A cause of ticks. C: what the input of such a task says of it. */
export interface TickCause<C> {
  /** The member `kind` of the cause in the task's input. */
  readonly kind: string;
  /** The schema of what the input says of the cause beside its kind. */
  readonly shape: ShapeOf<C>;
  /** The id of the task: computed, so that to put it twice is the same as once (R4). */
  id(runId: string, cause: C): string;
  /** When the task is due, in milliseconds since 1970. Absent: at once. */
  dueAt?(cause: C): number;
  /** What its claimer knows. */
  known(cause: C, runId: string): Known;
}

/** A cause of ticks whose tasks can be put and read. */
export interface TickKind<C> extends WakeUpKind {
  id(runId: string, cause: C): string;
  /** The tick as it is put on the queue. */
  task(run: { readonly id: string; readonly type: string }, cause: C): TaskSpec;
}

const inputSchema = z.looseObject({ workflow_id: z.string(), cause: z.looseObject({ kind: z.string() }) });

/** Makes the kind of a cause. */
export function tickKind<C extends object>(cause: TickCause<C>): TickKind<C> {
  const schema = objectOf<C>(cause.shape);
  return {
    id: (runId, of) => cause.id(runId, of),
    task: (run, of) => ({
      id: cause.id(run.id, of),
      taskType: tickTaskType(run.type),
      input: { workflow_id: run.id, cause: { kind: cause.kind, ...of } },
      timeoutMs: TICK_TIMEOUT_MS,
      maxRetries: ENDLESS_RETRIES,
      retryCount: 0,
      ...(cause.dueAt === undefined ? {} : { availableAt: cause.dueAt(of) }),
      ownOnly: true,
    }),
    read: (task: TaskRecord): WakeUp | undefined => {
      const workflow = workflowOfTick(task.task_type);
      const input = inputSchema.safeParse(task.input);
      if (workflow === undefined || !input.success || input.data.cause.kind !== cause.kind) return undefined;
      const read = schema.safeParse(input.data.cause);
      const runId = input.data.workflow_id;
      return read.success ? { runId, workflow, ...cause.known(read.data, runId) } : undefined;
    },
  };
}
