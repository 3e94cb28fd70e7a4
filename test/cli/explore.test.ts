/** `explore` on the command line: what it says, and how it ends. */
import { expect, test } from "vitest";
import { tell, type Told } from "./run.ts";

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

test("an unknown workflow, none at all and counts that are none are refused", async () => {
  expect(await run("nobody")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("there is no nobody; there are"),
  });
  expect(await tell("explore", "greet")).toMatchObject({ code: 2, stderr: expect.stringContaining("--workflows") });
  expect(await run("greet", "--faults", "-1")).toMatchObject({ code: 2 });
});
