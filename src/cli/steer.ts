/** The commands that change runs. */
import { WorkflowError } from "../errors.ts";
import type { ParsedArguments } from "./arguments.ts";
import { bulkRuns, isBulk } from "./bulk.ts";
import { coloured, print, printable, printJson } from "./output.ts";
import { openSession, parseArgument } from "./session.ts";

/** `start`: prints the id of the run; with `--wait` its end. A run that was there already is said on standard error. */
export async function startOne(args: ParsedArguments): Promise<number> {
  const [workflow = "", input] = args.values;
  const id = args.text("id");
  const data = parseArgument("the input", input);
  await using session = await openSession(args, { create: true });
  const run = await session.client.start(workflow, data, id === undefined ? {} : { id });
  if (run.created === false && !args.has("json"))
    process.stderr.write(`run ${printable(run.id)} was there already, with the same input; nothing was started\n`);
  if (!args.has("wait")) {
    if (args.has("json")) printJson({ id: run.id, created: run.created !== false });
    else print(run.id);
    return 0;
  }
  const { record: _whole, ...view } = await run.wait();
  if (args.has("json")) printJson(view);
  else {
    const why = view.error === undefined ? "" : `: ${printable(view.error.message)}`;
    print(`${printable(run.id)} ${coloured(view.status)}${why}`);
  }
  return view.status === "completed" ? 0 : 1;
}

/** `signal`: prints the id of the signal. */
export async function signalRun(args: ParsedArguments): Promise<number> {
  const [id = "", name = "", payload] = args.values;
  const given = parseArgument("the payload", payload);
  await using session = await openSession(args);
  const signal = await session.client.signal(id, name, given);
  if (args.has("json")) printJson({ id: signal });
  else print(signal);
  return 0;
}

/** `send`: prints the id of the event. */
export async function sendEvent(args: ParsedArguments): Promise<number> {
  const [id = "", type = "", members] = args.values;
  const given = parseArgument("the event", members) ?? {};
  if (typeof given !== "object" || Array.isArray(given) || "type" in given)
    throw new WorkflowError(
      "invalid",
      "the members of an event are a JSON object without a type: that is given before",
    );
  await using session = await openSession(args);
  const sent = await session.client.send(id, { ...given, type });
  if (args.has("json")) printJson({ id: sent });
  else print(sent);
  return 0;
}

/** `cancel`: durable when it returns; a worker applies it. */
export async function cancelRun(args: ParsedArguments): Promise<number> {
  const given = { compensate: !args.has("no-compensate"), ...reasonOf(args) };
  if (isBulk(args, "cancel")) return bulkRuns(args, { type: "cancel", ...given });
  await using session = await openSession(args);
  const [id = ""] = args.values;
  await session.client.cancel(id, given);
  return done(id, "cancel", args);
}

/** `pause`. */
export async function pauseRun(args: ParsedArguments): Promise<number> {
  if (isBulk(args, "pause")) return bulkRuns(args, { type: "pause", ...reasonOf(args) });
  await using session = await openSession(args);
  const [id = ""] = args.values;
  await session.client.pause(id, reasonOf(args));
  return done(id, "pause", args);
}

/** `retry`: opens a failed run again. */
export async function retryRun(args: ParsedArguments): Promise<number> {
  if (isBulk(args, "retry")) return bulkRuns(args, { type: "retry" });
  await using session = await openSession(args);
  const [id = ""] = args.values;
  await session.client.retry(id);
  return done(id, "retry", args);
}

/** `skip`: past a held step. */
export async function skipStep(args: ParsedArguments): Promise<number> {
  await using session = await openSession(args);
  const [id = "", step = ""] = args.values;
  await session.client.skip(id, step);
  return done(id, "skip", args);
}

/** `terminate`. */
export async function terminateRun(args: ParsedArguments): Promise<number> {
  if (isBulk(args, "terminate")) return bulkRuns(args, { type: "terminate", ...reasonOf(args) });
  await using session = await openSession(args);
  const [id = ""] = args.values;
  await session.client.terminate(id, reasonOf(args));
  return done(id, "terminate", args);
}

/** `resume`. */
export async function resumeRun(args: ParsedArguments): Promise<number> {
  if (isBulk(args, "resume")) return bulkRuns(args, { type: "resume" });
  await using session = await openSession(args);
  const [id = ""] = args.values;
  await session.client.resume(id);
  return done(id, "resume", args);
}

function reasonOf(args: ParsedArguments): { readonly reason?: string } {
  const reason = args.text("reason");
  return reason === undefined ? {} : { reason };
}

function done(id: string, command: string, args: ParsedArguments): number {
  if (args.has("json")) printJson({ id, command, accepted: true });
  else print(`${command} of ${printable(id)} is accepted; a worker applies it`);
  return 0;
}
