/** Checks what is sent into a run: the names that its workflow accepts and the payloads that its schemas accept. */
import { readValue } from "../define/schema.ts";
import type { AnyEvent, AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import { checkSignalName } from "../names.ts";
import { whyNever } from "../run/next.ts";
import type { Program } from "../programs/programs.ts";
import { isOver, type RunRecord } from "../run/record/record.ts";
import { shown } from "../wire/duration.ts";
import type { StoredValue } from "../wire/value.ts";
import { checkNesting, takeGiven } from "./values.ts";

/** @throws {WorkflowError} `invalid` when the run is over or its workflow declares other signals. */
export function checkSignal(record: RunRecord, program: Program | undefined, name: string): void {
  if (isOver(record.status))
    throw new WorkflowError("invalid", `run ${record.id} is ${record.status}; it takes no signals any more`);
  if (program !== undefined && !program.takes(name)) {
    throw new WorkflowError(
      "invalid",
      `workflow ${record.type} declares no signal ${JSON.stringify(name)}; it declares ${program.signals?.join(", ") || "none"}`,
    );
  }
}

/** The signal that an event stands for. @throws {WorkflowError} `invalid` for what is no event. */
export function signalOf(event: AnyEvent): { readonly name: string; readonly payload: object } {
  if (typeof event !== "object" || event === null || Array.isArray(event) || typeof event.type !== "string")
    throw new WorkflowError(
      "invalid",
      `an event is an object with a type, such as { type: "approval" }, not ${shown(event)}`,
    );
  const { type: name, ...payload } = event;
  checkSignalName(name);
  return { name, payload };
}

/** @throws {WorkflowError} `invalid` when the run can never take the signal, with the reason. */
export function checkWanted(record: RunRecord, program: Program | undefined, name: string): void {
  const why = program === undefined ? undefined : whyNever(record, program, name);
  if (why !== undefined)
    throw new WorkflowError("invalid", `run ${record.id} will never take the event ${JSON.stringify(name)}: ${why}`);
}

/** The payload as its schema makes it; `payload` is a copy that the caller does not hold. @throws {WorkflowError} `invalid` when the schema refuses it, or it is not JSON. */
export async function takePayload(
  definition: AnyWorkflow | undefined,
  name: string,
  payload: unknown,
): Promise<StoredValue> {
  const schema = definition?.signalSchemas.get(name);
  if (schema === undefined) return takeGiven("the payload", payload);
  checkNesting("the payload", payload);
  const read = await readValue(schema, payload);
  if ("refusal" in read)
    throw new WorkflowError("invalid", `the payload of signal ${JSON.stringify(name)} is refused: ${read.refusal}`);
  return takeGiven("the payload", read.value);
}
