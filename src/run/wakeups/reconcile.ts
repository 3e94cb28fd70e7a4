/** A run is compared with its tasks, its timers and its inbox, because its time has come or because something was found that others did. */
import { z } from "zod";
import { foreignKey, minuteOf } from "../../keys.ts";
import { repairIndex } from "../../queue/index-keys.ts";
import { listLeasedTasks } from "../../queue/monitor.ts";
import { isTaskOver, type QueueContext, type TaskRecord } from "../../queue/task.ts";
import { getTask } from "../../queue/submit.ts";
import { fenceExecution } from "../effects/fence.ts";
import { endedWithoutUs } from "../ended-task.ts";
import type { Fact } from "../facts.ts";
import type { Program } from "../../programs/programs.ts";
import { type Execution, hasUnknownOwner, ownerOf, refOf, type RunRecord } from "../record/record.ts";
import { computedId, executionTask, executionTaskId } from "../tasks.ts";
import { drains } from "../view.ts";
import { type TickKind, tickKind } from "./tick.ts";
import { dueFact } from "./timer.ts";

/** What the tick says of the reconcile. */
export interface ReconcileCause {
  /** Its minute, with its second where a poll found something, so that what is asked for at one instant is one task. */
  readonly minute: string;
}

/** The cause of a reconcile at this instant. */
export function reconcileAt(nowMs: number): ReconcileCause {
  return { minute: minuteOf(nowMs) };
}

/** The cause of a reconcile for what a poll found: there may be several in a minute. */
export function reconcileFound(nowMs: number): ReconcileCause {
  const second = Math.floor((nowMs % 60_000) / 1_000);
  return { minute: `${minuteOf(nowMs)}:${String(second).padStart(2, "0")}` };
}

const idOf = (runId: string, { minute }: ReconcileCause): string => computedId(runId, "sweep", minute, 0, 0);

/** The tick of a reconcile. */
export const reconcileTick: TickKind<ReconcileCause> = tickKind<ReconcileCause>({
  kind: "sweep",
  shape: { minute: z.string() },
  id: idOf,
  known: (cause, runId) => ({
    facts: [{ fact: "begin" }],
    listens: true,
    recurs: true,
    lookUp: (queue, record, program) => examine(queue, record, program, idOf(runId, cause)),
  }),
});

/**
 * Protocol §2: compares the run with its tasks and timers. A task that ended without completing has no holder any more; one that goes on
 * gets its index key again.
 */
async function examine(
  queue: QueueContext,
  record: RunRecord,
  program: Program,
  ownTask: string,
): Promise<readonly Fact[]> {
  const { machine } = record;
  if (machine === undefined) return [];
  // It may have been lost: a run that another program started, or one that was opened again.
  if (program.foreign && machine.next_check_at !== null) await queue.store.put(foreignKey(record.id), "", "always");
  const facts: Fact[] = [];
  for (const execution of machine.executions.filter(({ owner }) => owner !== "unknown")) {
    const owner = ownerOf(execution);
    const id = owner?.task ?? executionTaskId(record.id, execution);
    const task = await getTask(queue, id);
    if (task !== undefined && !isTaskOver(task)) {
      const spec = executionTask(record, program, execution);
      // A program of others that held the task gave it back after it was fenced: it does not hear of the stop.
      if (owner === undefined && task.status === "pending" && drains(machine, program, execution))
        facts.push(...(await fenceExecution(queue, spec, refOf(execution))));
      else await repairIndex(queue, task, spec.ownOnly === true);
      continue;
    }
    if (owner === undefined) {
      if (task !== undefined) facts.push(...(await endedWithoutUs(queue, record.id, execution, task)));
    } else {
      facts.push({ fact: "release", task: id, before: Number.MAX_SAFE_INTEGER });
    }
  }
  if (hasUnknownOwner(record)) facts.push(...(await examineOrphans(queue, record, ownTask)));
  const now = queue.store.time().earliest;
  for (const timer of machine.timers) {
    if (timer.dueAt <= now) facts.push(dueFact(timer));
  }
  return facts;
}

/**
 * Protocol §7: who holds an execution of unknown owner? If no other task of the run is running (expired counts as running), nobody does. What its
 * own task knows of its end counts.
 */
async function examineOrphans(queue: QueueContext, record: RunRecord, ownTask: string): Promise<readonly Fact[]> {
  const { tasks, unreadable } = await listLeasedTasks(queue);
  // One that cannot be read may be of this run.
  const isHeld = unreadable.length > 0 || tasks.some((task) => task.id !== ownTask && isOf(task, record.id));
  if (isHeld) return [];
  const facts: Fact[] = [];
  for (const execution of record.machine?.executions ?? []) {
    if (execution.owner !== "unknown") continue;
    const task = await getTask(queue, executionTaskId(record.id, execution));
    if (task !== undefined) facts.push(...(await endedAlone(queue, record.id, execution, task)));
  }
  return [...facts, { fact: "disown" }];
}

function isOf(task: TaskRecord, runId: string): boolean {
  return (task.input as { workflow_id?: unknown } | null)?.workflow_id === runId;
}

/** How an execution ended of which only its task tells. */
async function endedAlone(
  queue: QueueContext,
  runId: string,
  execution: Execution,
  task: TaskRecord,
): Promise<readonly Fact[]> {
  const told = await endedWithoutUs(queue, runId, execution, task);
  if (told.length > 0 || task.status !== "completed") return told;
  const message = "its record was rebuilt without what its handler waited for; a bucket with versions keeps that";
  const failure = { type: "WorkerLost", message, outcome: "unknown", attempt: task.attempt } as const;
  return [{ fact: "failed", ref: refOf(execution), failure }];
}
