/**
 * A lock between processes that is never taken from a living holder.
 *
 * A lock is a folder of numbered files, and the highest number names the holder. To acquire it, a process links the next number, which only
 * one process can do, and checks that its number is still the highest. To release it, the process empties its file, which needs no disk
 * space. The highest file is never removed, so that no number is used twice. A dead holder is recognized by process id, start time and
 * boot; a holder that is only stopped keeps the lock.
 */
import { link, mkdir, readdir, readFile, stat, truncate, unlink, writeFile } from "node:fs/promises";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Host } from "../host/host.ts";
import type { Modes } from "./file-modes.ts";

/** How many old numbers are kept, so that a slow process cannot mistake one of them for the highest. */
const NUMBERS_KEPT = 8;
const FIRST_PAUSE_MS = 0.2;
const LONGEST_PAUSE_MS = 8;

/** When a living process started; undefined when there is none (or only its entry is left for its parent to read). */
function startOf(pid: number | string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Fields 3 and 22, counted behind the name, which may hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function readOr(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return "unknown";
  }
}

/** Where process ids are comparable: this boot, this process namespace (containers have their own), this machine. */
const HERE = [
  readOr(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")),
  readOr(() => readlinkSync("/proc/self/ns/pid")),
  hostname(),
].join("@");
const SELF = `${process.pid} ${startOf("self") ?? "0"} ${HERE}`;

/** A holder that cannot be checked from here (another machine or container) keeps the lock for this long. */
const FOREIGN_HOLD_MS = 60_000;

/** Whether nobody holds a lock file with this content: it was given back (empty), torn by a power cut, or its writer is surely gone. */
function isDead(owner: string, ageMs: number): boolean {
  const [pid = "", start = "", here = ""] = owner.split(" ");
  if (here === "") return true;
  // Also when it is as far in the future: then one of the two clocks is wrong, and the lock would be believed for ever.
  if (here !== HERE) return Math.abs(ageMs) > FOREIGN_HOLD_MS;
  const now = startOf(pid);
  if (now !== undefined) return now !== start;
  if (startOf("self") !== undefined) return true;
  // No /proc here: ask whether the process can be signalled.
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/**
 * Runs `work` while this process holds the lock in `folder`. `isHeld` answers whether it still does: a holder on another machine, that
 * was believed dead after a minute, asks before it writes.
 */
export async function withLock<T>(
  folder: string,
  temporary: string,
  host: Host,
  modes: Modes,
  work: (isHeld: () => Promise<boolean>) => Promise<T>,
): Promise<T> {
  // Its parent is never made here: it may lie on a disk that is not mounted any more.
  await mkdir(folder, { mode: modes.folder }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  });
  const mine = await take(folder, temporary, host, modes);
  try {
    return await work(async () => (await highestOf(folder)) === mine);
  } finally {
    await release(join(folder, String(mine)));
  }
}

/** Never throws: the work under the lock is done, whether or not the lock can be released. */
async function release(path: string): Promise<void> {
  try {
    await truncate(path, 0);
  } catch {
    // A copy-on-write disk can be too full even for that. (Gone already: robbed, and higher numbers followed.)
    await unlink(path).catch(() => {});
  }
}

async function take(folder: string, temporary: string, host: Host, modes: Modes): Promise<number> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const highest = await highestOf(folder);
    if (highest === 0 || (await isFree(join(folder, String(highest)), host))) {
      const next = highest + 1;
      if (await tryTake(folder, temporary, next, modes)) return next;
    }
    await host.clock.sleep(pauseMs * (0.5 + host.random.next()));
  }
}

async function tryTake(folder: string, temporary: string, number: number, modes: Modes): Promise<boolean> {
  const path = join(folder, String(number));
  try {
    await writeFile(temporary, SELF, { mode: modes.file });
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await unlink(temporary).catch(() => {});
  }
  const numbers = await numbersOf(folder);
  if (numbers.some((other) => other > number)) {
    await unlink(path).catch(() => {});
    return false;
  }
  await Promise.all(
    numbers
      .filter((other) => other <= number - NUMBERS_KEPT)
      .map((other) => unlink(join(folder, String(other))).catch(() => {})),
  );
  return true;
}

async function isFree(path: string, host: Host): Promise<boolean> {
  try {
    const owner = await readFile(path, "utf8");
    const { mtimeMs } = await stat(path);
    return isDead(owner, host.clock.now() - mtimeMs);
  } catch (error) {
    // A file that is gone was not the highest any more: somebody holds a higher one.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function numbersOf(folder: string): Promise<readonly number[]> {
  const names = await readdir(folder);
  return names.map(Number).filter((number) => Number.isInteger(number));
}

async function highestOf(folder: string): Promise<number> {
  return Math.max(0, ...(await numbersOf(folder)));
}
