/** Commands that only look. */
import type { RunView } from "../client/view.ts";
import { filtersOf } from "./bulk.ts";
import { coloured, fail, print, printable, printJson, table } from "./output.ts";
import type { Typed } from "./arguments.ts";
import { openSession } from "./session.ts";

/** Characters of a result or an error in a table. */
const WIDEST = 60;

function json(view: RunView): unknown {
  const { record: _whole, ...rest } = view;
  return rest;
}

/** `status`: the run and why it does not move. */
export async function showStatus(typed: Typed): Promise<number> {
  await using session = await openSession(typed);
  const [id = ""] = typed.values;
  const view = await session.client.get(id);
  const reasons = await session.client.explain(id);
  if (typed.has("json")) return printJson({ ...(json(view) as object), reasons });
  print(`${printable(view.id)}  ${printable(view.type)}  ${coloured(view.status)}`);
  if (view.error !== undefined) print(printable(`${view.error.type}: ${view.error.message}`));
  for (const { step, message } of view.compensationErrors) print(printable(`could not undo ${step}: ${message}`));
  if (view.currentSteps.length > 0) print(printable(`now: ${view.currentSteps.join(", ")}`));
  for (const reason of reasons) print(printable(reason));
  return 0;
}

/** `steps`: a row for each step. */
export async function showSteps(typed: Typed): Promise<number> {
  await using session = await openSession(typed);
  const [id = ""] = typed.values;
  const view = await session.client.get(id);
  if (typed.has("json")) return printJson(view.steps);
  const rows = Object.entries(view.steps).map(([name, step]) => [
    printable(name),
    coloured(step.status),
    String(step.attempt),
    printable(step.completed_at ?? step.started_at ?? ""),
    outcomeOf(step),
  ]);
  print(table(["STEP", "STATUS", "ATTEMPT", "AT", "RESULT"], rows));
  return 0;
}

/** What a step came to, on one line and without anything that a terminal obeys. */
function outcomeOf(step: RunView["steps"][string]): string {
  if (step.result !== undefined) return printable(JSON.stringify(step.result)).slice(0, WIDEST);
  return step.error === undefined ? "" : printable(JSON.stringify(step.error).slice(1, -1)).slice(0, WIDEST);
}

/** `list`. Exit code 1 when a record could not be read; the others are shown all the same. */
export async function listRuns(typed: Typed): Promise<number> {
  const filter = { limit: 100, ...filtersOf(typed) };
  await using session = await openSession(typed);
  const views: RunView[] = [];
  let unreadable = 0;
  const isJson = typed.has("json");
  const onUnreadable = (_id: string, { message }: Error): void => {
    unreadable += 1;
    // What JSON says of a record may quote its lines.
    fail(isJson ? message : printable(message), "data", isJson);
  };
  for await (const view of session.client.list({ ...filter, onUnreadable })) views.push(view);
  if (isJson) printJson(views.map(json));
  else {
    const rows = views.map((view) => [
      printable(view.id),
      printable(view.type),
      coloured(view.status),
      printable(view.currentSteps.join(", ")),
      printable(view.updatedAt),
    ]);
    print(table(["RUN", "WORKFLOW", "STATUS", "NOW", "UPDATED"], rows));
  }
  return unreadable > 0 ? 1 : 0;
}

/** `watch`: a line for each change until the run is over. Exit code 1 when it did not complete. */
export async function watchRun(typed: Typed): Promise<number> {
  await using session = await openSession(typed);
  const [id = ""] = typed.values;
  let last: RunView["status"] | undefined;
  for await (const view of session.client.watch(id)) {
    last = view.status;
    if (typed.has("json")) process.stdout.write(`${JSON.stringify(json(view))}\n`);
    else print(`${printable(view.updatedAt)}  ${coloured(view.status)}  ${printable(view.currentSteps.join(", "))}`);
  }
  return last === "completed" ? 0 : 1;
}
