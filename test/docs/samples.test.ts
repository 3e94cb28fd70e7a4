/** Whatever a page shows is true: its programs compile and run, its commands run and print what it says, what it names is there. */
import { execFile, type ExecFileException } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Block, blocksOf, commandsOf, findPages, namesIn } from "./pages.ts";

const pages = findPages();

/** Commands that are run in another way; undefined: not here. */
const RUN_AS: Readonly<Record<string, string | undefined>> = {
  // CI begins with the real one. Here: would it install what package.json asks for, from the lock alone?
  "npm ci": "npm ci --dry-run --offline",
  // This is it.
  "npm test": undefined,
};

interface Ran {
  readonly code: number;
  readonly output: string;
}

function run(program: string, args: readonly string[], cwd: string): Promise<Ran> {
  const env = { ...process.env, NO_COLOR: "1", npm_config_loglevel: "error", npm_config_update_notifier: "false" };
  return new Promise((done) => {
    execFile(program, args, { cwd, env, timeout: 300_000 }, (error: ExecFileException | null, stdout, stderr) =>
      done({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, output: stdout + stderr }),
    );
  });
}

/** A line of a page, as a pattern: `…` stands for anything. */
function patternOf(line: string): RegExp {
  const parts = line.trimEnd().split("…");
  return new RegExp(parts.map((part) => part.trimEnd().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*"));
}

// ------------------------------------------------------------------ programs

describe("programs", () => {
  const samples = pages.flatMap(blocksOf).filter(({ language }) => language === "ts");
  const nameOf = ({ page, line }: Block): string => `${page.replaceAll(/\W/g, "-")}-${line}.ts`;
  let folder = "";

  beforeAll(async () => {
    // Inside the repository: packages are found from there.
    await mkdir(".cache", { recursive: true });
    folder = await mkdtemp(resolve(".cache", "samples-"));
    for (const sample of samples) {
      const local = sample.text
        .replaceAll('"buquet-workflow"', '"../../src/index.ts"')
        .replaceAll('"buquet-workflow/draw"', '"../../src/draw/index.ts"')
        .replaceAll('"buquet-workflow/testing"', '"../../src/testing/index.ts"');
      await writeFile(join(folder, nameOf(sample)), local);
    }
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: resolve("tsconfig.json"), include: ["*.ts"] }),
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("every one compiles", async () => {
    expect(samples.length).toBeGreaterThan(0);
    const checked = await run(process.execPath, [resolve("node_modules/typescript/bin/tsc"), "-p", folder], folder);
    expect(checked).toEqual({ code: 0, output: "" });
  });

  test.for(samples.filter(({ text }) => text.includes("await ")))(
    "$page:$line runs to its end, and its runs complete",
    async (sample) => {
      const empty = await mkdtemp(join(tmpdir(), "buquet-sample-"));
      try {
        const tsx = import.meta.resolve("tsx");
        const ran = await run(process.execPath, ["--import", tsx, join(folder, nameOf(sample))], empty);
        expect(ran.code, ran.output).toBe(0);
        const bucket = join(empty, ".buquet", "workflow");
        const ids = existsSync(bucket) ? readdirSync(bucket) : [];
        expect(ids.length > 0).toBe(sample.text.includes("file:"));
        for (const id of ids)
          expect(readFileSync(join(bucket, id, "state.json"), "utf8")).toContain('"status":"completed"');
      } finally {
        await rm(empty, { recursive: true, force: true });
      }
    },
  );
});

// ------------------------------------------------------------------ commands

describe("commands", () => {
  /** What a user has who just cloned it: nothing that .gitignore names. */
  async function clone(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "buquet-clone-"));
    const ignored = readFileSync(".gitignore", "utf8")
      .split("\n")
      .map((line) => line.replace(/\/$/, ""));
    const left = new Set([".git", ...ignored]);
    const kept = readdirSync(".").filter((name) => !left.has(name) && !name.endsWith(".tgz"));
    await Promise.all(kept.map((name) => cp(name, join(folder, name), { recursive: true })));
    await symlink(resolve("node_modules"), join(folder, "node_modules"));
    return folder;
  }

  const withCommands = pages.filter((page) => blocksOf(page).some(({ language }) => language === "sh"));
  test.for(withCommands)("of %s run, in order, and print what it says", { timeout: 900_000 }, async (page) => {
    const folder = await clone();
    let output = "";
    try {
      for (const block of blocksOf(page)) {
        const where = `${page}:${block.line}`;
        if (block.language === "sh") {
          output = "";
          for (const part of commandsOf(block).flatMap((line) => line.split(/\s*&&\s*/))) {
            const command = part in RUN_AS ? RUN_AS[part] : part;
            if (command === undefined) continue;
            const ran = await run("sh", ["-c", command], folder);
            expect(ran.code, `${where}: ${part}\n${ran.output}`).toBe(0);
            output += ran.output;
          }
        } else if (block.language === "") {
          const missing = block.text.split("\n").filter((line) => line !== "" && !patternOf(line).test(output));
          expect(missing, `${where}: these lines are not in\n${output}`).toEqual([]);
        }
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("every block is a program, a command or what a command prints", () => {
    const others = pages
      .flatMap(blocksOf)
      .filter(({ language }) => !["ts", "sh", "", "json", "toml"].includes(language));
    expect(others).toEqual([]);
  });
});

// ------------------------------------------------------------------ names

test.for(pages)("what %s names is there", (page) => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const names = namesIn(page);
  expect(names.paths.filter((path) => !existsSync(path))).toEqual([]);
  expect(names.scripts.filter((script) => scripts[script] === undefined)).toEqual([]);
});
