/** `cost`: options, paths, prices and what it says beside them. */
import { z } from "zod";
import { describe, expect, test } from "vitest";
import { cost, type CostPath } from "../../src/cost/index.ts";
import { measure } from "../../src/cost/measure.ts";
import { dollarsPerMillion, PRICE_LISTS } from "../../src/cost/prices.ts";
import { addRequests, NO_REQUESTS } from "../../src/cost/requests.ts";
import { playable } from "../../src/cost/stubs.ts";
import { typicalPaths } from "../../src/cost/typical.ts";
import { untypedWorkflow, workflow } from "../../src/index.ts";
import type { Duration } from "../../src/wire/duration.ts";

const orders = workflow("orders")
  .step("charge", { run: () => 1, compensate: () => {} })
  .signal("approval", { dependsOn: ["charge"], timeout: "7d" })
  .step("ship", { dependsOn: ["approval"], retries: 1, run: () => 2 });

const settings = { leaseMs: 30_000, foreignPollMs: 10_000 };

describe("cost", () => {
  test("names the typical paths, and how they end", async () => {
    const { paths } = await cost(orders);
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

  test("takes a path of one's own, and sums up what it is for", async () => {
    const report = await cost(orders, { paths: [{ name: "mine", steps: new Map([["charge", { ends: "fails" }]]) }] });
    const [mine] = report.paths;
    expect(mine).toMatchObject({
      path: "mine",
      status: "failed",
      requests: { put: 10, get: 2, list: 1, delete: 3, head: 0 },
    });
    const because = mine?.because ?? [];
    expect(because.reduce((sum, { requests }) => addRequests(sum, requests), NO_REQUESTS)).toEqual(mine?.requests);
    expect(because.map(({ what }) => what)).toEqual(
      expect.arrayContaining(["the record of the run", "tasks", "index of leases"]),
    );
  });

  test("says the same each time", async () => {
    expect(await cost(orders)).toEqual(await cost(orders));
  });

  test("calls no handler and no schema of the workflow", async () => {
    const called: string[] = [];
    const touchy = workflow("touchy", { input: z.custom<null>(() => called.push("input") > 0) }).step("a", {
      run: () => called.push("run"),
      compensate: () => void called.push("undo"),
    });
    await cost(touchy);
    expect(called).toEqual([]);
  });

  test.each<[string, CostPath]>([
    ['has no step "zzz"', { name: "mine", steps: new Map([["zzz", {}]]) }],
    ['has no step "zzz"', { name: "mine", undos: new Map([["zzz", {}]]) }],
    ['has no step "zzz"', { name: "mine", commands: [{ command: { type: "pause" }, after: { step: "zzz", ms: 0 } }] }],
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
  ])("refuses a path that says nothing of the workflow: %s", async (message, path) => {
    await expect(cost(orders, { paths: [path] })).rejects.toThrow(message);
  });

  test("refuses a wait for a signal that nobody could send", async () => {
    const asking = untypedWorkflow("asking", { signals: { answer: z.json() } }).step("ask", () => 1);
    await expect(cost(asking, { waits: { ask: [{ signal: "anwser" }] } })).rejects.toThrow(
      'waits: workflow asking declares no signal "anwser"; it declares answer',
    );
  });

  test("prices heartbeats of long handlers, all or one of them", async () => {
    const chain = workflow("chain")
      .step("a", () => 1)
      .step("b", { dependsOn: ["a"], run: () => 2 });
    const puts = async (duration: Duration | Record<string, Duration>): Promise<number> =>
      (await cost(chain, { duration })).paths[0]?.requests.put ?? 0;
    const short = await puts("100ms");
    const [a, b, both] = [await puts({ a: "55s" }), await puts({ b: "55s" }), await puts("55s")];
    // Five heartbeats of the chain, a task of its own with a lease for the long step, four heartbeats of that, and one key that moves.
    expect([a - short, b - short]).toEqual([12, 12]);
    expect(both).toBeGreaterThan(b);
  });

  test("counts every heartbeat of a handler that takes long", async () => {
    const patient = workflow("patient").step("a", { timeout: "1h", run: () => 1 });
    const puts = async (duration: Duration): Promise<number> =>
      (await cost(patient, { duration })).paths[0]?.requests.put ?? 0;
    // Two leases, each renewed every ten seconds; their keys that move each minute come on top.
    expect((await puts("20m")) - (await puts("10m"))).toBeGreaterThan(2 * 60);
  });

  test("is told which handlers wait, and says when it does not know", async () => {
    const asking = untypedWorkflow("asking", { signals: { answer: z.json() } }).step("ask", () => 1);
    expect((await cost(asking)).notes).toEqual([expect.stringContaining("--waits step=signal")]);
    const told = await cost(asking, { waits: { ask: [{ signal: "answer", timeout: "1d" }] } });
    expect(told.notes).toEqual([]);
    expect(told.paths.map(({ path }) => path)).toContain("answer never comes");
    expect(told.paths[0]?.requests.list).toBe(4);
  });

  test("prices a parked day: one look, and polls as they are set for a foreign workflow", async () => {
    const { parkedDay } = await cost(orders, { paths: [] });
    expect(parkedDay.requests).toEqual({ put: 6, get: 4, list: 1, delete: 3, head: 0 });
    const open = workflow("open", { foreign: true }).step("a", () => 1);
    const foreign = await cost(open, { foreignPoll: "10m", paths: [] });
    expect(foreign.parkedDay.requests).toEqual({ put: 7, get: 4 + 144, list: 1 + 144, delete: 3, head: 0 });
    expect(foreign.idleWorkerDay.requests.list).toBe((17 * 60 + 6) * 24);
    expect(foreign.notes).toEqual([expect.stringContaining("foreign: true")]);
    await expect(cost(open, { foreignPoll: 0 })).rejects.toThrow("foreignPoll");
  });

  test("counts each poll of a foreign run that waits", async () => {
    const open = workflow("open", { foreign: true }).signal("go");
    const after = async (ms: number): Promise<number> => {
      const path = { name: "mine", answers: new Map([["go", ms]]) };
      const { reasons } = await measure({ program: playable(open.plan, open.definitionHash), path }, settings);
      return reasons.get("the record of the run")?.get ?? 0;
    };
    // Each round of ten seconds takes as long as its requests, too.
    expect((await after(1_200_000)) - (await after(600_000))).toBe(60);
  });

  test("prices an idle worker apart", async () => {
    const { requests } = (await cost(orders, { paths: [] })).idleWorkerDay;
    expect(requests).toEqual({ ...NO_REQUESTS, list: 17 * 24 * 60, put: 2 * 24 * 60 });
  });

  test("refuses steps that are not there and durations that cannot be", async () => {
    await expect(cost(orders, { duration: { chrage: "1s" } })).rejects.toThrow(
      /has no step "chrage"; it has charge, approval, ship/,
    );
    await expect(cost(orders, { waits: { nobody: [] } })).rejects.toThrow(/has no step "nobody"/);
    await expect(cost(orders, { duration: "soon" as Duration })).rejects.toThrow(/is not a duration/);
  });
});

describe("how much is played", () => {
  test("a run that waits for a year asks for little more than one that waits for an hour", async () => {
    const { plan, definitionHash } = workflow("patient").signal("go", { timeout: "360d" });
    const program = playable(plan, definitionHash);
    const { events, status } = await measure({ program, path: { name: "never" } }, settings);
    expect(status).toBe("failed");
    expect(events).toBeLessThan(200);
  });

  test("the paths of a saga of twenty steps ask for a bounded number of requests", async () => {
    let saga = untypedWorkflow("saga");
    for (let index = 0; index < 20; index += 1)
      saga = saga.step(`s${index}`, {
        dependsOn: index === 0 ? [] : [`s${index - 1}`],
        run: () => 1,
        compensate: () => {},
      });
    const program = playable(saga.plan, saga.definitionHash);
    const habits = { durationMs: () => 100, waits: new Map(), answerMs: 0, pollMs: 5_000 };
    const paths = typicalPaths(saga.plan, habits);
    expect(paths).toHaveLength(42);
    let events = 0;
    for (const path of paths) events += (await measure({ program, path }, settings)).events;
    expect(events).toBeLessThan(5_000);
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
