/** Files that are there whole or not at all. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Writes a file so that whoever reads it, or dies while writing it, never leaves half of it. Twice is the same as once. */
export function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/** The text of a file, or undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Takes a folder for a piece of work: one that was not finished as it is, a finished one anew. Returns how to call it finished. */
export function openWork(folder: string): () => void {
  const finished = join(folder, "finished");
  const old = `${folder}.old`;
  rmSync(old, { recursive: true, force: true });
  // Moved away first: whoever dies while deleting must not leave half a bucket behind.
  if (existsSync(finished)) renameSync(folder, old);
  rmSync(old, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return () => writeFileSync(finished, "");
}
