import { compareBytes, firstAtLeast } from "../../../src/store/order.ts";
import { WorkflowError } from "../../../src/errors.ts";
import type {
  GetOutcome,
  ListOptions,
  ListPage,
  ObjectVersion,
  PutCondition,
  PutOutcome,
  StoredObject,
} from "../../../src/store/object-store.ts";

/** How etags are made. `content`: equal bodies have equal etags (as in S3), `unique`: every put has its own. */
export type EtagStyle = "content" | "unique";

interface Version {
  readonly versionId: string;
  readonly modifiedAt: number;
  /** `undefined` is a delete marker. */
  readonly object: StoredObject | undefined;
}

/** The one linearizable map behind every process of a world. Each method is one instant; nothing here fails or waits. */
export class SharedObjects {
  readonly #etags: EtagStyle;
  readonly #keepsVersions: boolean;
  readonly #now: () => number;
  readonly #objects = new Map<string, StoredObject>();
  readonly #versions = new Map<string, Version[]>();
  readonly #sortedKeys: string[] = [];
  #writes = 0;

  /** `now` is the store's own clock in milliseconds since 1970. */
  constructor(options: { readonly etags: EtagStyle; readonly versions: boolean; readonly now: () => number }) {
    this.#etags = options.etags;
    this.#keepsVersions = options.versions;
    this.#now = options.now;
  }

  get(key: string): GetOutcome {
    const object = this.#objects.get(key);
    return object === undefined ? { kind: "missing" } : { kind: "found", object };
  }

  put(key: string, body: string, condition: PutCondition): PutOutcome {
    const current = this.#objects.get(key);
    if (condition === "absent" && current !== undefined) return { kind: "conflict" };
    if (typeof condition === "object" && current?.etag !== condition.match) return { kind: "conflict" };
    this.#writes += 1;
    const etag = this.#etags === "unique" ? `e${this.#writes}` : nameContent(body);
    const object: StoredObject = { body, etag };
    if (current === undefined) this.#sortedKeys.splice(firstAtLeast(this.#sortedKeys, key), 0, key);
    this.#objects.set(key, object);
    this.#remember(key, object);
    return { kind: "stored", etag };
  }

  delete(key: string): void {
    if (!this.#objects.delete(key)) return;
    this.#writes += 1;
    this.#sortedKeys.splice(firstAtLeast(this.#sortedKeys, key), 1);
    this.#remember(key, undefined);
  }

  /** @throws {WorkflowError} `invalid` when the limit is not from 1 to 1000. */
  list(prefix: string, options: ListOptions = {}): ListPage {
    const limit = options.limit ?? 1000;
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
      throw new WorkflowError("invalid", `list limit ${limit} is not from 1 to 1000`);
    const keys: string[] = [];
    const { after } = options;
    let index = firstAtLeast(this.#sortedKeys, after !== undefined && compareBytes(after, prefix) > 0 ? after : prefix);
    for (; index < this.#sortedKeys.length; index += 1) {
      const key = this.#sortedKeys[index]!;
      if (!key.startsWith(prefix)) break;
      if (key === after) continue;
      if (keys.length === limit) return { objects: this.#describe(keys), truncated: true };
      keys.push(key);
    }
    return { objects: this.#describe(keys), truncated: false };
  }

  versions(key: string): readonly ObjectVersion[] {
    const all = this.#versions.get(key) ?? [];
    return all
      .map(({ versionId, modifiedAt, object }) => ({ versionId, modifiedAt, deleted: object === undefined }))
      .reverse();
  }

  getVersion(key: string, versionId: string): GetOutcome {
    const version = this.#versions.get(key)?.find((one) => one.versionId === versionId);
    return version?.object === undefined ? { kind: "missing" } : { kind: "found", object: version.object };
  }

  #describe(keys: readonly string[]): ListPage["objects"] {
    return keys.map((key) => ({ key, etag: this.#objects.get(key)!.etag }));
  }

  #remember(key: string, object: StoredObject | undefined): void {
    if (!this.#keepsVersions) return;
    const version: Version = { versionId: `v${this.#writes}`, modifiedAt: Math.floor(this.#now()), object };
    const known = this.#versions.get(key);
    if (known === undefined) this.#versions.set(key, [version]);
    else known.push(version);
  }
}

/** Two 32-bit lanes over the body: not cryptographic, only unlikely enough to collide in a test. */
function nameContent(body: string): string {
  let left = 0x811c9dc5;
  let right = 0x1b873593;
  for (let index = 0; index < body.length; index += 1) {
    const unit = body.charCodeAt(index);
    left = Math.imul(left ^ unit, 0x9e3779b1);
    right = Math.imul(right ^ unit, 0x5f356495);
    left ^= left >>> 15;
    right ^= right >>> 13;
  }
  return `${(left >>> 0).toString(16).padStart(8, "0")}${(right >>> 0).toString(16).padStart(8, "0")}-${body.length}`;
}
