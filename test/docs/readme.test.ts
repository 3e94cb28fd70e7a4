/** The README's sample, as it stands there, compiled and run. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const readme = readFileSync("README.md", "utf8");

test("the sample of the README runs as it stands there", async () => {
  const sample = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  expect(sample).toContain("workflow(");
  const folder = mkdtempSync(resolve(".cache-readme-"));
  try {
    const local = sample
      .replace('"buquet-workflow"', '"../src/index.ts"')
      .replace("file:.buquet", `file:${join(folder, "bucket")}`);
    writeFileSync(join(folder, "sample.ts"), `${local}\nconsole.log(result.status);\n`);
    const { stdout } = await run(process.execPath, ["--import", "tsx", join(folder, "sample.ts")]);
    expect(stdout.trim()).toBe("completed");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("every npm command of the README is a script", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  for (const [, name = ""] of readme.matchAll(/npm run ([\w:-]+)/g)) expect(Object.keys(scripts)).toContain(name);
});
