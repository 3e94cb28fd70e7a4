/**
 * Starting a run: protocol 1.1. The active-index entry first, or a client that dies leaves a run that nobody looks at. The task last:
 * its claimer would find no record, finish it, and the run would wait for its first look.
 */
import { WorkflowError } from "../errors.ts";
import { activeKey, foreignKey, stateKey } from "../keys.ts";
import { createTask } from "../queue/submit.ts";
import type { QueueContext } from "../queue/task.ts";
import { createDocumentBytes, readDocument } from "../store/document.ts";
import { formatOpaque } from "../wire/instant.ts";
import { LOOK_MS } from "./decide/look.ts";
import type { Program } from "./program.ts";
import { emptyMachine } from "./mend.ts";
import { encodeRecord, recordCodec, type RunRecord } from "./record.ts";
import { tickTask, tickTaskId } from "./tasks.ts";

/** What a start needs. */
export interface StartInput {
  readonly id: string;
  readonly program: Program;
  /** JSON. */
  readonly data: unknown;
}

/** The first record of a run. */
export function firstRecord(input: StartInput, nowMs: number, writeId: string): RunRecord {
  const { program } = input;
  const { plan } = program.machine;
  const now = formatOpaque(nowMs);
  return {
    id: input.id,
    type: plan.name,
    definition_hash: program.definitionHash,
    status: "pending",
    current_steps: [],
    data: input.data,
    steps: new Map(),
    signals: new Map(),
    created_at: now,
    updated_at: now,
    orchestrator_task_id: tickTaskId(input.id, { kind: "start" }),
    rest: {},
    machine: {
      ...emptyMachine(program),
      look_at: nowMs + LOOK_MS,
      write: { id: writeId, events: ["created"] },
    },
  };
}

/** Starts a run, or finds it started: the same id and workflow is the same run. Acknowledged once this resolves. */
export async function startRun(
  queue: QueueContext,
  input: StartInput,
): Promise<{ readonly taskId: string; readonly created: boolean }> {
  const { store, host } = queue;
  const { latest } = store.time();
  const record = firstRecord(input, latest, host.random.ulid(latest));
  const body = encodeRecord(record);
  const isForeign = input.program.machine.plan.foreign;
  const indexes = [activeKey(input.id, latest + LOOK_MS), ...(isForeign ? [foreignKey(input.id)] : [])];
  await Promise.all(indexes.map((key) => store.put(key, "", "always")));
  const state = await createDocumentBytes(store, host, stateKey(input.id), body);
  if (state.kind === "exists") await checkSameRun(queue, record);
  const task = tickTask(record, { kind: "start" });
  await createTask(queue, task);
  return { taskId: task.id, created: state.kind === "stored" };
}

async function checkSameRun(queue: QueueContext, wanted: RunRecord): Promise<void> {
  const read = await readDocument(queue.store, stateKey(wanted.id), recordCodec);
  if (read.kind === "found" && read.value.type !== wanted.type) {
    throw new WorkflowError(
      "invalid",
      `run ${JSON.stringify(wanted.id)} exists and is a ${JSON.stringify(read.value.type)}, not a ${JSON.stringify(wanted.type)}; choose another id`,
    );
  }
}
