/** Commands for the history of a run: every write, the run at a write, and the changes between writes. */
import { registeredDefinition } from "../define/registered.ts";
import type { Frame, Timeline } from "../draw/timeline.ts";
import type { RunDetails } from "../inspect/details.ts";
import { diffFrames } from "../inspect/diff.ts";
import { readTimeline } from "../inspect/history.ts";
import { pickFrame } from "../inspect/pick.ts";
import { StoredPrograms } from "../programs/stored-programs.ts";
import { formatInstant } from "../wire/instant.ts";
import type { ParsedArguments } from "./arguments.ts";
import { attemptLines } from "./attempts.ts";
import { coloured, print, printable, printJson, table } from "./output.ts";
import { openSession } from "./session.ts";

/** Characters of a value in a line. */
const WIDEST = 100;

/** `log`: a line for each write. */
export async function logRun(args: ParsedArguments): Promise<number> {
  const { timeline } = await open(args);
  const { id, plan, frames, notes = [] } = timeline;
  if (args.has("json")) return printJson({ id, type: plan.name, notes, writes: frames.map(writeOf) });
  const began = frames[0]?.at ?? null;
  const rows = frames.map((frame, position) => [
    String(position + 1),
    instantOf(frame),
    frame.at === null || began === null ? "" : since(frame.at - began),
    coloured(frame.status),
    printable(frame.events.join("; ")),
  ]);
  print(table(["WRITE", "AT", "SINCE", "STATUS", "EVENTS"], rows));
  return 0;
}

/** `show`: the run as one version has it. */
export async function showRun(args: ParsedArguments): Promise<number> {
  const { timeline, now } = await open(args);
  const position = pickFrame(timeline, args.text("at") ?? "-1", now);
  const frame = timeline.frames[position] as Frame;
  if (args.has("json")) {
    const { snapshot, details } = frame;
    return printJson({ id: timeline.id, ...writeOf(frame, position), ...details, snapshot });
  }
  print(
    `${printable(timeline.id)}  write ${position + 1} of ${timeline.frames.length}  ${instantOf(frame)}  ${coloured(frame.status)}`,
  );
  print(printable(frame.events.join("; ")));
  if (frame.note !== undefined && !frame.events.includes(frame.note)) print(`note: ${printable(frame.note)}`);
  for (const line of linesOf(frame.details as Partial<RunDetails>)) print(line);
  return 0;
}

/** `diff`: what is different in a version. */
export async function diffRun(args: ParsedArguments): Promise<number> {
  const { timeline, now } = await open(args);
  const [, a = "", b = ""] = args.values;
  const [before, after] = [a, b].map((text) => timeline.frames[pickFrame(timeline, text, now)] as Frame);
  const changes = before === undefined || after === undefined ? [] : diffFrames(before, after);
  if (args.has("json")) return printJson(changes);
  for (const change of changes) {
    const path = printable(change.path);
    if (change.before === undefined) print(`+ ${path}: ${short(change.after)}`);
    else if (change.after === undefined) print(`- ${path}: ${short(change.before)}`);
    else print(`~ ${path}: ${short(change.before)} → ${short(change.after)}`);
  }
  if (changes.length === 0) print("no difference");
  return 0;
}

/** Reads the whole history. What is missing from it is reported on standard error. */
async function open(args: ParsedArguments): Promise<{ readonly timeline: Timeline; readonly now: number }> {
  await using session = await openSession(args);
  const { store, host } = session.handle.context;
  const programs = new StoredPrograms(store, host, session.workflows.map(registeredDefinition));
  const [id = ""] = args.values;
  const timeline = await readTimeline(store, id, { programs });
  if (!args.has("json")) for (const note of timeline.notes ?? []) process.stderr.write(`note: ${printable(note)}\n`);
  return { timeline, now: store.time().latest };
}

/** One write for programs. */
function writeOf(frame: Frame, position: number): object {
  const { version, status, events, note } = frame;
  return {
    write: position + 1,
    ...(version === undefined ? {} : { version }),
    at: instantOf(frame),
    status,
    events,
    ...(note === undefined ? {} : { note }),
  };
}

function* linesOf(details: Partial<RunDetails>): Generator<string> {
  const { error, steps, waits = [], timers = [], compensationErrors = [] } = details;
  if (error != null) yield printable(`${error.type}: ${error.message}`);
  for (const { step, message } of compensationErrors) yield printable(`could not undo ${step}: ${message}`);
  if (details.data !== undefined) yield `data: ${short(details.data)}`;
  if (steps !== undefined && Object.keys(steps).length > 0) {
    const rows = Object.entries(steps).map(([name, step]) => [
      printable(name),
      coloured(step.phase, step.undo === undefined ? step.phase : `${step.phase}, undo ${step.undo}`),
      String(step.attempt),
      printable(step.completedAt ?? step.startedAt ?? ""),
      step.result !== undefined ? short(step.result) : step.error === undefined ? "" : short(step.error),
    ]);
    yield table(["STEP", "PHASE", "ATTEMPT", "AT", "RESULT"], rows);
    for (const [name, { failedAttempts = [] }] of Object.entries(steps)) yield* attemptLines(name, failedAttempts);
  }
  for (const { signal, step, until } of waits)
    yield printable(`${step} waits for signal ${signal}${until === null ? "" : ` until ${until}`}`);
  for (const { timer, step, dueAt } of timers)
    if (!waits.some((wait) => timer === "deadline" && wait.step === step))
      yield printable(`${timer} of ${step} is due at ${dueAt}`);
  for (const { kind, step, owner, begun, retries, availableAt } of details.executions ?? []) {
    const what = kind === "run" ? `step ${step}` : `the undo of ${step}`;
    const holder =
      owner === null
        ? "has a task of its own"
        : owner === "unknown"
          ? "is held by nobody knows whom"
          : `is held by task ${owner}`;
    const rest = [
      ...(begun ? ["may have begun"] : []),
      ...(retries > 0 ? [`retry ${retries}`] : []),
      ...(availableAt === undefined ? [] : [`not before ${availableAt}`]),
    ];
    yield printable([`${what} ${holder}`, ...rest].join(", "));
  }
  for (const { step, signals } of details.given ?? [])
    if (signals.length > 0) yield `${printable(step)} was given ${short(signals)}`;
  for (const { id, by } of details.outbox ?? [])
    yield printable(`asked of ${by === null ? "whoever comes" : `task ${by}`}, not confirmed yet: ${id}`);
  if (details.writtenBy != null) yield printable(`written by task ${details.writtenBy}`);
}

function instantOf({ at }: Frame): string {
  return at === null ? "" : formatInstant(at);
}

/** A duration for people: `+0.25s`, `+3m 20s`, `+2d 1h`. */
function since(ms: number): string {
  if (ms < 60_000) return `+${ms / 1_000}s`;
  const seconds = Math.round(ms / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  return `+${parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ")}`;
}

/** A value as JSON on one line. */
function short(value: unknown): string {
  const text = printable(JSON.stringify(value));
  return text.length <= WIDEST ? text : `${text.slice(0, WIDEST - 1)}…`;
}
