/** Coverage of a chart by real runs, read from the versions of their records. */
import { expect, test } from "vitest";
import { nodeHost, PermanentError, RunNotFoundError, workflow } from "../../src/index.ts";
import { coverage, createTestKit, EXPRESS_LIMITS, LimitedBucket, MemoryStore } from "../../src/testing/index.ts";

const order = workflow("order")
  .step("reserve", { run: () => 1, compensate: () => {} })
  .step("ship", {
    dependsOn: ["reserve"],
    run: (ctx) => {
      if (ctx.input === "anvil") throw new PermanentError("no carrier");
      return 1;
    },
  });

test("a run adds the states and edges that it took, and no others", async () => {
  await using kit = await createTestKit({ workflows: [order] });
  const taken = coverage(order);
  const before = taken.states.taken;
  const good = await kit.client.start(order, "lamp");
  await good.result();
  expect(await taken.addRun(kit.store, good.id)).toBe(0);
  expect(taken.states.taken).toBeGreaterThan(before);
  expect(taken.states.missing).toEqual(expect.arrayContaining(["compensating", "failed", "cancelled"]));
  expect(taken.states.missing).not.toContain("completed");

  const bad = await kit.client.start(order, "anvil");
  await expect(bad.result()).rejects.toThrow("no carrier");
  expect(await taken.addRun(kit.store, bad.id)).toBe(0);
  expect(taken.states.missing).not.toContain("compensating");
  expect(taken.states.missing).not.toContain("failed");
  expect(taken.states.missing).toContain("cancelled");
  expect(taken.edges.missing.some((edge) => edge.includes("cancel"))).toBe(true);
  expect(String(taken)).toContain(`${taken.states.taken} of ${taken.states.total} states`);
});

test("a run twice counts once", async () => {
  await using kit = await createTestKit({ workflows: [order] });
  const run = await kit.client.start(order, "lamp");
  await run.result();
  const taken = coverage(order);
  await taken.addRun(kit.store, run.id);
  const once = String(taken);
  await taken.addRun(kit.store, run.id);
  expect(String(taken)).toBe(once);
});

test("a run that is not there, and one of another workflow, are refused and mark nothing", async () => {
  const other = workflow("other").step("reserve", { run: () => 1, compensate: () => {} });
  await using kit = await createTestKit({ workflows: [order, other] });
  const run = await kit.client.start(other);
  await run.result();
  const taken = coverage(order);
  const before = String(taken);
  await expect(taken.addRun(kit.store, "nobody")).rejects.toThrow(RunNotFoundError);
  await expect(taken.addRun(kit.store, run.id)).rejects.toMatchObject({
    code: "invalid",
    message: `run "${run.id}" is one of "other"; this is the coverage of "order"`,
  });
  expect(String(taken)).toBe(before);
});

test("a store without versions cannot say what a run took", async () => {
  const store = new LimitedBucket(EXPRESS_LIMITS).limit(new MemoryStore({ clock: nodeHost().clock }), nodeHost());
  await expect(coverage(order).addRun(store, "run")).rejects.toMatchObject({ code: "invalid" });
});
