/** The commands that keep runs moving: worker, sweeper. */
import type { Duration } from "../wire/duration.ts";
import { WorkflowError } from "../errors.ts";
import { reasonOf } from "../host/error-data.ts";
import { repairTasks } from "../queue/repair.ts";
import type { QueueContext } from "../queue/task.ts";
import { reconcileRun } from "../services/reconcile.ts";
import { Loop } from "../services/service.ts";
import { tellStray } from "../host/stray-errors.ts";
import { Sweeper, type SweptRun } from "../services/sweeper.ts";
import { Worker } from "../services/worker.ts";
import { untilAborted } from "../host/signals.ts";
import { leashStore } from "../store/leash.ts";
import type { ParsedArguments } from "./arguments.ts";
import { listenForStop } from "./process.ts";
import { coloured, print, printable, printJson, table } from "./output.ts";
import { openSession } from "./session.ts";

/** How long a sweep under way may go on when the sweeper is told to stop. */
const SWEEPER_GRACE_MS = 2_000;

/**
 * `worker`: runs until SIGTERM or SIGINT, then drains. A signal that comes before the store is open ends it at once, one that comes while it
 * starts withdraws what was announced. An unhandled rejection fails the attempt in which it arose; an uncaught exception does the same, and
 * the worker then stops with exit code 1, since nobody knows in what state the process is.
 */
export async function runWorker(args: ParsedArguments): Promise<number> {
  if (args.texts("workflows").length === 0) throw new WorkflowError("invalid", "a worker needs --workflows <module>");
  using stop = listenForStop();
  const opened = await untilAborted(stop.signal, () => openSession(args, { create: true })).catch((error: unknown) => {
    if (stop.signal.aborted) return undefined;
    throw error;
  });
  if (opened === undefined) return 0;
  await using session = opened;
  const worker = new Worker(session.handle, {
    workflows: session.workflows,
    ...given("concurrency", args.count("concurrency")),
    ...given("poll", args.text("poll") as Duration | undefined),
    ...given("lease", args.text("lease") as Duration | undefined),
    ...given("shutdownGrace", args.text("grace") as Duration | undefined),
    ...given("foreignPoll", args.text("foreign-poll") as Duration | undefined),
    catchUnhandledRejections: true,
  });
  const { logger } = session.handle.context.host;
  let code = 0;
  const stopForError = (error: Error): void => {
    code = 1;
    tellStray(logger, "uncaught exception", error);
    stop.request();
  };
  process.on("uncaughtException", stopForError);
  const stopped = stop.requested.then(() => worker.stop());
  try {
    await worker.start();
    const names = session.workflows.map((workflow) => printable(workflow.name)).join(", ");
    const tell = (line: string): void => {
      // With --json, nothing but JSON lines is on standard error.
      if (args.has("json")) logger.info(line, { worker: worker.id });
      else process.stderr.write(`${line}\n`);
    };
    tell(`worker ${worker.id} serves ${names} on ${session.handle.context.store.url}`);
    await stop.requested;
    tell("stopping: handlers may end, the others are handed back");
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  await stopped;
  process.off("uncaughtException", stopForError);
  return code;
}

/** An option that the worker gives its default when it was not typed. */
function given<const Name extends string, T>(name: Name, value: T | undefined): { readonly [K in Name]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [K in Name]?: T };
}

/** `sweeper`: sweeps once, or until SIGTERM or SIGINT; a sweep that fails later than the first one is tried again. */
export async function runSweeper(args: ParsedArguments): Promise<number> {
  const prefix = args.text("prefix");
  const limit = args.count("limit") ?? 1_000;
  const intervalMs = (args.count("interval") ?? 300) * 1_000;
  await using session = await openSession(args);
  const run = args.text("run");
  if (run !== undefined) {
    printSwept(args, [await reconcileRun(session.handle.context, run)]);
    return 0;
  }
  using stop = listenForStop();
  let swept: SweptRun[] = [];
  // One for all sweeps: what cannot be read is put off with growing pauses.
  const sweeper = new Sweeper(session.handle.context, {
    report: args.has("report"),
    limit,
    ...(prefix === undefined ? {} : { prefix }),
    onSwept: (run) => swept.push(run),
    stop: stop.signal,
  });
  const sweep = async (until: AbortSignal): Promise<void> => {
    const { context } = session.handle;
    const queue = { ...context, store: leashStore(context.store, until) };
    swept = [];
    await sweeper.turn(queue);
    printSwept(args, swept);
    if (args.has("tasks") && !args.has("report")) await repairAllTasks(queue);
  };
  const isOnce = args.has("once") || args.has("report");
  try {
    // What keeps the first sweep from working will keep the others from it: a wrong bucket, rights that are missing.
    await sweep(stop.signal);
  } catch (error) {
    if (isOnce || !stop.signal.aborted) throw error;
  }
  if (isOnce) return swept.some(({ action }) => action === "unreadable") ? 1 : 0;
  if (stop.signal.aborted) return 0;
  const { clock, logger } = session.handle.context.host;
  await using loop = new Loop({
    name: "sweeper",
    clock,
    stopMs: SWEEPER_GRACE_MS,
    firstRestMs: intervalMs,
    restMs: intervalMs,
    turn: ({ over }) => sweep(over),
    failed: (error) => logger.warn("sweep failed; tried again", { again_in_ms: intervalMs, reason: reasonOf(error) }),
  });
  await loop.start();
  await stop.requested;
  return 0;
}

function printSwept(args: ParsedArguments, swept: readonly SweptRun[]): void {
  if (args.has("json")) printJson(swept);
  else if (swept.length === 0) print("nothing is due");
  else
    print(
      table(
        ["RUN", "STATUS", "ACTION"],
        swept.map((run) => [printable(run.runId), coloured(run.status), run.action]),
      ),
    );
}

/** Reads the whole task log, so only when it is asked for. Says what it did where it does not disturb the table. */
async function repairAllTasks(queue: QueueContext): Promise<void> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await repairTasks(queue, {
      ...(after === undefined ? {} : { after }),
      onUnreadable: (key, error) =>
        process.stderr.write(`${printable(`${key} cannot be read and is left alone: ${String(error)}`)}\n`),
    });
    count += page.repaired.length;
    after = page.next;
  } while (after !== undefined);
  process.stderr.write(`${count} tasks got their index key again\n`);
}
