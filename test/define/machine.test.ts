/** The machine of a definition, for people who know XState. */
import { createActor } from "xstate";
import { expect, test } from "vitest";
import { createTestKit } from "../../src/testing/index.ts";
import { workflow } from "../../src/index.ts";

const order = workflow("order")
  .step("reserve", { run: () => 1, compensate: () => {} })
  .step("ship", { dependsOn: ["reserve"], run: () => 2 });

test("is compiled once, when it is first read", () => {
  expect(order.machine).toBe(order.machine);
  expect(order.machine.id).toContain("order");
});

test("is a machine of its own after each further step", () => {
  expect(order.step("tell", () => 3).machine).not.toBe(order.machine);
});

test("has the engine's guards: can() says what a run would take", () => {
  const actor = createActor(order.machine);
  actor.start();
  actor.send({ type: "start" });
  expect(actor.getSnapshot().can({ type: "step.done", step: "reserve", generation: 1 })).toBe(true);
  expect(actor.getSnapshot().can({ type: "step.done", step: "ship", generation: 1 })).toBe(false);
});

test("loads the snapshot of a stored run", async () => {
  await using kit = await createTestKit({ workflows: [order] });
  const run = await kit.client.start(order);
  await run.result();
  const snapshot = (await run.get()).record.machine?.snapshot;
  const actor = createActor(order.machine, { snapshot: snapshot as never });
  expect(actor.getSnapshot().value).toBe("completed");
});
