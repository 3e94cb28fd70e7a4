/** Builds the package before the tests when a source is newer: examples, samples of the docs and the command line run what is built. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const BUILT = "dist/src/index.js";

function newestUnder(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return Math.max(...files.map((file) => statSync(join(folder, file)).mtimeMs));
}

export function setup(): void {
  const builtAt = existsSync(BUILT) ? statSync(BUILT).mtimeMs : 0;
  const changedAt = Math.max(...["src", "machines"].map(newestUnder), statSync("tsconfig.build.json").mtimeMs);
  if (changedAt > builtAt) execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
}
