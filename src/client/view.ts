/** A run as its record says, in plain values. */
import type { RunRecord, StepState } from "../run/record.ts";
import { toPlain } from "../wire/json.ts";

/** A run as its record says, in plain values. */
export interface RunView {
  readonly id: string;
  readonly type: string;
  readonly status: RunRecord["status"];
  readonly currentSteps: readonly string[];
  readonly data: unknown;
  readonly steps: Readonly<Record<string, StepState>>;
  readonly error?: RunRecord["error"];
  readonly compensationErrors: readonly { readonly step: string; readonly message: string }[];
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The whole record. */
  readonly record: RunRecord;
}

/** The view of a record. */
export function viewOf(record: RunRecord): RunView {
  const steps = [...record.steps].map(([name, state]): [string, StepState] => [
    name,
    state.result === undefined ? state : { ...state, result: toPlain(state.result) },
  ]);
  return {
    id: record.id,
    type: record.type,
    status: record.status,
    currentSteps: record.current_steps,
    data: toPlain(record.data),
    steps: Object.fromEntries(steps),
    ...(record.error === undefined ? {} : { error: record.error }),
    compensationErrors: record.machine?.compensation_errors ?? [],
    createdAt: record.created_at,
    updatedAt: record.updated_at,
    record,
  };
}
