/** What a task means to us, and what its claimer has to do before it drives. */
import { z } from "zod";
import { foreignKey, minuteOf } from "../../keys.ts";
import { repairIndex } from "../../queue/index-keys.ts";
import { listLeasedTasks } from "../../queue/monitor.ts";
import { isTaskOver, type QueueContext, type TaskRecord } from "../../queue/task.ts";
import { getTask } from "../../queue/submit.ts";
import { fenceFlight } from "../effects/fence.ts";
import { endedWithoutUs } from "../ended-task.ts";
import type { Fact } from "../facts.ts";
import { lookIntoInbox } from "../inbox.ts";
import type { Program } from "../../programs/programs.ts";
import { type Flight, hasUnknownOwner, ownerOf, refOf, type RunRecord, type TimerState } from "../record/record.ts";
import { drains, openWaits } from "../view.ts";
import { FOREIGN_TICK_TYPE, flightTask, flightTaskId, type TickCause, tickTaskId } from "../tasks.ts";

/** What a claimer knows before it has read the record, and what it wants to look up once it has. */
export interface Errand {
  readonly facts: readonly Fact[];
  /** Whether the inbox is looked into even when nothing was written. */
  readonly listens: boolean;
  /** Whether the same comes again by itself. */
  readonly recurs?: boolean;
  /** More facts, looked up with the record in hand. */
  lookUp?(record: RunRecord, program: Program): Promise<readonly Fact[]>;
}

/** A task in our words. */
export type TaskMeaning =
  | { readonly kind: "step" | "undo"; readonly workflow: string; readonly step: string; readonly runId: string }
  | { readonly kind: "tick"; readonly workflow: string; readonly runId: string; readonly cause: TickCause }
  /** A wake-up put by a real buquet client. */
  | { readonly kind: "foreign_tick"; readonly runId: string };

const inputSchema = z.looseObject({ workflow_id: z.string(), step: z.string().optional() });
const timerSchema = z.object({
  timer: z.enum(["delay", "deadline"]),
  step: z.string(),
  generation: z.number(),
  wake: z.number(),
  dueAt: z.number(),
});
const reason = { reason: z.string().optional() };
const commandSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("pause"), ...reason }),
  z.object({ type: z.literal("resume") }),
  z.object({ type: z.literal("cancel"), compensate: z.boolean(), ...reason }),
  z.object({ type: z.literal("terminate"), ...reason }),
  z.object({ type: z.literal("skip"), step: z.string() }),
  z.object({ type: z.literal("retry"), nth: z.number().int().optional() }),
]);
const causeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("start") }),
  z.object({ kind: z.literal("signal"), name: z.string(), segment: z.string() }),
  z.object({ kind: z.literal("timer"), timer: timerSchema }),
  z.object({ kind: z.literal("sweep"), minute: z.string() }),
  z.object({ kind: z.literal("command"), id: z.string(), command: commandSchema, at: z.number() }),
]);

/** Reads a task; undefined when it is not one of ours or its input makes no sense. */
export function parseTask(task: TaskRecord): TaskMeaning | undefined {
  const input = inputSchema.safeParse(task.input);
  if (!input.success) return undefined;
  const runId = input.data.workflow_id;
  if (task.task_type === FOREIGN_TICK_TYPE) return { kind: "foreign_tick", runId };
  const match = /^workflow\.(step|undo|tick):(.*)$/su.exec(task.task_type);
  if (match === null) return undefined;
  const [, kind, rest = ""] = match;
  if (kind === "tick") {
    const cause = causeSchema.safeParse((task.input as { cause?: unknown }).cause);
    return cause.success ? { kind: "tick", workflow: rest, runId, cause: cause.data as TickCause } : undefined;
  }
  const { step } = input.data;
  if (step === undefined || !rest.endsWith(`:${step}`)) return undefined;
  const workflow = rest.slice(0, rest.length - step.length - 1);
  return { kind: kind === "undo" ? "undo" : "step", workflow, step, runId };
}

/** What the claimer of a task does first. */
export function errandOf(meaning: TaskMeaning, queue: QueueContext): Errand {
  if (meaning.kind === "foreign_tick") return { facts: [{ fact: "begin" }], listens: true };
  if (meaning.kind !== "tick") return { facts: [], listens: false };
  const { cause } = meaning;
  switch (cause.kind) {
    case "start":
      return { facts: [{ fact: "begin" }], listens: false };
    case "signal":
      return { facts: [], listens: true };
    case "command":
      return { facts: [{ fact: "command", id: cause.id, command: cause.command, at: cause.at }], listens: false };
    case "timer":
      return timerErrand(queue, cause.timer);
    case "sweep":
      return {
        facts: [{ fact: "begin" }],
        listens: true,
        recurs: true,
        lookUp: (record, program) => examine(queue, record, program, tickTaskId(record.id, cause)),
      };
  }
}

/** A signal that was put before the deadline wins: the claimer of the timer looks into the inbox first. */
function timerErrand(queue: QueueContext, timer: TimerState): Errand {
  const due: Fact = {
    fact: "due",
    timer: timer.timer,
    step: timer.step,
    generation: timer.generation,
    wake: timer.wake,
  };
  if (timer.timer === "delay") return { facts: [due], listens: false };
  return {
    facts: [],
    listens: true,
    lookUp: async (record, program) => {
      if (record.machine === undefined) return [];
      const waits = openWaits(record, program).filter((wait) => wait.step === timer.step);
      const found = await lookIntoInbox(queue, record, waits);
      return [...(found.length === 0 ? [] : [{ fact: "signals" as const, found }]), due];
    },
  };
}

/**
 * Protocol §2: the one who must look. A task that ended without completing has no holder any more; one that goes on gets its index key
 * again.
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
  if (program.foreign && machine.look_at !== null) await queue.store.put(foreignKey(record.id), "", "always");
  const facts: Fact[] = [];
  for (const flight of machine.flights.filter(({ owner }) => owner !== "unknown")) {
    const owner = ownerOf(flight);
    const id = owner?.task ?? flightTaskId(record.id, flight);
    const task = await getTask(queue, id);
    if (task !== undefined && !isTaskOver(task)) {
      const spec = flightTask(record, program, flight);
      // A program of others that held the task gave it back after it was fenced: it does not hear of the stop.
      if (owner === undefined && task.status === "pending" && drains(machine, program, flight))
        facts.push(...(await fenceFlight(queue, spec, refOf(flight))));
      else await repairIndex(queue, task, spec.ownOnly === true);
      continue;
    }
    if (owner === undefined) {
      if (task !== undefined) facts.push(...(await endedWithoutUs(queue, record.id, flight, task)));
    } else {
      facts.push({ fact: "release", task: id, before: Number.MAX_SAFE_INTEGER });
    }
  }
  if (hasUnknownOwner(record)) facts.push(...(await examineOrphans(queue, record, ownTask)));
  const now = queue.store.time().earliest;
  for (const timer of machine.timers) {
    if (timer.dueAt <= now)
      facts.push({ fact: "due", timer: timer.timer, step: timer.step, generation: timer.generation, wake: timer.wake });
  }
  return facts;
}

/**
 * Protocol §7: who holds a flight of unknown owner? If no other task of the run is running (expired counts as running), nobody does. What its
 * own task knows of its end counts.
 */
async function examineOrphans(queue: QueueContext, record: RunRecord, ownTask: string): Promise<readonly Fact[]> {
  const { tasks, unreadable } = await listLeasedTasks(queue);
  // One that cannot be read may be of this run.
  const isHeld = unreadable.length > 0 || tasks.some((task) => task.id !== ownTask && isOf(task, record.id));
  if (isHeld) return [];
  const facts: Fact[] = [];
  for (const flight of record.machine?.flights ?? []) {
    if (flight.owner !== "unknown") continue;
    const task = await getTask(queue, flightTaskId(record.id, flight));
    if (task !== undefined) facts.push(...(await endedAlone(queue, record.id, flight, task)));
  }
  return [...facts, { fact: "disown" }];
}

function isOf(task: TaskRecord, runId: string): boolean {
  const input = inputSchema.safeParse(task.input);
  return input.success && input.data.workflow_id === runId;
}

/** How a flight ended of which only its task tells. */
async function endedAlone(
  queue: QueueContext,
  runId: string,
  flight: Flight,
  task: TaskRecord,
): Promise<readonly Fact[]> {
  const told = await endedWithoutUs(queue, runId, flight, task);
  if (told.length > 0 || task.status !== "completed") return told;
  const message = "its record was rebuilt without what its handler waited for; a bucket with versions keeps that";
  const failure = { type: "WorkerLost", message, outcome: "unknown", attempt: task.attempt } as const;
  return [{ fact: "failed", ref: refOf(flight), failure }];
}

/** The cause of a look at this instant. */
export function sweepCause(nowMs: number): TickCause {
  return { kind: "sweep", minute: minuteOf(nowMs) };
}

/** The cause of a look for what a poll found: there may be several in a minute. */
export function pollCause(nowMs: number): TickCause {
  const second = Math.floor((nowMs % 60_000) / 1_000);
  return { kind: "sweep", minute: `${minuteOf(nowMs)}:${String(second).padStart(2, "0")}` };
}
