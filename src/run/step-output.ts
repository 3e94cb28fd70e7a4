/** What the task of a step says when it ends: written by us, read where only the task tells of it. */
import { z } from "zod";
import type { StepState } from "./record/record.ts";
import type { Writable } from "../wire/json.ts";
import { STORED_NULL, StoredValue } from "../wire/value.ts";

/** The handler returned this. */
export function resultOutput(step: string, result: StoredValue): Writable {
  return { success: true, result, step };
}

/**
 * What the step came to, as its record has it. A task that ended because its handler waits has no result: whoever finds only the task
 * must not take null for one.
 */
export function outputOf(step: string, state: StepState | undefined): Writable {
  const waits = state?.status === "running" || state?.status === "pending";
  return waits ? { success: true, step, waiting: true } : resultOutput(step, state?.result ?? STORED_NULL);
}

const outputSchema = z.looseObject({ success: z.literal(true), result: z.unknown(), waiting: z.boolean().optional() });

/** Reads the output of a step's task, ours or another program's; undefined: it says nothing of a result. */
export function readOutput(output: unknown): { readonly waits: boolean; readonly result: StoredValue } | undefined {
  const read = outputSchema.safeParse(output);
  return read.success
    ? { waits: read.data.waiting === true, result: StoredValue.parsed(read.data.result ?? null) }
    : undefined;
}
