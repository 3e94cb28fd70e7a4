/**
 * Every key in the bucket.
 *
 * The first group is the layout of buquet and cannot change. The second group belongs to this package and lives under one prefix that no
 * program of buquet lists. `docs/keys.md` says who writes each key, who deletes it and what it costs.
 */

/** Minutes are ten characters wide, the sign of those before 1970 included, so that the order of keys is the order of time. */
export function minuteOf(atMs: number): string {
  const minute = Math.floor(atMs / 60_000);
  return minute < 0 ? `-${String(-minute).padStart(9, "0")}` : String(minute).padStart(10, "0");
}

/** The end of a minute, in milliseconds since 1970: everything in it is due by then. */
export function minuteStart(minute: string): number {
  return Number(minute) * 60_000;
}

/** The first hex digit of a task id. */
export function shardOf(taskId: string): string {
  return taskId.slice(0, 1);
}

export const READY_PREFIX = "ready/";
export const LEASES_PREFIX = "leases/";
export const TASKS_PREFIX = "tasks/";
export const WORKERS_PREFIX = "workers/";
export const WORKFLOW_PREFIX = "workflow/";

export const taskKey = (taskId: string): string => `${TASKS_PREFIX}${shardOf(taskId)}/${taskId}.json`;
export const readyKey = (taskId: string, availableAt: number): string =>
  `${READY_PREFIX}${shardOf(taskId)}/${minuteOf(availableAt)}/${taskId}`;
export const leaseKey = (taskId: string, expiresAt: number): string =>
  `${LEASES_PREFIX}${shardOf(taskId)}/${minuteOf(expiresAt)}/${taskId}`;
/** `digest`: 64 hex digits. */
export const idempotencyKey = (scope: string, digest: string): string => `idempotency/${scope}/${digest}.json`;
export const workerKey = (workerId: string): string => `${WORKERS_PREFIX}${workerId}.json`;

export const stateKey = (runId: string): string => `${WORKFLOW_PREFIX}${runId}/state.json`;
export const stepResultKey = (runId: string, step: string): string => `${WORKFLOW_PREFIX}${runId}/steps/${step}.json`;
export const signalsPrefix = (runId: string, name: string): string => `${WORKFLOW_PREFIX}${runId}/signals/${name}/`;
export const signalKey = (runId: string, name: string, segment: string): string =>
  `${signalsPrefix(runId, name)}${segment}`;

/** The longest segment that is encoded, measured as a `file:` store spells it: that store encodes each percent sign again. */
const LONGEST_ENCODED = 200;

/** A name as one segment. A long name is kept unencoded behind a mark with which no encoded name begins: file names are limited. */
function segmentOf(name: string): string {
  const encoded = encodeURIComponent(name);
  return encodeURIComponent(encoded).length <= LONGEST_ENCODED ? encoded : `=${name}`;
}

/** The prefix of everything that is not in the format of buquet. */
export const OWN_PREFIX = "x-workflow/";
export const ACTIVE_PREFIX: string = `${OWN_PREFIX}active/`;
export const DUE_PREFIX: string = `${OWN_PREFIX}due/`;
export const ANNOUNCEMENTS_PREFIX: string = `${OWN_PREFIX}serving/`;
export const INTERFERENCE_PREFIX: string = `${OWN_PREFIX}interference/`;
export const FOREIGN_PREFIX: string = `${OWN_PREFIX}foreign/`;

/** Where servers are probed. Only the verdicts stay, one for each server. */
export const PROBE_PREFIX: string = `${OWN_PREFIX}probe/`;
export const verdictKey = (answerer: string): string => `${PROBE_PREFIX}${encodeURIComponent(answerer)}.json`;

/** A run that is not over, filed under the minute of its next check. */
export const activeKey = (runId: string, nextCheckAt: number): string =>
  `${ACTIVE_PREFIX}${minuteOf(nextCheckAt)}/${runId}`;
/** A run that is not over and that other programs may change: workers poll it every ten seconds. */
export const foreignKey = (runId: string): string => `${FOREIGN_PREFIX}${runId}`;
/** A later result of a step whose first result was undone. `workflow/{run}/steps/{step}.json` keeps the first one. */
export const laterResultKey = (runId: string, step: string, generation: number): string =>
  `${OWN_PREFIX}results/${runId}/${step}/${generation}.json`;
/** A pending task of this package that is due more than a minute from now. */
export const dueKey = (taskId: string, availableAt: number): string =>
  `${DUE_PREFIX}${minuteOf(availableAt)}/${taskId}`;
/** A stored plan; runs name it by its hash (`sha256:` and hex; the colon is left out of the key). */
export const planKey = (planHash: string): string => `${OWN_PREFIX}plans/${planHash.replace(":", "-")}.json`;
/** A note that a worker of another program drove runs that it must not drive; for `doctor`. */
export const interferenceKey = (workflow: string): string => `${INTERFERENCE_PREFIX}${segmentOf(workflow)}.json`;
/** What the workers serve under a workflow name: hashes and the schema of the input. */
export const typeKey = (workflow: string): string => `${OWN_PREFIX}types/${segmentOf(workflow)}.json`;
/** The announcement of one worker, renewed every minute. */
export const announcementKey = (workerId: string): string => `${ANNOUNCEMENTS_PREFIX}${segmentOf(workerId)}.json`;

/** The two segments behind an index prefix: `…/{minute}/{id}`; undefined when the key is not of that form. */
export function parseIndexKey(key: string): { readonly minute: string; readonly id: string } | undefined {
  const parts = key.split("/");
  const id = parts.at(-1);
  const minute = parts.at(-2);
  return id !== undefined && minute !== undefined && /^-?\d{9,10}$/.test(minute) && id !== ""
    ? { minute, id }
    : undefined;
}
