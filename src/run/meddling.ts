/**
 * Notes about workers of buquet that claimed ticks of runs which are driven here (W-3, W-4): their orchestrator pauses a run whose
 * definition they do not have, and submits the steps of one that they have. Kept for `doctor`, the newest for each workflow.
 */
import { z } from "zod";
import { MEDDLING_PREFIX, meddlingKey } from "../keys.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** What was seen. `seen_at`: milliseconds since 1970. */
export interface Meddling {
  readonly workflow: string;
  readonly run: string;
  readonly did: "paused" | "drove";
  readonly seen_at: number;
}

const noteSchema: z.ZodType<Meddling> = z.object({
  workflow: z.string(),
  run: z.string(),
  did: z.enum(["paused", "drove"]),
  seen_at: z.number(),
});

/** Writes a note over the last one. */
export async function noteMeddling(store: ObjectStore, note: Meddling): Promise<void> {
  await store.put(meddlingKey(note.workflow), JSON.stringify(note), "always");
}

/** All notes, by workflow. What cannot be read is passed over. */
export async function listMeddling(store: ObjectStore): Promise<readonly Meddling[]> {
  const page = await store.list(MEDDLING_PREFIX);
  const read = await Promise.all(page.objects.map(({ key }) => store.get(key)));
  return read.flatMap((answer) => {
    if (answer.kind === "missing") return [];
    try {
      return [noteSchema.parse(JSON.parse(answer.object.body))];
    } catch {
      return [];
    }
  });
}
