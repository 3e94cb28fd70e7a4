/** The tasks that a run puts on the queue: their ids and types, and those of handler executions whole. Ticks are in `wakeups/`. */
import { computeUuid } from "../host/uuid.ts";
import type { TaskSpec } from "../queue/task.ts";
import type { Program } from "../programs/programs.ts";
import type { Execution, ExecutionRef, RunRecord } from "./record/record.ts";

/** Never runs out, so that a foreign monitor can only make the task ready again. */
export const ENDLESS_RETRIES = 2_147_483_647;

/** Attempt limit of a tick, and of an undo, for which the user sets none. */
export const TICK_TIMEOUT_MS = 300_000;

/** The id of a task that is put for a run. Computed, so that to make it twice is the same as once (R4). */
export function computedId(run: string, kind: string, subject: string, generation: number, wake: number): string {
  return computeUuid(JSON.stringify([run, kind, subject, generation, wake]));
}

/** The id of the task of a handler execution. */
export function executionTaskId(runId: string, ref: ExecutionRef): string {
  return computedId(runId, ref.kind, ref.step, ref.generation, ref.wake);
}

/** Task types by role. The first is buquet's; the others are ours, because real workers pause foreign runs when they claim its ticks. */
export const stepTaskType = (workflow: string, step: string): string => `workflow.step:${workflow}:${step}`;
export const undoTaskType = (workflow: string, step: string): string => `workflow.undo:${workflow}:${step}`;
export const tickTaskType = (workflow: string): string => `workflow.tick:${workflow}`;
export const FOREIGN_TICK_TYPE = "workflow.orchestrate";

/** The workflow of a tick; undefined: the type is that of no tick of ours. */
export function workflowOfTick(taskType: string): string | undefined {
  const prefix = tickTaskType("");
  return taskType.startsWith(prefix) ? taskType.slice(prefix.length) : undefined;
}

/** The workflow and the kind of activity of a step's own task, or of its undo's; undefined: the type is that of neither. */
export function readOwnTaskType(
  taskType: string,
  step: string,
): { readonly workflow: string; readonly kind: ExecutionRef["kind"] } | undefined {
  // Names may have colons: the step tells where the name of the workflow ends.
  const end = taskType.length - step.length - 1;
  for (const [kind, typeOf] of [
    ["run", stepTaskType],
    ["undo", undoTaskType],
  ] as const) {
    const workflow = taskType.slice(typeOf("", "").length - 1, Math.max(end, 0));
    if (taskType === typeOf(workflow, step)) return { workflow, kind };
  }
  return undefined;
}

/** Whether a task only wakes a run: no handler runs under its name. */
export function isTick(taskType: string): boolean {
  return taskType === FOREIGN_TICK_TYPE || workflowOfTick(taskType) !== undefined;
}

/** The task of a handler execution, as it is put on the queue. */
export function executionTask(
  record: RunRecord,
  program: Program,
  execution: ExecutionRef & Partial<Execution>,
): TaskSpec {
  const activity = program.activity(execution);
  const policy = activity?.retryPolicy;
  return {
    id: executionTaskId(record.id, execution),
    taskType:
      execution.kind === "run" ? stepTaskType(record.type, execution.step) : undoTaskType(record.type, execution.step),
    input: { workflow_id: record.id, step: execution.step, data: record.data },
    timeoutMs: activity?.timeoutMs ?? TICK_TIMEOUT_MS,
    maxRetries: activity?.retries ?? 3,
    retryCount: execution.retries ?? 0,
    ...(policy === undefined ? {} : { retryPolicy: policy }),
    ...(execution.availableAt === undefined ? {} : { availableAt: execution.availableAt }),
    ownOnly: activity?.remote !== true,
  };
}
