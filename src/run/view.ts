/** What a record says, for those who only read it: clients and services. */
import { projectRun, type RunProjection } from "./control.ts";
import { marksOf } from "../programs/marks.ts";
import type { OpenWait, SnapshotMarks, StepMarks } from "../../machines/snapshot.ts";
import type { Program } from "../programs/programs.ts";
import { type ErrorData, summarize } from "../host/error-data.ts";
import {
  type FailedAttempt,
  type Execution,
  type ExecutionRef,
  isOver,
  type MachinePart,
  type RunRecord,
  type StepState,
} from "./record/record.ts";

export type { PersistedSnapshot, RunStatus } from "../../machines/snapshot.ts";

/** The machine's own words for a record; undefined when another program dropped its machine. */
export function viewOf(record: RunRecord, program: Program): RunProjection | undefined {
  return record.machine === undefined ? undefined : projectRun(program, record.machine);
}

/**
 * Whether the run stops and waits for the end of this execution: then it is not started any more, and its task is fenced, not created. Asked
 * of the machine, never of the outbox: entries leave.
 */
export function drains(machine: MachinePart, program: Program, ref: ExecutionRef): boolean {
  return ref.kind === "run" && projectRun(program, machine).draining.includes(ref.step);
}

/** The waits that are open, in the order in which signals are given to them. */
export function openWaits(record: RunRecord, program: Program): readonly OpenWait[] {
  return viewOf(record, program)?.waits ?? [];
}

/**
 * The status of a step. The stored record knows five of these: it says `running` for `waiting` and `stopping`, `completed` for `skipped`,
 * `undoing`, `undone` and `undo_failed`, `failed` for `held`, and `cancelled` for `terminated`.
 */
export type StepStatus =
  | "pending"
  | "running"
  /** It waits for a signal. */
  | "waiting"
  /** The run stops; this step is not over yet. */
  | "stopping"
  | "completed"
  /** An operator went on without it. */
  | "skipped"
  | "failed"
  /** It failed, and an operator is to say how to go on. */
  | "held"
  | "cancelled"
  /** It was not over when the run was terminated: what it does may go on. */
  | "terminated"
  /** It completed, and its undo is asked for. */
  | "undoing"
  /** It completed and was undone. */
  | "undone"
  /** It completed, and could not be undone. */
  | "undo_failed";

/** What is said of one step of a run, its result left out. Instants are texts with offset `+00:00`. */
export interface StepWords extends Omit<StepState, "status" | "result"> {
  readonly status: StepStatus;
  /** When its handler first began; absent while nobody is known to have begun. */
  readonly started_at?: string;
  /** How far it is undone, also where it did not complete; absent: nothing is asked for. */
  readonly undo?: "running" | "done" | "failed";
  /** Why it failed for good, with stack and causes. */
  readonly failure?: ErrorData;
  /** Why its undo failed for good. */
  readonly undo_failure?: ErrorData;
  /** Its attempts and those of its undo that failed, oldest first: at most three each, and 64 KB of JSON in a run. */
  readonly failed_attempts?: readonly FailedAttempt[];
}

/** The steps of a record in true words, with their results as they are kept. */
export function stepsOf(record: RunRecord): readonly (readonly [string, StepWords, StepState["result"]])[] {
  const read = readMachine(record);
  return [...record.steps].map(([name, { result, ...state }]) => [name, stepOf(record, name, state, read), result]);
}

/** What a machine says of all steps without its plan: executions that are not over, by step, and its marks. */
interface ReadMachine {
  readonly run: ReadonlyMap<string, Execution>;
  readonly undo: ReadonlyMap<string, Execution>;
  readonly marks: SnapshotMarks | undefined;
}

function readMachine({ machine }: RunRecord): ReadMachine {
  const of = (kind: "run" | "undo"): ReadonlyMap<string, Execution> =>
    new Map(
      machine?.executions
        .filter((execution) => execution.kind === kind)
        .map((execution) => [execution.step, execution]),
    );
  return { run: of("run"), undo: of("undo"), marks: machine && marksOf(machine.snapshot) };
}

const UNDONE = { none: undefined, running: "undoing", done: "undone", failed: "undo_failed" } as const;

function stepOf(record: RunRecord, name: string, state: Omit<StepState, "result">, read: ReadMachine): StepWords {
  const { machine } = record;
  const marks = read.marks?.of(name);
  if (machine === undefined || marks === undefined) return state;
  const run = read.run.get(name);
  const undo = read.undo.has(name) ? "running" : marks.undo;
  const failed = (machine.failures ?? []).filter(({ step }) => step === name);
  const last = (kind: "run" | "undo"): ErrorData | undefined => failed.findLast((one) => one.kind === kind)?.error;
  const undoError = machine.compensation_errors.find(({ step }) => step === name)?.message;
  const isWaiting = marks.isWaiting && run === undefined;
  const hasBegun = run === undefined || run.begun || run.owner !== undefined || run.wake > 0;
  const { started_at, ...rest } = state;
  return {
    ...rest,
    status:
      state.status === "cancelled" && isTerminated(record)
        ? "terminated"
        : statusOf(state.status, marks, undo, isWaiting),
    ...(started_at === undefined || (state.status === "running" && !hasBegun) ? {} : { started_at }),
    ...(undo === "none" ? {} : { undo }),
    ...(state.status === "failed" ? { failure: last("run") ?? plainFailure(record, name, state) } : {}),
    ...(undoError === undefined ? {} : { undo_failure: last("undo") ?? { name: "Error", message: undoError } }),
    ...(failed.length === 0 ? {} : { failed_attempts: failed }),
  };
}

function statusOf(
  status: StepState["status"],
  marks: StepMarks,
  undo: StepMarks["undo"],
  isWaiting: boolean,
): StepStatus {
  switch (status) {
    case "completed":
      return marks.phase === "skipped" ? "skipped" : (UNDONE[undo] ?? "completed");
    case "failed":
      return marks.phase === "held" ? "held" : "failed";
    case "running":
      return marks.isDraining ? "stopping" : isWaiting ? "waiting" : "running";
    case "pending":
    case "cancelled":
      return status;
  }
}

/** No handler said it: a lost worker, a deadline, another program. */
function plainFailure({ error }: RunRecord, name: string, state: Omit<StepState, "result">): ErrorData {
  return {
    name: error?.step === name ? error.type : "Error",
    message: state.error ?? error?.message ?? "no reason given",
  };
}

/** Whether a run was ended at once. The wire has one word, `cancelled`, for this and for a cancel. */
export function isTerminated({
  status,
  error,
}: {
  readonly status: RunRecord["status"];
  readonly error?: RunRecord["error"];
}): boolean {
  return status === "cancelled" && error?.type === "Terminated";
}

/** How a run that is being stopped will end; undefined: it is not being stopped. */
export function stoppingAs({ machine, status }: RunRecord): "failed" | "cancelled" | undefined {
  if (machine === undefined || isOver(status)) return undefined;
  return marksOf(machine.snapshot).outcome ?? undefined;
}

/** The step that a run failed, stops or is held for, with its whole failure; also where the record's error says something nearer. */
export function failedStepOf(record: RunRecord): { readonly step: string; readonly failure: ErrorData } | undefined {
  const step = record.error?.step ?? record.machine?.cause?.step;
  const state = step === undefined ? undefined : record.steps.get(step);
  if (step === undefined || state?.status !== "failed") return undefined;
  const { failure } = stepOf(record, step, state, readMachine(record));
  return failure === undefined ? undefined : { step, failure };
}

/** Why a run did not complete: what the handler threw, else what the record says. */
export function failureOfRun(record: RunRecord): ErrorData | undefined {
  const failed = failedStepOf(record);
  if (failed !== undefined) return failed.failure;
  const undo = stepsOf(record).find(([, step]) => step.undo_failure !== undefined)?.[1].undo_failure;
  if (undo !== undefined) return undo;
  return record.error === undefined ? undefined : { name: record.error.type, message: record.error.message };
}

/** What a reader of logs is told about a write: levels, lines and fields. What handlers threw was told where they ran. */
export interface NewsLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What is new in a record, for the log. `labels`: what the write applied. */
export function newsOf(before: RunRecord, after: RunRecord, labels: readonly string[]): readonly NewsLine[] {
  const lines: NewsLine[] = [];
  const base = { run: after.id, workflow: after.type };
  const { failures } = after.machine ?? {};
  if (failures !== before.machine?.failures) {
    const known = new Set(before.machine?.failures);
    for (const failure of failures ?? []) {
      const { kind, step, attempt, error } = failure;
      if (error.name !== "WorkerLost" || known.has(failure)) continue;
      const message = kind === "run" ? "a step lost its worker" : "an undo lost its worker";
      lines.push({ level: "warn", message, fields: { ...base, step, attempt, reason: error.message } });
    }
  }
  for (const label of labels) {
    const space = label.indexOf(" ");
    const name = label.slice(space + 1);
    const event = label.slice(0, space);
    const kind = event === "step.failed" ? "run" : event === "undo.failed" ? "undo" : undefined;
    const last = kind === undefined ? undefined : lastFailure(after, name, kind);
    // Handlers told their failures themselves, where they ran.
    if (last === undefined || last.began_at !== undefined) continue;
    const { attempt, error } = last;
    const message = kind === "run" ? "step failed" : "undo failed";
    lines.push({ level: "error", message, fields: { ...base, step: name, attempt, reason: summarize(error), error } });
  }
  if (before.status !== after.status) lines.push(...statusNews(after, base));
  return lines;
}

function lastFailure({ machine }: RunRecord, name: string, kind: "run" | "undo"): FailedAttempt | undefined {
  return machine?.failures?.findLast((one) => one.kind === kind && one.step === name);
}

function* statusNews(after: RunRecord, base: Readonly<Record<string, unknown>>): Generator<NewsLine> {
  const { error, status } = after;
  const fields = {
    ...base,
    ...(error === undefined ? {} : { type: error.type, reason: error.message }),
    ...(error?.step === undefined ? {} : { step: error.step }),
  };
  if (status === "failed") yield { level: "error", message: "run failed", fields };
  if (status !== "paused") return;
  if (error?.type === "VersionMismatch")
    yield { level: "error", message: "run paused: no worker that was seen lately serves its definition", fields };
  else if (error?.type !== "Paused")
    yield {
      level: "error",
      message: "run paused: a step failed and is held; resume tries it again, skip goes on without it",
      fields,
    };
}
