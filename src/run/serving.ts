/** What workers serve, as they announce it. */
import { z } from "zod";
import { SERVING_PREFIX } from "../keys.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { RunRecord } from "./record.ts";

/** A worker that was not seen for this long does not count. */
export const SEEN_MS: number = 60_000 + 15_000;

const servingSchema = z.object({
  worker_id: z.string(),
  seen_at: z.number(),
  workflows: z.array(z.object({ name: z.string(), definition_hash: z.string(), plan_hash: z.string() })),
});

/** What one worker says of itself. */
export interface Serving {
  readonly worker_id: string;
  /** Milliseconds since 1970. */
  readonly seen_at: number;
  readonly workflows: readonly {
    readonly name: string;
    readonly definition_hash: string;
    readonly plan_hash: string;
  }[];
}

/** The workers that were seen lately. Unreadable announcements are passed over. */
export async function listServing(store: ObjectStore, nowMs: number): Promise<readonly Serving[]> {
  const page = await store.list(SERVING_PREFIX);
  const read = await Promise.all(page.objects.map((object) => store.get(object.key)));
  return read.flatMap((answer) => {
    if (answer.kind === "missing") return [];
    const parsed = servingSchema.safeParse(parseOrNull(answer.object.body));
    return parsed.success && parsed.data.seen_at > nowMs - SEEN_MS ? [parsed.data] : [];
  });
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Whether a worker that was seen in the last minute serves the definition of this run. */
export async function isServedElsewhere(store: ObjectStore, record: RunRecord, nowMs: number): Promise<boolean> {
  const serving = await listServing(store, nowMs);
  return serving.some((worker) =>
    worker.workflows.some(
      (workflow) => workflow.name === record.type && workflow.definition_hash === record.definition_hash,
    ),
  );
}
