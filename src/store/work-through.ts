/** Loops over many objects of a bucket in which one bad object does not stop the others. */
import { isUnanswered } from "./again.ts";

/** So many in a row that the store did not answer for: then it is away, and it is of no use to ask for the rest. */
const MOST_UNANSWERED = 16;

/** How many things are worked through. */
export interface WorkThroughOptions<T> {
  /** How many are worked on at a time. @defaultValue 1 */
  readonly atOnce?: number;
  work(item: T): Promise<void>;
  /** Called with each item that failed; the others follow. */
  onFailed(item: T, error: unknown): void;
}

/**
 * Works through many things, each of which may fail by itself. They are taken as they are worked on, so that a list asks for its next page
 * only when it is needed.
 * @throws what the list throws, or the last error when the store does not answer for many in a row.
 */
export async function workThrough<T>(
  items: Iterable<T> | AsyncIterable<T>,
  { atOnce = 1, work, onFailed }: WorkThroughOptions<T>,
): Promise<void> {
  const source = (async function* () {
    yield* items;
  })();
  let unanswered = 0;
  let away: { readonly error: unknown } | undefined;
  const workOn = async (): Promise<void> => {
    while (away === undefined) {
      const next = await source.next();
      if (next.done === true) return;
      try {
        await work(next.value);
        unanswered = 0;
      } catch (error) {
        onFailed(next.value, error);
        unanswered = isUnanswered(error) ? unanswered + 1 : 0;
        if (unanswered >= MOST_UNANSWERED) away ??= { error };
      }
    }
  };
  // All of them have ended before this does, also when one fails.
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, workOn));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  if (away !== undefined) throw (away as { readonly error: unknown }).error;
}
