/** What the options of an exploration may be, as far as that can be said without a workflow. */
import {
  anything,
  callback,
  type ChecksOf,
  countOrNoLimit,
  flag,
  list,
  listOf,
  oneOf,
  optionsOf,
  readSettings,
  recordOf,
} from "../../settings.ts";
import type { ExploreOptions } from "./explore.ts";
import type { FaultKind, SignalBehaviour } from "../oracle/setting.ts";

// As a record, so that the compiler finds what is missing here.
const KINDS: Readonly<Record<FaultKind, true>> = {
  failure: true,
  timeout: true,
  lost: true,
  late: true,
  undo: true,
  cancel: true,
  abandon: true,
  pause: true,
  terminate: true,
  retry: true,
};

const BEHAVIOUR = { by: anything, comes: flag, deadline: flag } satisfies ChecksOf<SignalBehaviour>;

const CHECKS = {
  faults: countOrNoLimit(0),
  kinds: listOf(oneOf(...Object.keys(KINDS))),
  signals: recordOf(optionsOf(BEHAVIOUR)),
  outputs: recordOf(list),
  always: callback,
  finally: callback,
  symmetry: flag,
  reduce: flag,
  limit: countOrNoLimit(1),
  violations: countOrNoLimit(1),
  onProgress: callback,
} satisfies ChecksOf<ExploreOptions>;

/**
 * Refuses what no walk can mean: words that nobody reads, and numbers with which it would look at nothing. `subject`: what the options
 * belong to, as their writer calls it.
 * @throws {WorkflowError} `invalid`
 */
export function checkExploreOptions(options: ExploreOptions, subject: string): void {
  readSettings(subject, CHECKS, options);
}
