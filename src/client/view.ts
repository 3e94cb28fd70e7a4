/** A run as its record says, in plain values. */
import type { RunRecord, StepState } from "../run/record.ts";
import { toPlain } from "../wire/json.ts";
import { lazyMembers } from "../wire/value.ts";

/** A step as the record of its run says. */
export interface RunStep extends Omit<StepState, "result"> {
  /** A copy, made when it is read; absent: the step has none (yet). */
  readonly result?: unknown;
}

/** A run as its record says, in plain values. A view is a copy: to change it changes nothing else. */
export interface RunView {
  readonly id: string;
  readonly type: string;
  readonly status: RunRecord["status"];
  readonly currentSteps: readonly string[];
  /** The input as it was kept. A copy, made when it is read. */
  readonly data: unknown;
  readonly steps: Readonly<Record<string, RunStep>>;
  readonly error?: RunRecord["error"];
  readonly compensationErrors: readonly { readonly step: string; readonly message: string }[];
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The whole record. Input, results and payloads are texts in it (`read()` gives a copy of the value). */
  readonly record: RunRecord;
}

/** The view of a record that nobody else holds. */
export function viewOf(decoded: RunRecord): RunView {
  const record = withPlainNumbers(decoded);
  const steps = [...record.steps].map(([name, { result, ...state }]): [string, RunStep] => [
    name,
    result === undefined ? state : lazyMembers<RunStep>(state, [["result", () => result.read()]]),
  ]);
  const view = {
    id: record.id,
    type: record.type,
    status: record.status,
    currentSteps: record.current_steps,
    steps: Object.fromEntries(steps),
    ...(record.error === undefined ? {} : { error: record.error }),
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
