/** Whether a run ended as it must, by what the bucket holds and what the outside world was asked for. */
import { meterStore, type QueueHandle, type RunView, type WorkflowClient } from "../../src/index.ts";
import { sweepOnce } from "../services/sweep.ts";
import {
  ACTIVE_PREFIX,
  DUE_PREFIX,
  FOREIGN_PREFIX,
  LEASES_PREFIX,
  READY_PREFIX,
  stepResultKey,
} from "../../src/keys.ts";
import type { ObjectStore, TimeBounds } from "../../src/store/object-store.ts";
import { listKeys } from "../../src/store/paging.ts";
import type { Booked, Ledger } from "./ledger.ts";

/** Later than any look of a run that waits for nothing. */
const AHEAD_MS = 8 * 24 * 3_600_000;

/** How a run may end. */
export type End = "completed" | "failed" | "cancelled";

/** Everything that is wrong with a run that is over; empty: nothing. */
export async function judgeRun(
  client: WorkflowClient,
  store: ObjectStore,
  ledger: Ledger,
  id: string,
  ends: readonly End[],
): Promise<readonly string[]> {
  const view = await client.get(id);
  const problems: string[] = [];
  const complain = (what: string): void => void problems.push(`${id} (${view.type}, ${view.status}): ${what}`);
  if (!ends.some((end) => end === view.status)) complain(`it should be ${ends.join(" or ")}`);
  if (view.compensationErrors.length > 0) complain(`undo failed: ${JSON.stringify(view.compensationErrors)}`);
  const effects = [...ledger.booked.values()].filter(({ run }) => run === id);
  for (const [step, { result }] of Object.entries(view.steps)) {
    const booked = effects.filter((effect) => effect.step === step);
    for (const problem of judgeEffects(view, step, booked)) complain(`${step}: ${problem}`);
    if (result === undefined) continue;
    // Whoever ran after it was given the result that stayed.
    for (const seen of effects.flatMap(({ saw }) => saw)) {
      const given = (seen as Readonly<Record<string, unknown>>)[step];
      if (given !== undefined && JSON.stringify(given) !== JSON.stringify(result))
        complain(`${step}: another result was handed on: ${JSON.stringify(given)}`);
    }
    for (const problem of await judgeResult(store, stepResultKey(id, step))) complain(`${step}: ${problem}`);
  }
  return problems;
}

/** Workflows of the fleet whose steps all have an undo. */
const UNDOABLE: ReadonlySet<string> = new Set(["saga", "asking", "holding"]);

function judgeEffects(view: RunView, step: string, booked: readonly Booked[]): readonly string[] {
  const done = booked.filter(({ state }) => state === "done").length;
  if (view.status === "completed") {
    // A signal has no effect of its own.
    const expected = step === "go" ? 0 : 1;
    return done === expected ? [] : [`it was done ${done} times and not ${expected}`];
  }
  if (UNDOABLE.has(view.type)) return done === 0 ? [] : [`it was done and not undone`];
  return done <= 1 ? [] : [`it was done ${done} times`];
}

/** The object of a result says the same in all its versions. */
async function judgeResult(store: ObjectStore, key: string): Promise<readonly string[]> {
  const results = new Set<string>();
  for (const { versionId } of await store.versions(key)) {
    const read = await store.getVersion(key, versionId);
    if (read.kind === "found") results.add(read.object.body);
  }
  return results.size > 1 ? [`its object held ${results.size} different results`] : [];
}

/**
 * Looks at all runs as the sweepers of the next days will: a crash between a run's last write and the delete of its entry leaves the entry
 * until the day that it names. Returns how many entries of runs that are over were cleared away.
 */
export async function sweepAhead(queue: QueueHandle): Promise<number> {
  const { store } = queue.context;
  const time = (): TimeBounds => {
    const { earliest, latest } = store.time();
    return { earliest: earliest + AHEAD_MS, latest: latest + AHEAD_MS };
  };
  const swept = await sweepOnce({ ...queue.context, store: { ...meterStore(store), time } });
  return swept.filter(({ action }) => action === "forgotten").length;
}

/** Keys of the indexes that nothing may be left under when all runs are over. */
export async function leftovers(store: ObjectStore): Promise<readonly string[]> {
  const keys: string[] = [];
  for (const prefix of [READY_PREFIX, LEASES_PREFIX, ACTIVE_PREFIX, DUE_PREFIX, FOREIGN_PREFIX]) {
    for await (const key of listKeys(store, prefix)) keys.push(key);
  }
  return keys;
}
