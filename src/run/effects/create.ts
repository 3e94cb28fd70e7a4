/** Creates the task of an execution that no driver owns, so that another worker finds it. */
import { endedWithoutUs } from "../ended-task.ts";
import { type EntryBase, type ExecutionRef, executionRef } from "../record/record.ts";
import { executionTask, executionTaskId } from "../tasks.ts";
import { type EffectKind, entryId, executionIn, makeReady } from "./effect.ts";

/** The outbox entry that creates the task of an execution. */
export interface CreateEntry extends EntryBase {
  readonly do: "create";
  readonly ref: ExecutionRef;
}

/** The entry for an execution. */
export function createEntry(ref: ExecutionRef): CreateEntry {
  return { id: entryId("create", ref), do: "create", ref };
}

/** The kind of effect that creates the task of an execution. */
export const createEffect: EffectKind<CreateEntry> = {
  do: "create",
  shape: { ref: executionRef },
  outlivesTermination: false,
  stepOf: ({ ref }) => ref.step,
  // The creation of an owned step belongs to its owner, who runs the step instead.
  isFree: ({ ref }, record) => executionIn(record, ref)?.owner === undefined,
  dispatch: async ({ ref }, { context, record, program, dispatcher }) => {
    const execution = executionIn(record, ref);
    // Who holds the task knows that it was made, and its lease key stands.
    if (execution === undefined || executionTaskId(record.id, execution) === dispatcher.actor.task) return [];
    const existing = await makeReady(context, executionTask(record, program, execution));
    return existing === undefined ? [] : endedWithoutUs(context.queue, record.id, execution, existing);
  },
};
