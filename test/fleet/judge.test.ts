/** The judge of whole runs sees what is wrong: each fault is planted. */
import { describe, expect, test } from "vitest";
import { PermanentError, workflow } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { judgeRun } from "./judge.ts";
import type { Booked, Ledger } from "./ledger.ts";

const line = workflow("line")
  .step("a", () => ({ by: "one" }))
  .step("b", { dependsOn: ["a"], run: () => ({ by: "two" }) });
const saga = workflow("saga")
  .step("charge", { run: () => ({ by: "one" }), compensate: () => {} })
  .step("ship", {
    dependsOn: ["charge"],
    run: () => {
      throw new PermanentError("no carrier takes it");
    },
    compensate: () => {},
  });

type Effect = Pick<Booked, "step" | "state"> & { readonly saw?: readonly unknown[] };

function ledgerOf(run: string, effects: readonly Effect[]): Ledger {
  const booked = effects.map((effect, index): [string, Booked] => [
    `key-${index}`,
    { run, asked: 1, ...effect, saw: [...(effect.saw ?? [])] },
  ]);
  return { url: "", booked: new Map(booked), heldTimes: () => 0, open: () => {}, stop: async () => {} };
}

async function judge(definition: typeof line | typeof saga, effects: readonly Effect[]): Promise<readonly string[]> {
  await using kit = await createTestKit({ workflows: [line, saga] });
  const run = await kit.client.start(definition.plan.name);
  await run.wait();
  const ends = definition === line ? (["completed"] as const) : (["failed"] as const);
  return judgeRun(kit.client, kit.store, ledgerOf(run.id, effects), run.id, ends);
}

const done = (step: string, saw: readonly unknown[] = []): Effect => ({ step, state: "done", saw });

describe("the judge", () => {
  test("finds nothing wrong with runs that ended right", async () => {
    expect(await judge(line, [done("a", [{}]), done("b", [{ a: { by: "one" } }])])).toEqual([]);
    expect(await judge(saga, [{ step: "charge", state: "undone" }])).toEqual([]);
  });

  test.each<[string, typeof line | typeof saga, readonly Effect[], string]>([
    ["an effect that was lost", line, [done("a")], "b: it was done 0 times and not 1"],
    ["an effect under two keys", line, [done("a"), done("a"), done("b")], "a: it was done 2 times and not 1"],
    ["an effect that stayed", saga, [done("charge")], "charge: it was done and not undone"],
    ["an effect undone in a run that completed", line, [done("a"), { step: "b", state: "undone" }], "b: it was done 0"],
    [
      "two results",
      line,
      [done("a"), done("b", [{ a: { by: "three" } }])],
      'a: another result was handed on: {"by":"three"}',
    ],
  ])("sees %s", async (_, definition, effects, problem) => {
    expect(await judge(definition, effects)).toEqual([expect.stringContaining(problem)]);
  });

  test("sees a run that ended in another way", async () => {
    await using kit = await createTestKit({ workflows: [saga] });
    const run = await kit.client.start(saga);
    await run.wait();
    const ledger = ledgerOf(run.id, []);
    expect(await judgeRun(kit.client, kit.store, ledger, run.id, ["completed"])).toEqual([
      expect.stringContaining("it should be completed"),
    ]);
  });
});
