/** Requests by the kinds that a store bills. */
import type { MeteredKind, StoreUsage } from "../store/metered.ts";

/** How many requests of each kind that a store bills. `head` is always 0: the engine sends none. */
export type Requests = Readonly<Record<"put" | "get" | "list" | "delete" | "head", number>>;

/** The kinds that a store bills. */
export const REQUESTED_KINDS: readonly (keyof Requests)[] = ["put", "get", "list", "delete", "head"];

/** None at all. */
export const NO_REQUESTS: Requests = { put: 0, get: 0, list: 0, delete: 0, head: 0 };

/** The kind under which a store bills what a metered store counts. */
const BILLED_AS: Readonly<Record<MeteredKind, keyof Requests>> = {
  put: "put",
  create: "put",
  replace: "put",
  get: "get",
  getVersion: "get",
  list: "list",
  versions: "list",
  delete: "delete",
};

/** The billed requests for what a metered store counted. */
export function billed({ requests }: Pick<StoreUsage, "requests">): Requests {
  const bill = { ...NO_REQUESTS };
  for (const kind of Object.keys(BILLED_AS) as MeteredKind[]) bill[BILLED_AS[kind]] += requests[kind];
  return bill;
}

/** Adds two bills, the second one `times` times. */
export function addRequests(a: Requests, b: Requests, times = 1): Requests {
  const sum = { ...a };
  for (const kind of REQUESTED_KINDS) sum[kind] += b[kind] * times;
  return sum;
}
