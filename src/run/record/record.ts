/**
 * The record of one run: `workflow/{id}/state.json`.
 *
 * The plain fields are buquet's and readable alone. The member `machine` holds what they cannot say. Steps and signals are Maps in
 * memory, because `__proto__` is a legal name. Each type stands beside its schema, which the compiler holds to it.
 */
import { z } from "zod";
import type { ErrorData, PlainJson } from "../../host/error-data.ts";
import type { PersistedSnapshot, RunStatus } from "../../../machines/snapshot.ts";
import { toPlain } from "../../wire/json.ts";
import { StoredValue } from "../../wire/value.ts";
import type { OutboxEntry } from "../effects/effects.ts";
import { objectOf, openObjectOf, type ShapeOf } from "./shape.ts";

/** The schema of a user's value, which is kept as its text. */
export const storedValue: z.ZodType<StoredValue> = z.unknown().transform((value) => StoredValue.parsed(value ?? null));

/** The schema of an instant in milliseconds since 1970. */
export const moment: z.ZodType<number> = z.number().min(-8.64e15).max(8.64e15);

/** The five words that buquet knows for a step. */
export type WireStepStatus = "pending" | "running" | "completed" | "failed" | "cancelled";

/** What buquet knows of one step. Instants are texts with offset `+00:00`. */
export interface StepState {
  readonly status: WireStepStatus;
  readonly started_at?: string;
  readonly completed_at?: string;
  readonly result?: StoredValue;
  /** Why it failed, in words: a program of buquet cannot read a record that says it otherwise. */
  readonly error?: string;
  readonly task_id?: string;
  readonly attempt: number;
}

const stepState: z.ZodType<StepState> = objectOf<StepState>({
  status: z.enum(["pending", "running", "completed", "failed", "cancelled"]),
  started_at: z.string().optional(),
  completed_at: z.string().optional(),
  result: storedValue.optional(),
  // Earlier versions of this package wrote an object with type and message, which no program of buquet reads.
  error: z
    .union([z.string(), z.looseObject({ message: z.string() }).transform(({ message }) => message)])
    .nullish()
    .transform((error) => error ?? undefined)
    .optional(),
  task_id: z.string().optional(),
  attempt: z.number().int().nonnegative().default(0),
});

/** Types of error that a run can end with. */
export type RunErrorType =
  | "StepFailed"
  | "WorkerLost"
  | "SignalTimeout"
  | "VersionMismatch"
  | "Paused"
  | "Cancelled"
  | "CompensationFailed"
  | "Terminated";

/** Why a run is paused or did not complete. */
export interface RunError {
  readonly type: string;
  readonly message: string;
  readonly step?: string;
  readonly attempt?: number;
  readonly at?: string;
}

const runError: z.ZodType<RunError> = openObjectOf<RunError>({
  type: z.string(),
  message: z.string(),
  step: z.string().optional(),
  attempt: z.number().optional(),
  at: z.string().optional(),
});

/** Names one handler execution: a step or its undo, in one generation, after so many wakes. */
export interface ExecutionRef {
  readonly kind: "run" | "undo";
  readonly step: string;
  readonly generation: number;
  readonly wake: number;
}

const refShape: ShapeOf<ExecutionRef> = {
  kind: z.enum(["run", "undo"]),
  step: z.string(),
  generation: z.number().int(),
  wake: z.number().int(),
};

/** The schema of the name of a handler execution. */
export const executionRef: z.ZodType<ExecutionRef> = objectOf<ExecutionRef>(refShape);

/** The claim of one attempt of a task: who may act for a run. */
export interface Actor {
  readonly task: string;
  readonly attempt: number;
}

/** The schema of a claim. */
export const actor: z.ZodType<Actor> = objectOf<Actor>({ task: z.string(), attempt: z.number().int() });

/** A handler execution that was decided and is not over. */
export interface Execution extends ExecutionRef {
  /**
   * Handed off: nobody but the holder of this task and attempt may run it or create its task. `unknown`: the record was made from its
   * plain fields, which do not say who holds it; nobody creates, fences or releases it until a reconcile finds that nobody does.
   */
  readonly owner?: Actor | "unknown";
  /** Its handler may have begun under a holder that is gone. */
  readonly begun: boolean;
  /** Retries used up so far. */
  readonly retries: number;
  /** Not before this instant (milliseconds since 1970). */
  readonly availableAt?: number;
}

const execution: z.ZodType<Execution> = objectOf<Execution>({
  ...refShape,
  owner: z.union([z.literal("unknown"), actor]).optional(),
  begun: z.boolean(),
  retries: z.number().int(),
  availableAt: moment.optional(),
});

/** A durable timer that is open. */
export type TimerState = {
  readonly timer: "delay" | "deadline";
  readonly step: string;
  readonly generation: number;
  readonly wake: number;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
};

/** The schema of a durable timer. */
export const timerState: z.ZodType<TimerState> = objectOf<TimerState>({
  timer: z.enum(["delay", "deadline"]),
  step: z.string(),
  generation: z.number().int(),
  wake: z.number().int(),
  dueAt: moment,
});

/**
 * What every entry of the outbox says: an effect that was committed and is not known to be dispatched. The kinds of effects are in
 * `effects/`.
 */
export interface EntryBase {
  /** A later entry with the same id replaces it. */
  readonly id: string;
  /**
   * Its stamp: the claim that added it. Absent only where a record was decided without any claim, as the explorer does. An entry that is
   * made anew under the same id gets a stamp of its own.
   */
  readonly by?: Actor;
  /** The kind of its effect. */
  readonly do: string;
}

/** What one wait of a handler was given: the signal of its name, or nothing because its deadline passed. */
export type GivenSignal =
  | { readonly signal: string; readonly id: string; readonly payload: StoredValue }
  | { readonly signal: string; readonly id: null };

/** What a handler that waits for signals was given so far, in the order of its calls. */
export interface GivenSignals {
  readonly step: string;
  readonly generation: number;
  readonly given: readonly GivenSignal[];
  /** The wait that is open now. */
  readonly signal?: string;
}

const givenSignals: z.ZodType<GivenSignals> = objectOf<GivenSignals>({
  step: z.string(),
  generation: z.number().int(),
  given: z.array(
    z.union([
      z.object({ signal: z.string(), id: z.null() }),
      z.object({ signal: z.string(), id: z.string(), payload: storedValue }),
    ]),
  ),
  signal: z.string().optional(),
});

/** The signals of one name that a run consumed. */
export interface ConsumedSignals {
  readonly name: string;
  readonly ids: readonly string[];
  readonly since?: string;
}

const consumedSignals: z.ZodType<ConsumedSignals> = objectOf<ConsumedSignals>({
  name: z.string(),
  ids: z.array(z.string()),
  since: z.string().optional(),
});

/** An attempt of a step or its undo that failed. Instants as texts. */
export interface FailedAttempt {
  /** Whether the handler of the step failed, or its undo. */
  readonly kind: "run" | "undo";
  /** The step. */
  readonly step: string;
  /** The generation of the step, from 1: it grows when an operator has the step run again. */
  readonly generation: number;
  /** Counts from 1. */
  readonly attempt: number;
  /** When the attempt began; absent: nobody knows. */
  readonly began_at?: string;
  /** When it failed; absent: nobody knows. */
  readonly ended_at?: string;
  /** What was thrown. */
  readonly error: ErrorData;
}

const plainJson: z.ZodType<PlainJson> = z.lazy(() =>
  z.union([z.null(), z.boolean(), z.number(), z.string(), z.array(plainJson), z.record(z.string(), plainJson)]),
);

/** The schema of what was thrown, as data. */
export const errorData: z.ZodType<ErrorData> = z.lazy(() =>
  objectOf<ErrorData>({
    name: z.string(),
    message: z.string(),
    code: z.union([z.string(), z.number()]).optional(),
    stack: z.string().optional(),
    members: z.record(z.string(), plainJson).optional(),
    cause: errorData.optional(),
    errors: z.array(errorData).optional(),
  }),
);

const failedAttempt: z.ZodType<FailedAttempt> = objectOf<FailedAttempt>({
  kind: z.enum(["run", "undo"]),
  step: z.string(),
  generation: z.number().int(),
  attempt: z.number().int(),
  began_at: z.string().optional(),
  ended_at: z.string().optional(),
  error: errorData,
});

/** What the plain fields cannot say. */
export interface MachinePart {
  readonly layout: number;
  readonly plan_hash: string;
  readonly snapshot: PersistedSnapshot;
  /** Somebody paused the run. */
  readonly paused?: boolean;
  /** Activities that the program asked for while the run was paused, in that order: nobody has them until somebody resumes the run. */
  readonly parked?: readonly ExecutionRef[];
  /** An operator ended the run at once; its program has not heard of it. */
  readonly terminated?: boolean;
  readonly executions: readonly Execution[];
  readonly timers: readonly TimerState[];
  readonly outbox: readonly OutboxEntry[];
  readonly given: readonly GivenSignals[];
  /**
   * Key segments of the signals that were consumed, by name. `since`: the newest cursor that another program moved; which signals it
   * consumed on the way is not known.
   */
  readonly consumed: readonly ConsumedSignals[];
  /** Ids of operator commands that were applied, newest last. */
  readonly applied: readonly string[];
  /** When the newest pause or resume that was applied was given; an older one that comes later is void. */
  readonly steered_at?: number;
  /** Counts the changes of the idempotency key of a step; absent: 1. */
  readonly epochs: readonly { readonly step: string; readonly epoch: number }[];
  /** Steps with a result that was undone, and that an operator's retry runs again; in the order in which that was asked for. */
  readonly replaced?: readonly string[];
  /** How often a retry opened the run again, and when the newest was given: what was asked for before that is void. */
  readonly reopened?: { readonly count: number; readonly at: number };
  /** Failed undos. */
  readonly compensation_errors: readonly { readonly step: string; readonly message: string }[];
  /** Attempts that failed, oldest first: the last three of each step and of each undo, 64 KB of JSON together. */
  readonly failures?: readonly FailedAttempt[];
  /** Why the run stops; kept while `error` says something nearer, such as a pause. */
  readonly cause?: RunError;
  /** When the run is reconciled next, by the active index (milliseconds since 1970); null: no more. */
  readonly next_check_at: number | null;
  /** For people: the id of this write and the facts that it applied. */
  readonly write: { readonly id: string; readonly by?: string; readonly events: readonly string[] };
}

/** The schema of the machine part. Which effects its outbox may hold is given. */
export function machinePartOf(outboxEntry: z.ZodType<OutboxEntry>): z.ZodType<MachinePart> {
  return openObjectOf<MachinePart>({
    layout: z.number().int().positive(),
    plan_hash: z.string(),
    // Its program reads the rest.
    snapshot: z.looseObject({ status: z.string() }) as unknown as z.ZodType<PersistedSnapshot>,
    paused: z.boolean().optional(),
    parked: z.array(executionRef).optional(),
    terminated: z.boolean().optional(),
    executions: z.array(execution),
    timers: z.array(timerState),
    outbox: z.array(outboxEntry),
    given: z.array(givenSignals),
    consumed: z.array(consumedSignals),
    applied: z.array(z.string()),
    steered_at: moment.optional(),
    epochs: z.array(z.object({ step: z.string(), epoch: z.number().int() })),
    replaced: z.array(z.string()).optional(),
    reopened: z.object({ count: z.number().int(), at: moment }).optional(),
    compensation_errors: z.array(z.object({ step: z.string(), message: z.string() })),
    // For people only: what cannot be read of it must not keep anybody from reading the run.
    failures: z.preprocess(toPlain, z.array(failedAttempt).optional()).catch(undefined),
    cause: runError.optional(),
    next_check_at: moment.nullable(),
    write: objectOf<MachinePart["write"]>({
      id: z.string(),
      by: z.string().optional(),
      events: z.array(z.string()),
    }),
  });
}

/** The whole record. */
export interface RunRecord {
  readonly id: string;
  readonly type: string;
  readonly definition_hash: string;
  readonly status: RunStatus;
  readonly current_steps: readonly string[];
  /** The input. */
  readonly data: StoredValue;
  readonly steps: ReadonlyMap<string, StepState>;
  readonly signals: ReadonlyMap<string, { readonly cursor?: string }>;
  readonly error?: RunError;
  readonly created_at: string;
  readonly updated_at: string;
  readonly orchestrator_task_id?: string;
  readonly machine?: MachinePart;
  /** Members that we do not know, kept as they were. */
  readonly rest: Readonly<Record<string, unknown>>;
}

/** The eight words for a run, in the order in which a run may go through them. */
export const RUN_STATUSES: readonly RunStatus[] = [
  "pending",
  "running",
  "waiting_signal",
  "compensating",
  "paused",
  "completed",
  "failed",
  "cancelled",
];

/** What is known of the signals of one name; another program may have written anything there. */
const signalCursor: z.ZodType<{ readonly cursor?: string }> = z.unknown().transform((state) => {
  const cursor = (state as { cursor?: unknown } | null)?.cursor;
  return typeof cursor === "string" ? { cursor } : {};
});

/** A map whose names are a user's. `isOpen`: other members of a value stay, and all of them in the order in which they were written. */
function mapOf<T>(value: z.ZodType<T>, isOpen: boolean): z.ZodType<ReadonlyMap<string, T>> {
  // Optional: programs of buquet may leave the member out.
  return z
    .unknown()
    .optional()
    .transform((object, context) => {
      if (object === undefined) return new Map<string, T>();
      if (typeof object !== "object" || object === null || Array.isArray(object))
        throw new Error("steps and signals are objects");
      const map = new Map<string, T>();
      for (const [name, member] of Object.entries(object)) {
        const read = value.safeParse(member);
        if (read.success) map.set(name, isOpen ? { ...(member as T), ...read.data } : read.data);
        else {
          // The first one says enough: a record may have a thousand steps.
          const [{ message, path } = { message: "cannot be read", path: [] }] = read.error.issues;
          context.addIssue({ code: "custom", message, path: [name, ...path] });
          return z.NEVER;
        }
      }
      return map;
    });
}

/** An input that another program left out is `null`. */
const inputValue: z.ZodType<StoredValue> = z
  .unknown()
  .optional()
  .transform((value) => StoredValue.parsed(value ?? null));

/** The schema of each member of a record that we know, in the order in which they are written. */
export function recordShapeOf(machinePart: z.ZodType<MachinePart>): ShapeOf<Omit<RunRecord, "rest">> {
  return {
    id: z.string(),
    type: z.string(),
    definition_hash: z.string().default(""),
    status: z.enum(RUN_STATUSES as [RunStatus, ...RunStatus[]]),
    current_steps: z.array(z.string()).default([]),
    data: inputValue,
    steps: mapOf(stepState, true),
    signals: mapOf(signalCursor, false),
    error: runError.optional(),
    created_at: z.string(),
    updated_at: z.string(),
    orchestrator_task_id: z.string().optional(),
    machine: machinePart.optional(),
  };
}

/** Whether the run is over for good (but for an operator's retry). */
export function isOver(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** Whether two references name the same handler execution. */
export function sameExecution(a: ExecutionRef, b: ExecutionRef): boolean {
  return a.kind === b.kind && a.step === b.step && a.generation === b.generation && a.wake === b.wake;
}

/** The bare reference of an execution. */
export function refOf(execution: ExecutionRef): ExecutionRef {
  return { kind: execution.kind, step: execution.step, generation: execution.generation, wake: execution.wake };
}

/** Who an execution was handed off to, when that is known. */
export function ownerOf(execution: Execution): Actor | undefined {
  return execution.owner === "unknown" ? undefined : execution.owner;
}

/** Whether this claim runs the execution: it was handed off to it, or it is the claim of the execution's own task. */
export function isHeldBy(execution: Execution, ownTaskId: string, actor: Actor): boolean {
  const owner = ownerOf(execution);
  return owner === undefined ? ownTaskId === actor.task : owner.task === actor.task && owner.attempt === actor.attempt;
}

/** Whether somebody has to find out who holds the steps in flight: the machine is gone, or it was made from plain fields. */
export function hasUnknownOwner(record: RunRecord): boolean {
  return record.machine === undefined || record.machine.executions.some((execution) => execution.owner === "unknown");
}
