/** Checks definitions that are given as arguments or as the option `workflows`. */
import { type Check, objectWith } from "../settings.ts";
import { shown } from "../wire/duration.ts";
import type { AnyWorkflow } from "./workflow.ts";

/** A definition. */
export const definition: Check<AnyWorkflow> = objectWith("name", "plan", "handlers");

/** A list of definitions. */
export const definitions: Check<readonly AnyWorkflow[]> = (value, name, refuse) => {
  if (!Array.isArray(value)) return refuse(`${name} is ${shown(value)}; it must be a list of workflows`);
  return value.map((one, index) => definition(one, `${name}[${index}]`, refuse));
};

/** A definition, or the name of one. */
export const definitionOrName: Check<AnyWorkflow | string> = (value, name, refuse) =>
  typeof value === "string" ? value : definition(value, name, refuse);
