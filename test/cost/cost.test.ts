/** `explainCost`: options, paths, prices and what it says beside them. */
import { z } from "zod";
import { describe, expect, test } from "vitest";
import { type CostPath, explainCost, untypedWorkflow, workflow } from "../../src/index.ts";
import { dollarsPerMillion, PRICE_LISTS } from "../../src/cost/prices.ts";
import { type Rule, RULES } from "../../src/cost/rules.ts";
import { NO_REQUESTS } from "../../src/cost/requests.ts";
import { existsSync } from "node:fs";
import type { Duration } from "../../src/wire/duration.ts";

const orders = workflow("orders")
  .step("charge", { run: () => 1, compensate: () => {} })
  .signal("approval", { dependsOn: ["charge"], timeout: "7d" })
  .step("ship", { dependsOn: ["approval"], retries: 1, run: () => 2 });

describe("explainCost", () => {
  test("names the typical paths, and how they end", () => {
    const { paths } = explainCost(orders);
    expect(paths.map(({ path, status }) => `${path}: ${status}`)).toEqual([
      "all goes well, approval sent: completed",
      "charge fails for good: failed",
      "ship fails for good: failed",
      "approval never comes: failed",
      "charge succeeds after 3 retries: completed",
      "ship succeeds after 1 retry: completed",
      "cancelled while ship runs: cancelled",
    ]);
  });

  test("takes a path of one's own, and sums up what it is for", () => {
    const [cost] = explainCost(orders, {
      paths: [{ name: "mine", steps: new Map([["charge", { ends: "fails" }]]) }],
    }).paths;
    expect(cost).toMatchObject({
      path: "mine",
      status: "failed",
      requests: { put: 10, get: 2, list: 0, delete: 3, head: 0 },
    });
    const puts = cost?.because.map(({ times, requests }) => times * (requests.put ?? 0)) ?? [];
    expect(puts.reduce((sum, count) => sum + count, 0)).toBe(10);
  });

  test.each<[string, CostPath]>([
    ['has no step "zzz"', { name: "mine", steps: new Map([["zzz", {}]]) }],
    ['has no step "zzz"', { name: "mine", undos: new Map([["zzz", {}]]) }],
    ['has no step "zzz"', { name: "mine", steering: [{ command: { type: "pause" }, after: { step: "zzz", ms: 0 } }] }],
    [
      "durationMs is a number from 0, not NaN",
      { name: "mine", steps: new Map([["charge", { durationMs: Number.NaN }]]) },
    ],
    ["failures is a number from 0, not -1", { name: "mine", steps: new Map([["charge", { failures: -1 }]]) }],
    [
      'ends is "completes" or "fails", not "failz"',
      { name: "mine", steps: new Map([["charge", { ends: "failz" as "fails" }]]) },
    ],
    [
      "steps, undos and answers are Maps",
      { name: "mine", steps: { charge: {} } as unknown as ReadonlyMap<string, object> },
    ],
  ])("refuses a path that says nothing of the workflow: %s", (message, path) => {
    expect(() => explainCost(orders, { paths: [path] })).toThrow(message);
  });

  test("refuses a wait for a signal that nobody could send", () => {
    const asking = untypedWorkflow("asking", { signals: { answer: z.json() } }).step("ask", () => 1);
    expect(() => explainCost(asking, { waits: { ask: [{ signal: "anwser" }] } })).toThrow(
      'waits: workflow asking declares no signal "anwser"; it declares answer',
    );
  });

  test("prices heartbeats of long handlers, all or one of them", () => {
    const chain = workflow("chain")
      .step("a", () => 1)
      .step("b", { dependsOn: ["a"], run: () => 2 });
    const puts = (duration: Duration | Record<string, Duration>): number =>
      explainCost(chain, { duration }).paths[0]?.requests.put ?? 0;
    // Five heartbeats of the chain, 2 PUT for a task of its own with a lease, four heartbeats of that, and both keys move once.
    expect(puts({ a: "55s" }) - puts("100ms")).toBe(13);
    expect(puts({ b: "55s" }) - puts("100ms")).toBe(13);
    expect(puts("55s")).toBeGreaterThan(puts({ b: "55s" }));
  });

  test("is told which handlers wait, and says when it does not know", () => {
    const asking = untypedWorkflow("asking", { signals: { answer: z.json() } }).step("ask", () => 1);
    expect(explainCost(asking).notes).toEqual([expect.stringContaining("--waits step=signal")]);
    const told = explainCost(asking, { waits: { ask: [{ signal: "answer", timeout: "1d" }] } });
    expect(told.notes).toEqual([]);
    expect(told.paths.map(({ path }) => path)).toContain("answer never comes");
    expect(told.paths[0]?.requests.list).toBe(2);
  });

  test("prices a parked day: one look, and a poll every ten seconds, or as it is set, for a foreign workflow", () => {
    expect(explainCost(orders).parkedDay.requests).toEqual({ put: 6, get: 4, list: 1, delete: 3, head: 0 });
    const open = workflow("open", { foreign: true }).step("a", () => 1);
    const foreign = explainCost(open);
    expect(foreign.parkedDay.requests).toEqual({ put: 7, get: 8_644, list: 8_641, delete: 3, head: 0 });
    expect(foreign.idleWorkerDay.requests.list).toBe((17 + 6) * 24 * 60);
    expect(foreign.notes).toEqual([expect.stringContaining("foreign: true")]);
    const seldom = explainCost(open, { foreignPoll: "10m" });
    expect(seldom.parkedDay.requests).toEqual({ put: 7, get: 148, list: 145, delete: 3, head: 0 });
    expect(() => explainCost(open, { foreignPoll: 0 })).toThrow("foreignPoll");
  });

  test("prices an idle worker apart", () => {
    const { requests } = explainCost(orders).idleWorkerDay;
    expect(requests).toEqual({ ...NO_REQUESTS, list: 17 * 24 * 60, put: 2 * 24 * 60 });
  });

  test("refuses steps that are not there and durations that cannot be", () => {
    expect(() => explainCost(orders, { duration: { chrage: "1s" } })).toThrow(
      /has no step "chrage"; it has charge, approval, ship/,
    );
    expect(() => explainCost(orders, { waits: { nobody: [] } })).toThrow(/has no step "nobody"/);
    expect(() => explainCost(orders, { duration: "soon" as Duration })).toThrow(/is not a duration/);
  });
});

test("prices are those of the lists", () => {
  const requests = { put: 10, get: 5, list: 2, delete: 7, head: 1 };
  expect(PRICE_LISTS.map((list) => [list.name, dollarsPerMillion(requests, list)])).toEqual([
    ["S3 Standard", 62.4],
    ["S3 Express One Zone", 13.74],
    ["Cloudflare R2", 56.16],
  ]);
});

test("every rule names a file that is there, and costs something", () => {
  for (const [name, rule] of Object.entries<Rule>(RULES)) {
    expect(existsSync(rule.from.split(" ")[0] ?? ""), `${name}: ${rule.from}`).toBe(true);
    expect(
      Object.values(rule.requests).every((count) => count > 0),
      name,
    ).toBe(true);
  }
});
