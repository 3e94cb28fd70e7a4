/** A run as its record describes it, in plain values. */
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

/** A step of a run. Instants are texts with the offset `+00:00`. */
export interface RunStep {
  /** Its status, in more words than the record stores. */
  readonly status: StepStatus;
  /** The result. A copy, made when it is read; undefined when the step has none (yet). */
  readonly result?: unknown;
  /** The number of the current or last attempt, from 1. */
  readonly attempt: number;
  /** When its handler first began; undefined when no handler is known to have begun. */
  readonly started_at?: string;
  /** When it ended; undefined when it has not. */
  readonly completed_at?: string;
  /** Why it failed, in one line; undefined when it did not fail. */
  readonly error?: string;
  /** Why it failed, with stack and causes. */
  readonly failure?: ErrorData;
  /** The id of the task that runs it or ran it last; undefined when it has none yet. */
  readonly task_id?: string;
  /** The state of its undo; undefined when no undo was asked for. */
  readonly undo?: "running" | "done" | "failed";
  /** Why its undo failed, with stack and causes. */
  readonly undo_failure?: ErrorData;
  /** The failed attempts of the step and of its undo, oldest first: at most three each, and 64 KB of JSON per run. */
  readonly failed_attempts?: readonly FailedAttempt[];
}

/** A run as its record describes it, in plain values. A view is a copy: changing it changes nothing else. */
export interface RunView {
  /** The id of the run. */
  readonly id: string;
  /** The name of its workflow. */
  readonly type: string;
  /** The status. `completed`, `failed` and `cancelled` are final. */
  readonly status: RunStatus;
  /** The status in which a run that is stopping or being rolled back will end; undefined when it is neither. */
  readonly stopping?: "failed" | "cancelled";
  /** The names of the steps that run, wait or are being undone. */
  readonly currentSteps: readonly string[];
  /** The input as it was stored. A copy, made when it is read. */
  readonly data: unknown;
  /** The steps by name. */
  readonly steps: Readonly<Record<string, RunStep>>;
  /** Why it failed, was cancelled or is paused, in one line; undefined when it was not. */
  readonly error?: FailureReason;
  /** Why it failed, was cancelled or is paused, with stack and causes; undefined when `error` is. */
  readonly failure?: ErrorData;
  /** The steps whose undo has failed, with the message. */
  readonly compensationErrors: readonly { readonly step: string; readonly message: string }[];
  /** When it was started: a text with offset `+00:00`. */
  readonly createdAt: string;
  /** When its record was last written: a text with offset `+00:00`. */
  readonly updatedAt: string;
  /**
   * The state of its machine, for `drawWorkflow` and for `createActor(workflow.machine, { snapshot })`. Undefined while the record stands
   * as another program rewrote it.
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
