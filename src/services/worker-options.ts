/** The settings of a worker: what each may be, and what they must fit together with the bucket and its clocks. */
import { definitions } from "../define/definitions.ts";
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import { checkWorkerId } from "../names.ts";
import type { QueueContext } from "../queue/task.ts";
import { type Check, type ChecksOf, checkedBy, count, duration, flag, readSettings } from "../settings.ts";
import { type Duration, spellDuration } from "../wire/duration.ts";
import { DEFAULT_FOREIGN_POLL_MS } from "./foreign-poll.ts";
import { shortestLeaseMs } from "./lease.ts";

/** How long a worker may hold a task between heartbeats. */
export const DEFAULT_LEASE_MS = 30_000;
/** How often an idle worker lists what is ready. */
export const DEFAULT_POLL_MS = 5_000;
/** How many steps a worker runs at once. */
export const DEFAULT_CONCURRENCY = 10;
/** How long a stop takes at most; near its end handlers are told to stop and their steps are handed back. */
export const DEFAULT_SHUTDOWN_GRACE_MS = 30_000;
/** A poll of nothing would list without a rest. */
const SHORTEST_POLL_MS = 1;
/** Whatever is looked at less often than once a day is not looked at. */
export const LONGEST_PERIOD_MS: number = 86_400_000;
/** More handlers in one process than any process carries. */
export const MOST_CONCURRENCY = 10_000;

/** Options of a worker. Durations are `"30s"` or milliseconds. */
export interface WorkerOptions {
  /** The workflows whose steps it runs: at least one, each name once. */
  readonly workflows: readonly AnyWorkflow[];
  /** How many steps run at once: 1 to 10,000. Each of several parallel steps counts; runs that wait do not. @defaultValue 10 */
  readonly concurrency?: number;
  /** How often an idle worker lists ready tasks: a millisecond to a day. @defaultValue "5s" */
  readonly poll?: Duration;
  /**
   * How long a task is held without a heartbeat: a second to a day. It must be at least three times the `skewMarginMs` of the connection
   * and, on a store with a least time between two writes of one key (R2: 1 s), at least ten of those times.
   * @defaultValue "30s"
   */
  readonly lease?: Duration;
  /**
   * How long `stop` takes at most. Its last fifth, at most two seconds, is kept for handing back steps whose handlers have not ended. With
   * 0 they are handed back at once, which may take half a second.
   * @defaultValue "30s"
   */
  readonly shutdownGrace?: Duration;
  /**
   * How often runs of workflows with `foreign: true` are checked for changes by other programs: a millisecond to a day.
   * @defaultValue "10s"
   */
  readonly foreignPoll?: Duration;
  /**
   * The name of the worker in the bucket and in logs. Two running workers must not share one.
   * @defaultValue `worker-` and eight random hex digits
   */
  readonly id?: string;
  /**
   * Whether the worker handles unhandled rejections of its process: they are logged, one that comes from a handler fails that attempt, and
   * the process continues. With false, Node ends the process, and so does the next worker that runs the step. The worker of the command
   * line sets it.
   * @defaultValue false
   */
  readonly catchUnhandledRejections?: boolean;
}

/** The settings with their defaults, in milliseconds. */
export interface ResolvedWorkerOptions {
  readonly workflows: readonly AnyWorkflow[];
  readonly concurrency: number;
  readonly pollMs: number;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly foreignPollMs: number;
  readonly id: string;
  readonly catchUnhandledRejections: boolean;
}

/** How often runs of other programs may be asked for. */
export const foreignPollPeriod: Check<number> = duration(1, LONGEST_PERIOD_MS);

/** A check for every member of the options, as what it reads. */
type WorkerChecks = ChecksOf<WorkerOptions> & {
  readonly workflows: Check<readonly AnyWorkflow[]>;
  readonly concurrency: Check<number>;
  readonly poll: Check<number>;
  readonly lease: Check<number>;
  readonly shutdownGrace: Check<number>;
  readonly foreignPoll: Check<number>;
  readonly id: Check<string>;
  readonly catchUnhandledRejections: Check<boolean>;
};

/** The check of each setting of a worker, one by one. */
export const WORKER_CHECKS: WorkerChecks = {
  workflows: definitions,
  concurrency: count(1, MOST_CONCURRENCY),
  poll: duration(SHORTEST_POLL_MS, LONGEST_PERIOD_MS),
  lease: duration(shortestLeaseMs(0), LONGEST_PERIOD_MS),
  shutdownGrace: duration(0),
  foreignPoll: foreignPollPeriod,
  id: checkedBy(checkWorkerId),
  catchUnhandledRejections: flag,
};

/**
 * Checks the settings one by one and together, and fills in the defaults.
 * @throws {WorkflowError} `invalid` with what was given, what it must fit and what to write instead.
 */
export function resolveWorkerOptions(
  options: WorkerOptions,
  { host, skewMarginMs, store }: Pick<QueueContext, "host" | "skewMarginMs" | "store">,
): ResolvedWorkerOptions {
  const given = readSettings("a worker", WORKER_CHECKS, options);
  const { workflows = [], lease: leaseMs = DEFAULT_LEASE_MS } = given;
  if (workflows.length === 0) throw new WorkflowError("invalid", "a worker needs at least one workflow");
  checkLease(leaseMs, skewMarginMs, store.capabilities.writeIntervalMs ?? 0);
  return {
    workflows,
    leaseMs,
    concurrency: given.concurrency ?? DEFAULT_CONCURRENCY,
    pollMs: given.poll ?? DEFAULT_POLL_MS,
    graceMs: given.shutdownGrace ?? DEFAULT_SHUTDOWN_GRACE_MS,
    foreignPollMs: given.foreignPoll ?? DEFAULT_FOREIGN_POLL_MS,
    catchUnhandledRejections: given.catchUnhandledRejections ?? false,
    id: given.id ?? `worker-${host.random.uuid().slice(0, 8)}`,
  };
}

/** Heartbeats are writes of one key, three a lease: where such writes must be apart, more than two thirds of the time stays for others. */
const WRITES_PER_LEASE = 10;

function checkLease(leaseMs: number, skewMarginMs: number, writeIntervalMs: number): void {
  const forClocks = shortestLeaseMs(skewMarginMs);
  const forWrites = WRITES_PER_LEASE * writeIntervalMs;
  if (leaseMs < forClocks)
    refuseLease(
      leaseMs,
      forClocks,
      `a lease is used until skewMarginMs before its end, so with skewMarginMs ${skewMarginMs} it is at least three times as long`,
      ", or a smaller skewMarginMs (--skew-margin)",
    );
  if (leaseMs < forWrites)
    refuseLease(
      leaseMs,
      forWrites,
      `this bucket takes one write of a key in ${spellDuration(writeIntervalMs)}, and a lease is at least ten of these`,
    );
}

function refuseLease(leaseMs: number, leastMs: number, why: string, or = ""): never {
  throw new WorkflowError(
    "invalid",
    `options of a worker: a lease of ${spellDuration(leaseMs)} cannot be kept: ${why}; give a lease of ${spellDuration(leastMs)} or more${or}`,
  );
}
