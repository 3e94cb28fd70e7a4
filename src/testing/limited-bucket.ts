/** A wrapper for stores that adds the limits of R2 and of directory buckets of S3. */
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { sha256Hex } from "../host/uuid.ts";
import { pauseMs, PER_KEY_BACKOFF_MS, TRIES } from "../store/again.ts";
import type {
  ListedObject,
  ListOptions,
  ListPage,
  ObjectStore,
  PutOutcome,
  RequestOptions,
  StoreCapabilities,
} from "../store/object-store.ts";
import { type ChecksOf, flag, milliseconds, processHost, readArgument, readSettings } from "../settings.ts";
import { isStore } from "../store/is-store.ts";
import { checkFolder, listKeys } from "../store/paging.ts";

/** The limits of a bucket. */
export interface BucketLimits {
  /** A key that was written or deleted less than this many milliseconds ago cannot be written (429). @defaultValue 0 */
  readonly writeIntervalMs?: number;
  /** With false, only folders can be listed, without order, and pages are followed by their cursor. @defaultValue true */
  readonly orderedList?: boolean;
  /** With false, there are no versions, whatever the store keeps. @defaultValue true */
  readonly versions?: boolean;
}

const CHECKS = {
  writeIntervalMs: milliseconds(0),
  orderedList: flag,
  versions: flag,
} satisfies ChecksOf<BucketLimits>;

/**
 * The limits of Cloudflare R2: one write of a key per second, and no versions. A delete counts as a write here; the documentation of R2
 * leaves that open.
 */
export const R2_LIMITS: BucketLimits = { writeIntervalMs: 1_000, versions: false };

/** The limits of S3 Express One Zone: lists have no order and cannot begin after a key, and there are no versions. */
export const EXPRESS_LIMITS: BucketLimits = { orderedList: false, versions: false };

/**
 * A bucket with limits, which any number of processes share. A write that comes too soon is refused and retried by the store of its
 * process, as `s3:` does after a 429: at most six times, with growing pauses and full jitter. After that a conditional put is `unknown`,
 * and other requests throw `unavailable`.
 *
 * @example
 * ```ts
 * const host = nodeHost();
 * const bucket = new LimitedBucket(R2_LIMITS);
 * const store = bucket.limit(new MemoryStore({ clock: host.clock }), host);
 * ```
 */
export class LimitedBucket {
  readonly #limits: BucketLimits;
  readonly #writtenAt = new Map<string, number>();
  #refused = 0;

  /** @throws {WorkflowError} `invalid` for limits that cannot be */
  constructor(limits: BucketLimits) {
    readSettings("a limited bucket", CHECKS, limits);
    this.#limits = limits;
  }

  /** How many writes were refused because they came too soon. */
  get refused(): number {
    return this.#refused;
  }

  /** Wraps the store for one process. The clock and the randomness of `host` make the pauses. */
  limit(store: ObjectStore, host: Host): ObjectStore {
    readArgument("a limited bucket", "store", isStore, store);
    readArgument("a limited bucket", "host", processHost, host);
    const { orderedList = true, versions = true, writeIntervalMs = 0 } = this.#limits;
    const capabilities: StoreCapabilities = {
      ...store.capabilities,
      versions: versions && store.capabilities.versions,
      ...(orderedList ? {} : { orderedList }),
      ...(writeIntervalMs === 0 ? {} : { writeIntervalMs }),
    };
    const write = <T>(
      key: string,
      options: RequestOptions | undefined,
      send: () => Promise<T>,
      gaveUp: () => T,
    ): Promise<T> => this.#write(store, host, key, options, send, gaveUp);
    const silent = (key: string) => (): never => {
      throw new WorkflowError("unavailable", `${store.url} refuses to write ${key}: too many writes of one key`);
    };
    return {
      url: store.url,
      capabilities,
      get: (key, options) => store.get(key, options),
      put: (key, body, condition, options) =>
        write(
          key,
          options,
          () => store.put(key, body, condition, options),
          condition === "always" ? silent(key) : undecided,
        ),
      delete: (key, options) => write(key, options, () => store.delete(key, options), silent(key)),
      list: (prefix, options) => (orderedList ? store.list(prefix, options) : listUnordered(store, prefix, options)),
      versions: async (key, options) => (capabilities.versions ? store.versions(key, options) : []),
      getVersion: async (key, id, options) =>
        capabilities.versions ? store.getVersion(key, id, options) : { kind: "missing" },
      time: () => store.time(),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }

  async #write<T>(
    store: ObjectStore,
    host: Host,
    key: string,
    options: RequestOptions | undefined,
    send: () => Promise<T>,
    gaveUp: () => T,
  ): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      options?.signal?.throwIfAborted();
      if (this.#takes(key, store.time().latest)) return send();
      this.#refused += 1;
      if (tries + 1 >= TRIES) return gaveUp();
      await host.clock.sleep(pauseMs(host.random, PER_KEY_BACKOFF_MS, tries), options);
    }
  }

  #takes(key: string, now: number): boolean {
    const { writeIntervalMs = 0 } = this.#limits;
    if (now - (this.#writtenAt.get(key) ?? Number.NEGATIVE_INFINITY) < writeIntervalMs) return false;
    if (writeIntervalMs > 0) this.#writtenAt.set(key, now);
    return true;
  }
}

function undecided(): PutOutcome {
  return { kind: "unknown", cause: new Error("429: too many writes of one key") };
}

/** Pages in the order of a digest of the keys, which is stable and unlike theirs. The cursor is opaque, as that of S3. */
async function listUnordered(
  store: ObjectStore,
  prefix: string,
  options: ListOptions & RequestOptions = {},
): Promise<ListPage> {
  checkFolder(prefix, options);
  const { cursor = "", limit = 1_000 } = options;
  const found: { readonly place: string; readonly key: string }[] = [];
  for await (const key of listKeys(store, prefix)) {
    const place = sha256Hex(key);
    if (place > cursor) found.push({ place, key });
  }
  found.sort((a, b) => (a.place < b.place ? -1 : 1));
  const page = found.slice(0, limit);
  const objects: ListedObject[] = page.map(({ key }) => ({ key }));
  const last = page.at(-1)?.place;
  const truncated = found.length > page.length;
  return { objects, truncated, ...(truncated && last !== undefined ? { cursor: last } : {}) };
}
