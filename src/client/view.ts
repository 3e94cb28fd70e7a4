/** A run as its record says, in plain values. */
import type { FailureReason } from "../errors.ts";
import type { ErrorData } from "../host/error-data.ts";
import type { FailedAttempt, RunRecord, StepState } from "../run/record/record.ts";
import {
  failureOfRun,
  type PersistedSnapshot,
  type RunStatus,
  type StepStatus,
  stepsOf,
  stoppingAs,
} from "../run/view.ts";
import { toPlain } from "../wire/json.ts";
import { lazyMembers } from "../wire/value.ts";

/** A step of a run. Instants are texts with offset `+00:00`. */
export interface RunStep {
  /** The true word for the step, also where the record has a poorer one. */
  readonly status: StepStatus;
  /** The result. A copy, made when it is read; absent: the step has none (yet). */
  readonly result?: unknown;
  /** Counts from 1: which attempt runs, or was the last one. */
  readonly attempt: number;
  /** When its handler first began; absent while nobody is known to have begun. */
  readonly started_at?: string;
  /** When it was over; absent: it is not. */
  readonly completed_at?: string;
  /** Why it failed, in one line; absent: it did not. */
  readonly error?: string;
  /** Why it failed for good, with stack and causes. */
  readonly failure?: ErrorData;
  /** The task that runs it, or ran it last; absent: it has none yet. */
  readonly task_id?: string;
  /** How far it is undone, also where it did not complete; absent: no undo was asked for. */
  readonly undo?: "running" | "done" | "failed";
  /** Why its undo failed for good. */
  readonly undo_failure?: ErrorData;
  /** Its attempts and those of its undo that failed, oldest first: at most three each, and 64 KB of JSON in a run. */
  readonly failed_attempts?: readonly FailedAttempt[];
}

/** A run as its record says, in plain values. A view is a copy: to change it changes nothing else. */
export interface RunView {
  /** The id under which it was started. */
  readonly id: string;
  /** The name of its workflow. */
  readonly type: string;
  /** How far it is. `completed`, `failed` and `cancelled` are ends. */
  readonly status: RunStatus;
  /** How a run that is being stopped or rolled back will end; absent: it is not. */
  readonly stopping?: "failed" | "cancelled";
  /** The steps that run, wait or are being undone. */
  readonly currentSteps: readonly string[];
  /** The input as it was kept. A copy, made when it is read. */
  readonly data: unknown;
  /** By name. `status` is the true word, also where the record has a poorer one: a step that was undone is `undone`. */
  readonly steps: Readonly<Record<string, RunStep>>;
  /** Why it failed, was cancelled or is paused, in one line: type, message, step, attempt. */
  readonly error?: FailureReason;
  /** What made it fail, stop or pause, with name, message, code, stack and causes; absent while `error` is. */
  readonly failure?: ErrorData;
  /** The steps whose undo failed for good, and why. */
  readonly compensationErrors: readonly { readonly step: string; readonly message: string }[];
  /** When it was started: a text with offset `+00:00`. */
  readonly createdAt: string;
  /** When its record was last written: a text with offset `+00:00`. */
  readonly updatedAt: string;
  /**
   * The state of its machine, for `drawWorkflow` and for `createActor(workflow.machine, { snapshot })`. Absent while the record is as a
   * program wrote it that does not know machines.
   */
  readonly snapshot?: PersistedSnapshot;
  /**
   * The whole record. Input, results and payloads are texts in it (`read()` gives a copy of the value).
   * @internal
   */
  readonly record: RunRecord;
}

/** The view of a record that nobody else holds. */
export function runViewOf(decoded: RunRecord): RunView {
  const record = withPlainNumbers(decoded);
  const steps = stepsOf(record).map(([name, words, result]): [string, RunStep] => [
    name,
    result === undefined ? words : lazyMembers<RunStep>(words, [["result", () => result.read()]]),
  ]);
  const stopping = stoppingAs(record);
  const failure = record.error === undefined ? undefined : failureOfRun(record);
  const view = {
    id: record.id,
    type: record.type,
    status: record.status,
    ...(stopping === undefined ? {} : { stopping }),
    currentSteps: record.current_steps,
    steps: Object.fromEntries(steps),
    ...(record.error === undefined ? {} : { error: record.error }),
    ...(failure === undefined ? {} : { failure }),
    compensationErrors: record.machine?.compensation_errors ?? [],
    createdAt: record.created_at,
    updatedAt: record.updated_at,
    ...(record.machine === undefined ? {} : { snapshot: record.machine.snapshot }),
    record,
  };
  return lazyMembers<RunView>(view as typeof view & { data: unknown }, [["data", () => record.data.read()]]);
}

/** Numbers that other programs wrote in members of their own are kept digit for digit, for those who write the record back. */
function withPlainNumbers(record: RunRecord): RunRecord {
  const { steps, signals, data, ...rest } = record;
  const plain = toPlain(rest) as Omit<RunRecord, "steps" | "signals" | "data">;
  return {
    ...plain,
    steps: new Map([...steps].map(([name, state]) => [name, toPlain(state) as StepState])),
    signals,
    data,
  };
}
