/** What a task means to us, and what its claimer has to do before it drives. */
import { z } from "zod";
import { minuteOf } from "../keys.ts";
import type { QueueContext, TaskRecord } from "../queue/task.ts";
import { getTask } from "../queue/submit.ts";
import { project } from "../../machines/advance.ts";
import { endedWithoutUs } from "../run/dispatch.ts";
import type { Fact } from "../run/facts.ts";
import { lookIntoInbox } from "../run/inbox.ts";
import type { RunRecord, TimerState } from "../run/record.ts";
import { FOREIGN_TICK_TYPE, flightTaskId, type TickCause } from "../run/tasks.ts";
import type { Errand } from "./driver.ts";

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
  z.object({ type: z.literal("retry") }),
]);
const causeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("start") }),
  z.object({ kind: z.literal("signal"), name: z.string(), segment: z.string() }),
  z.object({ kind: z.literal("timer"), timer: timerSchema }),
  z.object({ kind: z.literal("sweep"), minute: z.string() }),
  z.object({ kind: z.literal("command"), id: z.string(), command: commandSchema }),
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
      return { facts: [{ fact: "command", id: cause.id, command: cause.command }], listens: false };
    case "timer":
      return timerErrand(queue, cause.timer);
    case "sweep":
      return { facts: [{ fact: "begin" }], listens: true, lookUp: (record) => examine(queue, record) };
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
      const { machine } = record;
      if (machine === undefined) return [];
      const waits = project(program.machine, machine.snapshot).waits.filter((wait) => wait.step === timer.step);
      const found = await lookIntoInbox(queue.store, record, waits);
      return [...(found.length === 0 ? [] : [{ fact: "signals" as const, found }]), due];
    },
  };
}

/** §2: the one who must look. A task that ended without completing has no holder any more. */
async function examine(queue: QueueContext, record: RunRecord): Promise<readonly Fact[]> {
  const { machine } = record;
  if (machine === undefined) return [];
  const facts: Fact[] = [];
  for (const flight of machine.flights) {
    const id = flight.owner?.task ?? flightTaskId(record.id, flight);
    const task = await getTask(queue, id);
    if (flight.owner === undefined) {
      if (task !== undefined) facts.push(...endedWithoutUs(flight, task));
    } else if (task === undefined || isEnded(task)) {
      facts.push({ fact: "release", task: id, before: Number.MAX_SAFE_INTEGER });
    }
  }
  const now = queue.store.time().earliest;
  for (const timer of machine.timers) {
    if (timer.dueAt <= now)
      facts.push({ fact: "due", timer: timer.timer, step: timer.step, generation: timer.generation, wake: timer.wake });
  }
  return facts;
}

function isEnded(task: TaskRecord): boolean {
  return task.status !== "pending" && task.status !== "running";
}

/** The cause of a look at this instant. */
export function sweepCause(nowMs: number): TickCause {
  return { kind: "sweep", minute: minuteOf(nowMs) };
}
