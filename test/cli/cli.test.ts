import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, WorkflowClient } from "../../src/index.ts";
import { orderFulfilment } from "../../examples/order-fulfilment/workflow.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs the command line; never rejects. */
function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      ["--import", "tsx", "src/cli/main.ts", ...args, "--store", `file:${folder}`],
      { env: { ...process.env, NO_COLOR: "1" } },
      (error, stdout, stderr) => {
        done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
  });
}

const MODULE = "examples/order-fulfilment/workflow.ts";

test("starts a run, shows it, lists it and says why it does not move", async () => {
  const order = { order_id: "9", item: "lamp", amount: 5, card: "visa" };
  const started = await cli(
    "start",
    "order_fulfilment",
    JSON.stringify(order),
    "--id",
    "order-9",
    "--workflows",
    MODULE,
  );
  expect(started).toMatchObject({ code: 0, stdout: "order-9\n" });
  const status = await cli("status", "order-9", "--json");
  expect(JSON.parse(status.stdout)).toMatchObject({
    id: "order-9",
    status: "pending",
    reasons: ["no worker that was seen in the last minute serves order_fulfilment"],
  });
  expect((await cli("list")).stdout).toContain("order-9  order_fulfilment  pending");
});

test("accepts commands durably and refuses what makes no sense, with an exit code", async () => {
  const queue = await connect(`file:${folder}`);
  await new WorkflowClient(queue, { workflows: [orderFulfilment] }).start(
    orderFulfilment,
    { order_id: "8", item: "vase", amount: 5, card: "visa" },
    { id: "order-8" },
  );
  await queue.close();
  expect(await cli("cancel", "order-8", "--reason", "test")).toMatchObject({ code: 0 });
  expect((await cli("status", "nothing")).code).toBe(2);
  expect((await cli("signal", "order-8", "approval", "{not json")).stderr).toContain("is not JSON");
  expect((await cli("nonsense")).code).toBe(2);
  expect((await cli("--help")).stdout).toContain("worker");
});

test("finds the folder safe to use", { timeout: 120_000 }, async () => {
  const doctor = await cli("doctor", "--json");
  expect(JSON.parse(doctor.stdout)).toMatchObject({ safe: true });
  expect(doctor.code).toBe(0);
});
