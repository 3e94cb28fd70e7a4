/** Two programs steer one run, and their clocks differ. */
import { expect, test } from "vitest";
import { handleOf, meterStore, workflow, WorkflowClient } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

const asking = workflow("asking").signal("go");

test("who sees a pause can resume it, though the clock of who paused was ahead", async () => {
  await using kit = await createTestKit({ workflows: [asking] });
  const run = await kit.client.start(asking);
  await kit.until(run, "waiting_signal");
  await run.pause();
  await kit.until(run, "paused");
  const { host } = kit.queue.context;
  const time = (): { earliest: number; latest: number } => {
    const { earliest, latest } = kit.store.time();
    return { earliest: earliest - 2_000, latest: latest - 2_000 };
  };
  const behind = new WorkflowClient(handleOf({ ...meterStore(kit.store), time }, host), { workflows: [asking] });
  await behind.resume(run.id);
  await kit.until(run, "waiting_signal");
  expect((await run.get()).status).toBe("waiting_signal");
});
