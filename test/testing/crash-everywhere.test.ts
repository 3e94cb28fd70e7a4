import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openLedger, readLedger } from "../../examples/order-fulfilment/ledger.ts";
import { PermanentError, WorkflowError, workflow } from "../../src/index.ts";
import { crashEverywhere } from "../../src/testing/index.ts";

const folder = mkdtempSync(join(tmpdir(), "buquet-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a crash before and after every request", () => {
  test("does no harm to handlers that keep the key: the ledger of the order example, with a refund", async () => {
    const path = join(folder, "ledger.jsonl");
    const saga = workflow("saga")
      .step("charge", {
        run: (ctx) => openLedger(path).record({ what: "charge", key: ctx.idempotencyKey, order: "o", amount: 1 }),
        compensate: (ctx) => openLedger(path).record({ what: "refund", key: ctx.idempotencyKey, order: "o" }),
      })
      .step("ship", {
        dependsOn: ["charge"],
        run: () => {
          throw new PermanentError("no carrier");
        },
      });
    const report = await crashEverywhere(saga, {
      setup: () => rmSync(path, { force: true }),
      effects: () => readLedger(path).map(({ what, key }) => `${what} ${key}`),
    });
    expect(report.findings).toEqual([]);
    // It was a test only if handlers did run twice.
    expect(report.repeated).toEqual(expect.arrayContaining(["step charge", "undo of charge"]));
    expect(report.tries).toBeGreaterThan(20);
    console.log(`${report.tries} tries; run more than once: ${report.repeated.join(", ")}`);
  });

  test("finds the one handler that is not idempotent, and says where", async () => {
    let letters: string[] = [];
    let parcels = new Set<string>();
    const planted = workflow("planted")
      .step("ship", (ctx) => void parcels.add(ctx.idempotencyKey))
      .step("write", { dependsOn: ["ship"], run: () => void letters.push("your parcel is on its way") });
    const report = await crashEverywhere(planted, {
      setup: () => {
        letters = [];
        parcels = new Set();
      },
      effects: () => ({ letters, parcels: [...parcels] }),
    });
    expect(report.findings.length).toBeGreaterThan(0);
    for (const { repeated } of report.findings) expect(repeated).toContain("step write");
    const alone = report.findings.find(({ repeated }) => repeated.length === 1);
    expect(alone?.difference).toBe(
      'effects without a crash: {"letters":["your parcel is on its way"],"parcels":["run:ship:1"]}; with it: {"letters":["your parcel is on its way","your parcel is on its way"],"parcels":["run:ship:1"]}',
    );
    expect(alone?.crashes[0]).toMatch(
      /^(before|after) request \d+ \((get|put|list|delete) .+\), (while|after) step \w+/,
    );
  });

  test("plays what else happens to a run, such as a signal", async () => {
    let approved = 0;
    const approval = workflow("approval").step("ask", async (ctx) => {
      const answer = await ctx.waitForSignal("approval", { timeout: "7d" });
      approved += 1;
      return answer !== undefined;
    });
    const report = await crashEverywhere(approval, {
      setup: () => {
        approved = 0;
      },
      effects: () => approved > 0,
      play: async (run, kit) => {
        await kit.until(run, "waiting_signal");
        await run.signal("approval", { approver: "somebody" });
      },
    });
    expect(report.findings).toEqual([]);
    expect(report.repeated).toContain("step ask");
  });
});

describe("effects", () => {
  const letters: string[] = [];
  const planted = workflow("planted").step("write", () => void letters.push("a letter"));
  const setup = (): void => void letters.splice(0);

  test("that are read later are awaited", async () => {
    const report = await crashEverywhere(planted, { setup, effects: async () => letters });
    expect(report.findings.length).toBeGreaterThan(0);
    expect(report.findings[0]?.difference).toBe(
      'effects without a crash: ["a letter"]; with it: ["a letter","a letter"]',
    );
  });

  test("that cannot be copied are refused", async () => {
    const refused = crashEverywhere(planted, { setup, effects: () => ({ lines: () => letters }) });
    await expect(refused).rejects.toThrow(WorkflowError);
    await expect(refused).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringMatching(
        /^effects returned what cannot be copied \(.*could not be cloned.*\); it must be plain data/,
      ),
    });
  });
});
