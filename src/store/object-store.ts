/**
 * Bytes under keys, with conditions: all that the project asks of a store.
 *
 * - One key is linearizable. There is no transaction over two keys.
 * - A conditional put answers `stored`, `conflict` or `unknown`. It is sent once; again only after an answer which says that nothing was
 *   done. Whoever gets `unknown` reads and decides again (R8).
 * - An aborted signal rejects at once with its reason; whether a write was done is then not known.
 * - `get`, `delete`, `list`, `versions` and unconditional puts are repeated by the store on passing faults; when they give up they throw
 *   a `WorkflowError` with code `unavailable`. A request that can never succeed (denied, no bucket) throws `invalid`.
 */

/** Opaque name of one content of one key; never quoted. */
export type ETag = string;

/** One object as read. Bodies are UTF-8 text; index objects are empty. */
export interface StoredObject {
  /** Its content. */
  readonly body: string;
  /** The name of this content, for a put with `match`. */
  readonly etag: ETag;
}

/** What a read found. */
export type GetOutcome = { readonly kind: "found"; readonly object: StoredObject } | { readonly kind: "missing" };

/** The condition of a put. `absent`: only if the key does not exist; `match`: only if the current etag is this one. */
export type PutCondition = "always" | "absent" | { readonly match: ETag };

/** What became of a put. */
export type PutOutcome =
  | { readonly kind: "stored"; readonly etag: ETag }
  /** The condition did not hold (also: a `match` put met a missing key). Nothing was written. */
  | { readonly kind: "conflict" }
  /** Written or not, or it may still land later: timeout, reset, 5xx. */
  | { readonly kind: "unknown"; readonly cause: unknown };

/** One object in a list; its `etag` only where the store gives it with a list. */
export interface ListedObject {
  /** The whole key. */
  readonly key: string;
  /** The name of its content; absent where a list does not give it. */
  readonly etag?: ETag;
}

/** One page of a list. */
export interface ListPage {
  /** In UTF-8 byte order of the whole key; in any order where `capabilities.orderedList` is false. */
  readonly objects: readonly ListedObject[];
  /** Whether there is more after this page. */
  readonly truncated: boolean;
  /** Only where lists have no order, and only when there is more: what the next page is asked for with. */
  readonly cursor?: string;
}

/** Which page of a list is meant. */
export interface ListOptions {
  /** Only keys after this one (exclusive, UTF-8 byte order); it need not exist. Refused (`invalid`) where lists have no order. */
  readonly after?: string;
  /** Where lists have no order: go on where a page with this cursor ended. */
  readonly cursor?: string;
  /** Most keys on the page, 1 to 1000. @defaultValue 1000 */
  readonly limit?: number;
}

/** One earlier or current content of a key, or a mark that it was deleted. */
export interface ObjectVersion {
  /** The name of this version, for `getVersion`. */
  readonly versionId: string;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** True for a delete marker. */
  readonly deleted: boolean;
}

/** Bounds on the store's time right now, in milliseconds since 1970: `earliest <= true time <= latest`. */
export interface TimeBounds {
  /** The true time is not earlier, in milliseconds since 1970. */
  readonly earliest: number;
  /** The true time is not later, in milliseconds since 1970. */
  readonly latest: number;
}

/** In what stores differ. */
export interface StoreCapabilities {
  /** Whether earlier contents of a key can be read. */
  readonly versions: boolean;
  /**
   * Whether lists are in order and may begin after a key. False, as on directory buckets of S3: pages are followed by their `cursor`, and
   * only folders are listed: a prefix that is not empty ends in `/`, any other is refused (`invalid`).
   * @defaultValue true
   */
  readonly orderedList?: boolean;
  /**
   * How far apart writes of one key must be, in milliseconds. The store itself waits and tries again when one comes too soon; this is
   * for those who can put more into one write. Cloudflare R2: 1000.
   * @defaultValue 0
   */
  readonly writeIntervalMs?: number;
  /**
   * Whether `time()` is the clock of this process: two processes may then disagree by any amount.
   * @defaultValue false
   */
  readonly localClock?: boolean;
}

/** Options of every request. */
export interface RequestOptions {
  /** Ends the request when it aborts; whether a write was done is then not known. */
  readonly signal?: AbortSignal;
}

/** A bucket, or what acts as one. `storeCases` in `buquet-workflow/testing` tests a store of your own; `handleOf` opens it for clients and workers. */
export interface ObjectStore extends AsyncDisposable {
  /**
   * For people and error messages: `memory:`, `file:…`, `s3://bucket?endpoint=…`. It says where the objects are, and not with which options
   * the store was opened: region, addressing, checksums and permissions are no part of it. No secrets.
   */
  readonly url: string;
  /** What it can do. */
  readonly capabilities: StoreCapabilities;
  /** What the server behind it calls itself in its answers; absent where there is none or it does not say. */
  readonly server?: string | undefined;
  /** Reads one object. */
  get(key: string, options?: RequestOptions): Promise<GetOutcome>;
  /** Writes one object if the condition holds. A conditional put never throws for a reply that was lost: it answers `unknown`. */
  put(key: string, body: string, condition: PutCondition, options?: RequestOptions): Promise<PutOutcome>;
  /** Deletes the key; quiet when it does not exist. */
  delete(key: string, options?: RequestOptions): Promise<void>;
  /** One page of keys under a prefix. */
  list(prefix: string, options?: ListOptions & RequestOptions): Promise<ListPage>;
  /** Versions of one key, newest first; empty without the capability. */
  versions(key: string, options?: RequestOptions): Promise<readonly ObjectVersion[]>;
  /** The content of one version; `missing` for a delete marker or a version that is gone. */
  getVersion(key: string, versionId: string, options?: RequestOptions): Promise<GetOutcome>;
  /** The store's clock. Costs no request: a store over a network learns it from the answers it gets anyway. */
  time(): TimeBounds;
  /** Releases sockets and the like; later calls throw `closed`. Who closes the bucket waits at most ten seconds for it. */
  [Symbol.asyncDispose](): Promise<void>;
}
