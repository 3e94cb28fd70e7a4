/** A run is compared with what its tasks say, whatever the active index says. */
import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { stateKey } from "../../src/keys.ts";
import { reconcileRun } from "../../src/services/reconcile.ts";
import { createTestKit } from "../../src/testing/index.ts";

test("an older record that was put back by hand takes up what its tasks finished, and runs nothing again", async () => {
  let calls = 0;
  const two = workflow("two")
    .step("a", async () => {
      calls += 1;
      await kit.clock.sleep("2m");
      return "first";
    })
    .step("b", { dependsOn: ["a"], run: () => "second" });
  await using kit = await createTestKit({ workflows: [two] });
  const run = await kit.client.start(two);
  await kit.clock.advance("1m");
  const old = await kit.store.get(stateKey(run.id));
  await run.result();
  if (old.kind === "missing") return expect.fail("no record");
  await kit.store.put(stateKey(run.id), old.object.body, "always");
  // Its end took its entry out of the index: nothing would ever look at it.
  await kit.clock.advance("3d");
  expect((await run.get()).status).toBe("running");
  expect(await reconcileRun(kit.queue.context, run.id)).toMatchObject({ status: "running", action: "ticked" });
  await kit.clock.advance("10s");
  expect((await run.wait({ timeout: "1h" })).status).toBe("completed");
  expect(await run.result()).toEqual({ b: "second" });
  expect(calls).toBe(1);
});

test("a run that is over is left alone", async () => {
  const one = workflow("one").step("a", () => 1);
  await using kit = await createTestKit({ workflows: [one] });
  const run = await kit.client.start(one);
  await run.result();
  expect(await reconcileRun(kit.queue.context, run.id)).toMatchObject({ status: "completed", action: "forgotten" });
});

test("a run that is not there is refused", async () => {
  await using kit = await createTestKit({ workflows: [workflow("one").step("a", () => 1)] });
  await expect(reconcileRun(kit.queue.context, "nobody")).rejects.toMatchObject({ code: "not_found" });
});
