/** A folder that stops to answer: from SIGUSR2 on every request of the file store hangs, and the first one says so. Given with `--import`. */
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const NAMES = [
  "link",
  "lstat",
  "mkdir",
  "open",
  "readdir",
  "readFile",
  "rename",
  "stat",
  "unlink",
  "writeFile",
] as const;
let hangs = false;
let said = false;

function hang(): Promise<never> {
  if (!said) process.stderr.write("a request hangs\n");
  said = true;
  // A request of the system keeps the process alive, too.
  setInterval(() => {}, 60_000);
  return new Promise(() => {});
}

for (const name of NAMES) {
  const real = fs[name] as (...given: unknown[]) => unknown;
  Object.assign(fs, { [name]: (...given: unknown[]) => (hangs ? hang() : real(...given)) });
}
syncBuiltinESMExports();
process.on("SIGUSR2", () => {
  hangs = true;
});
