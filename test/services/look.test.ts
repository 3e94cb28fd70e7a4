import { expect, test } from "vitest";
import { signalKey, taskKey } from "../../src/keys.ts";
import { flightTaskId } from "../../src/run/tasks.ts";
import { workflow } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

test("a run that waits long for its next attempt is looked at every ten minutes, not every minute", async () => {
  const patient = workflow("patient").step("a", {
    retryPolicy: { initialMs: 7_200_000, maxMs: 7_200_000, jitter: 0 },
    run: () => {
      throw new Error("not yet");
    },
  });
  await using kit = await createTestKit({ workflows: [patient] });
  const run = await kit.client.start(patient);
  await kit.idle();
  const tasks = async (): Promise<number> => (await kit.store.list("tasks/")).objects.length;
  // The third attempt: its claim writes the record and plans a look of its own.
  await kit.clock.advance("255m");
  const before = await tasks();
  await kit.clock.advance("60m");
  expect((await run.get()).status).toBe("running");
  expect((await tasks()) - before).toBeLessThanOrEqual(12);
  expect((await kit.store.list("x-workflow/active/")).objects.length).toBeLessThanOrEqual(2);
});

test("a step whose foreign worker completed only the task, and died before it told the run, is found by a look", async () => {
  const definition = workflow("told", { foreign: true })
    .step("r", { remote: true })
    .step("after", { dependsOn: ["r"], run: (ctx) => ({ got: ctx.results.r }) });
  await using kit = await createTestKit({ workflows: [definition] });
  const run = await kit.client.start(definition);
  await kit.until(run, "running");
  await kit.idle();
  const id = flightTaskId(run.id, { kind: "run", step: "r", generation: 1, wake: 0 });
  const read = await kit.store.get(taskKey(id));
  if (read.kind === "missing") return expect.fail("the remote step has no task");
  const task = JSON.parse(read.object.body) as Record<string, unknown>;
  const output = { success: true, result: { by: "python" }, step: "r" };
  const completed = { ...task, status: "completed", attempt: 1, output, completed_at: task["updated_at"] };
  await kit.store.put(taskKey(id), JSON.stringify(completed), "always");
  await kit.clock.advance("15m");
  expect(await run.result()).toEqual({ after: { got: { by: "python" } } });
});

test("a run that waits for a signal is looked at once a day, also after its first day", async () => {
  const waiting = workflow("waiting").signal("answer");
  await using kit = await createTestKit({ workflows: [waiting] });
  const run = await kit.client.start(waiting);
  await kit.clock.advance("80h");
  expect((await run.get()).status).toBe("waiting_signal");
  // The start, and a look at the end of each of three days.
  expect((await kit.store.list("tasks/")).objects).toHaveLength(4);
});

test("a run that foreign programs may signal is looked at every minute for as long as it waits", async () => {
  const waiting = workflow("waiting", { foreign: true }).signal("answer");
  await using kit = await createTestKit({ workflows: [waiting] });
  const run = await kit.client.start(waiting);
  // Not in one leap: the rounds in between are what it is about.
  for (let minute = 0; minute < 113; minute += 1) await kit.clock.advance("1m");
  const at = new Date(kit.clock.now()).toISOString().replace("Z", "000+00:00");
  const sent = { id: "s", name: "answer", payload: { yes: true }, created_at: at };
  await kit.store.put(signalKey(run.id, "answer", `${at}_s.json`), JSON.stringify(sent), "always");
  await kit.clock.advance("121s");
  expect((await run.get()).status).toBe("completed");
});
