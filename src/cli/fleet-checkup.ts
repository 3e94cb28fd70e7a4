/** What `doctor` reports about the programs that share a bucket. */
import type { WorkflowError } from "../errors.ts";
import { WORKERS_PREFIX } from "../keys.ts";
import { listInterference } from "../run/foreign/interference.ts";
import { listAnnouncements } from "../programs/announcements.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { listKeys } from "../store/paging.ts";

/** Notes of interference that are older say nothing of the fleet of today. */
const FRESH_MS = 7 * 86_400_000;

/** A sentence for each thing that people should know; the first word of one that asks for a change is `change:`. */
export async function examineFleet(store: ObjectStore): Promise<readonly string[]> {
  const now = store.time().latest;
  const unreadable: string[] = [];
  const onUnreadable = ({ message }: WorkflowError): void => void unreadable.push(message);
  const ours = new Set((await listAnnouncements(store, now, onUnreadable)).map(({ worker_id }) => worker_id));
  const others: string[] = [];
  for await (const key of listKeys(store, WORKERS_PREFIX)) {
    const id = key.slice(WORKERS_PREFIX.length).replace(/\.json$/u, "");
    if (!ours.has(id)) others.push(id);
  }
  const interferences = (await listInterference(store, onUnreadable)).filter(({ seen_at }) => seen_at > now - FRESH_MS);
  return [
    ...unreadable,
    ...(others.length === 0 ? [] : [`workers of other programs, or of ours that died: ${others.join(", ")}`]),
    ...interferences.map(
      ({ workflow, run, did, seen_at }) =>
        `change: a worker of another program claimed a workflow.orchestrate task of run ${run} of ${workflow} and ${did} the run ` +
        `(seen ${new Date(seen_at).toISOString()}). It registers a whole workflow on this bucket; ` +
        `have it register step types alone, as docs/mixed-fleets.md shows, or give it a bucket of its own`,
    ),
  ];
}
