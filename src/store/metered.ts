/**
 * A store that counts requests by the kinds that bills know.
 *
 * On S3 the counts equal those on the wire as long as nothing fails. Requests that a store sends on its own (opening, retries, finding out
 * what became of a put) are not counted.
 */
import { isWorkflowError } from "../errors.ts";
import { readArgument } from "../settings.ts";
import { isStore } from "./is-store.ts";
import type {
  GetOutcome,
  ListOptions,
  ListPage,
  ObjectStore,
  ObjectVersion,
  PutCondition,
  PutOutcome,
  RequestOptions,
  StoreCapabilities,
  TimeBounds,
} from "./object-store.ts";

/**
 * A kind of request that is counted. A put is `create` when it requires that the key is absent, and `replace` when it requires an etag.
 * `list` and `versions` count pages.
 */
export type MeteredKind = "get" | "put" | "create" | "replace" | "delete" | "list" | "versions" | "getVersion";

/** Every kind. */
export const REQUEST_KINDS: readonly MeteredKind[] = [
  "get",
  "put",
  "create",
  "replace",
  "delete",
  "list",
  "versions",
  "getVersion",
];

/** The finished requests since the store was wrapped. */
export interface StoreUsage {
  /** How many requests of each kind. */
  readonly requests: Readonly<Record<MeteredKind, number>>;
  /** The bytes of all bodies that were sent, including those of puts that met a conflict. */
  readonly bytesOut: number;
  /** The bytes of all bodies that were received. */
  readonly bytesIn: number;
  /** Conditional puts whose condition did not hold. */
  readonly conflicts: number;
  /** Conditional puts whose outcome is not known. */
  readonly unknowns: number;
  /** Requests that threw, including those that were aborted. */
  readonly errors: number;
}

/** A store that counts its requests. */
export interface MeteredStore extends ObjectStore {
  /** Returns a copy of the counts so far. Subtract two of them with `usageSince`. */
  usage(): StoreUsage;
}

type Counts = { -readonly [Name in keyof StoreUsage]: StoreUsage[Name] } & {
  readonly requests: Record<MeteredKind, number>;
};

const TOTALS = ["bytesOut", "bytesIn", "conflicts", "unknowns", "errors"] as const;
/** S3 answers with so many versions at most. */
const VERSIONS_PER_PAGE = 1_000;

/**
 * Wraps a store and counts its requests. Closing it closes the wrapped store.
 * @throws {WorkflowError} `invalid` for a value that is not a store.
 *
 * @example
 * ```ts
 * const host = nodeHost();
 * const store = meterStore(await openStore("s3://orders", host));
 * const before = store.usage();
 * await client.start(order, { item: "book" });
 * console.log(usageSince(before, store.usage()).requests);
 * ```
 */
export function meterStore(store: ObjectStore): MeteredStore {
  readArgument("meterStore", "store", isStore, store);
  const counts = zeroCounts();

  /** What was refused before it was sent costs nothing. */
  async function measure<T>(
    kind: MeteredKind,
    options: RequestOptions | undefined,
    request: () => Promise<T>,
    bytesOut = 0,
  ): Promise<T> {
    options?.signal?.throwIfAborted();
    let sent = true;
    try {
      return await request();
    } catch (error) {
      sent = !isWorkflowError(error, "closed");
      if (sent) counts.errors += 1;
      throw error;
    } finally {
      if (sent) {
        counts.requests[kind] += 1;
        counts.bytesOut += bytesOut;
      }
    }
  }

  const received = (outcome: GetOutcome): GetOutcome => {
    if (outcome.kind === "found") counts.bytesIn += Buffer.byteLength(outcome.object.body);
    return outcome;
  };

  return {
    url: store.url,
    get capabilities(): StoreCapabilities {
      return store.capabilities;
    },
    usage: () => ({ ...counts, requests: { ...counts.requests } }),
    get: async (key: string, options?: RequestOptions): Promise<GetOutcome> =>
      received(await measure("get", options, () => store.get(key, options))),
    getVersion: async (key: string, versionId: string, options?: RequestOptions): Promise<GetOutcome> =>
      received(await measure("getVersion", options, () => store.getVersion(key, versionId, options))),
    put: async (key: string, body: string, condition: PutCondition, options?: RequestOptions): Promise<PutOutcome> => {
      const request = (): Promise<PutOutcome> => store.put(key, body, condition, options);
      const outcome = await measure(kindOf(condition), options, request, Buffer.byteLength(body));
      if (outcome.kind === "conflict") counts.conflicts += 1;
      if (outcome.kind === "unknown") counts.unknowns += 1;
      return outcome;
    },
    delete: (key: string, options?: RequestOptions): Promise<void> =>
      measure("delete", options, () => store.delete(key, options)),
    list: (prefix: string, options?: ListOptions & RequestOptions): Promise<ListPage> =>
      measure("list", options, () => store.list(prefix, options)),
    versions: async (key: string, options?: RequestOptions): Promise<readonly ObjectVersion[]> => {
      if (!store.capabilities.versions) return store.versions(key, options);
      const found = await measure("versions", options, () => store.versions(key, options));
      counts.requests.versions += Math.max(0, Math.ceil(found.length / VERSIONS_PER_PAGE) - 1);
      return found;
    },
    time: (): TimeBounds => store.time(),
    [Symbol.asyncDispose]: (): Promise<void> => store[Symbol.asyncDispose](),
  };
}

/**
 * What was asked for between two calls of `usage` of the same store: `after` minus `before`.
 *
 * @example
 * ```ts
 * const store = meterStore(await openStore("memory:", nodeHost()));
 * const before = store.usage();
 * await store.get("workflow/order-123/state.json");
 * usageSince(before, store.usage()).requests.get; // 1
 * ```
 */
export function usageSince(before: StoreUsage, after: StoreUsage): StoreUsage {
  const since = zeroCounts();
  for (const kind of REQUEST_KINDS) since.requests[kind] = after.requests[kind] - before.requests[kind];
  for (const total of TOTALS) since[total] = after[total] - before[total];
  return since;
}

function kindOf(condition: PutCondition): MeteredKind {
  if (condition === "always") return "put";
  return condition === "absent" ? "create" : "replace";
}

function zeroCounts(): Counts {
  const requests = Object.fromEntries(REQUEST_KINDS.map((kind) => [kind, 0])) as Record<MeteredKind, number>;
  return { requests, bytesOut: 0, bytesIn: 0, conflicts: 0, unknowns: 0, errors: 0 };
}
