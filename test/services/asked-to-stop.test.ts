/** `queue.cancelTask` of the task of a step: whoever holds it hears of it, whatever kind of step it is. */
import { expect, test } from "vitest";
import { executionTaskId } from "../../src/run/tasks.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { untypedWorkflow } from "../../src/index.ts";

test.each([
  ["of the first step of a chain", 1],
  ["of a long step that was handed off", 2],
])("the handler %s hears that its task is cancelled", async (_which, steps) => {
  let heard = "";
  let definition = untypedWorkflow("patient");
  if (steps === 2) definition = definition.step("before", () => 1);
  definition = definition.step("slow", {
    dependsOn: steps === 2 ? ["before"] : [],
    timeout: "1h",
    run: async (ctx) => {
      for (let turn = 0; turn < 100 && !ctx.signal.aborted; turn += 1) await kit.clock.sleep("5s");
      heard = `cancelled: ${ctx.isCancelled()}, aborted: ${ctx.signal.aborted}`;
      return null;
    },
  });
  await using kit = await createTestKit({ workflows: [definition] });
  const run = await kit.client.start(definition);
  await kit.clock.advance("60s");
  const id = executionTaskId(run.id, { kind: "run", step: "slow", generation: 1, wake: 0 });
  expect(await kit.queue.cancelTask(id)).toEqual({ kind: "requested" });
  await kit.clock.advance("30s");
  expect(heard).toBe("cancelled: true, aborted: true");
  expect((await run.get()).status).toBe("completed");
});
