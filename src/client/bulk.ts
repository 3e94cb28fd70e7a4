/** Gives one command to many runs. */
import { type Preview, previewOfCommand } from "../run/next.ts";
import type { Program } from "../programs/programs.ts";
import type { RunStatus } from "../run/view.ts";
import type { RunRecord } from "../run/record/record.ts";
import { type ChecksOf, count, flag, readSettings } from "../settings.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { BulkCommand } from "./commands.ts";
import { LIMIT_CHECKS, type WaitLimits } from "./limit.ts";
import { checkBulkCommand } from "./options.ts";
import { checkFilters, type FoundRun, findRuns, type ListRunsOptions } from "./runs.ts";
import { reasonOf } from "../host/error-data.ts";

/** Options of `bulk`. `timeout` and `signal` limit the whole iteration. */
export interface BulkOptions extends WaitLimits {
  /** Whether to only report what would be done. @defaultValue false */
  readonly dryRun?: boolean;
  /** How many runs are worked on at a time: 1 to 1,000. @defaultValue 8 */
  readonly concurrency?: number;
}

/** The outcome of a bulk command for one run. */
export interface BulkResult {
  /** The id of the run. */
  readonly id: string;
  /** The name of its workflow; undefined when its record cannot be read. */
  readonly type?: string;
  /** Its status when it was read; undefined when its record cannot be read. */
  readonly status?: RunStatus;
  /**
   * `accepted`: the command is durable and a worker will apply it. `would`: a dry run, in which the command would be given. `failed`: see
   * `error`.
   */
  readonly outcome: "accepted" | "would" | "failed";
  /** Where the command leads; undefined when its program cannot be read. */
  readonly leads?: Preview;
  /** Why it failed, in one line; undefined when it did not fail. */
  readonly error?: string;
}

const DEFAULT_CONCURRENCY = 8;
const CHECKS = { dryRun: flag, concurrency: count(1, 1_000), ...LIMIT_CHECKS } satisfies ChecksOf<BulkOptions>;

/** What a bulk command needs of its client. */
export interface BulkContext {
  readonly store: ObjectStore;
  programOf(record: RunRecord): Promise<Program | undefined>;
  give(record: RunRecord, command: BulkCommand): Promise<void>;
}

/** Gives the command to the runs that match and that it would change. Yields results in the order of completion. */
export async function* bulkCommand(
  context: BulkContext,
  command: BulkCommand,
  filter: ListRunsOptions,
  options: BulkOptions,
): AsyncGenerator<BulkResult> {
  const { dryRun = false, concurrency = DEFAULT_CONCURRENCY } = readSettings("bulk", CHECKS, options);
  checkFilters(filter);
  checkBulkCommand(command);
  // The limit counts the runs that are changed, not those that are read.
  const { limit = Number.POSITIVE_INFINITY, ...rest } = filter;
  const running = new Map<string, Promise<BulkResult>>();
  const takeOne = async (): Promise<BulkResult> => {
    const result = await Promise.race(running.values());
    running.delete(result.id);
    return result;
  };
  let taken = 0;
  for await (const found of findRuns(context.store, rest)) {
    const planned = await plan(context, command, found);
    if (planned === undefined) continue;
    running.set(
      found.id,
      planned.outcome === "would" && !dryRun ? give(context, command, found, planned) : Promise.resolve(planned),
    );
    if (planned.outcome !== "failed") taken += 1;
    if (running.size >= concurrency) yield await takeOne();
    if (taken >= limit) break;
  }
  while (running.size > 0) yield await takeOne();
}

/** The statuses that a command can change, for runs whose program cannot be read. */
const CHANGES: Readonly<Record<BulkCommand["type"], readonly RunRecord["status"][]>> = {
  cancel: ["pending", "running", "waiting_signal", "paused"],
  pause: ["pending", "running", "waiting_signal", "compensating"],
  resume: ["paused"],
  retry: ["failed"],
  terminate: ["pending", "running", "waiting_signal", "paused", "compensating"],
};

/** What the command would do to a run; undefined when it would do nothing. */
async function plan(context: BulkContext, command: BulkCommand, found: FoundRun): Promise<BulkResult | undefined> {
  if (found.record === undefined) return { id: found.id, outcome: "failed", error: found.error.message };
  const { record } = found;
  const { id, type, status } = record;
  try {
    const program = await context.programOf(record);
    if (program === undefined)
      return CHANGES[command.type].includes(status) ? { id, type, status, outcome: "would" } : undefined;
    const compensate = command.type !== "cancel" || command.compensate !== false;
    const leads = previewOfCommand(record, program, command.type, compensate);
    return leads === undefined ? undefined : { id, type, status, outcome: "would", leads };
  } catch (error) {
    return { id, type, status, outcome: "failed", error: reasonOf(error) };
  }
}

async function give(
  context: BulkContext,
  command: BulkCommand,
  found: FoundRun,
  planned: BulkResult,
): Promise<BulkResult> {
  try {
    if (found.record !== undefined) await context.give(found.record, command);
    return { ...planned, outcome: "accepted" };
  } catch (error) {
    return { ...planned, outcome: "failed", error: reasonOf(error) };
  }
}
