/** Commands that change runs. */
import { WorkflowError } from "../errors.ts";
import { print, printJson } from "./output.ts";
import { type CommonOptions, openSession, parseArgument } from "./session.ts";

/** Options of `start`. */
export interface StartCommandOptions extends CommonOptions {
  readonly id?: string;
  readonly wait?: boolean;
  readonly version?: string;
}

/** `start`: prints the id of the run; with `--wait` its end. */
export async function startCommand(
  workflow: string,
  input: string | undefined,
  options: StartCommandOptions,
): Promise<void> {
  if (typeof options.version === "string")
    throw new WorkflowError("invalid", "--version is not there yet; runs follow the plan that is served");
  await using session = await openSession(options);
  const run = await session.client.start(
    workflow,
    parseArgument("the input", input),
    options.id === undefined ? {} : { id: options.id },
  );
  if (options.wait !== true) {
    if (options.json === true) printJson({ id: run.id });
    else print(run.id);
    return;
  }
  const view = await run.wait();
  if (options.json === true) printJson(view.record.machine === undefined ? view : { ...view, record: undefined });
  else print(`${run.id} ${view.status}${view.error === undefined ? "" : `: ${view.error.message}`}`);
  if (view.status !== "completed") process.exitCode = 1;
}

/** `signal`: prints the id of the signal. */
export async function signalRun(
  id: string,
  name: string,
  payload: string | undefined,
  options: CommonOptions,
): Promise<void> {
  await using session = await openSession(options);
  const signal = await session.client.signal(id, name, parseArgument("the payload", payload));
  if (options.json === true) printJson({ id: signal });
  else print(signal);
}

/** `cancel`: durable when it returns; a worker applies it. */
export async function cancelRun(
  id: string,
  options: CommonOptions & { readonly reason?: string; readonly compensate?: boolean },
): Promise<void> {
  await using session = await openSession(options);
  const { reason } = options;
  await session.client.cancel(id, {
    compensate: options.compensate ?? true,
    ...(reason === undefined ? {} : { reason }),
  });
  done(id, "cancel", options);
}

/** `pause`. */
export async function pauseRun(id: string, options: CommonOptions & { readonly reason?: string }): Promise<void> {
  await using session = await openSession(options);
  await session.client.pause(id, options.reason === undefined ? {} : { reason: options.reason });
  done(id, "pause", options);
}

/** `resume`. */
export async function resumeRun(
  id: string,
  options: CommonOptions & { readonly forceVersion?: boolean },
): Promise<void> {
  if (options.forceVersion === true)
    throw new WorkflowError("invalid", "--force-version is not there yet; serve the definition that the run follows");
  await using session = await openSession(options);
  await session.client.resume(id);
  done(id, "resume", options);
}

function done(id: string, command: string, options: CommonOptions): void {
  if (options.json === true) printJson({ id, command, accepted: true });
  else print(`${command} of ${id} is accepted; a worker applies it`);
}
