/** Whether a value is JSON, and where it is not. */
import { MAX_DEPTH } from "./json.ts";

/** The path of the first thing that JSON cannot say, with the reason; undefined when there is none. */
export function checkJsonValue(value: unknown): string | undefined {
  return check(value, "$", new Set(), 0);
}

/**
 * Whether a value is nested deeper than JSON may be here, or holds itself. Does not recurse: asked before a schema of a user, which may.
 */
export function isTooDeep(value: unknown): boolean {
  let level = new Set<object>(isObject(value) ? [value] : []);
  for (let depth = 0; depth <= MAX_DEPTH && level.size > 0; depth += 1)
    level = new Set([...level].flatMap((object) => Object.values(object).filter(isObject)));
  return level.size > 0;
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

function check(value: unknown, path: string, above: Set<object>, depth: number): string | undefined {
  switch (typeof value) {
    case "string":
      return /\p{Surrogate}/u.test(value) ? `${path} holds a lone surrogate` : undefined;
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : `${path} is ${String(value)}`;
    case "object":
      return value === null ? undefined : checkObject(value, path, above, depth);
    case "undefined":
    case "bigint":
    case "symbol":
    case "function":
      return `${path} is ${typeof value === "undefined" ? "undefined" : `a ${typeof value}`}`;
  }
}

function checkObject(value: object, path: string, above: Set<object>, depth: number): string | undefined {
  if (above.has(value)) return `${path} is a cycle`;
  if (depth > MAX_DEPTH) return `${path} is nested deeper than ${MAX_DEPTH}`;
  const prototype: unknown = Object.getPrototypeOf(value);
  const plain = Array.isArray(value) || prototype === Object.prototype || prototype === null;
  if (!plain) return `${path} is a ${value.constructor?.name ?? "class instance"}`;
  // JSON would fill it with null, and members do not name it.
  const hole = Array.isArray(value) ? firstHole(value) : -1;
  if (hole !== -1) return `${path}[${hole}] is undefined`;
  above.add(value);
  for (const [name, member] of Object.entries(value)) {
    if (/\p{Surrogate}/u.test(name)) return `${path} has a member whose name holds a lone surrogate`;
    const problem = check(member, Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`, above, depth + 1);
    if (problem !== undefined) return problem;
  }
  above.delete(value);
  return undefined;
}

function firstHole(array: readonly unknown[]): number {
  for (let index = 0; index < array.length; index += 1) if (!Object.hasOwn(array, index)) return index;
  return -1;
}
