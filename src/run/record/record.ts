/**
 * The record of one run: `workflow/{id}/state.json`.
 *
 * The plain fields are buquet's and readable alone. The member `machine` holds what they cannot say. Steps and signals are Maps in
 * memory, because `__proto__` is a legal name.
 */
import { z } from "zod";
import type { ErrorData, PlainJson } from "../../host/error-data.ts";
import type { PersistedSnapshot, RunStatus } from "../../../machines/snapshot.ts";
import { brand, WorkflowError } from "../../errors.ts";
import { stateKey } from "../../keys.ts";
import { Codec, type DocumentKind } from "../../store/document.ts";
import { stringifyJson, toPlain } from "../../wire/json.ts";
import { StoredValue } from "../../wire/value.ts";

/** The newest layout of `machine` that this version writes and understands. */
export const RECORD_LAYOUT = 1;

/** Largest record in UTF-16 units; a bigger one could not be read by everybody who has to. */
export const MAX_RECORD_LENGTH: number = 4 * 1024 * 1024;
/** So much of it is for what no step returned: failures, stops, undos. */
const KEPT_FREE = 256 * 1024;

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

/** Names one handler execution: a step or its undo, in one generation, after so many wakes. */
export interface FlightRef {
  readonly kind: "run" | "undo";
  readonly step: string;
  readonly generation: number;
  readonly wake: number;
}

/** The claim of one attempt of a task: who may act for a run. */
export interface Actor {
  readonly task: string;
  readonly attempt: number;
}

/** A handler execution that was decided and is not over. */
export interface Flight extends FlightRef {
  /**
   * Handed off: nobody but the holder of this task and attempt may run it or create its task. `unknown`: the record was made from its
   * plain fields, which do not say who holds it; nobody creates, fences or releases it until a look found that nobody does.
   */
  readonly owner?: Actor | "unknown";
  /** Its handler may have begun under a holder that is gone. */
  readonly begun: boolean;
  /** Retries used up so far. */
  readonly retries: number;
  /** Not before this instant (milliseconds since 1970). */
  readonly availableAt?: number;
}

/** A durable timer that is open. */
export type TimerState = {
  readonly timer: "delay" | "deadline";
  readonly step: string;
  readonly generation: number;
  readonly wake: number;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
};

/**
 * An effect that was committed and is not known to be dispatched. `by`: its stamp, the claim that added it; absent only where a record
 * was decided without any claim, as the explorer does. An entry that is made anew under the same id gets a stamp of its own.
 */
export type OutboxEntry = {
  readonly id: string;
  readonly by?: Actor;
} & (
  | {
      readonly do: "result";
      readonly step: string;
      /** A later result of a step whose first one was undone: it has a key of its own. */
      readonly generation?: number;
      /** The result, where the step table does not hold it any more. */
      readonly result?: StoredValue;
    }
  | {
      readonly do: "settle";
      readonly ref: FlightRef;
      readonly status: "completed" | "failed" | "cancelled";
      readonly error?: string;
      /** The result, where the step table does not hold it any more. */
      readonly result?: StoredValue;
    }
  | { readonly do: "create"; readonly ref: FlightRef }
  | { readonly do: "timer"; readonly timer: TimerState }
  | { readonly do: "fence"; readonly ref: FlightRef }
  /** `was`: the entries of the active index that the one at `at` takes the place of. */
  | { readonly do: "look"; readonly at: number | null; readonly was: readonly number[] }
);

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

/** The signals of one name that a run consumed. */
export interface ConsumedSignals {
  readonly name: string;
  readonly ids: readonly string[];
  readonly since?: string;
}

/** An attempt of a step or its undo that failed. Instants as texts. */
export interface FailedAttempt {
  readonly kind: "run" | "undo";
  readonly step: string;
  readonly generation: number;
  /** Counts from 1. */
  readonly attempt: number;
  readonly began_at?: string;
  readonly ended_at?: string;
  readonly error: ErrorData;
}

/** What the plain fields cannot say. */
export interface MachinePart {
  readonly layout: number;
  readonly plan_hash: string;
  readonly snapshot: PersistedSnapshot;
  readonly flights: readonly Flight[];
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
  /** When the active index has the run looked at next (milliseconds since 1970); null: no more. */
  readonly look_at: number | null;
  /** For people: the id of this write and the facts that it applied. */
  readonly write: { readonly id: string; readonly by?: string; readonly events: readonly string[] };
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

const statusSchema = z.enum(RUN_STATUSES as [RunStatus, ...RunStatus[]]);

/** Earlier versions of this package wrote an object with type and message, which no program of buquet reads. */
const stepErrorSchema = z
  .union([z.string(), z.looseObject({ message: z.string() }).transform(({ message }) => message)])
  .nullish()
  .transform((error) => error ?? undefined)
  .optional();

const stepSchema = z.looseObject({
  status: z.enum(["pending", "running", "completed", "failed", "cancelled"]),
  started_at: z.string().optional(),
  completed_at: z.string().optional(),
  error: stepErrorSchema,
  task_id: z.string().optional(),
  attempt: z.number().int().nonnegative().default(0),
});

const refShape = {
  kind: z.enum(["run", "undo"]),
  step: z.string(),
  generation: z.number().int(),
  wake: z.number().int(),
};
const refSchema = z.object(refShape);
/** Milliseconds since 1970 that are an instant. */
export const moment: z.ZodNumber = z.number().min(-8.64e15).max(8.64e15);
const timerSchema = z.object({
  timer: z.enum(["delay", "deadline"]),
  step: z.string(),
  generation: z.number().int(),
  wake: z.number().int(),
  dueAt: moment,
});
const storedSchema = z.unknown().transform((value) => StoredValue.parsed(value ?? null));
const actorSchema = z.object({ task: z.string(), attempt: z.number().int() });
const entryBase = { id: z.string(), by: actorSchema.optional() };
const outboxSchema = z.discriminatedUnion("do", [
  z.object({
    ...entryBase,
    do: z.literal("result"),
    step: z.string(),
    generation: z.number().int().optional(),
    result: storedSchema.optional(),
  }),
  z.object({
    ...entryBase,
    do: z.literal("settle"),
    ref: refSchema,
    status: z.enum(["completed", "failed", "cancelled"]),
    error: z.string().optional(),
    result: storedSchema.optional(),
  }),
  z.object({ ...entryBase, do: z.literal("create"), ref: refSchema }),
  z.object({ ...entryBase, do: z.literal("timer"), timer: timerSchema }),
  z.object({ ...entryBase, do: z.literal("fence"), ref: refSchema }),
  z.object({ ...entryBase, do: z.literal("look"), at: moment.nullable(), was: z.array(moment) }),
]);

const errorSchema = z.looseObject({
  type: z.string(),
  message: z.string(),
  step: z.string().optional(),
  attempt: z.number().optional(),
  at: z.string().optional(),
});

const memberSchema: z.ZodType<PlainJson> = z.lazy(() =>
  z.union([z.null(), z.boolean(), z.number(), z.string(), z.array(memberSchema), z.record(z.string(), memberSchema)]),
);
/** Of what was thrown, as data. */
export const errorDataSchema: z.ZodType<ErrorData> = z.lazy(() =>
  z.object({
    name: z.string(),
    message: z.string(),
    code: z.union([z.string(), z.number()]).optional(),
    stack: z.string().optional(),
    members: z.record(z.string(), memberSchema).optional(),
    cause: errorDataSchema.optional(),
    errors: z.array(errorDataSchema).optional(),
  }),
) as z.ZodType<ErrorData>;
const failureSchema = z.object({
  kind: z.enum(["run", "undo"]),
  step: z.string(),
  generation: z.number().int(),
  attempt: z.number().int(),
  began_at: z.string().optional(),
  ended_at: z.string().optional(),
  error: errorDataSchema,
});

const machineSchema = z.looseObject({
  layout: z.number().int().positive(),
  plan_hash: z.string(),
  snapshot: z.looseObject({ status: z.string() }),
  flights: z.array(
    z.object({
      ...refShape,
      owner: z.union([z.literal("unknown"), actorSchema]).optional(),
      begun: z.boolean(),
      retries: z.number().int(),
      availableAt: moment.optional(),
    }),
  ),
  timers: z.array(timerSchema),
  outbox: z.array(outboxSchema),
  given: z.array(
    z.object({
      step: z.string(),
      generation: z.number().int(),
      given: z.array(
        z.union([
          z.object({ signal: z.string(), id: z.null() }),
          z.object({ signal: z.string(), id: z.string(), payload: storedSchema }),
        ]),
      ),
      signal: z.string().optional(),
    }),
  ),
  consumed: z.array(z.object({ name: z.string(), ids: z.array(z.string()), since: z.string().optional() })),
  applied: z.array(z.string()),
  steered_at: moment.optional(),
  epochs: z.array(z.object({ step: z.string(), epoch: z.number().int() })),
  replaced: z.array(z.string()).optional(),
  reopened: z.object({ count: z.number().int(), at: moment }).optional(),
  compensation_errors: z.array(z.object({ step: z.string(), message: z.string() })),
  // For people only: what cannot be read of it must not keep anybody from reading the run.
  failures: z.preprocess(toPlain, z.array(failureSchema).optional()).catch(undefined),
  cause: errorSchema.optional(),
  look_at: moment.nullable(),
  write: z.object({ id: z.string(), by: z.string().optional(), events: z.array(z.string()) }),
});

const recordSchema = z.looseObject({
  id: z.string(),
  type: z.string(),
  definition_hash: z.string().default(""),
  status: statusSchema,
  current_steps: z.array(z.string()).default([]),
  error: errorSchema.optional(),
  created_at: z.string(),
  updated_at: z.string(),
  orchestrator_task_id: z.string().optional(),
});

const KNOWN = new Set([
  "id",
  "type",
  "definition_hash",
  "status",
  "current_steps",
  "data",
  "steps",
  "signals",
  "error",
  "created_at",
  "updated_at",
  "orchestrator_task_id",
  "machine",
]);

/** A record written by a newer version of this package: the run is left alone. */
export class NewerLayoutError extends WorkflowError {
  static {
    brand(this, "NewerLayoutError");
  }

  constructor(key: string, layout: number) {
    super("data", `${key} has layout ${layout}, newer than ${RECORD_LAYOUT}; update this program to work on the run`);
  }
}

/** A record above `MAX_RECORD_LENGTH`: it is not written. */
export class RecordTooLargeError extends WorkflowError {
  static {
    brand(this, "RecordTooLargeError");
  }

  constructor(message: string) {
    super("data", message);
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  if (value === undefined) return [];
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("steps and signals are objects");
  return Object.entries(value);
}

function decodeMachine(key: string, value: unknown): MachinePart | undefined {
  if (value === undefined) return undefined;
  const layout = (value as { layout?: unknown } | null)?.layout;
  if (typeof layout === "number" && layout > RECORD_LAYOUT) throw new NewerLayoutError(key, layout);
  return machineSchema.parse(value) as unknown as MachinePart;
}

function readRecord(json: unknown, key: string): RunRecord {
  const plain = recordSchema.parse(json);
  const raw = json as Record<string, unknown>;
  const steps = new Map<string, StepState>();
  for (const [name, value] of entriesOf(raw["steps"])) {
    const step = value as Record<string, unknown>;
    const state = { ...step, ...(stepSchema.parse(value) as unknown as StepState) };
    steps.set(name, step["result"] === undefined ? state : { ...state, result: StoredValue.parsed(step["result"]) });
  }
  const signals = new Map<string, { cursor?: string }>();
  for (const [name, value] of entriesOf(raw["signals"])) {
    const cursor = (value as { cursor?: unknown } | null)?.cursor;
    signals.set(name, typeof cursor === "string" ? { cursor } : {});
  }
  const machine = decodeMachine(key, raw["machine"]);
  return {
    id: plain.id,
    type: plain.type,
    definition_hash: plain.definition_hash,
    status: plain.status,
    current_steps: plain.current_steps,
    data: StoredValue.parsed(raw["data"] ?? null),
    steps,
    signals,
    ...(plain.error === undefined ? {} : { error: plain.error as unknown as RunError }),
    created_at: plain.created_at,
    updated_at: plain.updated_at,
    ...(plain.orchestrator_task_id === undefined ? {} : { orchestrator_task_id: plain.orchestrator_task_id }),
    ...(machine === undefined ? {} : { machine }),
    rest: Object.fromEntries(Object.entries(raw).filter(([name]) => !KNOWN.has(name))),
  };
}

/** Reads a record. @throws {WorkflowError} with code `data` that names the key. */
export function decodeRecord(body: string, key: string): RunRecord {
  return recordCodec.decode(body, key);
}

/** Writes a record with buquet's members first and in its order. @throws {RecordTooLargeError} above 4 MB. */
export function encodeRecord(record: RunRecord, limit: number = MAX_RECORD_LENGTH): string {
  const { steps, signals, rest, machine, error, orchestrator_task_id, created_at, updated_at, ...head } = record;
  const text = stringifyJson({
    ...head,
    steps: Object.fromEntries(steps),
    signals: Object.fromEntries(signals),
    ...(error === undefined ? {} : { error }),
    created_at,
    updated_at,
    ...(orchestrator_task_id === undefined ? {} : { orchestrator_task_id }),
    ...(machine === undefined ? {} : { machine }),
    ...rest,
  });
  if (text.length > limit) {
    throw new RecordTooLargeError(
      `the record of run ${record.id} would be ${text.length} characters, more than ${limit}; keep large results elsewhere and return a reference`,
    );
  }
  return text;
}

const recordKind: DocumentKind<RunRecord> = {
  what: "a run record",
  read: readRecord,
  keyOf: ({ id }) => stateKey(id),
  write: (record) => encodeRecord(record),
};

/** The codec of `workflow/{id}/state.json`. */
export const recordCodec: Codec<RunRecord> = new Codec(recordKind);

/** The same for a write that brings results or payloads: there is always room left to fail, to stop and to undo. */
export const growingRecordCodec: Codec<RunRecord> = new Codec({
  ...recordKind,
  write: (record) => encodeRecord(record, MAX_RECORD_LENGTH - KEPT_FREE),
});

/** Whether the run is over for good (but for an operator's retry). */
export function isOver(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** Whether two references name the same handler execution. */
export function sameFlight(a: FlightRef, b: FlightRef): boolean {
  return a.kind === b.kind && a.step === b.step && a.generation === b.generation && a.wake === b.wake;
}

/** The bare reference of a flight. */
export function refOf(flight: FlightRef): FlightRef {
  return { kind: flight.kind, step: flight.step, generation: flight.generation, wake: flight.wake };
}

/** Who a flight was handed off to, when that is known. */
export function ownerOf(flight: Flight): Actor | undefined {
  return flight.owner === "unknown" ? undefined : flight.owner;
}

/** Whether this claim runs the flight: it was handed off to it, or it is the claim of the flight's own task. */
export function isHeldBy(flight: Flight, ownTaskId: string, actor: Actor): boolean {
  const owner = ownerOf(flight);
  return owner === undefined ? ownTaskId === actor.task : owner.task === actor.task && owner.attempt === actor.attempt;
}

/** Whether somebody has to find out who holds the steps in flight: the machine is gone, or it was made from plain fields. */
export function hasUnknownOwner(record: RunRecord): boolean {
  return record.machine === undefined || record.machine.flights.some((flight) => flight.owner === "unknown");
}
