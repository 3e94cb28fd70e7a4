/**
 * The workflow as data: steps, dependencies and policies, without a single function.
 *
 * A plan can be hashed, stored in the bucket beside the runs that follow it, compared, drawn and compiled. What a user writes
 * (`src/define`) becomes a plan and a table of handlers; everything below that line knows only the plan.
 */

import type { RetryPolicy } from "../program.ts";

/** What happens to the run when a step has failed for good. */
export type OnFailure = "fail_workflow" | "pause_workflow" | "continue" | "compensate";

/** A node with a handler: one task on the queue for each generation of it. */
export interface TaskStep {
  /** The step has a handler. */
  readonly kind: "task";
  /** Its name, unique in the plan. */
  readonly name: string;
  /** The steps that are over before this one starts. */
  readonly dependsOn: readonly string[];
  /** Attempts after the first that an ordinary error may use up. */
  readonly retries: number;
  /** How long it waits between attempts. */
  readonly retryPolicy: RetryPolicy;
  /** Longest that one attempt may run, in milliseconds. */
  readonly timeoutMs: number;
  /** Wait between the moment the step becomes startable and its start, in milliseconds. 0: none. */
  readonly delayMs: number;
  /** What its failure for good does to the run. */
  readonly onFailure: OnFailure;
  /** Whether the step has an undo. */
  readonly compensate: boolean;
  /** Whether some other program on the bucket runs the handler. */
  readonly remote: boolean;
}

/** A node that waits for one signal and has no handler. The signal has the node's name. */
export interface SignalStep {
  /** The step waits for a signal. */
  readonly kind: "signal";
  /** Its name, unique in the plan, and the name of the signal. */
  readonly name: string;
  /** The steps that are over before the wait opens. */
  readonly dependsOn: readonly string[];
  /** Longest wait in milliseconds; 0: for ever. */
  readonly timeoutMs: number;
  /** `fail`: the step fails with `SignalTimeout`; `continue`: it completes with the result null. */
  readonly onTimeout: "fail" | "continue";
  /** What its failure for good does to the run. */
  readonly onFailure: OnFailure;
}

/** A step of a plan: with a handler, or a wait for a signal. */
export type PlanStep = TaskStep | SignalStep;

/** A whole workflow as data. Steps are in the order in which they were written. */
export interface Plan {
  /** The name of the workflow. */
  readonly name: string;
  /** A label for people; not part of any decision. */
  readonly version?: string;
  /** The steps, in the order in which they were written. */
  readonly steps: readonly PlanStep[];
  /** `mirror`: reverse of the dependency order, independent undos side by side; `chain`: strictly one after the other. */
  readonly compensation: "mirror" | "chain";
  /** Whether writers that do not know us (real buquet) may change runs, so that parked runs are polled. */
  readonly foreign: boolean;
  /** Names of the signals that the workflow declares, sorted; absent: any name is accepted. */
  readonly signals?: readonly string[];
}
