/** Moves the entry by which the sweeper finds the run, and the one by which a poll finds a run of a workflow that other programs know. */
import { z } from "zod";
import { activeKey, foreignKey } from "../../keys.ts";
import type { EntryBase, RunRecord } from "../record/record.ts";
import { moment } from "../record/record.ts";
import type { DispatchSite, EffectKind } from "./effect.ts";

/** The outbox entry that moves the index entries of a run. There is one in an outbox at most. */
export interface IndexEntry extends EntryBase {
  readonly do: "index";
  /** When the run is reconciled next, in milliseconds since 1970; null: no more. */
  readonly at: number | null;
  /** The entries of the active index that the one at `at` takes the place of. */
  readonly was: readonly number[];
}

/** The entry for the next reconcile at `at`, which replaces those at `was`. */
export function indexEntry(at: number | null, was: readonly number[]): IndexEntry {
  return { id: "index", do: "index", at, was };
}

/** The kind of effect that moves the index entries of a run. */
export const indexEffect: EffectKind<IndexEntry> = {
  do: "index",
  shape: { at: moment.nullable(), was: z.array(moment) },
  outlivesTermination: true,
  stepOf: () => undefined,
  dispatch: async (entry, site) => {
    await Promise.all([moveActive(entry, site), moveForeign(entry, site)]);
    return [];
  },
};

async function moveActive(entry: IndexEntry, { context, record }: DispatchSite): Promise<void> {
  const { store } = context.queue;
  // Every driver dispatches the entry again until a later write drops it. Once its time has come the sweeper has moved what stands in
  // the index, or will: put again it would be due at once, and the run would be reconciled every minute.
  if (entry.at !== null && entry.at <= store.time().earliest) return;
  const put = entry.at === null ? undefined : activeKey(record.id, entry.at);
  const gone = new Set(entry.was.map((was) => activeKey(record.id, was)));
  if (put !== undefined) {
    gone.delete(put);
    await store.put(put, "", "always");
  }
  for (const key of gone) await store.delete(key);
}

/** A run that was started or opened again without our start, or by one that died, gets its entry here; its end takes it away. */
async function moveForeign(entry: IndexEntry, { context, record, program }: DispatchSite): Promise<void> {
  if (!program.foreign) return;
  const { store } = context.queue;
  if (entry.at === null) await store.delete(foreignKey(record.id));
  else if (isOpened(record, entry)) await store.put(foreignKey(record.id), "", "always");
}

/** Whether the run may have no entry of its own yet. A late DELETE of its former end may take the new one: the next reconcile puts it again. */
function isOpened(record: RunRecord, entry: IndexEntry): boolean {
  return entry.at !== null && (entry.was.length === 0 || record.machine?.reopened !== undefined);
}
