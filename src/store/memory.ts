/** A store in memory, for tests and for work that need not survive the process. */
import { WorkflowError } from "../errors.ts";
import { sha256Hex } from "../host/uuid.ts";
import type { Clock } from "../host/host.ts";
import { type ChecksOf, flag, objectWith, oneOf, readSettings } from "../settings.ts";
import type {
  GetOutcome,
  ListOptions,
  ListPage,
  ObjectStore,
  ObjectVersion,
  PutCondition,
  PutOutcome,
  StoreCapabilities,
  TimeBounds,
} from "./object-store.ts";
import { compareBytes, firstAtLeast, prefixEnd } from "./order.ts";

/** Options of `MemoryStore`. */
export interface MemoryStoreOptions {
  /** The clock that `time()` and the ages of versions follow. */
  readonly clock: Clock;
  /** Whether earlier contents are kept. @defaultValue true */
  readonly versions?: boolean;
  /** `unique`: every write has a new etag; `content`: equal bodies have equal etags, as on S3. @defaultValue "unique" */
  readonly etags?: "unique" | "content";
}

const CHECKS = {
  clock: objectWith<Clock>("now", "monotonic", "sleep"),
  versions: flag,
  etags: oneOf("unique", "content"),
} satisfies ChecksOf<MemoryStoreOptions>;

interface Version extends ObjectVersion {
  readonly body: string;
  readonly etag: string;
}

/**
 * A store that keeps objects in the memory of one process, with their versions. `connect("memory:")` opens one.
 *
 * @example
 * ```ts
 * const host = nodeHost();
 * const queue = handleOf(new MemoryStore({ clock: host.clock, etags: "content" }), host);
 * ```
 */
export class MemoryStore implements ObjectStore {
  readonly url: string = "memory:";
  readonly capabilities: StoreCapabilities;
  readonly #clock: Clock;
  readonly #etags: "unique" | "content";
  readonly #objects = new Map<string, Version[]>();
  #keys: string[] = [];
  #count = 0;
  #closed = false;

  /** @throws {WorkflowError} `invalid` for options that cannot be */
  constructor(options: MemoryStoreOptions) {
    readSettings("a memory store", CHECKS, options, ["clock"]);
    this.#clock = options.clock;
    this.#etags = options.etags ?? "unique";
    this.capabilities = { versions: options.versions ?? true };
  }

  async get(key: string): Promise<GetOutcome> {
    this.#open();
    return found(this.#current(key));
  }

  async put(key: string, body: string, condition: PutCondition): Promise<PutOutcome> {
    this.#open();
    const current = this.#current(key);
    if (condition === "absent" && current !== undefined) return { kind: "conflict" };
    if (typeof condition === "object" && current?.etag !== condition.match) return { kind: "conflict" };
    this.#count += 1;
    const etag = this.#etags === "unique" ? `e${this.#count}` : sha256Hex(body).slice(0, 32);
    this.#push(key, { versionId: `v${this.#count}`, modifiedAt: this.#clock.now(), deleted: false, body, etag });
    return { kind: "stored", etag };
  }

  async delete(key: string): Promise<void> {
    this.#open();
    if (this.#current(key) === undefined) return;
    this.#count += 1;
    this.#push(key, { versionId: `v${this.#count}`, modifiedAt: this.#clock.now(), deleted: true, body: "", etag: "" });
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    this.#open();
    const limit = options.limit ?? 1000;
    const { after } = options;
    let index = firstAtLeast(this.#keys, prefix);
    if (after !== undefined && compareBytes(after, prefix) >= 0) {
      index = firstAtLeast(this.#keys, after);
      if (this.#keys[index] === after) index += 1;
    }
    const end = prefixEnd(this.#keys, prefix);
    const page = this.#keys.slice(index, Math.min(end, index + limit));
    return {
      objects: page.map((key) => ({ key, etag: this.#current(key)?.etag ?? "" })),
      truncated: index + limit < end,
    };
  }

  async versions(key: string): Promise<readonly ObjectVersion[]> {
    this.#open();
    if (!this.capabilities.versions) return [];
    const versions = this.#objects.get(key) ?? [];
    return versions.map(({ versionId, modifiedAt, deleted }) => ({ versionId, modifiedAt, deleted })).toReversed();
  }

  async getVersion(key: string, versionId: string): Promise<GetOutcome> {
    this.#open();
    return found(this.#objects.get(key)?.find((version) => version.versionId === versionId));
  }

  time(): TimeBounds {
    const now = this.#clock.now();
    return { earliest: now, latest: now };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
  }

  #current(key: string): Version | undefined {
    const last = this.#objects.get(key)?.at(-1);
    return last === undefined || last.deleted ? undefined : last;
  }

  #push(key: string, version: Version): void {
    const existed = this.#current(key) !== undefined;
    const versions = this.#objects.get(key);
    if (versions !== undefined && this.capabilities.versions) versions.push(version);
    else if (version.deleted && !this.capabilities.versions) this.#objects.delete(key);
    else this.#objects.set(key, [version]);
    if (existed === !version.deleted) return;
    const index = firstAtLeast(this.#keys, key);
    if (version.deleted) this.#keys.splice(index, 1);
    else this.#keys.splice(index, 0, key);
  }

  #open(): void {
    if (this.#closed) throw new WorkflowError("closed", "this store is closed; open a new one");
  }
}

function found(version: Version | undefined): GetOutcome {
  if (version === undefined || version.deleted) return { kind: "missing" };
  return { kind: "found", object: { body: version.body, etag: version.etag } };
}
