/** The option `workflows` of clients, workers and kits. */
import { type Check, objectWith } from "../settings.ts";
import { shown } from "../wire/duration.ts";
import type { AnyWorkflow } from "./workflow.ts";

const isWorkflow = objectWith<AnyWorkflow>("name", "plan", "handlers");

/** A list of definitions. */
export const definitions: Check<readonly AnyWorkflow[]> = (value, name, refuse) => {
  if (!Array.isArray(value)) return refuse(`${name} is ${shown(value)}; it is a list of workflows`);
  return value.map((one, index) => isWorkflow(one, `${name}[${index}]`, refuse));
};
