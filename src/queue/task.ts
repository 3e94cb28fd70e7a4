/** One task on the queue, in buquet's exact format. Members that we do not know, and texts that we do not change, stay as they are. */
import { isLosslessNumber } from "lossless-json";
import { z } from "zod";
import type { RetryPolicy } from "../../machines/plan.ts";
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { shardOf } from "../keys.ts";
import type { Codec } from "../store/document.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { formatInstant, parseInstant } from "../wire/instant.ts";
import { parseJson, stringifyJson } from "../wire/json.ts";

/** What queue operations need. */
export interface QueueContext {
  readonly store: ObjectStore;
  readonly host: Host;
  /** How much clocks may differ, in milliseconds. */
  readonly skewMarginMs: number;
}

/** The closed set of the wire. */
export type TaskStatus = "pending" | "running" | "completed" | "failed" | "cancelled" | "archived" | "expired";

/** A task as it stands in the bucket. Instants are texts. */
export interface TaskRecord {
  readonly id: string;
  readonly shard: string;
  readonly task_type: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly timeout_seconds: number;
  readonly max_retries: number;
  readonly retry_count: number;
  readonly retry_policy: unknown;
  readonly status: TaskStatus;
  readonly created_at: string;
  readonly available_at: string;
  readonly lease_expires_at: string | null;
  readonly lease_id: string | null;
  readonly attempt: number;
  readonly updated_at: string;
  readonly completed_at: string | null;
  readonly worker_id: string | null;
  readonly last_error: string | null;
  readonly reschedule_count: number;
  readonly max_reschedules?: number;
  readonly cancel_requested: boolean;
  readonly cancelled_at?: string;
  readonly cancelled_by?: string;
  readonly expires_at?: string;
  readonly expired_at?: string;
}

/** A task that is to be put on the queue. */
export interface TaskSpec {
  readonly id: string;
  readonly taskType: string;
  readonly input: unknown;
  /** Longest attempt, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly retryCount?: number;
  readonly retryPolicy?: RetryPolicy;
  /** Milliseconds since 1970; absent: now. */
  readonly availableAt?: number;
  /** Only this package runs it, so that it may wait outside buquet's index. */
  readonly ownOnly?: boolean;
}

const U32 = 4_294_967_295;
/** Ten years: longer timeouts kill real workers. */
const LONGEST_TIMEOUT_SECONDS = 315_360_000;

const instant = z.string().refine((text) => parseInstant(text) !== undefined, "is not an instant");
const count = z.number().int().min(0).max(U32).default(0);
/** Kept numbers (`2.0`) are objects until they are written again. */
const float = z.custom<unknown>((value) => typeof value === "number" || isLosslessNumber(value));

const taskSchema = z.looseObject({
  id: z.string(),
  shard: z.string(),
  task_type: z.string(),
  timeout_seconds: z.number().int().min(0).default(300),
  max_retries: z.number().int().min(0).max(U32).default(3),
  retry_count: count,
  retry_policy: z
    .looseObject({
      initial_interval_ms: z.number().int(),
      max_interval_ms: z.number().int(),
      multiplier: float,
      jitter_percent: float,
    })
    .optional(),
  status: z.enum(["pending", "running", "completed", "failed", "cancelled", "archived", "expired"]).default("pending"),
  created_at: instant,
  available_at: instant,
  lease_expires_at: instant.nullish().transform((value) => value ?? null),
  lease_id: z
    .string()
    .nullish()
    .transform((value) => value ?? null),
  attempt: count,
  updated_at: instant,
  completed_at: instant.nullish().transform((value) => value ?? null),
  worker_id: z
    .string()
    .nullish()
    .transform((value) => value ?? null),
  last_error: z
    .string()
    .nullish()
    .transform((value) => value ?? null),
  reschedule_count: count,
  max_reschedules: z
    .number()
    .int()
    .nullish()
    .transform((value) => value ?? undefined)
    .optional(),
  cancel_requested: z.boolean().default(false),
  cancelled_at: instant
    .nullish()
    .transform((value) => value ?? undefined)
    .optional(),
  cancelled_by: z
    .string()
    .nullish()
    .transform((value) => value ?? undefined)
    .optional(),
  expires_at: instant
    .nullish()
    .transform((value) => value ?? undefined)
    .optional(),
  expired_at: instant
    .nullish()
    .transform((value) => value ?? undefined)
    .optional(),
});

function decodeTask(body: string, key: string): TaskRecord {
  try {
    const raw = parseJson(body) as Record<string, unknown>;
    if (!("input" in raw)) throw new Error("it has no input");
    const parsed = taskSchema.parse(raw) as unknown as Record<string, unknown>;
    // The order of the members as they stood is kept; what was missing comes last.
    const merged: Record<string, unknown> = { ...raw, ...parsed, input: raw["input"], output: raw["output"] ?? null };
    if (raw["retry_policy"] !== undefined) merged["retry_policy"] = raw["retry_policy"];
    for (const [name, value] of Object.entries(merged)) if (value === undefined) delete merged[name];
    return merged as unknown as TaskRecord;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new WorkflowError("data", `${key} is not a task that can be read: ${reason}`, { cause: error });
  }
}

/** Puts a member where buquet's struct has it. */
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
  const known = MEMBERS.filter((name) => members[name] !== undefined).map((name): [string, unknown] => [
    name,
    members[name],
  ]);
  const others = Object.entries(members).filter(([name, value]) => !MEMBERS.includes(name) && value !== undefined);
  return stringifyJson(Object.fromEntries([...known, ...others]));
}

/** The codec of `tasks/{shard}/{id}.json`. */
export const taskCodec: Codec<TaskRecord> = { decode: decodeTask, encode: encodeTask };

/** Server time, the middle of what is known, in whole milliseconds since 1970. */
export function serverNow(queue: QueueContext): number {
  const { earliest, latest } = queue.store.time();
  return Math.round((earliest + latest) / 2);
}

/** The milliseconds of an instant that was checked when it was read. */
export function millisOf(text: string): number {
  return parseInstant(text)?.ms ?? 0;
}

/** A new task, pending. */
export function newTask(spec: TaskSpec, nowMs: number): TaskRecord {
  const now = formatInstant(nowMs);
  const policy = spec.retryPolicy;
  return {
    id: spec.id,
    shard: shardOf(spec.id),
    task_type: spec.taskType,
    input: spec.input,
    output: null,
    timeout_seconds: Math.min(Math.max(1, Math.ceil(spec.timeoutMs / 1000)), LONGEST_TIMEOUT_SECONDS),
    max_retries: Math.min(spec.maxRetries, U32),
    retry_count: spec.retryCount ?? 0,
    retry_policy: {
      initial_interval_ms: Math.round(policy?.initialMs ?? 1_000),
      max_interval_ms: Math.round(policy?.maxMs ?? 60_000),
      multiplier: policy?.multiplier ?? 2,
      jitter_percent: policy?.jitter ?? 0.25,
    },
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
    cancel_requested: false,
  };
}

/** Whether nothing will ever happen to the task again by itself. */
export function isTaskOver(task: TaskRecord): boolean {
  return task.status !== "pending" && task.status !== "running";
}
