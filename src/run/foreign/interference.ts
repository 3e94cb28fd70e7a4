/**
 * Notes about workers of buquet that claimed ticks of runs which are driven here (W-3, W-4): their orchestrator pauses a run whose
 * definition they do not have, and submits the steps of one that they have. Kept for `doctor`, the newest for each workflow.
 */
import { z } from "zod";
import { INTERFERENCE_PREFIX, interferenceKey } from "../../keys.ts";
import type { WorkflowError } from "../../errors.ts";
import { Codec, readDocuments } from "../../store/document.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { stringifyJson } from "../../wire/json.ts";

/** What was seen. `seen_at`: milliseconds since 1970. */
export interface Interference {
  readonly workflow: string;
  readonly run: string;
  readonly did: "paused" | "drove";
  readonly seen_at: number;
}

const noteSchema: z.ZodType<Interference> = z.object({
  workflow: z.string(),
  run: z.string(),
  did: z.enum(["paused", "drove"]),
  seen_at: z.number(),
});

const noteCodec = new Codec<Interference>({
  what: "a note of interference",
  read: (json) => noteSchema.parse(json),
  keyOf: ({ workflow }) => interferenceKey(workflow),
  write: (note) => stringifyJson(note),
});

/** Writes a note over the last one. */
export async function noteInterference(store: ObjectStore, note: Interference): Promise<void> {
  await store.put(interferenceKey(note.workflow), noteCodec.encode(note), "always");
}

/** All notes, by workflow. `onUnreadable` is told of those that cannot be read. */
export function listInterference(
  store: ObjectStore,
  onUnreadable?: (error: WorkflowError) => void,
): Promise<readonly Interference[]> {
  return readDocuments(store, INTERFERENCE_PREFIX, noteCodec, onUnreadable);
}
