/** What changed between two JSON values, small enough to send for each frame of a long run. */

/** A member that was set (`value` given) or taken away, by the names on the way to it. */
export interface Patch {
  readonly path: readonly string[];
  readonly value?: unknown;
}

type Members = Readonly<Record<string, unknown>>;

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What turns `before` into `after`. Objects are entered; anything else, lists too, is replaced whole. */
export function patchesOf(before: Members, after: Members): readonly Patch[] {
  const patches: Patch[] = [];
  const walk = (a: Members, b: Members, path: readonly string[]): void => {
    for (const name of Object.keys(a)) if (!Object.hasOwn(b, name)) patches.push({ path: [...path, name] });
    for (const [name, value] of Object.entries(b)) {
      const old = Object.hasOwn(a, name) ? a[name] : undefined;
      const here = [...path, name];
      if (isMembers(old) && isMembers(value)) walk(old, value, here);
      else if (!Object.hasOwn(a, name) || JSON.stringify(old) !== JSON.stringify(value))
        patches.push({ path: here, value });
    }
  };
  walk(before, after, []);
  return patches;
}
