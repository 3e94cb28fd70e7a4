/** What may be sent into a run: names that its workflow takes, payloads that their schemas accept. */
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import type { Program } from "../run/program.ts";
import { isOver, type RunRecord } from "../run/record.ts";
import { checkValue } from "./values.ts";

/** @throws {WorkflowError} `invalid` when the run is over or its workflow declares other signals. */
export function checkSignal(record: RunRecord, program: Program | undefined, name: string): void {
  if (isOver(record.status))
    throw new WorkflowError("invalid", `run ${record.id} is ${record.status}; it takes no signals any more`);
  const plan = program?.machine.plan;
  const declared = plan?.signals;
  const isNode = plan?.steps.some((step) => step.kind === "signal" && step.name === name) ?? false;
  if (declared !== undefined && !isNode && !declared.includes(name)) {
    throw new WorkflowError(
      "invalid",
      `workflow ${record.type} declares no signal ${JSON.stringify(name)}; it declares ${declared.join(", ") || "none"}`,
    );
  }
}

/** The payload as its schema makes it. @throws {WorkflowError} `invalid` when the schema refuses it, or it is not JSON. */
export async function checkPayload(
  definition: AnyWorkflow | undefined,
  name: string,
  payload: unknown,
): Promise<unknown> {
  const schema = definition?.signalSchemas.get(name);
  if (schema === undefined) {
    checkValue("the payload", payload);
    return payload ?? null;
  }
  const parsed = await schema.safeParseAsync(payload);
  if (!parsed.success)
    throw new WorkflowError(
      "invalid",
      `the payload of signal ${JSON.stringify(name)} is refused: ${parsed.error.message}`,
    );
  checkValue("the payload", parsed.data);
  return parsed.data ?? null;
}
