/** The announcements of workers: which workflows each of them serves. */
import { z } from "zod";
import type { WorkflowError } from "../errors.ts";
import { SERVING_PREFIX, servingKey } from "../keys.ts";
import { Codec, readDocuments } from "../store/document.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { stringifyJson } from "../wire/json.ts";

/** A worker that was not seen for this long does not count. */
export const SEEN_MS: number = 60_000 + 15_000;

/** A worker that was not seen for this long has died without deleting its announcement. */
const DEAD_MS = 24 * 60 * 60_000;

const servingSchema = z.object({
  worker_id: z.string(),
  seen_at: z.number(),
  workflows: z.array(z.object({ name: z.string(), definition_hash: z.string(), plan_hash: z.string() })),
});

/** The announcement of one worker. */
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

/** The codec of `x-workflow/serving/{worker}.json`. */
export const servingCodec: Codec<Serving> = new Codec<Serving>({
  what: "the announcement of a worker",
  read: (json) => servingSchema.parse(json),
  keyOf: ({ worker_id }) => servingKey(worker_id),
  write: (serving) => stringifyJson(serving),
});

/** The workers that were seen in the last minute. `onUnreadable` is called with each announcement that cannot be read; it is ignored. */
export async function listServing(
  store: ObjectStore,
  nowMs: number,
  onUnreadable?: (error: WorkflowError) => void,
): Promise<readonly Serving[]> {
  const known = await readDocuments(store, SERVING_PREFIX, servingCodec, onUnreadable);
  return known.filter((worker) => isAlive(worker, nowMs));
}

/** The part of a record that decides who serves the run. */
interface RunOf {
  readonly type: string;
  readonly definition_hash: string;
}

/**
 * Whether a worker that was seen in the last minute serves the definition of this run. For workers: announcements of workers that died
 * more than a day ago are deleted, so that the next check does not read them again.
 */
export async function isServedElsewhere(store: ObjectStore, run: RunOf, nowMs: number): Promise<boolean> {
  const known = await readDocuments(store, SERVING_PREFIX, servingCodec);
  const dead = known.filter(({ seen_at }) => seen_at <= nowMs - DEAD_MS);
  // An announcement that cannot be deleted now is found again by the next check.
  await Promise.allSettled(dead.map(({ worker_id }) => store.delete(servingKey(worker_id))));
  return known.some(
    (worker) =>
      isAlive(worker, nowMs) &&
      worker.workflows.some(
        (workflow) => workflow.name === run.type && workflow.definition_hash === run.definition_hash,
      ),
  );
}

function isAlive({ seen_at }: Serving, nowMs: number): boolean {
  return seen_at > nowMs - SEEN_MS;
}
