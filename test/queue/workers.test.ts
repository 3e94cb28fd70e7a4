/** Registrations of workers. */
import { expect, test } from "vitest";
import { deregisterWorker, registerWorker, workerCodec } from "../../src/queue/workers.ts";
import { listWorkers } from "./list-workers.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { golden, goldenObject } from "../golden.ts";
import { makeBench, START } from "./fixtures.ts";

const worker = { workerId: "worker-golden", startedAt: START, tasksCompleted: 2, tasksFailed: 1 };

test("registers byte for byte as buquet does, but for the shards: ours are all sixteen", async () => {
  const bench = makeBench();
  bench.pass(2_500);
  await registerWorker(bench.queue, worker);
  const { key, body } = goldenObject("workers", "after-tasks");
  const expected = body
    .replace(/"started_at":"[^"]*"/u, `"started_at":"${formatInstant(START)}"`)
    .replace(/"last_heartbeat":"[^"]*"/u, `"last_heartbeat":"${formatInstant(START + 2_500)}"`)
    .replace('["0","1","a"]', JSON.stringify([..."0123456789abcdef"]));
  expect(await bench.store.get(key)).toMatchObject({ object: { body: expected } });
});

test("refuses an id that would lie in another folder", async () => {
  const bench = makeBench();
  await expect(registerWorker(bench.queue, { ...worker, workerId: "../tasks/a" })).rejects.toThrow(/slash/);
  expect(await bench.keys("")).toEqual([]);
});

test("renews over whatever stands there, and takes itself away", async () => {
  const bench = makeBench();
  await registerWorker(bench.queue, worker);
  bench.pass(60_000);
  await registerWorker(bench.queue, { ...worker, tasksCompleted: 3 });
  const read = await bench.store.get("workers/worker-golden.json");
  expect(read.kind === "found" && (JSON.parse(read.object.body) as object)).toMatchObject({
    tasks_completed: 3,
    started_at: formatInstant(START),
    last_heartbeat: formatInstant(START + 60_000),
  });
  await deregisterWorker(bench.queue, "worker-golden");
  await deregisterWorker(bench.queue, "worker-golden");
  expect(await bench.keys("")).toEqual([]);
});

test.each(golden("workers"))("reads the registration $name and writes the same bytes", ({ key, body }) => {
  expect(workerCodec.encode(workerCodec.decode(body, key))).toBe(body);
});

test("lists the workers of both kinds, tells who is silent, and passes over what cannot be read", async () => {
  const bench = makeBench();
  const { key, body } = goldenObject("workers", "after-tasks");
  await bench.store.put(key, body, "always");
  bench.pass(30_000);
  await registerWorker(bench.queue, { ...worker, workerId: "ours" });
  await bench.store.put("workers/broken.json", '{"worker_id":"broken"}', "always");
  bench.pass(74_000);
  const unreadable: string[] = [];
  const listed = await listWorkers(bench.queue, { onUnreadable: (name) => unreadable.push(name) });
  expect(listed).toEqual([
    { ...worker, workerId: "ours", lastHeartbeat: START + 30_000, silent: false },
    {
      workerId: "worker-golden",
      startedAt: Date.UTC(2026, 10, 23, 1, 8, 55, 671),
      lastHeartbeat: Date.UTC(2026, 10, 23, 1, 8, 58, 141),
      silent: false,
      tasksCompleted: 2,
      tasksFailed: 1,
    },
  ]);
  expect(unreadable).toEqual(["workers/broken.json"]);
  bench.pass(2_000);
  expect((await listWorkers(bench.queue)).map(({ silent }) => silent)).toEqual([true, false]);
});
