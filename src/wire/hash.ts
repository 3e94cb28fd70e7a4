/** The hashes that the bucket format defines. */
import { sha256Hex } from "../host/uuid.ts";

/** What Python's `json.dumps` does to a string with `ensure_ascii`. */
function pythonString(text: string): string {
  const escaped = JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return escaped;
}

/** The order of code points, which is that of UTF-8 bytes; JavaScript's own is that of UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** buquet's `definition_hash` (the Python algorithm): names and dependencies, nothing else. */
export function definitionHash(
  steps: readonly { readonly name: string; readonly dependsOn: readonly string[] }[],
): string {
  const list = (names: readonly string[]): string =>
    `[${names.toSorted(compareCodePoints).map(pythonString).join(", ")}]`;
  const sorted = steps.toSorted((a, b) => compareCodePoints(a.name, b.name));
  const dependencies = sorted.map((step) => `${pythonString(step.name)}: ${list(step.dependsOn)}`).join(", ");
  const text = `{"dependencies": {${dependencies}}, "steps": ${list(steps.map((step) => step.name))}}`;
  return `sha256:${sha256Hex(text).slice(0, 16)}`;
}

/** Compact JSON with keys sorted, for hashing values of our own. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => compareCodePoints(a, b)))
      : member,
  );
}
