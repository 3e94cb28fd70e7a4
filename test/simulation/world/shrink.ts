/**
 * The smallest part of `history`, in its order, for which `fails` still holds (delta debugging: no single item can be left out).
 * Deterministic when `fails` is. Meant for a list of `FaultPlan`: run the world with `rates` empty and these faults.
 *
 * @throws {RangeError} when the whole history does not fail.
 */
export async function shrink<T>(
  history: readonly T[],
  fails: (part: readonly T[]) => boolean | Promise<boolean>,
): Promise<readonly T[]> {
  if (!(await fails(history))) throw new RangeError("the whole history does not fail, there is nothing to shrink");
  if (await fails([])) return [];
  let current = history;
  let pieces = 2;
  while (current.length > 1) {
    const smaller = await findSmaller(current, Math.min(pieces, current.length), fails);
    if (smaller !== undefined) {
      current = smaller.part;
      pieces = smaller.pieces;
    } else if (pieces >= current.length) {
      return current;
    } else {
      pieces = Math.min(current.length, pieces * 2);
    }
  }
  return current;
}

async function findSmaller<T>(
  current: readonly T[],
  pieces: number,
  fails: (part: readonly T[]) => boolean | Promise<boolean>,
): Promise<{ readonly part: readonly T[]; readonly pieces: number } | undefined> {
  const bounds = Array.from({ length: pieces + 1 }, (_, index) => Math.floor((index * current.length) / pieces));
  for (let index = 0; index < pieces; index += 1) {
    const part = current.slice(bounds[index], bounds[index + 1]);
    if (part.length < current.length && (await fails(part))) return { part, pieces: 2 };
  }
  for (let index = 0; pieces > 2 && index < pieces; index += 1) {
    const part = [...current.slice(0, bounds[index]), ...current.slice(bounds[index + 1])];
    if (await fails(part)) return { part, pieces: Math.max(2, pieces - 1) };
  }
  return undefined;
}
