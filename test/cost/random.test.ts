/** The prediction equals the count, on random workflows and random ways for their runs to go. */
import { expect, test } from "vitest";
import { seededRandom } from "../../src/host/seeded.ts";
import { type RuleName, RULES } from "../../src/cost/rules.ts";
import { randomCase } from "./cases.ts";
import { count, predict, shown } from "./counted.ts";
import { setting } from "../setting.ts";

/**
 * Rules that few paths meet: long runs are looked at, and a lease runs out when a run ends around it. Polls of foreign runs: `foreign.test.ts`.
 * None of 20,000 drawn paths meets a tombstone: here the worker that decides on a step makes its task in the same instant, so a fence finds it.
 */
const RARE = ["sweep", "sweep tick", "examine", "take over", "tombstone"];
const isRare = (rule: string): boolean => RARE.includes(rule) || rule.startsWith("foreign");

/** More with `COST_PATHS=1000 SEED=7 npx vitest run test/cost`. */
const PATHS = setting("COST_PATHS", 30);
const FIRST_SEED = setting("SEED", 1_000);

test(`${PATHS} random paths cost what was predicted (seeds from ${FIRST_SEED})`, { timeout: 1_800_000 }, async () => {
  const ends = new Map<string, number>();
  const rules = new Map<RuleName, number>();
  let undone = 0;
  const most = { put: 0, get: 0, list: 0, delete: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + PATHS; seed += 1) {
    const drawn = randomCase(`seed ${seed}`, seededRandom(seed).next);
    const predicted = predict(drawn);
    const counted = await count(drawn, predicted);
    const requests = predicted.ledger.total();
    expect({ seed, ...counted }).toEqual({ seed, requests, status: predicted.record.status });
    ends.set(counted.status, (ends.get(counted.status) ?? 0) + 1);
    for (const rule of predicted.ledger.times.keys()) rules.set(rule, (rules.get(rule) ?? 0) + 1);
    if (predicted.record.machine?.write.events.some((event) => event.startsWith("undo.")) === true) undone += 1;
    for (const kind of ["put", "get", "list", "delete"] as const) most[kind] = Math.max(most[kind], requests[kind]);
  }
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([name, times]) => `${name} ${times}`).join(", ");
  console.log(
    `equal on ${PATHS} paths, seeds ${FIRST_SEED} to ${FIRST_SEED + PATHS - 1}: ${list(ends)}; last write an undo: ${undone}\n` +
      `most: ${shown({ ...most, head: 0 })}\npaths by rule: ${list(rules)}`,
  );
  if (PATHS < 100) return;
  // Failure and compensation are among them, and every rule but those that typical.test.ts has paths for.
  for (const end of ["completed", "failed", "cancelled"]) expect(ends.get(end) ?? 0).toBeGreaterThan(5);
  expect(undone).toBeGreaterThan(5);
  const never = Object.keys(RULES).filter((rule) => !rules.has(rule as RuleName));
  expect(never.filter((rule) => !isRare(rule))).toEqual([]);
});
