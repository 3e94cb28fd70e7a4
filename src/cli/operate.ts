/** Commands that keep things going: worker, sweeper, doctor. */
import { WorkflowError } from "../errors.ts";
import { sweepActive } from "../services/sweeper.ts";
import { Worker } from "../services/worker.ts";
import { storeCases } from "../testing/store-cases.ts";
import { coloured, print, printJson, table } from "./output.ts";
import { type CommonOptions, openSession } from "./session.ts";

/** Resolves when the process is told to stop; a second signal ends it at once. */
function untilStopped(): Promise<void> {
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
export async function runWorker(
  options: CommonOptions & { readonly concurrency?: number; readonly poll?: string; readonly lease?: string },
): Promise<void> {
  await using session = await openSession(options);
  if (session.workflows.length === 0) throw new WorkflowError("invalid", "a worker needs --workflows <module>");
  const worker = new Worker(session.handle, {
    workflows: session.workflows,
    concurrency: Number(options.concurrency ?? 10),
    poll: options.poll ?? "5s",
    lease: options.lease ?? "30s",
  });
  await worker.start();
  const names = session.workflows.map((workflow) => workflow.name).join(", ");
  process.stderr.write(`worker ${worker.id} serves ${names} on ${session.handle.context.store.url}\n`);
  await untilStopped();
  process.stderr.write("stopping: handlers may end, the others are handed back\n");
  await worker.stop();
}

/** `sweeper`: sweeps once or for ever. */
export async function runSweeper(
  options: CommonOptions & {
    readonly interval?: number;
    readonly once?: boolean;
    readonly report?: boolean;
    readonly prefix?: string;
    readonly limit?: number;
  },
): Promise<void> {
  await using session = await openSession(options);
  const stop = new AbortController();
  void untilStopped().then(() => stop.abort());
  for (;;) {
    const swept = await sweepActive(session.handle.context, {
      report: options.report === true,
      limit: Number(options.limit ?? 1000),
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
    });
    if (options.json === true) printJson(swept);
    else if (swept.length === 0) print("nothing is due");
    else
      print(
        table(
          ["RUN", "STATUS", "ACTION"],
          swept.map((run) => [run.runId, coloured(run.status), run.action]),
        ),
      );
    if (options.once === true || options.report === true) return;
    await session.handle.context.host.clock.sleep(Number(options.interval ?? 300) * 1000, { signal: stop.signal });
    if (stop.signal.aborted) return;
  }
}

/** `doctor`: the conformance cases against the live store, under a prefix of its own. */
export async function runDoctor(options: CommonOptions): Promise<void> {
  await using session = await openSession(options);
  const { store, host } = session.handle.context;
  const results: { name: string; ok: boolean; reason: string }[] = [];
  for (const [index, probe] of storeCases.entries()) {
    const prefix = `x-workflow/doctor/${host.random.ulid(Math.round(store.time().latest))}-${index}/`;
    try {
      await probe.run({ store, prefix });
      results.push({ name: probe.name, ok: true, reason: "" });
    } catch (error) {
      results.push({ name: probe.name, ok: false, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  const failed = results.filter((result) => !result.ok);
  if (options.json === true)
    printJson({ store: store.url, versions: store.capabilities.versions, safe: failed.length === 0, results });
  else {
    print(
      table(
        ["CHECK", "RESULT"],
        results.map((result) => [
          result.name,
          result.ok ? coloured("completed") : `${coloured("failed")} ${result.reason}`,
        ]),
      ),
    );
    print(
      store.capabilities.versions
        ? "versions: kept"
        : "versions: not kept; history and time travel are not there, foreign writers cost certainty",
    );
    print(
      failed.length === 0 ? `${store.url} is safe to use` : `${store.url} is NOT safe: ${failed.length} checks failed`,
    );
  }
  if (failed.length > 0) process.exitCode = 1;
}
