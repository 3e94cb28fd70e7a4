/** The purpose of a request, by its key: one table for the reasons in a report, and for requests that belong to no run. */
import {
  ACTIVE_PREFIX,
  DUE_PREFIX,
  FOREIGN_PREFIX,
  LEASES_PREFIX,
  OWN_PREFIX,
  READY_PREFIX,
  TASKS_PREFIX,
  WORKFLOW_PREFIX,
} from "../keys.ts";

/** What requests of a run are for, by the beginning of their keys. */
const PURPOSES: readonly (readonly [RegExp, string])[] = [
  [/\/state\.json$/u, "the record of the run"],
  [/\/signals\//u, "signals of the run"],
  [new RegExp(`^(${WORKFLOW_PREFIX}.*/steps|${OWN_PREFIX}results)/`, "u"), "results of steps"],
  [new RegExp(`^${TASKS_PREFIX}`, "u"), "tasks"],
  [new RegExp(`^${READY_PREFIX}`, "u"), "index of tasks that are ready"],
  [new RegExp(`^${LEASES_PREFIX}`, "u"), "index of leases"],
  [new RegExp(`^${DUE_PREFIX}`, "u"), "index of tasks that are due later"],
  [new RegExp(`^${ACTIVE_PREFIX}`, "u"), "index of runs that are not over"],
  [new RegExp(`^${FOREIGN_PREFIX}`, "u"), "index of runs with foreign: true"],
];

/** What a worker asks for whether there are runs or not. */
export const IDLE = "workers";

/**
 * What a request is for; `IDLE` for what a worker says of itself and of its workflows, and for the lists of its rounds. A list inside a
 * run is its inbox.
 */
export function purposeOf(key: string, isList: boolean): string {
  if (isList && !key.startsWith(WORKFLOW_PREFIX)) return IDLE;
  return PURPOSES.find(([pattern]) => pattern.test(key))?.[1] ?? IDLE;
}
