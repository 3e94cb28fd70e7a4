/** What a run follows: a compiled plan, found by its hash. */
export type { Plan, TaskStep } from "../../machines/plan/plan.ts";
import type { RunMachine } from "../../machines/plan/advance.ts";
import type { Plan } from "../../machines/plan/plan.ts";

/** A plan compiled, with both hashes. */
export interface Program {
  readonly machine: RunMachine;
  readonly planHash: string;
  readonly definitionHash: string;
}

/** Where the programs come from: what this process serves, and the plans stored in the bucket. */
export interface Programs {
  /** The program that this process serves under a name. */
  current(workflow: string): Program | undefined;
  /** The program of a plan hash: served here, compiled before, or from the stored plan; undefined when the bucket has no such plan. */
  byHash(planHash: string): Promise<Program | undefined>;
}

/** Whether runs of a plan take signals of this name: those that it declares and the names of its signal nodes; all if it declares none. */
export function takesSignal({ signals, steps }: Plan, name: string): boolean {
  if (signals === undefined || signals.includes(name)) return true;
  return steps.some((step) => step.kind === "signal" && step.name === name);
}
