/** The announcements of workers: which workflows each of them serves. */
import { z } from "zod";
import type { WorkflowError } from "../errors.ts";
import { ANNOUNCEMENTS_PREFIX, announcementKey } from "../keys.ts";
import { Codec, readDocuments } from "../store/document.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { stringifyJson } from "../wire/json.ts";

/** A worker that was not seen for this long does not count. */
export const SEEN_MS: number = 60_000 + 15_000;

/** A worker that was not seen for this long has died without deleting its announcement. */
const DEAD_MS = 24 * 60 * 60_000;

const announcementSchema = z.object({
  worker_id: z.string(),
  seen_at: z.number(),
  workflows: z.array(z.object({ name: z.string(), definition_hash: z.string(), plan_hash: z.string() })),
});

/** The announcement of one worker. */
export interface Announcement {
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
export const announcementCodec: Codec<Announcement> = new Codec<Announcement>({
  what: "the announcement of a worker",
  read: (json) => announcementSchema.parse(json),
  keyOf: ({ worker_id }) => announcementKey(worker_id),
  write: (announcement) => stringifyJson(announcement),
});

/** The workers that were seen in the last minute. `onUnreadable` is called with each announcement that cannot be read; it is ignored. */
export async function listAnnouncements(
  store: ObjectStore,
  nowMs: number,
  onUnreadable?: (error: WorkflowError) => void,
): Promise<readonly Announcement[]> {
  const known = await readDocuments(store, ANNOUNCEMENTS_PREFIX, announcementCodec, onUnreadable);
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
  const known = await readDocuments(store, ANNOUNCEMENTS_PREFIX, announcementCodec);
  const dead = known.filter(({ seen_at }) => seen_at <= nowMs - DEAD_MS);
  // An announcement that cannot be deleted now is found again by the next check.
  await Promise.allSettled(dead.map(({ worker_id }) => store.delete(announcementKey(worker_id))));
  return known.some(
    (worker) =>
      isAlive(worker, nowMs) &&
      worker.workflows.some(
        (workflow) => workflow.name === run.type && workflow.definition_hash === run.definition_hash,
      ),
  );
}

function isAlive({ seen_at }: Announcement, nowMs: number): boolean {
  return seen_at > nowMs - SEEN_MS;
}
