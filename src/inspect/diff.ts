/** What changed between two frames, member by member. */
import type { Frame } from "../draw/timeline.ts";

/** One member that differs; undefined: it is not there. */
export interface Change {
  /** As one would write it in a program: `steps.charge.result.amount`, `steps["a b"].phase`, `timers["deadline ask"].dueAt`. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The differences of status and details, in the order of the members; empty: none. */
export function diffFrames(a: Frame, b: Frame): Change[] {
  return [...diffValues({ status: a.status, ...a.details }, { status: b.status, ...b.details })];
}

/** The differences of two JSON values. */
export function* diffValues(before: unknown, after: unknown, path = ""): Generator<Change> {
  if (Object.is(before, after)) return;
  const identity = Array.isArray(before) && Array.isArray(after) ? identityOf(before, after) : undefined;
  const [left, right] = [membersOf(before, identity), membersOf(after, identity)];
  if (left === undefined || right === undefined || Array.isArray(before) !== Array.isArray(after)) {
    yield { path, before, after };
    return;
  }
  for (const name of new Set([...left.keys(), ...right.keys()]))
    yield* diffValues(left.get(name), right.get(name), path + segment(name, path === ""));
}

/** Names an element of a list. */
type Identity = (element: unknown) => string;

/** A number is a place in a list. */
type Members = ReadonlyMap<string | number, unknown>;

function membersOf(value: unknown, identity: Identity | undefined): Members | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  return new Map(value.map((element, index) => [identity?.(element) ?? index, element]));
}

/** Members that name an element together: so a step that came in the middle of a list is one change, not one for each behind it. */
const IDENTITIES: readonly (readonly string[])[] = [
  ["id"],
  ["name"],
  ["kind", "step"],
  ["timer", "step"],
  ["signal", "step"],
  ["step"],
];

/** The first way to name each element of both lists differently; undefined, also when one changed its place: by their places. */
function identityOf(before: readonly unknown[], after: readonly unknown[]): Identity | undefined {
  for (const members of IDENTITIES) {
    const nameOf = (element: unknown): string | undefined => {
      const parts = members.map((member) => (element as Record<string, unknown> | null)?.[member]);
      return parts.every((part) => typeof part === "string") ? parts.join(" ") : undefined;
    };
    const [left, right] = [before.map(nameOf), after.map(nameOf)];
    const [known, later] = [new Set(left), new Set(right)];
    if (known.has(undefined) || later.has(undefined)) continue;
    if (known.size < left.length || later.size < right.length) continue;
    const stayed = left.filter((name) => later.has(name));
    if (right.filter((name) => known.has(name)).every((name, index) => name === stayed[index]))
      return (element) => nameOf(element) ?? "";
  }
  return undefined;
}

function segment(name: string | number, first: boolean): string {
  if (typeof name === "number") return `[${name}]`;
  if (!/^[A-Za-z_$][\w$-]*$/.test(name)) return `[${JSON.stringify(name)}]`;
  return first ? name : `.${name}`;
}
