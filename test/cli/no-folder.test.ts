/** Commands that need what is in a folder say that it is not there, and make none. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { tell } from "./run.ts";

/** The first write may be theirs. */
const FIRST_WRITERS = ["start", "worker", "doctor"];
/** It looks at definitions only. */
const WITHOUT_STORE = ["explore"];
/** What makes a command ask the store. */
const WORDS: Readonly<Record<string, string>> = {
  graph: "--run run-1",
  show: "run-1 --at 1",
  diff: "run-1 1 2",
  inspect: "run-1 --no-open",
  sweeper: "--once",
  cost: "order",
  skip: "run-1 step",
  signal: "run-1 name",
  send: "run-1 name",
};

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-none-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const looking = commands.filter(({ name }) => ![...FIRST_WRITERS, ...WITHOUT_STORE].includes(name));

test.each(looking.map(({ name, takes }): [string, string] => [name, WORDS[name] ?? (takes.length > 0 ? "run-1" : "")]))(
  "%s %s",
  async (name, words) => {
    const missing = join(folder, "none");
    const told = await tell(name, ...words.split(" ").filter(Boolean), "--store", `file:${missing}`);
    expect(told.stderr).toContain(`there is no folder ${missing}; check the path`);
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(await readdir(folder)).toEqual([]);
  },
);

test("start of a workflow that nobody knows makes no folder either", async () => {
  const told = await tell("start", "nothing", "--store", `file:${join(folder, "none")}`);
  expect(told).toMatchObject({ code: 2 });
  expect(await readdir(folder)).toEqual([]);
});
