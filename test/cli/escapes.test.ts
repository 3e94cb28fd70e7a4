/** Texts of users hold what a terminal obeys: no command may let it through. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, type QueueHandle, Worker, WorkflowClient } from "../../src/index.ts";
import { asking, declining, ODD, RED } from "./odd-texts.ts";
import { tell, type Told } from "./run.ts";

// eslint-disable-next-line no-control-regex -- these are what is looked for
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;

let folder = "";
let store = "";
let queue: QueueHandle;
let worker: Worker;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-escapes-"));
  store = `file:${join(folder, "bucket")}`;
  queue = await connect(store);
  worker = new Worker(queue, { workflows: [declining, asking], poll: 20 });
  await worker.start();
  const client = new WorkflowClient(queue, { workflows: [declining, asking] });
  await client.start(declining, null, { id: "failed" });
  await client.start(asking, null, { id: "paused" });
  await client.start(asking, null, { id: "open" });
  await client.wait("failed");
  await client.pause("paused", { reason: `lunch ${ODD}`, applied: true });
  for await (const _view of client.watch("open", { until: ({ status }) => status === "waiting_signal" }));
});
afterAll(async () => {
  await worker.stop();
  await queue.close();
  await rm(folder, { recursive: true, force: true });
});

const here = (...words: string[]): Promise<Told> => tell(...words, "--store", store);

test.for([
  ["start", declining.name, "--wait"],
  ["status", "failed"],
  ["status", "paused"],
  ["status", "open"],
  ["steps", "failed"],
  ["list"],
  ["watch", "failed"],
  ["next", "failed"],
  ["next", "open"],
  ["log", "failed"],
  ["show", "failed"],
  ["diff", "failed", "1", "-1"],
  ["retry", "--all", "--dry-run"],
  ["cancel", "--all", "--dry-run"],
  ["explain", "paused"],
  ["explain", "open"],
  ["cost", declining.name],
  ["cost", declining.name, "--why"],
  ["explore", declining.name, "--workflows", "test/cli/odd-texts.ts"],
  ["graph", declining.name, "--workflows", "test/cli/odd-texts.ts", "--out", "/dev/null", "--format", "svg"],
  ["sweeper", "--report"],
  ["signal", "failed", "x", "1"],
  ["signal", "open", `other${ODD}`, "1"],
  ["start", `nobody${ODD}`],
  [`no${ODD}`],
])("%j", async (words) => {
  const { stdout, stderr } = await here(...words);
  expect(stdout + stderr).not.toBe("");
  expect(stdout).not.toMatch(OBEYED);
  expect(stderr).not.toMatch(OBEYED);
});

test("shows what it does not let through", async () => {
  expect((await here("status", "failed")).stdout).toContain("card \\u001b[31mdeclined\\u0007\n");
  expect((await here("status", "paused")).stdout).toContain("Paused: lunch \\u001b[31modd");
  expect((await here("status", "failed", "--json")).json()).toMatchObject({
    error: { message: expect.stringContaining(`card ${RED}declined\u0007`) },
  });
});
