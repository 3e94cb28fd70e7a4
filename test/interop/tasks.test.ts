/** Plain tasks between the real Python package and our modules of the queue. The numbers are those of the list in docs/interop.md. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { submitTask } from "../../src/queue/submit.ts";
import { taskKey } from "../../src/keys.ts";
import { Peer } from "./peer.ts";
import { type InteropServer, openServer, until, whyNoInterop } from "./server.ts";
import { startTaskWorker } from "./ts-worker.ts";

let server: InteropServer;

describe.skipIf(whyNoInterop() !== undefined)("tasks between Python and TypeScript", () => {
  beforeAll(async () => {
    server = await openServer();
  });
  afterAll(() => server.stop());

  test("1: a task submitted here is run in Python, and the reverse", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const task = await submitTask(bucket.queue, "greet", { name: "Zoë", n: [1, 2.5, null] });
    await python.work({ worker_id: "py", handlers: { greet: [[{ echo: true }]] }, options: { max_tasks: 1 } });
    await python.worked("py");
    expect(JSON.parse(await bucket.body(taskKey(task.id)))).toMatchObject({
      status: "completed",
      output: { name: "Zoë", n: [1, 2.5, null] },
      attempt: 1,
    });
    const theirs = await python.submit("answer", { question: 42 });
    const worker = startTaskWorker(bucket.queue, { answer: ({ input }) => ({ answered: input }) });
    const done = await until("the task of Python", async () => {
      const read = await python.get(theirs.id);
      return read?.status === "completed" ? read : undefined;
    });
    await worker.stop();
    expect(done).toMatchObject({ output: { answered: { question: 42 } }, attempt: 1, retry_count: 0 });
  });
});
