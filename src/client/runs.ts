/** Finding runs in the bucket. */
import { WorkflowError } from "../errors.ts";
import { stateKey, WORKFLOW_PREFIX } from "../keys.ts";
import { recordCodec, type RunRecord, RUN_STATUSES } from "../run/record.ts";
import { readDocument } from "../store/document.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { type RunView, viewOf } from "./view.ts";

/** Filters of `list`. */
export interface ListRunsOptions {
  readonly type?: string;
  readonly status?: RunRecord["status"];
  /** Only ids that begin with this. */
  readonly prefix?: string;
  /** Most runs. @defaultValue all */
  readonly limit?: number;
}

const STATUSES: readonly string[] = RUN_STATUSES;

/** @throws {WorkflowError} `invalid` for a limit or status that makes no sense. */
function checkFilters(options: ListRunsOptions): void {
  const { limit, status } = options;
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1))
    throw new WorkflowError("invalid", `limit is a whole number from 1, not ${String(limit)}`);
  if (status !== undefined && !STATUSES.includes(status))
    throw new WorkflowError("invalid", `status is ${STATUSES.join(", ")}; not ${JSON.stringify(status)}`);
}

/** Runs that fit, by id. */
export async function* listRuns(store: ObjectStore, options: ListRunsOptions): AsyncGenerator<RunView> {
  checkFilters(options);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  for await (const id of runIds(store, options.prefix ?? "")) {
    if (left <= 0) return;
    const read = await readDocument(store, stateKey(id), recordCodec);
    if (read.kind === "missing") continue;
    if (options.type !== undefined && read.value.type !== options.type) continue;
    if (options.status !== undefined && read.value.status !== options.status) continue;
    left -= 1;
    yield viewOf(read.value);
  }
}

/** Run ids, one LIST for many: the objects of one run are jumped over. */
async function* runIds(store: ObjectStore, prefix: string): AsyncGenerator<string> {
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
