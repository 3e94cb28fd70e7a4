/** Frames of one run hardly differ: equal parts are kept once. */

type Members = Readonly<Record<string, unknown>>;

/** The value `after`, made of the parts of `before` as far as they are equal; `before` itself when nothing changed. */
export function shareParts<T>(before: unknown, after: T): T {
  return share(before, after) as T;
}

function share(before: unknown, after: unknown): unknown {
  if (Object.is(before, after) || !isObject(before) || !isObject(after)) return after;
  if (Array.isArray(before) !== Array.isArray(after)) return after;
  const names = Object.keys(after);
  const entries = names.map((name) => [name, share(member(before, name), after[name])] as const);
  const same = entries.every(([name, value]) => Object.hasOwn(before, name) && Object.is(value, before[name]));
  // The order of the members is what people see.
  if (same && Object.keys(before).join("\n") === names.join("\n")) return before;
  return Array.isArray(after) ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null;
}

function member(of: Members, name: string): unknown {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}
