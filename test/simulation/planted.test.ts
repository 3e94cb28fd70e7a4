/** Every mistake that the protocol's counterexamples forced out is planted again, and the simulator finds it. */
import { execFile } from "node:child_process";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { Prey } from "./hunt.ts";
import { MISTAKES, type Mistake } from "./planted.ts";

const run = promisify(execFile);

/** Histories in which a mistake must show. */
const HISTORIES = 3_000;
const SEED = process.env["SEED"] ?? "planted";
/** `.ci/run` hunts for every mistake, and so does `HUNT=all npm test -- test/simulation/planted`. */
const ALL = process.env["HUNT"] === "all";

/** Hunts keep a processor busy, so only so many go on at once. */
const LANES = 2;
const lanes: Promise<unknown>[] = Array.from({ length: LANES }, () => Promise.resolve());

function inLane<T>(number: number, hunt: () => Promise<T>): Promise<T> {
  const mine = (lanes[number % LANES] ?? Promise.resolve()).then(hunt);
  lanes[number % LANES] = mine.catch(() => {});
  return mine;
}

/** Hunted for by everybody; `.ci/run` hunts for all: each hunt starts a process and plays up to some hundred histories. */
const SAMPLED: ReadonlySet<number> = new Set([18]);

/** The text of each file with the mistake in it. Its place must be there, and only once. */
async function edit(mistake: Mistake, folder = "."): Promise<ReadonlyMap<string, string>> {
  const edited = new Map<string, string>();
  for (const { file, from, to } of mistake.edits) {
    const text = edited.get(file) ?? (await readFile(join(folder, file), "utf8"));
    expect(text.split(from), `the place in ${file} where mistake ${mistake.number} is planted`).toHaveLength(2);
    edited.set(
      file,
      text.replace(from, () => to),
    );
  }
  return edited;
}

async function plant(mistake: Mistake, home = "planted"): Promise<string> {
  const copy = join(".cache", home, String(mistake.number));
  await rm(copy, { recursive: true, force: true });
  for (const folder of ["src", "machines", "examples", "test/examples", "test/simulation"])
    await cp(folder, join(copy, folder), { recursive: true, filter: (path) => !path.endsWith(".test.ts") });
  for (const [file, text] of await edit(mistake, copy)) await writeFile(join(copy, file), text);
  return join(copy, "test/simulation/hunt.ts");
}

describe("a planted mistake is found", () => {
  for (const mistake of MISTAKES) {
    const name = `${mistake.number}: ${mistake.name}`;
    if (!ALL && !SAMPLED.has(mistake.number)) {
      test(`${name} (its place is there; hunted with HUNT=all)`, async () => {
        expect((await edit(mistake)).size).toBeGreaterThan(0);
      });
      continue;
    }
    test.concurrent(name, { timeout: 1_800_000 }, async () => {
      const script = await plant(mistake);
      const setting = JSON.stringify(mistake.setting);
      const args = ["--import", "tsx", script, setting, String(HISTORIES), SEED, mistake.seen.source];
      const environment = { env: { ...process.env, JSON: "1" }, maxBuffer: 64 * 1024 * 1024 };
      const { stdout } = await inLane(mistake.number, () => run(process.execPath, args, environment));
      const prey = JSON.parse(stdout.trim().split("\n").at(-1) ?? "null") as Prey | null;
      if (prey === null) return expect.fail(`not found in ${HISTORIES} histories (seed ${SEED})`);
      const faults = prey.faults.map(({ process: who, call, kind }) => `${kind} at call ${call} of ${who}`);
      console.log(`${name}: ${prey.problems[0]}; history ${prey.after}, ${faults.join(", ") || "no fault"}`);
      expect(prey.trace.split("\n").length).toBeGreaterThan(5);
    });
  }
});

test.runIf(ALL)("every planted mistake compiles: one that does not would be found for the wrong reason", async () => {
  const home = "planted-types";
  for (const mistake of MISTAKES) await plant(mistake, home);
  const config = { extends: "../../tsconfig.json", include: ["*/src/**/*.ts"], exclude: [] };
  await writeFile(join(".cache", home, "tsconfig.json"), JSON.stringify(config));
  const compiler = join("node_modules", "typescript", "bin", "tsc");
  const compiled = run(process.execPath, [compiler, "-p", join(".cache", home)]).then(
    ({ stdout }) => stdout,
    (error: unknown) => String((error as { stdout?: string }).stdout ?? error),
  );
  expect(await compiled).toBe("");
});
