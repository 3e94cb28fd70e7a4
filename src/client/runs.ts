/** Finds runs in the bucket. */
import { type Duration, parseDuration } from "../wire/duration.ts";
import { isWorkflowError, type WorkflowError } from "../errors.ts";
import { stateKey, WORKFLOW_PREFIX } from "../keys.ts";
import { recordCodec } from "../run/record/codec.ts";
import { type RunRecord, RUN_STATUSES } from "../run/record/record.ts";
import type { RunStatus } from "../run/view.ts";
import { readDocument } from "../store/document.ts";
import { callback, type ChecksOf, count, duration, oneOf, readSettings, text } from "../settings.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { isOrdered, listKeys } from "../store/paging.ts";
import { parseInstant } from "../wire/instant.ts";
import { LIMIT_CHECKS, type WaitLimits } from "./limit.ts";
import { type RunView, runViewOf } from "./view.ts";

/** Filters of `list` and `bulk`. Only `prefix` saves requests: for all other filters, the record of each run is read. */
export interface ListRunsOptions {
  /** Only runs of the workflow with this name. @defaultValue all */
  readonly type?: string;
  /** Only runs with this status. @defaultValue all */
  readonly status?: RunStatus;
  /** Only runs whose ids begin with this. @defaultValue all */
  readonly prefix?: string;
  /** Only runs that have not changed for this long: `"2d"` or milliseconds. @defaultValue all */
  readonly olderThan?: Duration;
  /** The most runs that are returned. @defaultValue no limit */
  readonly limit?: number;
}

/**
 * Options of `list`. `timeout` and `signal` limit the whole iteration, including the time between two runs; it throws when the limit is
 * reached.
 */
export interface RunListOptions extends ListRunsOptions, WaitLimits {
  /** Called with each run whose record cannot be read and a `data` error; the iteration continues. @defaultValue a warning in the log */
  readonly onUnreadable?: (id: string, error: WorkflowError) => void;
}

const FILTERS = {
  type: text,
  status: oneOf(...RUN_STATUSES),
  prefix: text,
  olderThan: duration(0),
  limit: count(1),
} satisfies ChecksOf<ListRunsOptions>;

const LIST = { ...FILTERS, onUnreadable: callback, ...LIMIT_CHECKS } satisfies ChecksOf<RunListOptions>;

/** @throws {WorkflowError} `invalid` for a filter that does not exist or makes no sense. */
export function checkFilters(filters: ListRunsOptions): void {
  readSettings("the filter", FILTERS, filters);
}

/** A run that was found, with its record or the reason why it cannot be read. */
export type FoundRun =
  | { readonly id: string; readonly record: RunRecord }
  | { readonly id: string; readonly record?: undefined; readonly error: WorkflowError };

/** The runs that match, by id. A run whose record cannot be read is included, because it may match. */
export async function* findRuns(store: ObjectStore, options: ListRunsOptions): AsyncGenerator<FoundRun> {
  const changedBefore =
    options.olderThan === undefined ? Number.POSITIVE_INFINITY : store.time().latest - parseDuration(options.olderThan);
  for await (const id of runIds(store, options.prefix ?? "")) {
    const found = await readRun(store, id);
    const { record } = found ?? {};
    if (found === undefined || (record !== undefined && !fits(record, options, changedBefore))) continue;
    yield found;
  }
}

async function readRun(store: ObjectStore, id: string): Promise<FoundRun | undefined> {
  try {
    const read = await readDocument(store, stateKey(id), recordCodec);
    return read.kind === "missing" ? undefined : { id, record: read.value };
  } catch (error) {
    if (isWorkflowError(error, "data")) return { id, error };
    throw error;
  }
}

function fits(record: RunRecord, { type, status }: ListRunsOptions, changedBefore: number): boolean {
  if (type !== undefined && record.type !== type) return false;
  if (status !== undefined && record.status !== status) return false;
  return changedBefore === Number.POSITIVE_INFINITY || (parseInstant(record.updated_at)?.ms ?? 0) <= changedBefore;
}

/** The views of the runs that match. `onUnreadable` is called with each run whose record cannot be read. */
export async function* listRuns(
  store: ObjectStore,
  options: ListRunsOptions,
  onUnreadable: (id: string, error: WorkflowError) => void,
): AsyncGenerator<RunView> {
  readSettings("list", LIST, options);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  for await (const found of findRuns(store, options)) {
    if (found.record === undefined) {
      onUnreadable(found.id, found.error);
      continue;
    }
    left -= 1;
    yield runViewOf(found.record);
    // Ends before the next run is read: the next match may be far away.
    if (left === 0) return;
  }
}

/** The ids of runs. One LIST returns many, because the objects of each run are skipped; lists without order cannot skip. */
async function* runIds(store: ObjectStore, prefix: string): AsyncGenerator<string> {
  if (!isOrdered(store)) return yield* allRunIds(store, prefix);
  let after: string | undefined;
  for (;;) {
    const page = await store.list(WORKFLOW_PREFIX + prefix, {
      limit: 1000,
      ...(after === undefined ? {} : { after }),
    });
    let previous: string | undefined;
    for (const { key } of page.objects) {
      const id = key.slice(WORKFLOW_PREFIX.length).split("/")[0];
      if (id === undefined || id === previous) continue;
      if (after !== undefined && `${WORKFLOW_PREFIX}${id}/` === after.slice(0, WORKFLOW_PREFIX.length + id.length + 1))
        continue;
      previous = id;
      yield id;
    }
    if (!page.truncated || previous === undefined) {
      const last = page.objects.at(-1)?.key;
      if (!page.truncated || last === undefined) return;
      after = last;
      continue;
    }
    // U+10FFFF sorts behind everything that a key of this run can hold.
    after = `${WORKFLOW_PREFIX}${previous}/\u{10ffff}`;
  }
}

async function* allRunIds(store: ObjectStore, prefix: string): AsyncGenerator<string> {
  let previous: string | undefined;
  for await (const key of listKeys(store, WORKFLOW_PREFIX + prefix)) {
    const id = key.slice(WORKFLOW_PREFIX.length).split("/")[0];
    if (id === undefined || id === previous) continue;
    previous = id;
    yield id;
  }
}
