/** Checks the values that callers give, before anything is stored. */
import { readValue } from "../define/schema.ts";
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import { MAX_DEPTH } from "../wire/json.ts";
import { isTooDeep, snapshotOf, StoredValue } from "../wire/value.ts";

/** Largest input or payload in UTF-16 units of its JSON. */
const MAX_VALUE_LENGTH: number = 256 * 1024;

/** The value as it is kept. @throws {WorkflowError} `invalid` for what is not JSON or too large; `what` names it. */
export function takeGiven(what: string, value: unknown): StoredValue {
  const taken = StoredValue.take(value, MAX_VALUE_LENGTH);
  if (taken.kind === "taken") return taken.value;
  throw new WorkflowError(
    "invalid",
    taken.kind === "not_json"
      ? `${what} is not JSON: ${taken.problem}`
      : `${what} is more than ${MAX_VALUE_LENGTH} characters of JSON; store it elsewhere and pass a reference`,
  );
}

/**
 * The value as it is now, for a schema that looks at it later: who calls may change it meanwhile. What is `undefined` stays so for the
 * schema to see. @throws {WorkflowError} `invalid` for what cannot be read
 */
export function snapshotOfGiven(what: string, value: unknown): unknown {
  try {
    return snapshotOf(value);
  } catch (error) {
    throw new WorkflowError("invalid", `${what} cannot be read`, { cause: error });
  }
}

/** @throws {WorkflowError} `invalid` for a value whose nesting a schema may not survive. */
export function checkNesting(what: string, value: unknown): void {
  if (isTooDeep(value))
    throw new WorkflowError("invalid", `${what} is not JSON: it is nested deeper than ${MAX_DEPTH}, or holds itself`);
}

/** The input as its schema makes it. It is copied before this returns. @throws {WorkflowError} `invalid` */
export async function takeInput(definition: AnyWorkflow | undefined, input: unknown): Promise<StoredValue> {
  const schema = definition?.inputSchema;
  if (definition === undefined || schema === undefined) return takeGiven("the input", input);
  const given = snapshotOfGiven("the input", input);
  checkNesting("the input", given);
  const read = await readValue(schema, given);
  if ("refusal" in read)
    throw new WorkflowError("invalid", `the input of ${JSON.stringify(definition.name)} is refused: ${read.refusal}`);
  return takeGiven("the input", read.value);
}
