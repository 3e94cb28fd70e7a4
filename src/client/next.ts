/** Lists what can happen next, with the schemas of the definition. */
import type { RunStatus } from "../run/view.ts";
import { toJsonSchema } from "../define/schema.ts";
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import { type NextCommand, nextOf, type NextSignal, type NextStep, type NextTimer, type Preview } from "../run/next.ts";
import type { Program } from "../programs/programs.ts";
import type { RunRecord } from "../run/record/record.ts";

/** What can happen to a run next. Instants are texts with the offset `+00:00`. */
export interface RunNext {
  /** The id of the run. */
  readonly id: string;
  /** Its status now. */
  readonly status: RunStatus;
  /** Where its start leads; undefined once it was started. */
  readonly start?: Preview;
  /**
   * The open waits. `schema` is the JSON Schema of the payload; it is undefined when the signal is not declared, when the client was not
   * given the definition, or when the schema cannot be expressed (zod 4 and libraries that implement Standard JSON Schema can).
   */
  readonly signals: readonly (NextSignal & { readonly schema?: unknown })[];
  /** The delays that are not over. */
  readonly timers: readonly NextTimer[];
  /** The handlers that have been asked for and have not ended. */
  readonly steps: readonly NextStep[];
  /** The commands that would change something. */
  readonly commands: readonly NextCommand[];
}

/** @throws {WorkflowError} `unavailable` when its machine is not there to be asked. */
export function nextOfRun(
  record: RunRecord,
  program: Program | undefined,
  definition: AnyWorkflow | undefined,
): RunNext {
  if (program === undefined || record.machine === undefined) {
    const why =
      record.machine === undefined
        ? "another program rewrote its record; the next worker that looks at it makes it whole again"
        : `the bucket has no plan ${record.machine.plan_hash}`;
    throw new WorkflowError("unavailable", `what comes next in run ${record.id} is not known: ${why}`);
  }
  const next = nextOf(record, program);
  const signals = next.signals.map((wait) => {
    const schema = definition?.signalSchemas.get(wait.signal);
    const said = schema === undefined ? null : toJsonSchema(schema);
    return said === null ? wait : { ...wait, schema: said };
  });
  return { id: record.id, status: record.status, ...next, signals };
}
