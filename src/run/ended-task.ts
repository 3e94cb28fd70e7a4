/** What a task tells whose execution ended without its record hearing of it. */
import { errorOfText, summarize } from "../host/error-data.ts";
import { millisOf, type QueueContext, type TaskRecord } from "../queue/task.ts";
import { attemptsOfText } from "./attempts-text.ts";
import { readResult } from "./effects/result.ts";
import type { Fact } from "./facts.ts";
import { type Execution, refOf } from "./record/record.ts";
import { readOutput } from "./step-output.ts";

/**
 * A task that ended while its step is in flight: somebody ended it who did not tell the record first, as ours do. A worker of others
 * completed it and died, a foreign monitor failed it, or the record was made anew from plain fields that do not know of it.
 */
export async function endedWithoutUs(
  queue: QueueContext,
  runId: string,
  execution: Execution,
  task: TaskRecord,
): Promise<readonly Fact[]> {
  const { status, attempt } = task;
  if (status === "pending" || status === "running") return [];
  const ref = refOf(execution);
  const output = status === "completed" ? readOutput(task.output) : undefined;
  if (output !== undefined) return output.waits ? [] : [{ fact: "done", ref, result: output.result, attempt }];
  // buquet's worker puts the result before the record. Where it loses the race for that, it fails its task though the step is done (W-2).
  const left =
    execution.kind === "run" && execution.generation === 1 ? await readResult(queue, runId, execution.step) : undefined;
  if (left !== undefined) return [{ fact: "done", ref, result: left.result, attempt }];
  // A monitor of buquet leaves the name of the worker that it gave up in the task; who ends its own task takes its name out.
  const type = status === "failed" && task.worker_id !== null ? "WorkerLost" : "StepFailed";
  const text = task.last_error ?? `its task was ended as ${status} by somebody else`;
  const failures = attemptsOfText(text, { attempt, endedAt: millisOf(task.updated_at) });
  const error = failures.at(-1)?.error ?? errorOfText(text);
  // A text of another program may name no class.
  const message = text.startsWith(`${error.name}:`) ? summarize(error) : error.message;
  return [{ fact: "failed", ref, failure: { type, message, outcome: "unknown", attempt }, failures }];
}
