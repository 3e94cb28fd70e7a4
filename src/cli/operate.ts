/** Commands that keep things going: worker, sweeper. */
import type { Duration } from "../wire/duration.ts";
import type { QueueHandle } from "../run/handle.ts";
import { WorkflowError } from "../errors.ts";
import { reconcileRun } from "../services/reconcile.ts";
import { sweepActive, type SweptRun } from "../services/sweeper.ts";
import { Worker } from "../services/worker.ts";
import type { Typed } from "./arguments.ts";
import { coloured, print, printable, printJson, table } from "./output.ts";
import { openSession } from "./session.ts";

/** Resolves when the process is told to stop; a second signal ends it at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      process.off("SIGTERM", stop);
      process.off("SIGINT", stop);
      resolve();
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
}

/** `worker`: runs until SIGTERM or SIGINT, then drains. */
export async function runWorker(typed: Typed): Promise<number> {
  if (typed.texts("workflows").length === 0) throw new WorkflowError("invalid", "a worker needs --workflows <module>");
  await using session = await openSession(typed, { create: true });
  const worker = new Worker(session.handle, {
    workflows: session.workflows,
    ...given("concurrency", typed.count("concurrency", 1)),
    ...given("poll", typed.text("poll") as Duration | undefined),
    ...given("lease", typed.text("lease") as Duration | undefined),
    ...given("shutdownGrace", typed.text("grace") as Duration | undefined),
    ...given("foreignPoll", typed.text("foreign-poll") as Duration | undefined),
  });
  await worker.start();
  const names = session.workflows.map((workflow) => printable(workflow.name)).join(", ");
  process.stderr.write(`worker ${worker.id} serves ${names} on ${session.handle.context.store.url}\n`);
  await untilStopped();
  process.stderr.write("stopping: handlers may end, the others are handed back\n");
  await worker.stop();
  return 0;
}

/** An option that the worker gives its default when it was not typed. */
function given<const Name extends string, T>(name: Name, value: T | undefined): { readonly [K in Name]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [K in Name]?: T };
}

/** `sweeper`: sweeps once or for ever. */
export async function runSweeper(typed: Typed): Promise<number> {
  const prefix = typed.text("prefix");
  const limit = typed.count("limit", 1) ?? 1_000;
  const intervalMs = (typed.count("interval", 1) ?? 300) * 1_000;
  // Checked, though it changes nothing: a typing mistake is to be seen.
  typed.count("stale-after", 0);
  await using session = await openSession(typed);
  const run = typed.text("run");
  if (run !== undefined) {
    printSwept(typed, [await reconcileRun(session.handle.context, run)]);
    return 0;
  }
  const stop = new AbortController();
  void untilStopped().then(() => stop.abort());
  for (;;) {
    const swept = await sweepActive(session.handle.context, {
      report: typed.has("report"),
      limit,
      ...(prefix === undefined ? {} : { prefix }),
    });
    printSwept(typed, swept);
    if (typed.has("tasks") && !typed.has("report")) await repairAllTasks(session.handle);
    if (typed.has("once") || typed.has("report")) return 0;
    await session.handle.context.host.clock.sleep(intervalMs, { signal: stop.signal });
    if (stop.signal.aborted) return 0;
  }
}

function printSwept(typed: Typed, swept: readonly SweptRun[]): void {
  if (typed.has("json")) printJson(swept);
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
async function repairAllTasks(handle: QueueHandle): Promise<void> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await handle.repairTasks({
      ...(after === undefined ? {} : { after }),
      onUnreadable: (key, error) =>
        process.stderr.write(`${printable(`${key} cannot be read and is left alone: ${String(error)}`)}\n`),
    });
    count += page.repaired.length;
    after = page.next;
  } while (after !== undefined);
  process.stderr.write(`${count} tasks got their index key again\n`);
}
