/** The canonical JSON text that buquet hashes: keys in the order of their UTF-8 bytes, no spaces, numbers as it prints them. */
import { isLosslessNumber } from "lossless-json";
import { compareCodePoints } from "./hash.ts";
import { canonicalNumber } from "./number.ts";

/**
 * Canonical JSON of a value, as buquet computes it from the text that `stringifyJson` writes. The value is JSON (`StoredValue`).
 * @throws {WorkflowError} `invalid` for a number beyond all floats.
 */
export function canonicalJson(value: unknown): string {
  if (isLosslessNumber(value)) return canonicalNumber(value.value);
  // What is hashed is the text that others read: JavaScript writes -0 as 0 and 1.0 as 1.
  if (typeof value === "number") return canonicalNumber(JSON.stringify(value));
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = Object.entries(value).toSorted(([a], [b]) => compareCodePoints(a, b));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
}
