/** Commands that only look. */
import type { RunView } from "../client/client.ts";
import { explainRun } from "../client/explain.ts";
import { coloured, print, printJson, table } from "./output.ts";
import { type CommonOptions, openSession } from "./session.ts";

function json(view: RunView): unknown {
  const { record: _whole, ...rest } = view;
  return rest;
}

/** `status`: the run and why it does not move. */
export async function showStatus(id: string, options: CommonOptions): Promise<void> {
  await using session = await openSession(options);
  const view = await session.client.get(id);
  const reasons = await explainRun(session.handle, view.record);
  if (options.json === true) return printJson({ ...(json(view) as object), reasons });
  print(`${view.id}  ${view.type}  ${coloured(view.status)}`);
  if (view.error !== undefined) print(`${view.error.type}: ${view.error.message}`);
  for (const failed of view.compensationErrors) print(`could not undo ${failed.step}: ${failed.message}`);
  if (view.currentSteps.length > 0) print(`now: ${view.currentSteps.join(", ")}`);
  for (const reason of reasons) print(reason);
}

/** `steps`: a row for each step. */
export async function showSteps(id: string, options: CommonOptions): Promise<void> {
  await using session = await openSession(options);
  const view = await session.client.get(id);
  if (options.json === true) return printJson(view.steps);
  const rows = Object.entries(view.steps).map(([name, step]) => [
    name,
    coloured(step.status),
    String(step.attempt),
    step.completed_at ?? step.started_at ?? "",
    step.result === undefined ? "" : JSON.stringify(step.result).slice(0, 60),
  ]);
  print(table(["STEP", "STATUS", "ATTEMPT", "AT", "RESULT"], rows));
}

/** `list`. */
export async function listRuns(
  options: CommonOptions & {
    readonly type?: string;
    readonly status?: string;
    readonly prefix?: string;
    readonly limit?: number;
  },
): Promise<void> {
  await using session = await openSession(options);
  const views: RunView[] = [];
  const filter = {
    ...(options.type === undefined ? {} : { type: options.type }),
    ...(options.status === undefined ? {} : { status: options.status as RunView["status"] }),
    ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
    limit: Number(options.limit ?? 100),
  };
  for await (const view of session.client.list(filter)) views.push(view);
  if (options.json === true) return printJson(views.map(json));
  print(
    table(
      ["RUN", "WORKFLOW", "STATUS", "NOW", "UPDATED"],
      views.map((view) => [view.id, view.type, coloured(view.status), view.currentSteps.join(", "), view.updatedAt]),
    ),
  );
}

/** `watch`: a line for each change until the run is over. */
export async function watchRun(id: string, options: CommonOptions): Promise<void> {
  await using session = await openSession(options);
  for await (const view of session.client.watch(id)) {
    if (options.json === true) process.stdout.write(`${JSON.stringify(json(view))}\n`);
    else print(`${view.updatedAt}  ${coloured(view.status)}  ${view.currentSteps.join(", ")}`);
  }
}
