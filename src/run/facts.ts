/** What a driver knows and the record does not yet: the closed set of facts that a commit applies. */
import type { StoredValue } from "../wire/value.ts";
import type { Outcome } from "../../machines/events.ts";
import type { ErrorData } from "../host/error-data.ts";
import type { Actor, ExecutionRef, RunErrorType, RunRecord } from "./record/record.ts";
import type { RunCommand } from "./wakeups/command.ts";

/**
 * Facts about a handler execution. `claim`: the claim under which its handler ran here. What a runner says counts only while the record
 * says that this claim holds the execution: somebody else may have released it, and run it again. Absent: whoever says so looked at the
 * execution's task, or is another program.
 */
interface OfExecution {
  readonly ref: ExecutionRef;
  readonly claim?: Actor;
}

/** Why a handler execution did not complete. */
export interface Failure {
  readonly type: RunErrorType;
  readonly message: string;
  readonly outcome: Outcome;
  readonly attempt: number;
}

/** An attempt that failed, as the process knows it that made it. Instants: milliseconds since 1970. */
export interface AttemptFailure {
  /** Counts from 1. */
  readonly attempt: number;
  readonly beganAt?: number;
  readonly endedAt?: number;
  readonly error: ErrorData;
}

/** What a fact about a handler execution also brings. */
interface Told {
  /** When its first attempt in the process began, in milliseconds since 1970. */
  readonly beganAt?: number;
  /** Its attempts that failed: the newest, oldest first. */
  readonly failures?: readonly AttemptFailure[];
}

/** A signal found in the inbox. `segment` is the last part of its key. */
export interface FoundSignal {
  readonly name: string;
  readonly segment: string;
  readonly id: string;
  readonly payload: StoredValue;
}

export type Fact =
  /** The run may start. */
  | { readonly fact: "begin" }
  | ({ readonly fact: "done"; readonly result: StoredValue; readonly attempt: number } & OfExecution & Told)
  | ({ readonly fact: "failed"; readonly failure: Failure } & OfExecution & Told)
  /** The handler waits for a signal inside itself. */
  | ({ readonly fact: "waiting"; readonly signal: string; readonly timeoutMs: number } & OfExecution & Told)
  /** The next attempt comes later: the execution goes back to the queue. */
  | ({
      readonly fact: "backoff";
      readonly availableAt: number;
      readonly retries: number;
      /** It uses up no retry: no attempt failed. */ readonly asked?: boolean;
    } & OfExecution &
      Told)
  /** The holder of this task with an older attempt (or any, when the task is over) is gone. */
  | { readonly fact: "release"; readonly task: string; readonly before: number }
  /** The step of this task was claimed before and that holder is gone. `failures`: the attempts that the task knows of. */
  | ({ readonly fact: "begun"; readonly task: string; readonly retries: number } & Pick<Told, "failures">)
  /** The step of this task has lost its worker once too often. */
  | ({ readonly fact: "lost"; readonly task: string; readonly attempt: number } & Pick<Told, "failures">)
  | { readonly fact: "signals"; readonly found: readonly FoundSignal[] }
  | {
      readonly fact: "due";
      readonly timer: "delay" | "deadline";
      readonly step: string;
      readonly generation: number;
      readonly wake: number;
    }
  | ({ readonly fact: "fenced"; readonly outcome: Outcome } & OfExecution & Told)
  | { readonly fact: "command"; readonly id: string; readonly command: RunCommand; readonly at: number }
  /** The definition that this process serves does not fit the run. */
  | { readonly fact: "mismatch"; readonly message: string }
  /** A writer that does not know `machine` changed the plain fields of one version into those of the next. */
  | { readonly fact: "foreign"; readonly before: RunRecord; readonly after: RunRecord }
  /** The record has only these plain fields: its machine is made from them. */
  | { readonly fact: "restore"; readonly plain: RunRecord }
  /** Nobody holds a task of the run but the one who reconciled it: the executions of unknown owner are nobody's. */
  | { readonly fact: "disown" }
  /** These outbox entries, by their `entryKey`, were dispatched by the one who says so, or of the task that stamped them and is over. */
  | { readonly fact: "confirm"; readonly entries: readonly string[] }
  /** Nothing new, but the etag must change (the fence write of an attempt after the first). */
  | { readonly fact: "fence" };

/** Who brings the facts, and whether it can go on with a step at once. */
export interface FactSource {
  /** The claim under which it acts; absent: it cannot own a step. */
  readonly actor?: Actor;
  /** Whether it takes the next step itself (hand-off). */
  takes(ref: ExecutionRef): boolean;
}

/** The facts of one source. */
export interface FactBatch extends FactSource {
  readonly facts: readonly Fact[];
}
