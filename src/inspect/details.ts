/** Everything that a frame shows beside its chart, as plain JSON in our own words. Instants are texts; nothing comes from the process. */
import type { Projection } from "../../machines/snapshot.ts";
import type { RunProjection } from "../run/control.ts";
import type { FailedAttempt, Execution, RunError, RunRecord } from "../run/record/record.ts";
import { isTerminated } from "../run/view.ts";
import { formatOpaque } from "../wire/instant.ts";
import { toPlain } from "../wire/json.ts";

/** One step of a frame. */
export type StepDetails = {
  /** The machine's word: `delaying`, `parked`, `held`, `skipped` … beside the five of the wire, and `terminated`. Where the machine is gone, the wire's. */
  readonly phase: string;
  /** Counts from 1; 0: it never began. */
  readonly attempt: number;
  /** Counts from 1; a new one only by resume after a hold, or by retry. */
  readonly generation?: number;
  /** How often its handler was woken by a signal or a deadline. */
  readonly wake?: number;
  /** How far it is undone; absent: nothing of it is. */
  readonly undo?: string;
  /** For a step that did not complete: whether its effects may have happened (`never`, `unknown`). */
  readonly outcome?: string;
  readonly startedAt?: string;
  readonly completedAt?: string;
  readonly result?: unknown;
  readonly error?: unknown;
  /** Attempts of it and of its undo that failed, oldest first, with stack and causes. */
  readonly failedAttempts?: readonly FailedAttempt[];
};

/** The details of a frame that was read from a bucket. */
export type RunDetails = {
  /** The workflow. */
  readonly type: string;
  readonly currentSteps: readonly string[];
  /** The operator's pause stands. */
  readonly paused: boolean;
  /** How a run that stops will end: `failed`, `cancelled`; null: it does not stop. */
  readonly outcome: string | null;
  readonly error: RunError | null;
  /** The input. */
  readonly data: unknown;
  /** By name, in the order of the plan. */
  readonly steps: Readonly<Record<string, StepDetails>>;
  /** Open waits, in the order in which signals are given to them. */
  readonly waits: readonly { readonly signal: string; readonly step: string; readonly until: string | null }[];
  readonly timers: readonly { readonly timer: string; readonly step: string; readonly dueAt: string }[];
  /** Signals that a waiting handler was given so far; null: a deadline passed. */
  readonly given: readonly { readonly step: string; readonly signals: readonly unknown[] }[];
  /** Signals that were taken, by name. */
  readonly taken: Readonly<Record<string, readonly string[]>>;
  readonly compensationErrors: readonly { readonly step: string; readonly message: string }[];
  /** Handlers that were asked for and are not over. `owner`: task and attempt that hold it; null: its own task does. */
  readonly executions: readonly {
    readonly kind: "run" | "undo";
    readonly step: string;
    readonly generation: number;
    readonly wake: number;
    readonly owner: string | null;
    readonly begun: boolean;
    readonly retries: number;
    readonly availableAt?: string;
  }[];
  /** What was decided and is not known to be carried out. `by`: the task whose holder carries it out. */
  readonly outbox: readonly { readonly id: string; readonly by: string | null }[];
  /** When somebody looks at the run next; null: nobody needs to. */
  readonly nextCheckAt: string | null;
  /** The task whose holder wrote it; null: a client, or another program. */
  readonly writtenBy: string | null;
};

/** The details of a record. `view`: what its machine says; undefined where that is gone. */
export function detailsOf(record: RunRecord, view: RunProjection | undefined): RunDetails {
  const { machine } = record;
  const timers = (machine?.timers ?? []).map(({ timer, step, dueAt }) => ({ timer, step, dueAt: instant(dueAt) }));
  return {
    type: record.type,
    currentSteps: record.current_steps,
    paused: view?.paused ?? record.status === "paused",
    outcome: view?.outcome ?? null,
    error: record.error ?? null,
    data: record.data.read(),
    steps: stepsOf(record, view),
    waits: (view?.waits ?? []).map(({ signal, step }) => ({
      signal,
      step,
      until: timers.find((timer) => timer.timer === "deadline" && timer.step === step)?.dueAt ?? null,
    })),
    timers,
    given: (machine?.given ?? []).map(({ step, given }) => ({
      step,
      signals: given.map((one) => (one.id === null ? one : { ...one, payload: one.payload.read() })),
    })),
    taken: Object.fromEntries((machine?.consumed ?? []).map(({ name, ids }) => [name, ids])),
    compensationErrors: machine?.compensation_errors ?? [],
    executions: (machine?.executions ?? []).map(executionOf),
    outbox: (machine?.outbox ?? []).map(({ id, by }) => ({ id, by: by?.task ?? null })),
    nextCheckAt: machine?.next_check_at == null ? null : instant(machine.next_check_at),
    writtenBy: machine?.write.by ?? null,
  };
}

function stepsOf(record: RunRecord, view: Projection | undefined): Readonly<Record<string, StepDetails>> {
  const names = new Set([...(view?.steps.keys() ?? []), ...record.steps.keys()]);
  return Object.fromEntries([...names].map((name) => [name, stepOf(record, name, view?.steps.get(name))]));
}

function stepOf(
  record: RunRecord,
  name: string,
  view: Projection["steps"] extends ReadonlyMap<string, infer V> ? V | undefined : never,
): StepDetails {
  const state = record.steps.get(name);
  const failedAttempts = (record.machine?.failures ?? []).filter(({ step }) => step === name);
  return {
    // What its handler does may go on: nobody drained it.
    phase:
      state?.status === "cancelled" && isTerminated(record)
        ? "terminated"
        : (view?.phase ?? state?.status ?? "pending"),
    attempt: state?.attempt ?? 0,
    ...(view === undefined || view.generation === 0 ? {} : { generation: view.generation }),
    ...(view === undefined || view.wake === 0 ? {} : { wake: view.wake }),
    ...(view === undefined || view.undo === "none" ? {} : { undo: view.undo }),
    ...(view?.outcome === undefined ? {} : { outcome: view.outcome }),
    ...(state?.started_at === undefined ? {} : { startedAt: state.started_at }),
    ...(state?.completed_at === undefined ? {} : { completedAt: state.completed_at }),
    ...(state?.result === undefined ? {} : { result: state.result.read() }),
    ...(state?.error === undefined ? {} : { error: toPlain(state.error) }),
    ...(failedAttempts.length === 0 ? {} : { failedAttempts }),
  };
}

function executionOf(execution: Execution): RunDetails["executions"][number] {
  const { kind, step, generation, wake, owner, begun, retries, availableAt } = execution;
  const holder = owner === undefined || owner === "unknown" ? owner : `${owner.task} attempt ${owner.attempt}`;
  return {
    kind,
    step,
    generation,
    wake,
    owner: holder ?? null,
    begun,
    retries,
    ...(availableAt === undefined ? {} : { availableAt: instant(availableAt) }),
  };
}

/** What another program wrote need not be an instant that can be written down. */
function instant(atMs: number): string {
  return Number.isFinite(atMs) && Math.abs(atMs) <= 8.64e15 ? formatOpaque(atMs) : String(atMs);
}
