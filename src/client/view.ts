/** A run as its record says, in plain values. */
import type { ErrorData } from "../host/error-data.ts";
import type { RunRecord, StepState } from "../run/record/record.ts";
import { failureOfRun, stepsOf, type StepWords, stoppingAs } from "../run/view.ts";
import { toPlain } from "../wire/json.ts";
import { lazyMembers } from "../wire/value.ts";

/** A step as the record of its run says. */
export interface RunStep extends StepWords {
  /** A copy, made when it is read; absent: the step has none (yet). */
  readonly result?: unknown;
}

/** A run as its record says, in plain values. A view is a copy: to change it changes nothing else. */
export interface RunView {
  readonly id: string;
  /** The name of its workflow. */
  readonly type: string;
  readonly status: RunRecord["status"];
  /** How a run that is being stopped or rolled back will end; absent: it is not. */
  readonly stopping?: "failed" | "cancelled";
  /** The steps that run, wait or are being undone. */
  readonly currentSteps: readonly string[];
  /** The input as it was kept. A copy, made when it is read. */
  readonly data: unknown;
  /** By name. `status` is the true word, also where the record has a poorer one: a step that was undone is `undone`. */
  readonly steps: Readonly<Record<string, RunStep>>;
  /** Why it failed, was cancelled or is paused, in one line: type, message, step, attempt. */
  readonly error?: RunRecord["error"];
  /** What made it fail, stop or pause, with name, message, code, stack and causes; absent while `error` is. */
  readonly failure?: ErrorData;
  /** The steps whose undo failed for good, and why. */
  readonly compensationErrors: readonly { readonly step: string; readonly message: string }[];
  /** Instants are texts with offset `+00:00`. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The whole record. Input, results and payloads are texts in it (`read()` gives a copy of the value). */
  readonly record: RunRecord;
}

/** The view of a record that nobody else holds. */
export function viewOf(decoded: RunRecord): RunView {
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
