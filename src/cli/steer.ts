/** Commands that change runs. */
import { WorkflowError } from "../errors.ts";
import type { Typed } from "./arguments.ts";
import { bulkRuns, isBulk } from "./bulk.ts";
import { coloured, print, printable, printJson } from "./output.ts";
import { openSession, parseArgument } from "./session.ts";

/** `start`: prints the id of the run; with `--wait` its end. A run that was there already is said on standard error. */
export async function startRun(typed: Typed): Promise<number> {
  const [workflow = "", input] = typed.values;
  const id = typed.text("id");
  const data = parseArgument("the input", input);
  await using session = await openSession(typed, { create: true });
  const run = await session.client.start(workflow, data, id === undefined ? {} : { id });
  if (run.created === false && !typed.has("json"))
    process.stderr.write(`run ${printable(run.id)} was there already, with the same input; nothing was started\n`);
  if (!typed.has("wait")) {
    if (typed.has("json")) printJson({ id: run.id, created: run.created !== false });
    else print(run.id);
    return 0;
  }
  const { record: _whole, ...view } = await run.wait();
  if (typed.has("json")) printJson(view);
  else {
    const why = view.error === undefined ? "" : `: ${printable(view.error.message)}`;
    print(`${printable(run.id)} ${coloured(view.status)}${why}`);
  }
  return view.status === "completed" ? 0 : 1;
}

/** `signal`: prints the id of the signal. */
export async function signalRun(typed: Typed): Promise<number> {
  const [id = "", name = "", payload] = typed.values;
  const given = parseArgument("the payload", payload);
  await using session = await openSession(typed);
  const signal = await session.client.signal(id, name, given);
  if (typed.has("json")) printJson({ id: signal });
  else print(signal);
  return 0;
}

/** `send`: prints the id of the event. */
export async function sendEvent(typed: Typed): Promise<number> {
  const [id = "", type = "", members] = typed.values;
  const given = parseArgument("the event", members) ?? {};
  if (typeof given !== "object" || Array.isArray(given) || "type" in given)
    throw new WorkflowError(
      "invalid",
      "the members of an event are a JSON object without a type: that is given before",
    );
  await using session = await openSession(typed);
  const sent = await session.client.send(id, { ...given, type });
  if (typed.has("json")) printJson({ id: sent });
  else print(sent);
  return 0;
}

/** `cancel`: durable when it returns; a worker applies it. */
export async function cancelRun(typed: Typed): Promise<number> {
  const given = { compensate: !typed.has("no-compensate"), ...reasonOf(typed) };
  if (isBulk(typed, "cancel")) return bulkRuns(typed, { type: "cancel", ...given });
  await using session = await openSession(typed);
  const [id = ""] = typed.values;
  await session.client.cancel(id, given);
  return done(id, "cancel", typed);
}

/** `pause`. */
export async function pauseRun(typed: Typed): Promise<number> {
  if (isBulk(typed, "pause")) return bulkRuns(typed, { type: "pause", ...reasonOf(typed) });
  await using session = await openSession(typed);
  const [id = ""] = typed.values;
  await session.client.pause(id, reasonOf(typed));
  return done(id, "pause", typed);
}

/** `retry`: opens a failed run again. */
export async function retryRun(typed: Typed): Promise<number> {
  if (isBulk(typed, "retry")) return bulkRuns(typed, { type: "retry" });
  await using session = await openSession(typed);
  const [id = ""] = typed.values;
  await session.client.retry(id);
  return done(id, "retry", typed);
}

/** `skip`: past a held step. */
export async function skipStep(typed: Typed): Promise<number> {
  await using session = await openSession(typed);
  const [id = "", step = ""] = typed.values;
  await session.client.skip(id, step);
  return done(id, "skip", typed);
}

/** `terminate`. */
export async function terminateRun(typed: Typed): Promise<number> {
  if (isBulk(typed, "terminate")) return bulkRuns(typed, { type: "terminate", ...reasonOf(typed) });
  await using session = await openSession(typed);
  const [id = ""] = typed.values;
  await session.client.terminate(id, reasonOf(typed));
  return done(id, "terminate", typed);
}

/** `resume`. */
export async function resumeRun(typed: Typed): Promise<number> {
  if (isBulk(typed, "resume")) return bulkRuns(typed, { type: "resume" });
  await using session = await openSession(typed);
  const [id = ""] = typed.values;
  await session.client.resume(id);
  return done(id, "resume", typed);
}

function reasonOf(typed: Typed): { readonly reason?: string } {
  const reason = typed.text("reason");
  return reason === undefined ? {} : { reason };
}

function done(id: string, command: string, typed: Typed): number {
  if (typed.has("json")) printJson({ id, command, accepted: true });
  else print(`${command} of ${printable(id)} is accepted; a worker applies it`);
  return 0;
}
