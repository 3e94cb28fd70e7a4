/**
 * The workflow as data: steps, dependencies and policies, without a single function.
 *
 * A plan can be hashed, stored in the bucket beside the runs that follow it, compared, drawn and compiled. What a user writes
 * (`src/define`) becomes a plan and a table of handlers; everything below that line knows only the plan.
 */

import type { RetryPolicy } from "../program.ts";

/** What happens to the run when a step has failed and is not retried any more. */
export type OnFailure = "fail_workflow" | "pause_workflow" | "continue" | "compensate";

/** A step with a handler. */
export interface TaskStep {
  /** The step has a handler. */
  readonly kind: "task";
  /** Its name, unique in the plan. */
  readonly name: string;
  /** The steps that are over before this one starts. */
  readonly dependsOn: readonly string[];
  /** How many times it is retried after an ordinary error. */
  readonly retries: number;
  /** How long it waits between attempts. */
  readonly retryPolicy: RetryPolicy;
  /** The longest time that one attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long it waits after its dependencies are over, in milliseconds; 0 for no wait. */
  readonly delayMs: number;
  /** What happens to the run when it has failed. */
  readonly onFailure: OnFailure;
  /** Whether the step has an undo. */
  readonly compensate: boolean;
  /** Whether another program on the bucket runs it. */
  readonly remote: boolean;
}

/** A node that waits for the signal of its name. It has no handler. */
export interface SignalStep {
  /** The step waits for a signal. */
  readonly kind: "signal";
  /** Its name, unique in the plan, and the name of the signal. */
  readonly name: string;
  /** The steps that are over before the wait opens. */
  readonly dependsOn: readonly string[];
  /** The longest wait in milliseconds; 0 for no limit. */
  readonly timeoutMs: number;
  /** `fail`: it fails with `SignalTimeout`. `continue`: it completes with the result null. */
  readonly onTimeout: "fail" | "continue";
  /** What happens to the run when it has failed. */
  readonly onFailure: OnFailure;
}

/** A step of a plan: with a handler, or a wait for a signal. */
export type PlanStep = TaskStep | SignalStep;

/** A workflow as data, without handlers and schemas. */
export interface Plan {
  /** The name of the workflow. */
  readonly name: string;
  /** A label for people. */
  readonly version?: string;
  /** The steps, in the order in which they were written. */
  readonly steps: readonly PlanStep[];
  /**
   * The order of the undos. `mirror`: the reverse of the dependency order, in parallel where the dependencies allow it. `chain`: one after
   * the other.
   */
  readonly compensation: "mirror" | "chain";
  /** Whether programs other than this package change its runs. */
  readonly foreign: boolean;
  /** The names of the declared signals, sorted; undefined when any name is accepted. */
  readonly signals?: readonly string[];
}
