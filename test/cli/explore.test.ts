/** `explore` on the command line: what it says, and how it ends. */
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { replay } from "../../src/testing/index.ts";
import { tell, type Told } from "./run.ts";
import { asking, brokenAtOnce } from "./workflows.ts";

const MODULE = "test/cli/workflows.ts";
const run = (...words: string[]): Promise<Told> => tell("explore", ...words, "--workflows", MODULE);

test("says how much it saw and what it never met, and ends with 0 when every rule holds", async () => {
  const told = await run("greet", "--faults", "1");
  expect(told).toMatchObject({ code: 0, stderr: "" });
  expect(told.stdout).toMatch(/^greet: \d+ states, \d+ moves; ends: .*completed/);
  expect(told.stdout).toMatch(/^states: \d+ of \d+ were met$/m);
  expect(told.stdout).toMatch(/every rule holds in every state\n$/);
});

test("a walk that was cut short is no proof: it says so and ends with 1", async () => {
  const told = await run("greet", "--limit", "3");
  expect(told.code).toBe(1);
  expect(told.stdout).toMatch(/^broken .*limit/m);
  expect(told.stdout).not.toContain("every rule holds");
});

test("--json is the whole result", async () => {
  const told = await run("greet", "--faults", "0", "--json");
  expect(told.code).toBe(0);
  expect(told.json()).toMatchObject({
    workflow: "greet",
    violations: [],
    coverage: { states: { all: expect.any(Number) } },
  });
});

test("a rule of the module that is broken: as text, as JSON, as a page and as a test that finds its module", async () => {
  const folder = await mkdtemp(join(tmpdir(), "buquet-explore-"));
  try {
    const [out, written, page] = ["path.json", "path.test.ts", "path.html"].map((name) => join(folder, name));
    const broken = ["asking", "--rules", "askingRules", "--out", `${out}`, "--test", `${written}`];
    const told = await run(...broken);
    expect(told).toMatchObject({ code: 1, stderr: "" });
    expect(told.stdout).toMatch(/^broken asking: nobody answered \(finally\)\n {2}1\. the run starts /m);
    expect(told.stdout).toContain(`buquet-workflow inspect --file ${out} shows it`);
    expect(told.stdout).toContain(`the first path as a test is in ${written}`);
    expect((await run(...broken, "--json")).json()).toMatchObject({
      violations: [{ check: "finally", path: [{ event: { type: "start" } }, {}, {}] }],
    });
    expect(await tell("inspect", "--file", `${out}`, "--out", `${page}`)).toMatchObject({ code: 0 });
    expect(await readFile(`${page}`, "utf8")).toContain("nobody answered");
    const text = await readFile(`${written}`, "utf8");
    const [, names, from] = /^import \{ (.*) \} from "(\..*)";$/m.exec(text) ?? [];
    expect(names).toBe("asking, askingRules");
    expect(resolve(folder, from ?? "")).toBe(resolve(MODULE));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a rule that is broken before anything happens is a path without a step, and written too", async () => {
  const folder = await mkdtemp(join(tmpdir(), "buquet-explore-"));
  try {
    const [out, written, page] = ["path.json", "path.test.ts", "path.html"].map((name) => join(folder, name));
    const told = await run("asking", "--rules", "brokenAtOnce", "--out", `${out}`, "--test", `${written}`);
    expect(told).toMatchObject({ code: 1, stderr: "" });
    expect(told.stdout).toContain("broken asking: it has not begun (always)");
    expect(told.stdout).toContain(`the first path as a test is in ${written}`);
    expect(await tell("inspect", "--file", `${out}`, "--out", `${page}`)).toMatchObject({ code: 0 });
    expect(await readFile(`${page}`, "utf8")).toContain("it has not begun");
    expect(await readFile(`${written}`, "utf8")).toMatch(
      /PathMove\[\] = \[\n\];[^]+replay\(asking, path, brokenAtOnce\)/,
    );
    expect(replay(asking, [], brokenAtOnce)).toBe("it has not begun (always)");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a walk that was cut short has no path, and says that nothing was written", async () => {
  const files = ["--out", "no.json", "--test", "no.test.ts"];
  for (const more of [[], ["--json"]])
    expect(await run("greet", "--limit", "3", ...files, ...more)).toMatchObject({
      code: 1,
      stderr:
        "nothing was written to no.json and no.test.ts: the walk was cut short before it met a broken rule, so there is no path\n",
    });
  await expect(access("no.json")).rejects.toThrow("ENOENT");
});

test.each([
  ["asking", "asking is a workflow; --rules names the object with the options of explore"],
  ["empty", "empty holds no option of explore"],
  ["misspelt", 'misspelt: there is no option "fianlly"; there are faults, '],
  ["unrelated", 'unrelated: there is no option "name"'],
])("rules that are none are refused: %s", async (rules, says) => {
  expect(await run("greet", "--rules", rules)).toMatchObject({ code: 2, stderr: expect.stringContaining(says) });
});

test("what is not exported is refused before anything is walked", async () => {
  expect(await run("greet", "--rules", "nothing")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("export no object nothing, the options of explore"),
  });
  expect(await run("asking", "--rules", "askingRules", "--out", "/no-such-folder/x.json")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("/no-such-folder/x.json cannot be written"),
  });
});

test("an unknown workflow, none at all and counts that are none are refused", async () => {
  expect(await run("nobody")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("there is no nobody; there are"),
  });
  expect(await tell("explore", "greet")).toMatchObject({ code: 2, stderr: expect.stringContaining("--workflows") });
  expect(await run("greet", "--faults", "-1")).toMatchObject({ code: 2 });
});
