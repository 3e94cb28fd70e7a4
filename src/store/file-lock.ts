/**
 * A lock between processes that is never stolen from the living.
 *
 * A lock is a folder of numbered files; the highest number says who holds it. To take it, a process links the next number, which only
 * one can do, and looks once more that its number is the highest. To give it back, it replaces its file by one that says "free". The
 * highest file is never removed, so a number is never used twice. A holder that died is recognised by process id, start time and boot:
 * one that is only stopped keeps its lock for as long as it lives.
 */
import { link, mkdir, readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Host } from "../host/host.ts";

/** Old numbers that are kept, so that a slow process cannot take one of them for the highest. */
const NUMBERS_KEPT = 8;
const FIRST_PAUSE_MS = 0.2;
const LONGEST_PAUSE_MS = 8;
const FREE = "free";

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

/** Where process ids mean the same: this boot, this set of processes (containers have their own), this machine. */
const HERE = [
  readOr(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")),
  readOr(() => readlinkSync("/proc/self/ns/pid")),
  hostname(),
].join("@");
const SELF = `${process.pid} ${startOf("self") ?? "0"} ${HERE}`;

/** A holder that cannot be judged from here (another machine or container) is believed for this long. */
const FOREIGN_HOLD_MS = 60_000;

/** Whether the writer of a lock file is surely gone. An empty file was never flushed: the power went. */
export function isDead(owner: string, ageMs: number): boolean {
  if (owner === FREE || owner === "") return true;
  const [pid = "", start = "", here = ""] = owner.split(" ");
  if (here !== HERE) return ageMs > FOREIGN_HOLD_MS;
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

/** Runs `work` while this process holds the lock in `folder`. */
export async function withLock<T>(folder: string, temporary: string, host: Host, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true });
  const mine = await take(folder, temporary, host);
  try {
    return await work();
  } finally {
    await writeFile(temporary, FREE);
    await rename(temporary, mine);
  }
}

async function take(folder: string, temporary: string, host: Host): Promise<string> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const highest = await highestOf(folder);
    if (highest === 0 || (await isFree(join(folder, String(highest)), host))) {
      const next = highest + 1;
      if (await tryTake(folder, temporary, next)) return join(folder, String(next));
    }
    await host.clock.sleep(pauseMs * (0.5 + host.random.next()));
  }
}

async function tryTake(folder: string, temporary: string, number: number): Promise<boolean> {
  const path = join(folder, String(number));
  await writeFile(temporary, SELF);
  try {
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await unlink(temporary);
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
