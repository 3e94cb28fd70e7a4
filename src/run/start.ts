/**
 * Starting a run: protocol 1.1. The active-index entry first, or a client that dies leaves a run that nobody ever reconciles. The
 * task last: its claimer would find no record, finish it, and the run would wait for its first reconcile.
 */
import { activeKey, foreignKey, stateKey } from "../keys.ts";
import { IdempotencyConflictError } from "../queue/idempotency.ts";
import { createTask } from "../queue/submit.ts";
import type { QueueContext } from "../queue/task.ts";
import { createDocumentBytes } from "../store/document.ts";
import { canonicalJson } from "../wire/canonical.ts";
import { formatOpaque } from "../wire/instant.ts";
import type { StoredValue } from "../wire/value.ts";
import { CHECK_MS } from "./decide/next-check.ts";
import type { Program } from "../programs/programs.ts";
import { emptyMachine } from "./foreign/repair.ts";
import type { RunRecord } from "./record/record.ts";
import { encodeRecord, recordCodec } from "./record/codec.ts";
import { startTick } from "./wakeups/start.ts";

/** What a start needs. */
export interface StartInput {
  readonly id: string;
  readonly program: Program;
  readonly data: StoredValue;
}

/** The first record of a run. */
export function firstRecord(input: StartInput, nowMs: number, writeId: string): RunRecord {
  const { program } = input;
  const now = formatOpaque(nowMs);
  return {
    id: input.id,
    type: program.name,
    definition_hash: program.definitionHash,
    status: "pending",
    current_steps: [],
    data: input.data,
    steps: new Map(),
    signals: new Map(),
    created_at: now,
    updated_at: now,
    orchestrator_task_id: startTick.id(input.id, {}),
    rest: {},
    machine: {
      ...emptyMachine(program),
      next_check_at: nowMs + CHECK_MS,
      write: { id: writeId, events: ["created"] },
    },
  };
}

/**
 * Starts a run, or finds it started: the same id, workflow and input are the same run. Acknowledged once this resolves.
 * @throws {IdempotencyConflictError} when a run of this id is another workflow's or was given another input.
 */
export async function startRun(
  queue: QueueContext,
  input: StartInput,
): Promise<{ readonly taskId: string; readonly created: boolean }> {
  const { store, host } = queue;
  const { latest } = store.time();
  const record = firstRecord(input, latest, host.random.ulid(latest));
  const body = encodeRecord(record);
  const isForeign = input.program.foreign;
  const indexes = [activeKey(input.id, latest + CHECK_MS), ...(isForeign ? [foreignKey(input.id)] : [])];
  await Promise.all(indexes.map((key) => store.put(key, "", "always")));
  const state = await createDocumentBytes(store, host, stateKey(input.id), body);
  if (state.kind === "exists") checkSameRun(recordCodec.decode(state.body, stateKey(input.id)), record);
  const task = startTick.task(record, {});
  await createTask(queue, task);
  return { taskId: task.id, created: state.kind === "stored" };
}

/** What the input of a start is compared by: numbers as JavaScript reads them, whoever wrote them. */
const textOf = (data: StoredValue): string => canonicalJson(data.read());

function checkSameRun(existing: RunRecord, wanted: RunRecord): void {
  const id = JSON.stringify(wanted.id);
  if (existing.type !== wanted.type)
    throw new IdempotencyConflictError(
      wanted.id,
      `run ${id} exists and is a ${JSON.stringify(existing.type)}, not a ${JSON.stringify(wanted.type)}; choose another id`,
    );
  if (textOf(existing.data) !== textOf(wanted.data))
    throw new IdempotencyConflictError(
      wanted.id,
      `run ${id} exists and was started with another input; choose another id, or start it with the same input`,
    );
}
