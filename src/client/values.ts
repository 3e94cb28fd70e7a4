/** Values that callers give: checked before anything is put. */
import { readValue } from "../define/schema.ts";
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import { checkJsonValue, isTooDeep } from "../wire/check.ts";
import { MAX_DEPTH } from "../wire/json.ts";

/** Largest input or payload in UTF-16 units of its JSON. */
const MAX_VALUE_LENGTH: number = 256 * 1024;

/** @throws {WorkflowError} `invalid` for what is not JSON or too large; `what` names it. */
export function checkValue(what: string, value: unknown): void {
  const problem = checkJsonValue(value ?? null);
  if (problem !== undefined) throw new WorkflowError("invalid", `${what} is not JSON: ${problem}`);
  const { length } = JSON.stringify(value ?? null);
  if (length > MAX_VALUE_LENGTH) {
    throw new WorkflowError(
      "invalid",
      `${what} is ${length} characters of JSON, more than ${MAX_VALUE_LENGTH}; store it elsewhere and pass a reference`,
    );
  }
}

/** @throws {WorkflowError} `invalid` for a value whose nesting a schema may not survive. */
export function checkNesting(what: string, value: unknown): void {
  if (isTooDeep(value))
    throw new WorkflowError("invalid", `${what} is not JSON: it is nested deeper than ${MAX_DEPTH}, or holds itself`);
}

/** The input as its schema makes it. @throws {WorkflowError} `invalid` */
export async function checkInput(definition: AnyWorkflow | undefined, input: unknown): Promise<unknown> {
  const data = definition === undefined ? input : await parseInput(definition, input);
  checkValue("the input", data);
  return data;
}

async function parseInput(definition: AnyWorkflow, input: unknown): Promise<unknown> {
  if (definition.inputSchema === undefined) return input ?? null;
  checkNesting("the input", input);
  const read = await readValue(definition.inputSchema, input);
  if ("refusal" in read)
    throw new WorkflowError("invalid", `the input of ${JSON.stringify(definition.name)} is refused: ${read.refusal}`);
  return read.value ?? null;
}
