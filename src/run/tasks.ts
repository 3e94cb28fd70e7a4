/** The tasks that a run puts on the queue: their ids, types and inputs. Computed, so that making one twice is the same as once (R4). */
import { computeUuid } from "../host/uuid.ts";
import type { TaskSpec } from "../queue/task.ts";
import type { Program } from "../programs/programs.ts";
import type { Flight, FlightRef, RunRecord, TimerState } from "./record/record.ts";

/** Never runs out, so that a foreign monitor can only make the task ready again. */
export const ENDLESS_RETRIES = 2_147_483_647;

/** Attempt limit of an undo that the user cannot set. */
const DEFAULT_TICK_TIMEOUT_MS = 300_000;

/** Why a run is looked at. */
export type TickCause =
  | { readonly kind: "start" }
  | { readonly kind: "signal"; readonly name: string; readonly segment: string }
  | { readonly kind: "timer"; readonly timer: TimerState }
  /** `minute`: of the look, with its second where a poll found something, so that looks of one instant are one task. */
  | { readonly kind: "sweep"; readonly minute: string }
  /** `at`: when it was given, in milliseconds since 1970, so that a pause that arrives after a later resume is void. */
  | { readonly kind: "command"; readonly id: string; readonly command: RunCommand; readonly at: number };

/** What an operator asks of a run. */
export type RunCommand =
  | { readonly type: "pause"; readonly reason?: string }
  | { readonly type: "resume" }
  | { readonly type: "cancel"; readonly compensate: boolean; readonly reason?: string }
  | { readonly type: "terminate"; readonly reason?: string }
  | { readonly type: "skip"; readonly step: string }
  /** Opens a failed run again. `nth` counts its retries from 1, so that one that is given twice for one failure counts once; absent: not known. */
  | { readonly type: "retry"; readonly nth?: number };

function idOf(run: string, kind: string, subject: string, generation: number, wake: number): string {
  return computeUuid(JSON.stringify([run, kind, subject, generation, wake]));
}

/** The id of the task of a handler execution. */
export function flightTaskId(runId: string, ref: FlightRef): string {
  return idOf(runId, ref.kind, ref.step, ref.generation, ref.wake);
}

/** The id of the task of a timer. */
export function timerTaskId(runId: string, timer: TimerState): string {
  return idOf(runId, `timer:${timer.timer}`, timer.step, timer.generation, timer.wake);
}

/** The id of a tick. */
export function tickTaskId(runId: string, cause: TickCause): string {
  switch (cause.kind) {
    case "start":
      return idOf(runId, "start", "", 0, 0);
    case "signal":
      return idOf(runId, "signal", `${cause.name}/${cause.segment}`, 0, 0);
    case "timer":
      return timerTaskId(runId, cause.timer);
    case "sweep":
      return idOf(runId, "sweep", cause.minute, 0, 0);
    case "command":
      return idOf(runId, "command", cause.id, 0, 0);
  }
}

/** Task types by role. The first is buquet's; the others are ours, because real workers pause foreign runs when they claim its ticks. */
export const stepTaskType = (workflow: string, step: string): string => `workflow.step:${workflow}:${step}`;
export const undoTaskType = (workflow: string, step: string): string => `workflow.undo:${workflow}:${step}`;
export const tickTaskType = (workflow: string): string => `workflow.tick:${workflow}`;
export const FOREIGN_TICK_TYPE = "workflow.orchestrate";

/** The task of a handler execution, as it is put on the queue. */
export function flightTask(record: RunRecord, program: Program, flight: FlightRef & Partial<Flight>): TaskSpec {
  const activity = program.activity(flight);
  const policy = activity?.retryPolicy;
  return {
    id: flightTaskId(record.id, flight),
    taskType: flight.kind === "run" ? stepTaskType(record.type, flight.step) : undoTaskType(record.type, flight.step),
    input: { workflow_id: record.id, step: flight.step, data: record.data },
    timeoutMs: activity?.timeoutMs ?? DEFAULT_TICK_TIMEOUT_MS,
    maxRetries: activity?.retries ?? 3,
    retryCount: flight.retries ?? 0,
    ...(policy === undefined ? {} : { retryPolicy: policy }),
    ...(flight.availableAt === undefined ? {} : { availableAt: flight.availableAt }),
    ownOnly: activity?.remote !== true,
  };
}

/** A tick as it is put on the queue. */
export function tickTask(run: { readonly id: string; readonly type: string }, cause: TickCause): TaskSpec {
  return {
    id: tickTaskId(run.id, cause),
    taskType: tickTaskType(run.type),
    input: { workflow_id: run.id, cause },
    timeoutMs: DEFAULT_TICK_TIMEOUT_MS,
    maxRetries: ENDLESS_RETRIES,
    retryCount: 0,
    ...(cause.kind === "timer" ? { availableAt: cause.timer.dueAt } : {}),
    ownOnly: true,
  };
}
