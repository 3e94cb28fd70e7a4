/**
 * The folder of a `file:` store, identified by a mark inside it: a deleted folder or an unmounted disk leaves an empty folder or none, which
 * must not be mistaken for an empty bucket.
 */
import type { Stats } from "node:fs";
import { link, lstat, mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WorkflowError } from "../errors.ts";
import type { Random } from "../host/host.ts";
import { fileError, hasCode } from "./file-errors.ts";
import type { Modes } from "./file-modes.ts";

/** The file with the mark. Names that begin with a dot are no objects. */
const MARK = ".store";

/** What the mark says. */
interface Mark {
  readonly id: string;
  /** Whether capital letters are spelled `%41`, because the disk does not tell `A` from `a`. */
  readonly caseless: boolean;
}

/** A folder that is open. */
export class FileRoot {
  readonly path: string;
  /** Whether it was there when it was opened. */
  readonly #existed: boolean;
  #mark: Mark | undefined;

  private constructor(path: string, existed: boolean, mark: Mark | undefined) {
    this.path = path;
    this.#existed = existed;
    this.#mark = mark;
  }

  /** Looks at a folder and changes nothing. @throws {WorkflowError} `invalid` for a path that is no folder. */
  static async open(path: string): Promise<FileRoot> {
    const found = await nextCheckAt(path);
    if (found?.isDirectory() === false) throw notAFolder(path);
    return new FileRoot(path, found !== undefined, found === undefined ? undefined : await readMark(path));
  }

  get existed(): boolean {
    return this.#existed;
  }

  get caseless(): boolean {
    return this.#mark?.caseless === true;
  }

  /**
   * Asked when something was not found: whether the folder is still the one that was opened. One that another process has made meanwhile is
   * taken for it when there was none.
   * @throws {WorkflowError} `unavailable` when it is not. Asked again, it passes as soon as the folder is back.
   */
  async check(): Promise<void> {
    const now = await readMark(this.path);
    if (this.#mark === undefined) {
      if (now === undefined && this.#existed && !(await isThere(this.path))) throw gone(this.path);
      this.#mark = now;
    } else if (now === undefined) throw gone(this.path);
    else if (now.id !== this.#mark.id)
      throw new WorkflowError(
        "unavailable",
        `${this.path} holds another store than when it was opened; put the old folder back, or open it anew to use this one`,
      );
  }

  /** Creates what every write needs, and refuses a disk that cannot give the guarantees of a store. */
  async prepare(modes: Modes, random: Random, durable: boolean): Promise<void> {
    await this.check();
    // Node's own `recursive` never ends where nothing can be made and no folder is missing, such as below /proc.
    for (const name of [".tmp", ".locks", ".versions"]) await makeFolders(join(this.path, name), "", modes);
    const probe = join(this.path, ".tmp", `probe-${random.uuid()}`);
    await writeFile(probe, "", { flag: "wx", mode: modes.file });
    try {
      await this.#probeLinks(probe);
      await this.#probeFolders(probe);
      const caseless = await isThere(join(this.path, ".tmp", probe.slice(-"probe-".length - 36).toUpperCase()));
      await this.#leaveMark(probe, { id: random.uuid(), caseless }, durable);
    } finally {
      await unlink(probe).catch(() => {});
    }
  }

  /** A folder inside the root, with those above it. The root itself is never made again: it may be a disk that is not mounted. */
  async makeFolder(path: string, modes: Modes): Promise<void> {
    await makeFolders(path, this.path, modes);
  }

  async #leaveMark(probe: string, fresh: Mark, durable: boolean): Promise<void> {
    if (this.#mark === undefined) {
      const file = await open(probe, "r+");
      try {
        await file.writeFile(JSON.stringify(fresh));
        // The folder itself is flushed with the first object.
        if (durable) await file.sync();
      } finally {
        await file.close();
      }
      // Of two that open a new folder at once the first one names it.
      await link(probe, join(this.path, MARK)).catch((error: unknown) => {
        if (!hasCode(error, "EEXIST")) throw error;
      });
      await this.check();
    }
    if (fresh.caseless && !this.caseless)
      throw new WorkflowError(
        "invalid",
        `${this.path} comes from a disk that tells capital letters from small ones, and this one does not: names would meet; use a new folder here`,
      );
  }

  async #probeLinks(probe: string): Promise<void> {
    const second = `${probe}-link`;
    try {
      await link(probe, second);
    } catch (error) {
      if (!hasCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) throw error;
      throw new WorkflowError(
        "invalid",
        `${this.path} is on a file system without hard links (FAT, some network shares), which locks and versions need; use another disk`,
        { cause: error },
      );
    } finally {
      await unlink(second).catch(() => {});
    }
  }

  /** Objects are renamed into their place, which no system does from one file system to another. */
  async #probeFolders(probe: string): Promise<void> {
    for (const name of await readdir(this.path)) {
      if (name === MARK || name === ".tmp") continue;
      const folder = join(this.path, name);
      const moved = join(folder, `.${probe.slice(-36)}`);
      try {
        await rename(probe, moved);
        await rename(moved, probe);
      } catch (error) {
        if (hasCode(error, "EXDEV")) throw fileError(folder, error);
        // Removed as empty meanwhile, no folder, or not ours to write: the put says so that needs it.
      }
    }
  }
}

/** The target of a path; undefined when it does not exist. */
async function nextCheckAt(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (hasCode(error, "ENOTDIR")) throw notAFolder(path);
    if (!hasCode(error, "ENOENT")) throw fileError(path, error);
  }
  const itself = await lstat(path).catch(() => undefined);
  if (itself === undefined) return undefined;
  // Made by another process between the two calls; what is no link is what it leads to.
  if (!itself.isSymbolicLink()) return itself;
  throw new WorkflowError("invalid", `${path} is a symbolic link to nothing; check where it leads`);
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Undefined when there is none, or none that can be read. */
async function readMark(root: string): Promise<Mark | undefined> {
  const path = join(root, MARK);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw fileError(path, error);
  });
  // Empty: a power cut came before it was durable.
  if (text === undefined || text === "") return undefined;
  try {
    const { id, caseless } = JSON.parse(text) as Partial<Mark>;
    if (typeof id === "string" && typeof caseless === "boolean") return { id, caseless };
  } catch {
    // Said below.
  }
  throw new WorkflowError("data", `${path} is not the mark of a store; put the one of a backup back`);
}

function gone(path: string): WorkflowError {
  return new WorkflowError(
    "unavailable",
    `${path} is gone: it was deleted or renamed, or its disk is not mounted; it is used again as soon as it is back`,
  );
}

function notAFolder(path: string): WorkflowError {
  return new WorkflowError("invalid", `${path} is not a folder; a file: store is a folder of its own`);
}

/** Makes a folder and those above it, down to `root`, which is never made. */
async function makeFolders(path: string, root: string, modes: Modes): Promise<void> {
  try {
    await mkdir(path, { mode: modes.folder });
  } catch (error) {
    if (hasCode(error, "EEXIST")) return;
    const above = dirname(path);
    if (!hasCode(error, "ENOENT") || above.length <= root.length || above === path) throw error;
    await makeFolders(above, root, modes);
    await mkdir(path, { mode: modes.folder }).catch((again: unknown) => {
      if (!hasCode(again, "EEXIST")) throw again;
    });
  }
}
