/**
 * A store in a folder: every object is a plain file that `cat` shows. Atomic between processes of one machine, durable once acknowledged.
 *
 * A write goes to a temporary file, which is flushed, then renamed over the object while a lock is held; the folder is flushed before
 * the answer. A file that stands is never changed in place, so a reader sees one whole content. The etag is the identity of that file.
 */
import { link, mkdir, open, readdir, rename, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { sha256Hex } from "../host/uuid.ts";
import { withLock } from "./file-lock.ts";
import { decodeEntry, encodeKey } from "./file-names.ts";
import type {
  ETag,
  GetOutcome,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectStore,
  ObjectVersion,
  PutCondition,
  PutOutcome,
  StoreCapabilities,
  TimeBounds,
} from "./object-store.ts";
import { compareBytes } from "./order.ts";

/** Versions of one key that are kept. */
export const DEFAULT_VERSIONS_KEPT = 20;
const STALE_TEMPORARY_MS = 3_600_000;
const PLACE_TRIES = 20;

/** Options of a file store. */
export interface FileStoreOptions {
  readonly host: Host;
  /** `fsync`: what was acknowledged survives a power cut; `none`: only a crash of the process. @defaultValue "fsync" */
  readonly durability?: "fsync" | "none";
  /** Earlier contents kept for each key; 0: none. @defaultValue 20 */
  readonly versions?: number;
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");
}

/** Objects as files. */
export class FileStore implements ObjectStore {
  readonly url: string;
  readonly capabilities: StoreCapabilities;
  readonly #root: string;
  readonly #host: Host;
  readonly #durable: boolean;
  readonly #versionsKept: number;
  #writes = 0;
  #closed = false;

  private constructor(root: string, options: FileStoreOptions) {
    this.#root = root;
    this.url = `file:${root}`;
    this.#host = options.host;
    this.#durable = (options.durability ?? "fsync") === "fsync";
    this.#versionsKept = options.versions ?? DEFAULT_VERSIONS_KEPT;
    this.capabilities = { versions: this.#versionsKept > 0 };
  }

  /** Opens a folder, which is made if it is not there. */
  static async open(folder: string, options: FileStoreOptions): Promise<FileStore> {
    if (folder === "") throw new WorkflowError("invalid", "file: needs a folder, for instance file:.buquet");
    const root = resolve(folder);
    const store = new FileStore(root, options);
    await Promise.all([".tmp", ".locks", ".versions"].map((name) => mkdir(join(root, name), { recursive: true })));
    await store.#clean();
    return store;
  }

  async get(key: string): Promise<GetOutcome> {
    this.#check();
    return this.#read(this.#pathOf(key));
  }

  async put(key: string, body: string, condition: PutCondition): Promise<PutOutcome> {
    this.#check();
    const path = this.#pathOf(key);
    const temporary = this.#temporary("object");
    await this.#writeWhole(temporary, body);
    try {
      return await this.#locked(key, async () => {
        const current = await this.#etagOf(path);
        if (condition === "absent" && current !== undefined) return { kind: "conflict" };
        if (typeof condition === "object" && current !== condition.match) return { kind: "conflict" };
        if (current !== undefined) await this.#keepVersion(key, path, current);
        await this.#place(temporary, path);
        return { kind: "stored", etag: (await this.#etagOf(path)) ?? "" };
      });
    } finally {
      await unlink(temporary).catch(() => {});
    }
  }

  async delete(key: string): Promise<void> {
    this.#check();
    const path = this.#pathOf(key);
    await this.#locked(key, async () => {
      const current = await this.#etagOf(path);
      if (current === undefined) return;
      await this.#keepVersion(key, path, current);
      await unlink(path);
      await this.#flushFolder(dirname(path));
      await this.#removeEmpty(dirname(path));
    });
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    this.#check();
    const limit = options.limit ?? 1000;
    const objects: ListedObject[] = [];
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    for await (const key of this.#walk(folder, prefix, options.after)) {
      if (objects.length === limit) return { objects, truncated: true };
      objects.push({ key });
    }
    return { objects, truncated: false };
  }

  async versions(key: string): Promise<readonly ObjectVersion[]> {
    this.#check();
    if (!this.capabilities.versions) return [];
    const current = await this.#etagOf(this.#pathOf(key));
    const folder = this.#versionsOf(key);
    const names = (await readdir(folder).catch(() => [])).toSorted().toReversed();
    const kept = names.map((name) => ({ versionId: name, modifiedAt: Number(name.slice(0, 15)), deleted: false }));
    if (current === undefined) return kept;
    const { mtimeMs } = await stat(this.#pathOf(key)).catch(() => ({ mtimeMs: 0 }));
    return [{ versionId: current, modifiedAt: Math.floor(mtimeMs), deleted: false }, ...kept];
  }

  async getVersion(key: string, versionId: string): Promise<GetOutcome> {
    this.#check();
    const current = await this.get(key);
    if (current.kind === "found" && current.object.etag === versionId) return current;
    if (!/^[\w.-]+$/.test(versionId)) return { kind: "missing" };
    return this.#read(join(this.#versionsOf(key), versionId));
  }

  time(): TimeBounds {
    const now = this.#host.clock.now();
    return { earliest: now, latest: now };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
  }

  // ------------------------------------------------------------------ files

  #check(): void {
    if (this.#closed) throw new WorkflowError("closed", "this store is closed; open a new one");
  }

  #pathOf(key: string): string {
    return join(this.#root, ...encodeKey(key));
  }

  #versionsOf(key: string): string {
    return join(this.#root, ".versions", sha256Hex(key).slice(0, 40));
  }

  #temporary(kind: string): string {
    this.#writes += 1;
    return join(this.#root, ".tmp", `${kind}-${process.pid}-${this.#writes}-${this.#host.random.uuid()}`);
  }

  #locked<T>(key: string, work: () => Promise<T>): Promise<T> {
    const folder = join(this.#root, ".locks", sha256Hex(key).slice(0, 2));
    return withLock(folder, this.#temporary("lock"), this.#host, work);
  }

  async #read(path: string): Promise<GetOutcome> {
    try {
      const file = await open(path, "r");
      try {
        const { ino, mtimeNs, size } = await file.stat({ bigint: true });
        const body = await file.readFile("utf8");
        return { kind: "found", object: { body, etag: etagFrom(ino, mtimeNs, size) } };
      } finally {
        await file.close();
      }
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR")) return { kind: "missing" };
      throw unavailable(path, error);
    }
  }

  async #etagOf(path: string): Promise<ETag | undefined> {
    try {
      const { ino, mtimeNs, size } = await stat(path, { bigint: true });
      return etagFrom(ino, mtimeNs, size);
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
      throw unavailable(path, error);
    }
  }

  async #writeWhole(path: string, body: string): Promise<void> {
    const file = await open(path, "wx");
    try {
      await file.writeFile(body, "utf8");
      if (this.#durable) await file.sync();
    } finally {
      await file.close();
    }
  }

  async #place(temporary: string, path: string): Promise<void> {
    const folder = dirname(path);
    // Another process may remove the folder again before the rename: once more.
    for (let tries = 0; ; tries += 1) {
      try {
        await rename(temporary, path);
        break;
      } catch (error) {
        if (tries > PLACE_TRIES || !hasCode(error, "ENOENT")) throw unavailable(path, error);
        const first = await mkdir(folder, { recursive: true });
        // A new folder is durable only once its parents know it.
        for (
          let parent = folder;
          first !== undefined && parent.length >= dirname(first).length;
          parent = dirname(parent)
        )
          await this.#flushFolder(parent);
      }
    }
    await this.#flushFolder(folder);
  }

  async #flushFolder(folder: string): Promise<void> {
    if (!this.#durable) return;
    const handle = await open(folder, "r").catch((error: unknown) => {
      // Removed as empty meanwhile: then there is nothing in it to make durable.
      if (hasCode(error, "ENOENT")) return undefined;
      throw unavailable(folder, error);
    });
    if (handle === undefined) return;
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** The old content stays as a second link to the same file. Index objects have none worth keeping. */
  async #keepVersion(key: string, path: string, etag: ETag): Promise<void> {
    if (this.#versionsKept === 0 || etag.endsWith("-0")) return;
    const folder = this.#versionsOf(key);
    await mkdir(folder, { recursive: true });
    const name = `${String(this.#host.clock.now()).padStart(15, "0")}-${String((this.#writes += 1)).padStart(9, "0")}-${etag}`;
    await link(path, join(folder, name)).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST", "ENOENT")) throw unavailable(path, error);
    });
    const names = (await readdir(folder)).toSorted();
    const old = names.slice(0, Math.max(0, names.length - this.#versionsKept));
    await Promise.all(old.map((stale) => unlink(join(folder, stale)).catch(() => {})));
  }

  async *#walk(folder: string, prefix: string, after: string | undefined): AsyncGenerator<string> {
    const path = folder === "" ? this.#root : join(this.#root, ...encodeKey(`${folder}x`).slice(0, -1));
    const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
      if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
      throw unavailable(path, error);
    });
    const found = entries.flatMap((entry) => {
      const name = decodeEntry(entry.name);
      const isFolder = entry.isDirectory();
      return name === undefined ? [] : [{ key: folder + name + (isFolder ? "/" : ""), isFolder }];
    });
    for (const { key, isFolder } of found.toSorted((a, b) => compareBytes(a.key, b.key))) {
      if (isFolder) {
        const outside = !key.startsWith(prefix) && !prefix.startsWith(key);
        const before = after !== undefined && compareBytes(key, after) < 0 && !after.startsWith(key);
        if (!outside && !before) yield* this.#walk(key, prefix, after);
      } else if (key.startsWith(prefix) && (after === undefined || compareBytes(key, after) > 0)) yield key;
    }
  }

  /** Folders that the last object left empty go too: an index of minutes would grow for ever. */
  async #removeEmpty(folder: string): Promise<void> {
    for (let path = folder; path.length > this.#root.length; path = dirname(path)) {
      try {
        await rmdir(path);
      } catch {
        return;
      }
    }
  }

  /** Temporary files of processes that died. */
  async #clean(): Promise<void> {
    const folder = join(this.#root, ".tmp");
    const now = this.#host.clock.now();
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now }));
      if (mtimeMs < now - STALE_TEMPORARY_MS) await unlink(path).catch(() => {});
    }
  }
}

function etagFrom(ino: bigint, mtimeNs: bigint, size: bigint): ETag {
  return `${ino.toString(36)}-${mtimeNs.toString(36)}-${size.toString(36)}`;
}

function unavailable(path: string, error: unknown): WorkflowError {
  const reason = error instanceof Error ? error.message : String(error);
  return new WorkflowError("unavailable", `${path} cannot be used: ${reason}`, { cause: error });
}
