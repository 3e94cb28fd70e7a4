/** Puts the result of a step into its file: `workflow/{run}/steps/{step}.json`. */
import { z } from "zod";
import { laterResultKey, stepResultKey } from "../../keys.ts";
import type { QueueContext } from "../../queue/task.ts";
import { Codec, createDocumentBytes, readDocument } from "../../store/document.ts";
import { STORED_NULL, StoredValue } from "../../wire/value.ts";
import { type EntryBase, storedValue } from "../record/record.ts";
import type { EffectKind } from "./effect.ts";

/** The outbox entry that puts the result of a step. */
export interface ResultEntry extends EntryBase {
  readonly do: "result";
  readonly step: string;
  /** A later result of a step whose first one was undone: it has a key of its own. */
  readonly generation?: number;
  /** The result, where the step table does not hold it any more. */
  readonly result?: StoredValue;
}

/** The entry for a generation of a step. `isLater`: its first result was undone. */
export function resultEntry(step: string, generation: number, isLater: boolean): ResultEntry {
  // The generation stands in every id: without it the first result of a step "a:2" would replace the second one of a step "a".
  return { id: `result:${step}:${generation}`, do: "result", step, ...(isLater ? { generation } : {}) };
}

/** A result says nothing of itself: it is any JSON. */
const resultCodec = new Codec<StoredValue>({
  what: "the result of a step",
  read: (json) => StoredValue.parsed(json ?? null),
  keyOf: (_result, key) => key,
  write: (result) => result.text,
});

/** The kind of effect that puts the result of a step. */
export const resultEffect: EffectKind<ResultEntry> = {
  do: "result",
  shape: { step: z.string(), generation: z.number().int().optional(), result: storedValue.optional() },
  outlivesTermination: true,
  stepOf: ({ step }) => step,
  withResult: (entry, step, result) => (entry.step === step && !("result" in entry) ? { ...entry, result } : entry),
  // It is always copied from the record, never from a worker's memory (planted mistake 21).
  dispatch: async (entry, { context, record }) => {
    const { step, generation } = entry;
    const state = record.steps.get(step);
    if (!("result" in entry) && state?.status !== "completed") return [];
    const result = "result" in entry ? entry.result : state?.result;
    const key = generation === undefined ? stepResultKey(record.id, step) : laterResultKey(record.id, step, generation);
    const { store, host } = context.queue;
    await createDocumentBytes(store, host, key, resultCodec.encode(result ?? STORED_NULL));
    return [];
  },
};

/** The first result of a step as its file has it; undefined: there is none. */
export async function readResult(
  queue: QueueContext,
  runId: string,
  step: string,
): Promise<{ readonly result: StoredValue } | undefined> {
  const read = await readDocument(queue.store, stepResultKey(runId, step), resultCodec);
  return read.kind === "missing" ? undefined : { result: read.value };
}
