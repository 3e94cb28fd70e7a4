/** Finds programs by hash. */
import type { Program } from "../../machines/program.ts";

export type { ActivityPolicy, Program } from "../../machines/program.ts";

/** Where the programs come from: what this process serves, and the plans stored in the bucket. */
export interface Programs {
  /** The program that this process serves under a name. */
  current(workflow: string): Program | undefined;
  /** The program of a plan hash: served here, compiled before, or from the stored plan; undefined when the bucket has no such plan. */
  byHash(planHash: string): Promise<Program | undefined>;
}
