/** Requests to a store by kind, and how they add up. */

/** The kinds that a bill knows. `head` is always 0: the engine sends none. */
export const REQUESTED_KINDS = ["put", "get", "list", "delete", "head"] as const;

/** How many requests of each kind. */
export type Requests = Readonly<Record<(typeof REQUESTED_KINDS)[number], number>>;

/** None at all. */
export const NO_REQUESTS: Requests = { put: 0, get: 0, list: 0, delete: 0, head: 0 };

/** Both together; absent kinds count as 0. */
export function addRequests(a: Requests, b: Partial<Requests>, times = 1): Requests {
  const sum = { ...a };
  for (const kind of REQUESTED_KINDS) sum[kind] += (b[kind] ?? 0) * times;
  return sum;
}
