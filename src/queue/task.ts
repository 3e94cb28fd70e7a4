/** A task in the exact format of buquet. Unknown members and unchanged texts are kept as they are. */
import type { RetryPolicy } from "../../machines/program.ts";
import { isLosslessNumber, LosslessNumber } from "lossless-json";
import { z } from "zod";
import { DEFAULT_RETRY_POLICY } from "../wire/backoff.ts";
import type { Host } from "../host/host.ts";
import { shardOf, taskKey } from "../keys.ts";
import { Codec } from "../store/document.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { formatInstant, parseInstant } from "../wire/instant.ts";
import { stringifyJson, type Writable } from "../wire/json.ts";
import { floatText } from "../wire/number.ts";

/** What queue operations need. */
export interface QueueContext {
  readonly store: ObjectStore;
  readonly host: Host;
  /** How much clocks may differ, in milliseconds. */
  readonly skewMarginMs: number;
}

/** The status of a task. */
export type TaskStatus = "pending" | "running" | "completed" | "failed" | "cancelled" | "archived" | "expired";

/** A task as it is stored in the bucket. Instants are texts. */
export interface TaskRecord {
  /** A UUID. */
  readonly id: string;
  /** The part of the key that spreads tasks: the first hex digit of the id. */
  readonly shard: string;
  /** The type that `submit` was given. */
  readonly task_type: string;
  /** The input, as JSON. */
  readonly input: unknown;
  /** The return value of its worker, as JSON; null when there is none yet. */
  readonly output: unknown;
  /** The longest time that one attempt may take, in seconds. */
  readonly timeout_seconds: number;
  /** How many times it is retried. */
  readonly max_retries: number;
  /** How many retries were used up. */
  readonly retry_count: number;
  /** How long it waits before each retry, in the members of the stored format. */
  readonly retry_policy: unknown;
  /** Its status. */
  readonly status: TaskStatus;
  /** When it was submitted. */
  readonly created_at: string;
  /** The task is not run before this instant. */
  readonly available_at: string;
  /** When the lease of its worker ends unless it is renewed; null when no worker holds it. */
  readonly lease_expires_at: string | null;
  /** The id of the lease; null when no worker holds it. */
  readonly lease_id: string | null;
  /** How many times it was claimed. */
  readonly attempt: number;
  /** When the task was last written. */
  readonly updated_at: string;
  /** When it ended; null when it has not. */
  readonly completed_at: string | null;
  /** The worker that holds it or held it last; null when none did. */
  readonly worker_id: string | null;
  /** Why its last attempt failed; null when none did. */
  readonly last_error: string | null;
  /** How many times it was rescheduled. */
  readonly reschedule_count: number;
  /** How many times it may be rescheduled; undefined when there is no limit. */
  readonly max_reschedules?: number;
  /** Whether its worker was asked to stop. */
  readonly cancel_requested: boolean;
  /** When it was cancelled; undefined when it was not. */
  readonly cancelled_at?: string;
  /** Who cancelled it; undefined when that was not given. */
  readonly cancelled_by?: string;
  /** The task is not run from this instant on; undefined when it does not expire. */
  readonly expires_at?: string;
  /** When it was marked as expired; undefined when it was not. */
  readonly expired_at?: string;
}

/** A task that is to be put on the queue. */
export interface TaskSpec {
  readonly id: string;
  readonly taskType: string;
  readonly input: Writable;
  /** Longest attempt, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly retryCount?: number;
  readonly retryPolicy?: RetryPolicy;
  /** Milliseconds since 1970; absent: now. */
  readonly availableAt?: number;
  /** Whether only this package runs it, so that it may wait outside the index of buquet. */
  readonly ownOnly?: boolean;
  /** Milliseconds since 1970. It is not run from then on, but marked as `expired`. */
  readonly expiresAt?: number;
  /** Absent: no limit. */
  readonly maxReschedules?: number;
}

/** Largest value of most counters of the wire. */
export const U32 = 4_294_967_295;
/** Ten years: longer timeouts kill real workers. */
const LONGEST_TIMEOUT_SECONDS = 315_360_000;

/** A text that is an instant. */
export const instant: z.ZodString = z.string().refine((text) => parseInstant(text) !== undefined, "is not an instant");
const u32 = z.number().int().min(0).max(U32);
const count = u32.default(0);
/** Kept numbers (`2.0`) are objects until they are written again. */
const float = z.custom<unknown>((value) => typeof value === "number" || isLosslessNumber(value));

/** What buquet omits when it is empty; it reads null as empty too. */
const omitted = <T extends z.ZodType>(type: T): z.ZodType =>
  type
    .nullish()
    .transform((value) => value ?? undefined)
    .optional();
/** What buquet writes as null when it is empty. */
const nulled = <T extends z.ZodType>(type: T): z.ZodType => type.nullish().transform((value) => value ?? null);

const taskSchema = z.looseObject({
  id: z.string(),
  shard: z.string(),
  task_type: z.string(),
  timeout_seconds: z.number().int().min(0).default(300),
  max_retries: u32.default(3),
  retry_count: count,
  retry_policy: z
    .looseObject({
      initial_interval_ms: u32,
      max_interval_ms: u32,
      multiplier: float,
      jitter_percent: float,
    })
    .optional(),
  status: z.enum(["pending", "running", "completed", "failed", "cancelled", "archived", "expired"]).default("pending"),
  created_at: instant,
  available_at: instant,
  lease_expires_at: nulled(instant),
  lease_id: nulled(z.string()),
  attempt: count,
  updated_at: instant,
  completed_at: nulled(instant),
  worker_id: nulled(z.string()),
  last_error: nulled(z.string()),
  reschedule_count: count,
  max_reschedules: omitted(u32),
  cancel_requested: z.boolean().default(false),
  cancelled_at: omitted(instant),
  cancelled_by: omitted(z.string()),
  expires_at: omitted(instant),
  expired_at: omitted(instant),
  input_ref: omitted(z.string()),
  output_ref: omitted(z.string()),
});

/** The id in the form that keys are made of; buquet reads more forms. Undefined when it is no UUID. */
export function canonicalUuid(text: string): string | undefined {
  const bare = /^\{(.*)\}$/u.exec(text)?.[1] ?? text.replace(/^urn:uuid:/iu, "");
  const hex = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/iu.test(bare) ? bare.replaceAll("-", "") : bare;
  if (!/^[\da-f]{32}$/iu.test(hex)) return undefined;
  return hex.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})/u, "$1-$2-$3-$4-");
}

function readTask(json: unknown): TaskRecord {
  const parsed = taskSchema.parse(json);
  const raw = json as Record<string, unknown>;
  if (!Object.hasOwn(raw, "input")) throw new Error("it has no input");
  const id = canonicalUuid(parsed.id);
  if (id === undefined) throw new Error("its id is not a UUID");
  const merged: Record<string, unknown> = {
    ...raw,
    ...parsed,
    id,
    // A migration of shards leaves the old one in the body; keys are made of the id alone (C-16).
    shard: shardOf(id),
    input: raw["input"],
    output: raw["output"] ?? null,
  };
  merged["retry_policy"] = raw["retry_policy"] ?? policyMember(DEFAULT_RETRY_POLICY);
  for (const [name, value] of Object.entries(merged)) if (value === undefined) delete merged[name];
  return merged as unknown as TaskRecord;
}

/** The order in which buquet writes. */
const MEMBERS: readonly string[] = [
  "id",
  "shard",
  "task_type",
  "input",
  "output",
  "input_ref",
  "output_ref",
  "timeout_seconds",
  "max_retries",
  "retry_count",
  "retry_policy",
  "status",
  "created_at",
  "available_at",
  "lease_expires_at",
  "lease_id",
  "attempt",
  "updated_at",
  "completed_at",
  "worker_id",
  "last_error",
  "reschedule_count",
  "max_reschedules",
  "cancel_requested",
  "cancelled_at",
  "cancelled_by",
  "expires_at",
  "expired_at",
];

function encodeTask(task: TaskRecord): string {
  const members = task as unknown as Record<string, unknown>;
  const others = Object.keys(members).filter((name) => !MEMBERS.includes(name));
  const written = [...MEMBERS, ...others].filter((name) => members[name] !== undefined);
  // Member by member, so that one kept number does not send a large input the slow way.
  return `{${written.map((name) => `${JSON.stringify(name)}:${stringifyJson(members[name])}`).join(",")}}`;
}

/** The codec of `tasks/{shard}/{id}.json`. */
export const taskCodec: Codec<TaskRecord> = new Codec({
  what: "a task",
  read: readTask,
  keyOf: ({ id }) => taskKey(id),
  write: encodeTask,
});

/** Server time, the middle of what is known, in whole milliseconds since 1970. */
export function serverNow(queue: QueueContext): number {
  const { earliest, latest } = queue.store.time();
  return Math.round((earliest + latest) / 2);
}

/** The milliseconds of an instant that was checked when it was read, rounded down. */
export function millisOf(text: string): number {
  return parseInstant(text)?.ms ?? 0;
}

function keptFloat(value: number): unknown {
  const text = floatText(value);
  return text === String(value) ? value : new LosslessNumber(text);
}

/** A retry policy as it is stored: its floats keep their `.0`. */
function policyMember(policy: RetryPolicy): unknown {
  return {
    initial_interval_ms: Math.min(Math.round(policy.initialMs), U32),
    max_interval_ms: Math.min(Math.round(policy.maxMs), U32),
    multiplier: keptFloat(policy.multiplier),
    jitter_percent: keptFloat(Math.min(Math.max(policy.jitter, 0), 1)),
  };
}

/** A new task, pending. */
export function newTask(spec: TaskSpec, nowMs: number): TaskRecord {
  const now = formatInstant(nowMs);
  return {
    id: spec.id,
    shard: shardOf(spec.id),
    task_type: spec.taskType,
    input: spec.input,
    output: null,
    timeout_seconds: Math.min(Math.max(1, Math.ceil(spec.timeoutMs / 1000)), LONGEST_TIMEOUT_SECONDS),
    max_retries: Math.min(spec.maxRetries, U32),
    retry_count: spec.retryCount ?? 0,
    retry_policy: policyMember(spec.retryPolicy ?? DEFAULT_RETRY_POLICY),
    status: "pending",
    created_at: now,
    available_at: spec.availableAt === undefined ? now : formatInstant(Math.round(spec.availableAt)),
    lease_expires_at: null,
    lease_id: null,
    attempt: 0,
    updated_at: now,
    completed_at: null,
    worker_id: null,
    last_error: null,
    reschedule_count: 0,
    ...(spec.maxReschedules === undefined ? {} : { max_reschedules: spec.maxReschedules }),
    cancel_requested: false,
    ...(spec.expiresAt === undefined ? {} : { expires_at: formatInstant(Math.round(spec.expiresAt)) }),
  };
}

/** The retry policy of a task, whatever form its numbers have. */
export function retryPolicyOf(task: TaskRecord): RetryPolicy {
  const policy = task.retry_policy as Readonly<Record<string, unknown>>;
  const numberOf = (name: string): number => Number(String(policy[name]));
  return {
    initialMs: numberOf("initial_interval_ms"),
    maxMs: numberOf("max_interval_ms"),
    multiplier: numberOf("multiplier"),
    jitter: numberOf("jitter_percent"),
  };
}

/** Whether the task has ended. */
export function isTaskOver(task: TaskRecord): boolean {
  return task.status !== "pending" && task.status !== "running";
}
