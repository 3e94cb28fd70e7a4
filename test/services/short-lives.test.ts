/** What a worker does as it starts and as it stops: whatever is due does not wait for one that lives for a whole minute. */
import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { dueKey, readyKey } from "../../src/keys.ts";
import { createTask } from "../../src/queue/submit.ts";
import { timerTick } from "../../src/run/wakeups/timer.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";

/** Lets workers live for ten seconds each, one after the other, until the run is over. Returns how many lived. */
async function liveShortly(kit: TestKit, runId: string, most: number): Promise<number> {
  for (let count = 1; count <= most; count += 1) {
    const worker = await kit.startWorker();
    await kit.clock.advance("10s");
    await worker.stop();
    if ((await kit.client.get(runId)).status === "completed") return count;
  }
  return Number.POSITIVE_INFINITY;
}

test("workers that live for ten seconds each run a delay of 75 seconds", async () => {
  const later = workflow("later").step("a", { delay: "75s", run: () => 1 });
  await using kit = await createTestKit({ workflows: [later], workers: 0 });
  const run = await kit.client.start(later);
  expect(await liveShortly(kit, run.id, 12)).toBeLessThanOrEqual(9);
});

test("a worker that stops has moved what falls due next to where others find it", async () => {
  const later = workflow("later").step("a", { delay: "5m", run: () => 1 });
  await using kit = await createTestKit({ workflows: [later], workers: 0 });
  await kit.client.start(later);
  await kit.clock.advance("30s");
  const worker = await kit.startWorker();
  // Its minute begins to be near after three minutes; the worker looks after two and a half, and again after three and a half.
  await kit.clock.advance("155s");
  expect((await kit.store.list("x-workflow/due/")).objects).toHaveLength(1);
  await worker.stop();
  expect((await kit.store.list("x-workflow/due/")).objects).toEqual([]);
  expect((await kit.store.list("ready/")).objects).toHaveLength(1);
});

test("workers that live for ten seconds each take over from one that was killed", async () => {
  let calls = 0;
  const slow = workflow("slow").step("a", async () => {
    calls += 1;
    if (calls === 1) await kit.clock.sleep("1h");
    return 1;
  });
  await using kit: TestKit = await createTestKit({ workflows: [slow] });
  const run = await kit.client.start(slow);
  await kit.clock.advance("1s");
  kit.workers[0]?.crash();
  expect(await liveShortly(kit, run.id, 12)).toBeLessThanOrEqual(6);
});

test("1,200 timers that are overdue when a worker starts are moved and asked for at once", async () => {
  const idle = workflow("idle").step("a", () => 1);
  await using kit = await createTestKit({ workflows: [idle], workers: 0 });
  const { context } = kit.queue;
  const dueAt = kit.clock.now() + 600_000;
  for (let index = 0; index < 1_200; index += 1) {
    const timer = { timer: "delay", step: "a", generation: 1, wake: 0, dueAt } as const;
    await createTask(context, timerTick.task({ id: `run-${index}`, type: "idle" }, { timer }));
  }
  const [first] = (await kit.store.list("x-workflow/due/")).objects;
  const id = first?.key.split("/").at(-1) ?? "";
  expect(first?.key).toBe(dueKey(id, dueAt));
  await kit.clock.advance("2h");
  await kit.startWorker();
  await kit.idle();
  expect((await kit.store.list("x-workflow/due/")).objects).toEqual([]);
  // Their runs do not exist: each task was claimed and finished, which takes its key away.
  expect((await kit.store.list("ready/")).objects.map(({ key }) => key)).not.toContain(readyKey(id, dueAt));
  expect((await kit.store.list("ready/")).objects).toEqual([]);
});

test("130,000 hints of a process do not end its polls", async () => {
  const quick = workflow("quick").step("a", () => 1);
  await using kit = await createTestKit({ workflows: [quick] });
  const tomorrow = kit.clock.now() + 86_400_000;
  for (let index = 0; index < 130_000; index += 1) kit.queue.events.ready(`task-${index}`, tomorrow);
  const run = await kit.client.start(quick);
  expect((await run.wait()).status).toBe("completed");
  expect(kit.log.filter(({ level }) => level === "warn")).toEqual([]);
});
