/**
 * The interface of stores: bytes under keys, with conditions.
 *
 * - One key is linearizable. There is no transaction over two keys.
 * - A conditional put answers `stored`, `conflict` or `unknown`. It is sent once, and again only after a reply which says that nothing was
 *   done. After `unknown`, the caller reads and decides again (R8).
 * - An aborted signal rejects at once with its reason; whether a write was done is then not known.
 * - The store repeats `get`, `delete`, `list`, `versions` and unconditional puts after transient errors, and throws a `WorkflowError` with
 *   the code `unavailable` when it gives up. A request that can never succeed (access denied, no such bucket) throws `invalid`.
 */

/** An opaque name of one content of one key, without quotes. */
export type ETag = string;

/** An object that was read. Its body is UTF-8 text. */
export interface StoredObject {
  /** Its content. */
  readonly body: string;
  /** The etag of this content, for a put with `match`. */
  readonly etag: ETag;
}

/** The outcome of a read. */
export type GetOutcome = { readonly kind: "found"; readonly object: StoredObject } | { readonly kind: "missing" };

/** The condition of a put. `absent`: only if the key does not exist; `match`: only if the current etag is this one. */
export type PutCondition = "always" | "absent" | { readonly match: ETag };

/** The outcome of a put. */
export type PutOutcome =
  | { readonly kind: "stored"; readonly etag: ETag }
  /** The condition did not hold (also: a `match` put met a missing key). Nothing was written. */
  | { readonly kind: "conflict" }
  /** Written or not, or it may still land later: timeout, reset, 5xx. */
  | { readonly kind: "unknown"; readonly cause: unknown };

/** An object in a list. */
export interface ListedObject {
  /** The whole key. */
  readonly key: string;
  /** The etag of its content; undefined when lists of this store have none. */
  readonly etag?: ETag;
}

/** One page of a list. */
export interface ListPage {
  /** The objects in UTF-8 byte order of their keys; in any order when `capabilities.orderedList` is false. */
  readonly objects: readonly ListedObject[];
  /** Whether there are more pages. */
  readonly truncated: boolean;
  /** The `cursor` of the next page. Only set when lists have no order and there are more pages. */
  readonly cursor?: string;
}

/** Options of `list`. */
export interface ListOptions {
  /**
   * Only keys after this one, exclusive, in UTF-8 byte order; the key need not exist. Stores whose lists have no order refuse it
   * (`invalid`).
   */
  readonly after?: string;
  /** Continues a list that has no order: `cursor` of the page before. */
  readonly cursor?: string;
  /** The most keys on the page: 1 to 1000. @defaultValue 1000 */
  readonly limit?: number;
}

/** An earlier or current content of a key, or a delete marker. */
export interface ObjectVersion {
  /** The id of the version, for `getVersion`. */
  readonly versionId: string;
  /** When it was written, in milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Whether it is a delete marker. */
  readonly deleted: boolean;
}

/** Bounds of the current time of the store, in milliseconds since 1970. */
export interface TimeBounds {
  /** The time of the store is not before this. */
  readonly earliest: number;
  /** The time of the store is not after this. */
  readonly latest: number;
}

/** What a store can do. */
export interface StoreCapabilities {
  /** Whether earlier contents of a key can be read. */
  readonly versions: boolean;
  /**
   * Whether lists are ordered and may begin after a key. When false, as on directory buckets of S3, pages are followed by their `cursor`
   * and only folders can be listed: a prefix must be empty or end with `/`, and any other is refused (`invalid`).
   * @defaultValue true
   */
  readonly orderedList?: boolean;
  /**
   * The least time between two writes of one key, in milliseconds. The store waits and retries when a write comes too soon; callers use
   * this to put more into one write. Cloudflare R2: 1000.
   * @defaultValue 0
   */
  readonly writeIntervalMs?: number;
  /** Whether `time()` is the clock of this process, so that two processes may disagree by any amount. @defaultValue false */
  readonly localClock?: boolean;
}

/** Options of every request. */
export interface RequestOptions {
  /** Ends the request when it aborts. Whether a write was done is then not known. */
  readonly signal?: AbortSignal;
}

/**
 * A bucket, or anything that acts as one. Test a store of your own with `storeCases` of `buquet-workflow/testing`, and open it with
 * `handleOf`.
 */
export interface ObjectStore extends AsyncDisposable {
  /**
   * The address, for people and error messages: `memory:`, `file:…`, `s3://bucket?endpoint=…`. It holds no options such as region or
   * permissions, and no secrets.
   */
  readonly url: string;
  /** What the store can do. */
  readonly capabilities: StoreCapabilities;
  /** The name that the server gives in its answers; undefined when there is none. */
  readonly server?: string | undefined;
  /** Reads one object. */
  get(key: string, options?: RequestOptions): Promise<GetOutcome>;
  /** Writes an object if the condition holds. A conditional put does not throw when its reply is lost: its outcome is `unknown`. */
  put(key: string, body: string, condition: PutCondition, options?: RequestOptions): Promise<PutOutcome>;
  /** Deletes a key. A key that does not exist is no error. */
  delete(key: string, options?: RequestOptions): Promise<void>;
  /** Reads one page of the keys under a prefix. */
  list(prefix: string, options?: ListOptions & RequestOptions): Promise<ListPage>;
  /** Reads the versions of a key, newest first; empty when the store keeps none. */
  versions(key: string, options?: RequestOptions): Promise<readonly ObjectVersion[]>;
  /** Reads the content of one version; `missing` for a delete marker and for a version that is gone. */
  getVersion(key: string, versionId: string, options?: RequestOptions): Promise<GetOutcome>;
  /** Bounds of the current time of the store. It sends no request: a store over a network takes the time from the answers that it gets. */
  time(): TimeBounds;
  /** Releases sockets and other resources. Later calls throw `closed`. Closing a handle waits at most ten seconds for this. */
  [Symbol.asyncDispose](): Promise<void>;
}
