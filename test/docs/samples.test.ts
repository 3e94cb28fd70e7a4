/**
 * Whatever a page shows is true: its programs compile and run, its commands run and print what it says, what it names is there. The examples
 * in the comments of public names compile, too.
 */
import { type ChildProcess, execFile, type ExecFileException, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WHOLE } from "../setting.ts";
import { Declarations } from "../api/declarations.ts";
import { examplesOf, GIVEN } from "./examples.ts";
import { type Block, blocksOf, commandsOf, findPages, namesIn, printsOf } from "./pages.ts";

const pages = findPages();

/** Commands that are run in another way; undefined: not here. */
const RUN_AS: Readonly<Record<string, string | undefined>> = {
  // CI begins with the real one, and asks here whether it would install what package.json asks for, from the lock alone.
  "npm ci": WHOLE ? "npm ci --dry-run --offline" : undefined,
  // This is it.
  "npm test": undefined,
};

/** The programs of a page by a shorter way: what npx and tsx do before they start them takes longer than the most of them. */
const SHORTER: readonly (readonly [RegExp, string])[] = [
  [/^npx buquet-workflow\b/, "node dist/src/cli/main.js"],
  [/^npx tsx\b/, "node --import tsx"],
];

/** The demo in its default folder, which several pages run first: it is run once, and each page gets a copy of what it left. */
const DEMOS = ["npm run demo", "npx tsx examples/order-fulfilment/demo.ts"];

interface Ran {
  readonly code: number;
  readonly output: string;
}

const env = { ...process.env, NO_COLOR: "1", npm_config_loglevel: "error", npm_config_update_notifier: "false" };

/** Lines of a page that are not there, or not in this order. */
function missingIn(output: string, lines: readonly string[]): readonly string[] {
  const printed = output.split("\n");
  let from = 0;
  return lines.filter((line) => {
    const at = printed.findIndex((candidate, index) => index >= from && patternOf(line, true).test(candidate));
    if (at >= 0) from = at + 1;
    return at < 0;
  });
}

function run(program: string, args: readonly string[], cwd: string): Promise<Ran> {
  return new Promise((done) => {
    execFile(program, args, { cwd, env, timeout: 300_000 }, (error: ExecFileException | null, stdout, stderr) =>
      done({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, output: stdout + stderr }),
    );
  });
}

/** A line of a page, as a pattern: `…` stands for anything. */
function patternOf(line: string, whole = false): RegExp {
  const parts = line.trimEnd().split("…");
  const pattern = parts.map((part) => part.trimEnd().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(whole ? `^${pattern}$` : pattern);
}

/** A command that a page leaves running (`&`), as a shell does it: in a process group of its own. */
class Job {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  output = "";

  constructor(command: string, cwd: string) {
    this.#child = spawn("sh", ["-c", command], { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.#ended = new Promise((done) => this.#child.once("close", () => done()));
  }

  /** `kill %1`; waits until everything in the group has ended. */
  async end(): Promise<Ran> {
    if (this.#child.pid !== undefined && this.#child.exitCode === null) process.kill(-this.#child.pid, "SIGTERM");
    await this.#ended;
    return { code: 0, output: this.output };
  }
}

// ------------------------------------------------------------------ programs

describe("programs", () => {
  const samples = pages.flatMap(blocksOf).filter(({ language }) => language === "ts");
  const nameOf = ({ page, line }: Block): string => `${page.replaceAll(/\W/g, "-")}-${line}.ts`;
  let folder = "";
  let compiled: Ran | undefined;

  beforeAll(async () => {
    // Inside the repository: packages are found from there.
    await mkdir(".cache", { recursive: true });
    folder = await mkdtemp(resolve(".cache", "samples-"));
    for (const sample of samples) await writeFile(join(folder, nameOf(sample)), sample.text);
    await writeFile(join(folder, "given.ts"), GIVEN);
    for (const { file, text } of examplesOf(new Declarations(process.cwd())))
      await writeFile(join(folder, `${file}.ts`), text);
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: resolve("tsconfig.json"), compilerOptions: { noEmit: false }, include: ["*.ts"] }),
    );
    compiled = await run(process.execPath, [resolve("node_modules/typescript/bin/tsc"), "-p", folder], folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("every one compiles, and every example in a comment", () => {
    expect(samples.length).toBeGreaterThan(0);
    expect(compiled).toEqual({ code: 0, output: "" });
  });

  test.concurrent.for(samples.filter(({ text }) => text.includes("await ")))(
    "$page:$line runs to its end, prints what it says, and its runs complete",
    async (sample, { expect }) => {
      const empty = await mkdtemp(join(tmpdir(), "buquet-sample-"));
      try {
        const ran = await run(process.execPath, [join(folder, nameOf(sample).replace(/ts$/, "js"))], empty);
        expect(ran.code, ran.output).toBe(0);
        expect(missingIn(ran.output, printsOf(sample)), ran.output).toEqual([]);
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
  /** What a user has who cloned it and ran `npm ci`: nothing that .gitignore names, but for what that made. Nobody writes into it. */
  async function clone(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "buquet-clone-"));
    const ignored = readFileSync(".gitignore", "utf8")
      .split("\n")
      .map((line) => line.replace(/\/$/, ""));
    const left = new Set([".git", ...ignored]);
    const kept = readdirSync(".").filter((name) => !left.has(name) && !name.endsWith(".tgz"));
    await Promise.all([...kept, "node_modules", "dist"].map((name) => symlink(resolve(name), join(folder, name))));
    return folder;
  }

  /** What the demo printed, and a clone in which it ran. */
  let demo: Promise<{ readonly ran: Ran; readonly folder: string }> | undefined;
  async function runDemo(command: string) {
    const folder = await clone();
    return { ran: await run("sh", ["-c", command], folder), folder };
  }
  async function copyDemo(command: string, to: string): Promise<Ran> {
    demo ??= runDemo(command);
    const { ran, folder } = await demo;
    await cp(join(folder, ".buquet"), join(to, ".buquet"), { recursive: true });
    return ran;
  }
  afterAll(async () => {
    if (demo !== undefined) await rm((await demo).folder, { recursive: true, force: true });
  });

  const withCommands = pages.filter((page) => blocksOf(page).some(({ language }) => language === "sh"));
  test.runIf(WHOLE)("npx finds the command line of a clone", async () => {
    const folder = await clone();
    try {
      const ran = await run("npx", ["buquet-workflow", "--help"], folder);
      expect(ran).toMatchObject({ code: 0, output: expect.stringContaining("Usage: buquet-workflow <command>") });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  // The others' commands run with SLOW=1, as in .ci/run; what most of them start is also started by test/examples and test/cli.
  const AT_LEAST = ["README.md", "docs/signals.md"];
  test.concurrent.for(withCommands.filter((page) => WHOLE || AT_LEAST.includes(page)))(
    "of %s run, in order, and print what it says",
    { timeout: 900_000 },
    async (page, { expect }) => {
      const folder = await clone();
      let output = "";
      let job: Job | undefined;
      try {
        for (const block of blocksOf(page)) {
          const where = `${page}:${block.line}`;
          if (block.language === "sh") {
            output = "";
            for (const part of commandsOf(block).flatMap((line) => line.split(/\s*&&\s*/))) {
              const told = part in RUN_AS ? RUN_AS[part] : part;
              if (told === undefined) continue;
              const command = SHORTER.reduce((text, [way, shorter]) => text.replace(way, shorter), told);
              if (command.endsWith(" &")) {
                job = new Job(command.slice(0, -2), folder);
                continue;
              }
              const ran = await (command === "kill %1" && job !== undefined
                ? job.end()
                : DEMOS.includes(part)
                  ? copyDemo(command, folder)
                  : run("sh", ["-c", command], folder));
              expect(ran.code, `${where}: ${part}\n${ran.output}`).toBe(0);
              output += ran.output;
            }
          } else if (block.language === "") {
            const missing = block.text.split("\n").filter((line) => line !== "" && !patternOf(line).test(output));
            expect(missing, `${where}: these lines are not in\n${output}`).toEqual([]);
          }
        }
      } finally {
        await job?.end();
        await rm(folder, { recursive: true, force: true });
      }
    },
  );

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
