/** Ends the task of an execution that is over. */
import { z } from "zod";
import { settleTask, type TaskEnd } from "../../queue/settle.ts";
import type { StoredValue } from "../../wire/value.ts";
import { type EntryBase, type ExecutionRef, executionRef, storedValue } from "../record/record.ts";
import { outputOf, resultOutput } from "../step-output.ts";
import { executionTask } from "../tasks.ts";
import { type EffectKind, entryId } from "./effect.ts";

/** The outbox entry that ends the task of an execution. */
export interface SettleEntry extends EntryBase {
  readonly do: "settle";
  readonly ref: ExecutionRef;
  readonly status: "completed" | "failed" | "cancelled";
  readonly error?: string;
  /** The result, where the step table does not hold it any more. */
  readonly result?: StoredValue;
}

/** The entry for an execution that ended so. */
export function settleEntry(ref: ExecutionRef, status: SettleEntry["status"], error?: string): SettleEntry {
  return { id: entryId("settle", ref), do: "settle", ref, status, ...(error === undefined ? {} : { error }) };
}

/** The kind of effect that ends the task of an execution. */
export const settleEffect: EffectKind<SettleEntry> = {
  do: "settle",
  shape: {
    ref: executionRef,
    status: z.enum(["completed", "failed", "cancelled"]),
    error: z.string().optional(),
    result: storedValue.optional(),
  },
  outlivesTermination: true,
  stepOf: ({ ref }) => ref.step,
  withResult: (entry, step, result) => {
    const isOfStep = entry.ref.kind === "run" && entry.ref.step === step && entry.status === "completed";
    return isOfStep && !("result" in entry) ? { ...entry, result } : entry;
  },
  dispatch: async (entry, { context, record, program, dispatcher }) => {
    const spec = executionTask(record, program, entry.ref);
    const { kind, step } = entry.ref;
    const state = kind === "run" ? record.steps.get(step) : undefined;
    const error = entry.error === undefined ? {} : { error: entry.error };
    const end: TaskEnd =
      entry.status === "completed"
        ? { status: "completed", output: "result" in entry ? resultOutput(step, entry.result) : outputOf(step, state) }
        : { status: entry.status, ...error };
    if (!(await dispatcher.finishOwn(spec.id, end))) await settleTask(context.queue, spec, end);
    return [];
  },
};
