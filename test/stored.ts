/** Values as records keep them. */
import { StoredValue } from "../src/wire/value.ts";

/** A value as it stands in a record. */
export const stored = (value: unknown): StoredValue => StoredValue.parsed(value);

/** Why a value cannot be kept; undefined when it can. */
export function problemOf(value: unknown, limit = 1_000_000): string | undefined {
  const taken = StoredValue.take(value, limit);
  return taken.kind === "taken" ? undefined : taken.kind === "not_json" ? taken.problem : taken.kind;
}
