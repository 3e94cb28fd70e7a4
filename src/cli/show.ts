/** The commands that only read. */
import type { RunView } from "../client/view.ts";
import { stackLines, summarize } from "../host/error-data.ts";
import { isTerminated } from "../run/view.ts";
import { attemptLines } from "./attempts.ts";
import { filtersOf } from "./bulk.ts";
import { coloured, fail, print, printable, printJson, table } from "./output.ts";
import type { ParsedArguments } from "./arguments.ts";
import { openSession } from "./session.ts";

/** Characters of a result or an error in a table. */
const WIDEST = 60;

/** A run as JSON: `show --json` has its machine too. */
function json(view: RunView): unknown {
  const { record: _whole, snapshot: _machine, ...rest } = view;
  return rest;
}

/** The status that filters accept, with what it leaves out. */
function runWord(view: RunView): string {
  return coloured(view.status, isTerminated(view) ? `${view.status} (terminated)` : view.status);
}

/** `status`: the run and why it does not move. */
export async function showStatus(args: ParsedArguments): Promise<number> {
  await using session = await openSession(args);
  const [id = ""] = args.values;
  const view = await session.client.get(id);
  const reasons = await session.client.explain(id);
  if (args.has("json")) return printJson({ ...(json(view) as object), reasons });
  print(`${printable(view.id)}  ${printable(view.type)}  ${runWord(view)}`);
  for (const line of whyNot(view)) print(line);
  if (view.currentSteps.length > 0) print(printable(`now: ${view.currentSteps.join(", ")}`));
  for (const reason of reasons) print(printable(reason));
  return 0;
}

/** `explain`: why the run does not move. */
export async function showReasons(args: ParsedArguments): Promise<number> {
  await using session = await openSession(args);
  const [id = ""] = args.values;
  const reasons = await session.client.explain(id);
  if (args.has("json")) return printJson({ id, reasons });
  for (const reason of reasons) print(printable(reason));
  return 0;
}

/** Describes the failure: failed steps with the stack of the error that stopped the run, failed undos, and what was undone. */
function* whyNot(view: RunView): Generator<string> {
  const { error, steps } = view;
  if (error !== undefined) {
    const { step, attempt } = error;
    const where = step === undefined ? "" : ` in step ${step}${attempt === undefined ? "" : `, attempt ${attempt}`}`;
    yield printable(`${error.type}${where}: ${error.message}`);
    yield* stackOf(step === undefined ? undefined : steps[step]?.failure);
  }
  for (const [name, { failure }] of Object.entries(steps)) {
    if (failure === undefined || name === error?.step) continue;
    yield printable(`step ${name} failed: ${summarize(failure)}`);
    // Nothing nearer is known of why the run failed, stops or is held.
    if (failure === view.failure) yield* stackOf(failure);
  }
  const undone = Object.entries(steps).flatMap(([name, { undo }]) => (undo === "done" ? [name] : []));
  if (undone.length > 0) yield printable(`undone: ${undone.join(", ")}`);
  for (const { step, message } of view.compensationErrors) {
    yield printable(`could not undo ${step}: ${message}`);
    yield* stackOf(steps[step]?.undo_failure);
  }
}

function stackOf(failure: RunView["failure"]): readonly string[] {
  return failure === undefined ? [] : stackLines(failure).map(printable);
}

/** `steps`: a row for each step. */
export async function showSteps(args: ParsedArguments): Promise<number> {
  await using session = await openSession(args);
  const [id = ""] = args.values;
  const view = await session.client.get(id);
  if (args.has("json")) return printJson(view.steps);
  const rows = Object.entries(view.steps).map(([name, step]) => [
    printable(name),
    coloured(step.status, wordOf(step)),
    String(step.attempt),
    printable(step.completed_at ?? step.started_at ?? ""),
    outcomeOf(step),
  ]);
  print(table(["STEP", "STATUS", "ATTEMPT", "AT", "RESULT"], rows));
  for (const [name, { failed_attempts = [] }] of Object.entries(view.steps))
    for (const line of attemptLines(name, failed_attempts)) print(line);
  return 0;
}

/** The status, and what became of the undo of a step that did not complete. */
function wordOf({ status, undo }: RunView["steps"][string]): string {
  if (undo === undefined || UNDO_WORDS.has(status)) return status;
  return `${status}, ${undo === "done" ? "undone" : undo === "running" ? "undoing" : "undo failed"}`;
}

const UNDO_WORDS: ReadonlySet<string> = new Set(["undone", "undoing", "undo_failed"]);

/** The result of a step on one line, without control characters. */
function outcomeOf(step: RunView["steps"][string]): string {
  if (step.status === "undo_failed" && step.undo_failure !== undefined)
    return printable(summarize(step.undo_failure)).slice(0, WIDEST);
  if (step.result !== undefined) return printable(JSON.stringify(step.result)).slice(0, WIDEST);
  return step.error === undefined ? "" : printable(JSON.stringify(step.error).slice(1, -1)).slice(0, WIDEST);
}

/** `list`. Exit code 1 when a record could not be read; the others are shown all the same. */
export async function showRuns(args: ParsedArguments): Promise<number> {
  const filter = { limit: 100, ...filtersOf(args) };
  await using session = await openSession(args);
  const views: RunView[] = [];
  let unreadable = 0;
  const isJson = args.has("json");
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
      runWord(view),
      printable(view.currentSteps.join(", ")),
      printable(view.updatedAt),
    ]);
    print(table(["RUN", "WORKFLOW", "STATUS", "NOW", "UPDATED"], rows));
  }
  return unreadable > 0 ? 1 : 0;
}

/** `watch`: a line for each change until the run is over. Exit code 1 when it did not complete. */
export async function watchRun(args: ParsedArguments): Promise<number> {
  await using session = await openSession(args);
  const [id = ""] = args.values;
  let last: RunView["status"] | undefined;
  for await (const view of session.client.watch(id)) {
    last = view.status;
    if (args.has("json")) process.stdout.write(`${JSON.stringify(json(view))}\n`);
    else print(`${printable(view.updatedAt)}  ${runWord(view)}  ${printable(view.currentSteps.join(", "))}`);
  }
  return last === "completed" ? 0 : 1;
}
