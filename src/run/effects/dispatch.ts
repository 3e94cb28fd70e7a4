/** Carries out the commands of a record. Each is idempotent: its object has a computed id and is put if absent (R4). */
import { activeKey, foreignKey, laterResultKey, stepResultKey } from "../../keys.ts";
import { errorOfText, summarize } from "../../host/error-data.ts";
import { requestCancellation } from "../../queue/cancel.ts";
import { millisOf, type QueueContext, type TaskRecord, type TaskSpec } from "../../queue/task.ts";
import { createTask } from "../../queue/submit.ts";
import { fenceTask, settleTask, type TaskEnd } from "../../queue/settle.ts";
import { Codec, createDocumentBytes, readDocument } from "../../store/document.ts";
import { STORED_NULL, StoredValue } from "../../wire/value.ts";
import { attemptsOfText } from "../attempts-text.ts";
import type { Fact } from "../facts.ts";
import type { Program } from "../../programs/programs.ts";
import {
  type Actor,
  type Flight,
  type FlightRef,
  type OutboxEntry,
  refOf,
  type RunRecord,
  sameFlight,
} from "../record/record.ts";
import { outputOf, readOutput, resultOutput } from "../step-output.ts";
import { flightTask, flightTaskId, tickTask } from "../tasks.ts";

/** What carrying out needs. */
export interface DispatchContext {
  readonly queue: QueueContext;
  /** Told of tasks that this process made ready, so that it need not find them by polling. */
  readonly onReady: (taskId: string, availableAt: number) => void;
  /**
   * Tells the handler that runs under this task that it is not wanted any more, if it runs in this process. The answer says whether this
   * process holds the task under a lease that is not over: then nobody else does, and nothing has to be written.
   */
  readonly onUnwanted: (taskId: string) => boolean;
}

/** A result says nothing of itself: it is any JSON. */
const resultCodec = new Codec<StoredValue>({
  what: "the result of a step",
  read: (json) => StoredValue.parsed(json ?? null),
  keyOf: (_result, key) => key,
  write: (result) => result.text,
});

/** Who carries out. */
export interface Carrier {
  readonly actor: Actor;
  /** Ends a task that it holds itself beside its first one. False: it does not hold it. */
  finishOwn(taskId: string, end: TaskEnd): Promise<boolean>;
}

function flightOf(record: RunRecord, entry: OutboxEntry): Flight | undefined {
  if (!("ref" in entry)) return undefined;
  const { ref } = entry;
  return record.machine?.flights.find((flight) => sameFlight(flight, ref));
}

/** Carries out one entry; resolves once it is durable, with what was learned on the way. */
export async function carryOut(
  context: DispatchContext,
  record: RunRecord,
  program: Program,
  entry: OutboxEntry,
  carrier: Carrier,
): Promise<readonly Fact[]> {
  switch (entry.do) {
    case "result":
      await putResult(context, record, entry);
      return [];
    case "settle":
      await settle(context, record, program, entry, carrier);
      return [];
    case "create":
      return create(context, record, program, entry, carrier);
    case "timer": {
      const task = tickTask(record, { kind: "timer", timer: entry.timer });
      await makeReady(context, task);
      return [];
    }
    case "fence":
      return fence(context, record, program, entry, carrier);
    case "look":
      await Promise.all([moveLook(context, record, entry), moveForeign(context, record, program, entry)]);
      return [];
  }
}

async function makeReady(context: DispatchContext, spec: TaskSpec): Promise<TaskRecord | undefined> {
  const made = await createTask(context.queue, spec);
  // One that stands already is due when it says: of a record made anew the timer would seem to begin now.
  const { latest } = context.queue.store.time();
  const dueAt = made.kind === "exists" ? millisOf(made.task.available_at) : (spec.availableAt ?? latest);
  context.onReady(spec.id, dueAt);
  return made.kind === "exists" ? made.task : undefined;
}

/** `steps/{name}.json` is always copied from the record, never from a worker's memory (planted mistake 21). */
async function putResult(
  context: DispatchContext,
  record: RunRecord,
  entry: Extract<OutboxEntry, { do: "result" }>,
): Promise<void> {
  const { step, generation } = entry;
  const state = record.steps.get(step);
  if (!("result" in entry) && state?.status !== "completed") return;
  const result = "result" in entry ? entry.result : state?.result;
  const key = generation === undefined ? stepResultKey(record.id, step) : laterResultKey(record.id, step, generation);
  await createDocumentBytes(context.queue.store, context.queue.host, key, resultCodec.encode(result ?? STORED_NULL));
}

async function settle(
  context: DispatchContext,
  record: RunRecord,
  program: Program,
  entry: Extract<OutboxEntry, { do: "settle" }>,
  carrier: Carrier,
): Promise<void> {
  const spec = flightTask(record, program, entry.ref);
  const { kind, step } = entry.ref;
  const state = kind === "run" ? record.steps.get(step) : undefined;
  const error = entry.error === undefined ? {} : { error: entry.error };
  const end: TaskEnd =
    entry.status === "completed"
      ? { status: "completed", output: "result" in entry ? resultOutput(step, entry.result) : outputOf(step, state) }
      : { status: entry.status, ...error };
  if (!(await carrier.finishOwn(spec.id, end))) await settleTask(context.queue, spec, end);
}

async function create(
  context: DispatchContext,
  record: RunRecord,
  program: Program,
  entry: Extract<OutboxEntry, { do: "create" }>,
  carrier: Carrier,
): Promise<readonly Fact[]> {
  const flight = flightOf(record, entry);
  // Who holds the task knows that it was made, and its lease key stands.
  if (flight === undefined || flightTaskId(record.id, flight) === carrier.actor.task) return [];
  const existing = await makeReady(context, flightTask(record, program, flight));
  return existing === undefined ? [] : endedWithoutUs(context.queue, record.id, flight, existing);
}

/**
 * A task that ended while its step is in flight: somebody ended it who did not tell the record first, as ours do. A worker of others
 * completed it and died, a foreign monitor failed it, or the record was made anew from plain fields that do not know of it.
 */
export async function endedWithoutUs(
  queue: QueueContext,
  runId: string,
  flight: Flight,
  task: TaskRecord,
): Promise<readonly Fact[]> {
  const { status, attempt } = task;
  if (status === "pending" || status === "running") return [];
  const ref = refOf(flight);
  const output = status === "completed" ? readOutput(task.output) : undefined;
  if (output !== undefined) return output.waits ? [] : [{ fact: "done", ref, result: output.result, attempt }];
  // buquet's worker puts the result before the record. Where it loses the race for that, it fails its task though the step is done (W-2).
  const left =
    flight.kind === "run" && flight.generation === 1 ? await readResult(queue, runId, flight.step) : undefined;
  if (left !== undefined) return [{ fact: "done", ref, result: left.result, attempt }];
  // A monitor of buquet leaves the name of the worker that it gave up in the task; who ends its own task takes its name out.
  const type = status === "failed" && task.worker_id !== null ? "WorkerLost" : "StepFailed";
  const text = task.last_error ?? `its task was ended as ${status} by somebody else`;
  const failures = attemptsOfText(text, { attempt, endedAt: millisOf(task.updated_at) });
  const error = failures.at(-1)?.error ?? errorOfText(text);
  // A text of another program may name no class.
  const message = text.startsWith(`${error.name}:`) ? summarize(error) : error.message;
  return [{ fact: "failed", ref, failure: { type, message, outcome: "unknown", attempt }, failures }];
}

async function readResult(
  queue: QueueContext,
  runId: string,
  step: string,
): Promise<{ readonly result: StoredValue } | undefined> {
  const read = await readDocument(queue.store, stepResultKey(runId, step), resultCodec);
  return read.kind === "missing" ? undefined : { result: read.value };
}

async function fence(
  context: DispatchContext,
  record: RunRecord,
  program: Program,
  entry: Extract<OutboxEntry, { do: "fence" }>,
  carrier: Carrier,
): Promise<readonly Fact[]> {
  const flight = flightOf(record, entry);
  if (flight === undefined) return [{ fact: "fenced", ref: entry.ref, outcome: "never" }];
  const spec = flightTask(record, program, flight);
  if (flight.owner !== undefined) {
    // Its holder completes the step and drives on. Its handler hears of it at once in this process, else by the next heartbeat
    // (protocol 1.13). An unknown holder is looked for by the sweeper.
    if (flight.owner === "unknown") return [];
    const { task } = flight.owner;
    if (!context.onUnwanted(task) && task !== carrier.actor.task) await requestCancellation(context.queue, task);
    return [];
  }
  // Its holder is in this process: it ends the step, or its lease runs out and the next claimer does (its fence write).
  if (context.onUnwanted(spec.id)) return [];
  return fenceFlight(context.queue, spec, entry.ref);
}

/** Makes sure that the task of an execution that nobody owns never starts again; no fact: its holder says how it ended. */
export async function fenceFlight(queue: QueueContext, spec: TaskSpec, ref: FlightRef): Promise<readonly Fact[]> {
  const answer = await fenceTask(queue, spec);
  switch (answer.kind) {
    case "absent":
      return [{ fact: "fenced", ref, outcome: "never" }];
    case "running":
      return [];
    case "pending":
    case "over":
      return [{ fact: "fenced", ref, outcome: answer.attempt > 0 ? "unknown" : "never" }];
  }
}

async function moveLook(
  context: DispatchContext,
  record: RunRecord,
  entry: Extract<OutboxEntry, { do: "look" }>,
): Promise<void> {
  const { store } = context.queue;
  // Every driver carries the entry out again until a later write drops it. Once its time has come the sweeper has moved what stands in
  // the index, or will: put again it would be due at once, and the run would be looked at every minute.
  if (entry.at !== null && entry.at <= store.time().earliest) return;
  const put = entry.at === null ? undefined : activeKey(record.id, entry.at);
  const gone = new Set(entry.was.map((was) => activeKey(record.id, was)));
  if (put !== undefined) {
    gone.delete(put);
    await store.put(put, "", "always");
  }
  for (const key of gone) await store.delete(key);
}

/** A run that was started or opened again without our start, or by one that died, gets its entry here; its end takes it away. */
async function moveForeign(
  context: DispatchContext,
  record: RunRecord,
  program: Program,
  entry: Extract<OutboxEntry, { do: "look" }>,
): Promise<void> {
  if (!program.foreign) return;
  const { store } = context.queue;
  if (entry.at === null) await store.delete(foreignKey(record.id));
  else if (isOpened(record, entry)) await store.put(foreignKey(record.id), "", "always");
}

/** Whether the run may have no entry of its own yet. A late DELETE of its former end may take the new one: the next look puts it again. */
function isOpened(record: RunRecord, entry: Extract<OutboxEntry, { do: "look" }>): boolean {
  return entry.at !== null && (entry.was.length === 0 || record.machine?.reopened !== undefined);
}
