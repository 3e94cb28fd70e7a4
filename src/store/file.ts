/**
 * A store in a folder: every object is a plain file. Writes are atomic between processes of one machine, and durable once acknowledged.
 *
 * A write goes to a temporary file, which is flushed and then renamed over the object while a lock is held; the folder is flushed before the
 * reply. An existing file is never changed in place, so that readers see one whole content. The etag identifies that file and its content,
 * because a file system may give a new file the number and the time of a deleted one; it is also the id of the version.
 */
import { link, open, readdir, rename, rmdir, stat, unlink, writeFile, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { sha256Hex } from "../host/uuid.ts";
import { type ChecksOf, count, flag, oneOf, processHost, readArgument, readSettings, text } from "../settings.ts";
import { checkBodySize, decodeBody } from "./body.ts";
import { fileError, hasCode } from "./file-errors.ts";
import { withLock } from "./file-lock.ts";
import { type FilePermissions, type Modes, modesOf } from "./file-modes.ts";
import { decodeEntry, encodeKey } from "./file-names.ts";
import { FileRoot } from "./file-root.ts";
import { folderUrl } from "./file-url.ts";
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
export const DEFAULT_VERSIONS_KEPT = 1_000;
/** Each is a name in one folder, which is read whole when the content is replaced. */
const MOST_VERSIONS_KEPT = 1_000_000;
const STALE_TEMPORARY_MS = 3_600_000;
const PLACE_TRIES = 20;

/** Options of `FileStore.open`. */
export interface FileStoreOptions {
  /** Clock, randomness and logger of the process. */
  readonly host: Host;
  /** `fsync`: an acknowledged write survives a power failure. `none`: it survives a crash of the process. @defaultValue "fsync" */
  readonly durability?: "fsync" | "none";
  /** How many earlier contents of each key are kept, up to a million. @defaultValue 1000 */
  readonly versions?: number;
  /** Whether the first write creates a folder that does not exist; with false, a missing folder is refused. @defaultValue true */
  readonly create?: boolean;
  /**
   * `private`: new files get the mode 0600 and new folders 0700. `umask`: the umask of the process decides. Existing files keep their mode.
   * @defaultValue "private"
   */
  readonly permissions?: FilePermissions;
}

const CHECKS = {
  host: processHost,
  durability: oneOf("fsync", "none"),
  versions: count(0, MOST_VERSIONS_KEPT),
  create: flag,
  permissions: oneOf("private", "umask"),
} satisfies ChecksOf<FileStoreOptions>;

/** One file as it is read: its whole content, and when that was written. */
interface LoadedFile {
  readonly bytes: Uint8Array;
  readonly etag: ETag;
  readonly modifiedAt: number;
}

/** A kept version: a second link to a content that was replaced or deleted, or an empty file that marks a delete. */
interface KeptVersion {
  readonly path: string;
  readonly versionId: string;
  readonly deleted: boolean;
}

const ORDINAL_DIGITS = 15;
const DELETED = "-deleted";

/**
 * A store that keeps objects as files in one folder, for any number of processes of one machine. `connect("file:folder")` opens one.
 *
 * @example
 * ```ts
 * await using store = await FileStore.open("orders", { host: nodeHost(), versions: 0 });
 * const queue = handleOf(store, nodeHost());
 * ```
 */
export class FileStore implements ObjectStore {
  readonly url: string;
  readonly capabilities: StoreCapabilities;
  readonly #folder: FileRoot;
  readonly #root: string;
  readonly #host: Host;
  readonly #durable: boolean;
  readonly #versionsKept: number;
  readonly #modes: Modes;
  #prepared: Promise<void> | undefined;
  #writes = 0;
  #closed = false;

  private constructor(folder: FileRoot, options: FileStoreOptions) {
    this.#folder = folder;
    this.#root = folder.path;
    this.url = folderUrl(folder.path);
    this.#host = options.host;
    this.#durable = (options.durability ?? "fsync") === "fsync";
    this.#versionsKept = options.versions ?? DEFAULT_VERSIONS_KEPT;
    this.#modes = modesOf(options.permissions ?? "private");
    this.capabilities = { versions: this.#versionsKept > 0, localClock: true };
  }

  /**
   * Opens a folder. A folder that does not exist counts as empty, and the first write creates it.
   * @throws {WorkflowError} `invalid` for options that make no sense, for a path that is not a folder, and for a missing folder when
   * `create` is false.
   */
  static async open(folder: string, options: FileStoreOptions): Promise<FileStore> {
    readSettings("a file store", CHECKS, options, ["host"]);
    if (readArgument("a file store", "the folder", text, folder).trim() === "")
      throw new WorkflowError("invalid", "file: needs a folder, for instance file:.buquet");
    const root = resolve(folder);
    const opened = await FileRoot.open(root);
    if (!opened.existed && options.create === false)
      throw new WorkflowError(
        "invalid",
        `there is no folder ${root}; check the path, or start a run or a worker there first`,
      );
    return new FileStore(opened, options);
  }

  async get(key: string): Promise<GetOutcome> {
    this.#check();
    return found(key, await this.#orGone(() => this.#load(key, this.#pathOf(key))));
  }

  async put(key: string, body: string, condition: PutCondition): Promise<PutOutcome> {
    this.#check();
    // A key that cannot be stored makes no folder. How names are spelled is known for sure when the folder is made.
    this.#pathOf(key);
    await this.#prepare();
    const path = this.#pathOf(key);
    const temporary = this.#temporary("object");
    try {
      const etag = await this.#writeWhole(temporary, body);
      const outcome = await this.#locked(key, async (isHeld): Promise<PutOutcome | undefined> => {
        const current = (await this.#load(key, path))?.etag;
        if (condition === "absent" && current !== undefined) return { kind: "conflict" };
        if (typeof condition === "object" && current !== condition.match) return { kind: "conflict" };
        // An etag is of this store alone; without one, the folder may be another by now.
        if (typeof condition !== "object") await this.#folder.check();
        if (current !== undefined) await this.#keepVersion(key, path, current);
        if (!(await isHeld())) return undefined;
        await this.#place(temporary, path);
        try {
          await this.#flushFolders(dirname(path));
        } catch (cause) {
          // The new content is in place, but a power cut may take it back.
          if (condition === "always") throw cause;
          return { kind: "unknown", cause };
        }
        return { kind: "stored", etag };
      });
      return outcome;
    } catch (error) {
      throw await this.#explained(path, error);
    } finally {
      await unlink(temporary).catch(() => {});
    }
  }

  async delete(key: string): Promise<void> {
    this.#check();
    // What is not there is deleted already: then nothing is made for its sake either.
    if (this.#prepared === undefined && (await this.#orGone(() => this.#load(key, this.#pathOf(key)))) === undefined)
      return;
    await this.#prepare();
    const path = this.#pathOf(key);
    try {
      await this.#locked(key, async (isHeld): Promise<true | undefined> => {
        const current = (await this.#load(key, path))?.etag;
        await this.#folder.check();
        if (current === undefined) return true;
        await this.#keepVersion(key, path, current);
        if (!(await isHeld())) return undefined;
        await this.#markDeleted(key, current);
        await unlink(path);
        await this.#flushFolder(dirname(path));
        await this.#removeEmpty(dirname(path));
        return true;
      });
    } catch (error) {
      throw await this.#explained(path, error);
    }
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    this.#check();
    const limit = options.limit ?? 1000;
    const objects: ListedObject[] = [];
    let truncated = false;
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    for await (const key of this.#walk(folder, prefix, options.after)) {
      truncated = objects.length === limit;
      if (truncated) break;
      objects.push({ key });
    }
    await this.#folder.check();
    return { objects, truncated };
  }

  async versions(key: string): Promise<readonly ObjectVersion[]> {
    this.#check();
    if (!this.capabilities.versions) return [];
    // In this order: a content that is replaced meanwhile is found in both, never in neither.
    const current = await this.#orGone(() => this.#load(key, this.#pathOf(key)));
    const kept = await this.#keptVersions(key);
    const earlier = await Promise.all(
      kept
        .filter(({ versionId }) => versionId !== current?.etag)
        .toReversed()
        .map(async ({ path, versionId, deleted }) => {
          const about = await stat(path).catch(() => undefined);
          return about === undefined ? [] : [{ versionId, modifiedAt: Math.floor(about.mtimeMs), deleted }];
        }),
    );
    const newest =
      current === undefined ? [] : [{ versionId: current.etag, modifiedAt: current.modifiedAt, deleted: false }];
    return [...newest, ...earlier.flat()];
  }

  async getVersion(key: string, versionId: string): Promise<GetOutcome> {
    this.#check();
    const current = await this.#orGone(() => this.#load(key, this.#pathOf(key)));
    if (current?.etag === versionId) return found(key, current);
    const kept = (await this.#keptVersions(key)).find((version) => version.versionId === versionId);
    return found(key, kept === undefined || kept.deleted ? undefined : await this.#load(key, kept.path));
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
    return join(this.#root, ...encodeKey(key, this.#folder.caseless));
  }

  #versionsOf(key: string): string {
    return join(this.#root, ".versions", sha256Hex(key).slice(0, 40));
  }

  /** Creates what every write needs, before the first one. Reading creates nothing. */
  #prepare(): Promise<void> {
    this.#prepared ??= this.#makeAndClean().catch((error: unknown) => {
      this.#prepared = undefined;
      throw fileError(this.#root, error);
    });
    return this.#prepared;
  }

  async #makeAndClean(): Promise<void> {
    await this.#folder.prepare(this.#modes, this.#host.random, this.#durable);
    await this.#clean();
  }

  async #makeFolder(path: string): Promise<void> {
    await this.#folder.makeFolder(path, this.#modes);
  }

  /** Decides why nothing was found: the object is missing, or the folder is. */
  async #orGone<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
    const found = await read();
    if (found !== undefined) return found;
    const { caseless } = this.#folder;
    await this.#folder.check();
    // Another process made the folder meanwhile, with other names than were asked for.
    return caseless === this.#folder.caseless ? undefined : read();
  }

  /** Explains a failed write. What every write needs is created again before the next one. */
  async #explained(path: string, error: unknown): Promise<WorkflowError> {
    if (!hasCode(error, "ENOENT")) return fileError(path, error);
    this.#prepared = undefined;
    return this.#folder.check().then(
      () => fileError(path, error),
      (why: unknown) => fileError(path, why),
    );
  }

  #temporary(kind: string): string {
    this.#writes += 1;
    return join(this.#root, ".tmp", `${kind}-${process.pid}-${this.#writes}-${this.#host.random.uuid()}`);
  }

  /** Works under the lock of a key, again when the work says that the lock was lost (undefined: nothing was done). */
  async #locked<T>(key: string, work: (isHeld: () => Promise<boolean>) => Promise<T | undefined>): Promise<T> {
    const folder = join(this.#root, ".locks", sha256Hex(key).slice(0, 2));
    for (;;) {
      const done = await withLock(folder, this.#temporary("lock"), this.#host, this.#modes, work);
      if (done !== undefined) return done;
    }
  }

  async #load(key: string, path: string): Promise<LoadedFile | undefined> {
    try {
      const file = await open(path, "r");
      try {
        checkBodySize(key, (await file.stat()).size);
        const bytes = await file.readFile();
        return { bytes, ...(await identify(file, bytes)) };
      } finally {
        await file.close();
      }
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
      throw fileError(path, error);
    }
  }

  async #writeWhole(path: string, body: string): Promise<ETag> {
    const file = await open(path, "wx", this.#modes.file);
    try {
      await file.writeFile(body, "utf8");
      if (this.#durable) await file.sync();
      return (await identify(file, body)).etag;
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
        if (tries > PLACE_TRIES || !hasCode(error, "ENOENT")) throw error;
        await this.#makeFolder(folder);
      }
    }
  }

  /**
   * A content is durable once its folder knows it and every folder above knows the next one, whoever made that: a process that died may
   * have made it without a flush. A folder that has not changed costs next to nothing.
   */
  async #flushFolders(folder: string): Promise<void> {
    for (let path = folder; path.length >= this.#root.length; path = dirname(path)) {
      await this.#flushFolder(path);
      if (path === this.#root) return;
    }
  }

  async #flushFolder(folder: string): Promise<void> {
    if (!this.#durable) return;
    const handle = await open(folder, "r").catch((error: unknown) => {
      // Removed as empty meanwhile: then there is nothing in it to make durable.
      if (hasCode(error, "ENOENT")) return undefined;
      throw fileError(folder, error);
    });
    if (handle === undefined) return;
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Keeps the old content as a second link to the same file. Index objects have no content. */
  async #keepVersion(key: string, path: string, etag: ETag): Promise<void> {
    if (this.#versionsKept === 0 || isEmpty(etag)) return;
    const kept = await this.#keptVersions(key);
    // Kept already by a process that died before it replaced the content.
    if (kept.some(({ versionId }) => versionId === etag)) return;
    await this.#keep(key, kept, `-${etag}`, (name) => link(path, name));
  }

  async #markDeleted(key: string, etag: ETag): Promise<void> {
    if (this.#versionsKept === 0 || isEmpty(etag)) return;
    await this.#keep(key, await this.#keptVersions(key), DELETED, (name) =>
      writeFile(name, "", { flag: "wx", mode: this.#modes.file }),
    );
  }

  /** Names are numbered in the order in which contents were replaced, under the key's lock: clocks of processes differ. */
  async #keep(
    key: string,
    kept: readonly KeptVersion[],
    suffix: string,
    make: (path: string) => Promise<void>,
  ): Promise<void> {
    const folder = this.#versionsOf(key);
    await this.#makeFolder(folder);
    const last = kept.at(-1)?.path ?? "";
    const ordinal = Number(basename(last).slice(0, ORDINAL_DIGITS)) + 1;
    await make(join(folder, String(ordinal).padStart(ORDINAL_DIGITS, "0") + suffix)).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST", "ENOENT")) throw error;
    });
    const old = kept.slice(0, Math.max(0, kept.length + 1 - this.#versionsKept));
    await Promise.all(old.map(({ path }) => unlink(path).catch(() => {})));
  }

  /** The oldest first. */
  async #keptVersions(key: string): Promise<readonly KeptVersion[]> {
    const folder = this.#versionsOf(key);
    const names = await readdir(folder).catch((error: unknown): string[] => {
      if (hasCode(error, "ENOENT")) return [];
      throw fileError(folder, error);
    });
    return names.toSorted().map((name) => {
      const deleted = name.endsWith(DELETED);
      return { path: join(folder, name), versionId: deleted ? name : name.slice(ORDINAL_DIGITS + 1), deleted };
    });
  }

  async *#walk(folder: string, prefix: string, after: string | undefined): AsyncGenerator<string> {
    const path =
      folder === "" ? this.#root : join(this.#root, ...encodeKey(`${folder}x`, this.#folder.caseless).slice(0, -1));
    const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
      if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
      throw fileError(path, error);
    });
    const found: { readonly key: string; readonly isFolder: boolean }[] = [];
    for (const entry of entries) {
      const name = decodeEntry(entry.name);
      if (name === undefined) continue;
      const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await leadsToFolder(join(path, entry.name))));
      found.push({ key: folder + name + (isFolder ? "/" : ""), isFolder });
    }
    for (const { key, isFolder } of found.toSorted((a, b) => compareBytes(a.key, b.key))) {
      if (isFolder) {
        const outside = !key.startsWith(prefix) && !prefix.startsWith(key);
        const before = after !== undefined && compareBytes(key, after) < 0 && !after.startsWith(key);
        if (!outside && !before) yield* this.#walk(key, prefix, after);
      } else if (key.startsWith(prefix) && (after === undefined || compareBytes(key, after) > 0)) yield key;
    }
  }

  /** Removes folders that became empty: an index of minutes would grow without end. */
  async #removeEmpty(folder: string): Promise<void> {
    for (let path = folder; path.length > this.#root.length; path = dirname(path)) {
      try {
        await rmdir(path);
      } catch {
        return;
      }
    }
  }

  /** Removes temporary files of processes that died. */
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

async function identify(
  file: FileHandle,
  content: string | Uint8Array,
): Promise<{ readonly etag: ETag; readonly modifiedAt: number }> {
  const { ino, mtimeNs, size } = await file.stat({ bigint: true });
  const etag = [ino.toString(36), mtimeNs.toString(36), sha256Hex(content).slice(0, 16), size.toString(36)].join("-");
  return { etag, modifiedAt: Number(mtimeNs / 1_000_000n) };
}

async function leadsToFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

function isEmpty(etag: ETag): boolean {
  return etag.endsWith("-0");
}

function found(key: string, file: LoadedFile | undefined): GetOutcome {
  if (file === undefined) return { kind: "missing" };
  return { kind: "found", object: { body: decodeBody(key, file.bytes), etag: file.etag } };
}
