/** Makes sure that a step which the run does not want any more never starts again. */
import { requestCancellation } from "../../queue/cancel.ts";
import { fenceTask } from "../../queue/settle.ts";
import type { QueueContext, TaskSpec } from "../../queue/task.ts";
import type { Fact } from "../facts.ts";
import { type EntryBase, type ExecutionRef, executionRef } from "../record/record.ts";
import { executionTask } from "../tasks.ts";
import { type EffectKind, entryId, executionIn } from "./effect.ts";

/** The outbox entry that fences an execution. */
export interface FenceEntry extends EntryBase {
  readonly do: "fence";
  readonly ref: ExecutionRef;
}

/** The entry for an execution. */
export function fenceEntry(ref: ExecutionRef): FenceEntry {
  return { id: entryId("fence", ref), do: "fence", ref };
}

/** The kind of effect that fences an execution. */
export const fenceEffect: EffectKind<FenceEntry> = {
  do: "fence",
  shape: { ref: executionRef },
  outlivesTermination: false,
  stepOf: ({ ref }) => ref.step,
  dispatch: async ({ ref }, { context, record, program, dispatcher }) => {
    const execution = executionIn(record, ref);
    if (execution === undefined) return [{ fact: "fenced", ref, outcome: "never" }];
    const spec = executionTask(record, program, execution);
    if (execution.owner !== undefined) {
      // Its holder completes the step and drives on. Its handler hears of it at once in this process, else by the next heartbeat
      // (protocol 1.13). An unknown holder is found by a reconcile.
      if (execution.owner === "unknown") return [];
      const { task } = execution.owner;
      if (!context.requestCancel(task) && task !== dispatcher.actor.task)
        await requestCancellation(context.queue, task);
      return [];
    }
    // Its holder is in this process: it ends the step, or its lease runs out and the next claimer does (its fence write).
    if (context.requestCancel(spec.id)) return [];
    return fenceExecution(context.queue, spec, ref);
  },
};

/** Makes sure that the task of an execution that nobody owns never starts again; no fact: its holder says how it ended. */
export async function fenceExecution(queue: QueueContext, spec: TaskSpec, ref: ExecutionRef): Promise<readonly Fact[]> {
  const answer = await fenceTask(queue, spec);
  switch (answer.kind) {
    case "absent":
      return [{ fact: "fenced", ref, outcome: "never" }];
    case "running":
      return [];
    case "pending":
    case "over":
      return [{ fact: "fenced", ref, outcome: answer.attempt > 0 ? "unknown" : "never" }];
  }
}
