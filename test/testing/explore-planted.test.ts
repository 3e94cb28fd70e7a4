import { expect, test } from "vitest";
import { programOf } from "../machines/build.ts";
import { exploreProgram } from "../../src/testing/explore/explore.ts";
import { DEFAULT_FAULTS } from "../../src/testing/oracle/setting.ts";
import { EXAMPLES } from "./explore/examples.ts";
import { equivalence, mutantsOf, UNREACHED } from "./explore/planted.ts";

/** Every one with `HUNT=all`, as in `.ci/run`; otherwise one of so many. */
const ONE_OF = process.env["HUNT"] === "all" ? 1 : 24;
const KINDS = [...DEFAULT_FAULTS, "terminate", "retry"] as const;

test.for(EXAMPLES)("$name breaks no rule", ({ workflow, signals }) => {
  const result = exploreProgram(programOf(workflow.plan), { faults: 3, kinds: KINDS, signals });
  expect(result.violations.map(({ text }) => text)).toEqual([]);
  expect(result.truncated).toBe(false);
  expect(Object.keys(result.ends).toSorted()).toEqual(["cancelled", "completed", "failed"]);
});

test("every fault that is planted in the charts of the examples is found, without any check of a user", () => {
  const kinds = new Map<string, { planted: number; found: number; equivalent: number }>();
  const missed: string[] = [];
  const needless: string[] = [];
  const reasons = new Map<string, number>();
  for (const { name, workflow, signals } of EXAMPLES) {
    const { plan } = workflow;
    const mutants = mutantsOf(programOf(plan).chart()).filter((_, index) => index % ONE_OF === 0);
    for (const { kind, place, config } of mutants) {
      const counts = kinds.get(kind) ?? { planted: 0, found: 0, equivalent: 0 };
      kinds.set(kind, counts);
      counts.planted += 1;
      const reason = equivalence(plan, signals, kind, place);
      if (reason !== undefined) {
        counts.equivalent += 1;
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      // What no run can come to need not be walked.
      if (reason === UNREACHED) continue;
      const program = programOf(plan, config);
      const walked = { faults: 2, signals, violations: 1 };
      const { violations: first } = exploreProgram(program, walked);
      const { violations } =
        first.length > 0 ? { violations: first } : exploreProgram(program, { ...walked, kinds: KINDS });
      if (violations.length > 0) counts.found += 1;
      if (violations.length === 0 && reason === undefined) missed.push(`${name}: ${kind}: ${place}`);
      if (violations.length > 0 && reason !== undefined) needless.push(`${name}: ${kind}: ${place}: ${reason}`);
    }
  }
  const rows = [...kinds]
    .toSorted()
    .map(
      ([kind, { planted, found, equivalent }]) => `${kind}: ${found} of ${planted} found, ${equivalent} change nothing`,
    );
  console.log([...rows, "", ...[...reasons].map(([reason, count]) => `${count} change nothing: ${reason}`)].join("\n"));
  expect(missed).toEqual([]);
  // An excuse that is not needed hides what is not found the next time.
  expect(needless).toEqual([]);
  expect([...kinds.values()].reduce((sum, { found }) => sum + found, 0)).toBeGreaterThan(40 / ONE_OF);
});
