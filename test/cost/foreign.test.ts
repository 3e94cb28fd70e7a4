/** The prediction equals the count for workflows with `foreign: true`, polls included. */
import { expect, test } from "vitest";
import type { RuleName } from "../../src/cost/rules.ts";
import { type Case, count, predict } from "./counted.ts";

const task = (name: string, dependsOn: readonly string[] = []): Case["steps"][number] => ({ name, dependsOn });

/** Nothing of it happens in the moment of a poll: both could come first. */
const base = {
  steps: [task("a"), { name: "go", dependsOn: ["a"], signal: { onTimeout: "fail" as const } }, task("b", ["go"])],
  compensation: "mirror",
  foreign: true,
  offsetMs: 3_000,
} as const;

const CASES: readonly Case[] = [
  { ...base, path: { name: "signalled", answers: new Map([["go", 95_000]]) } },
  {
    ...base,
    path: { name: "long", steps: new Map([["a", { durationMs: 25_000 }]]), answers: new Map([["go", 2_000]]) },
  },
  {
    ...base,
    path: { name: "cancelled", steering: [{ after: { ms: 64_000 }, command: { type: "cancel", compensate: true } }] },
  },
];

test.each(CASES)("a run that is $path.name costs what was predicted", async (played) => {
  const predicted = predict(played);
  const counted = await count(played, predicted);
  expect(counted).toEqual({ requests: predicted.ledger.total(), status: predicted.record.status });
  const rules = [...predicted.ledger.times.keys()];
  for (const rule of ["foreign entry", "foreign entry gone", "foreign poll"] satisfies RuleName[])
    expect(rules).toContain(rule);
});
