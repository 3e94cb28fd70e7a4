/**
 * The main job: worker processes on a local folder take a file of orders through. Killed at any moment and started again, it goes on
 * where it was.
 */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { coloured, print, table } from "../../src/cli/output.ts";
import { connect, type RunView, WorkflowClient } from "../../src/index.ts";
import { orderFulfilment, orderSchema } from "./workflow.ts";

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const folder = resolve(process.argv[2] ?? ".buquet/demo");
const store = `file:${join(folder, "bucket")}`;
const ledger = join(folder, "ledger.jsonl");
const finished = join(folder, "finished");

if (existsSync(finished)) rmSync(folder, { recursive: true });
mkdirSync(folder, { recursive: true });

function start(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ child: ChildProcess; message: unknown }> {
  const child = fork(here(script), [...args], {
    execArgv: ["--import", "tsx"],
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  return new Promise((done, fail) => {
    child.once("message", (message) => done({ child, message }));
    child.once("exit", (code) => fail(new Error(`${script} ended with ${String(code)}`)));
  });
}

const service = await start("payment-service.ts", [ledger], {});
const { url } = service.message as { url: string };
const workers = await Promise.all([1, 2].map(() => start("worker.ts", [store], { PAYMENTS_URL: url })));

const queue = await connect(store);
const client = new WorkflowClient(queue, { workflows: [orderFulfilment] });
const orders = z.array(orderSchema).parse(JSON.parse(readFileSync(here("orders.json"), "utf8")));
print(`${orders.length} orders, ${workers.length} workers, everything in ${relative(process.cwd(), folder) || "."}`);

async function follow(order: z.infer<typeof orderSchema>): Promise<RunView> {
  const run = await client.start(orderFulfilment, order, { id: `order-${order.order_id}` });
  let steered = false;
  let last: RunView | undefined;
  for await (const view of run.watch()) {
    if (view.status !== last?.status)
      print(`  order ${order.order_id}  ${coloured(view.status)}  ${view.currentSteps.join(", ")}`);
    last = view;
    if (view.status !== "waiting_signal" || steered) continue;
    steered = true;
    if (order.order_id === "1006") await run.cancel({ reason: "the customer changed their mind" });
    else await run.signal("approval", { approver: "manager@example.com" });
  }
  if (last === undefined) throw new Error(`order ${order.order_id} was never seen`);
  return last;
}

const views = await Promise.all(orders.map(follow));

const entries = existsSync(ledger)
  ? readFileSync(ledger, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { what: string; order: string })
  : [];
const rows = views.map((view, index) => {
  const order = orders[index]?.order_id ?? "";
  const booked = entries.filter((entry) => entry.order === order).map((entry) => entry.what);
  return [
    order,
    orders[index]?.item ?? "",
    String(orders[index]?.amount ?? ""),
    coloured(view.status),
    booked.join(" + ") || "nothing",
    view.error?.message ?? "",
  ];
});
print("");
print(table(["ORDER", "ITEM", "AMOUNT", "END", "LEDGER", "WHY"], rows));
print("");
print(`Look at a run:   cat ${relative(process.cwd(), join(folder, "bucket/workflow/order-1004/state.json"))}`);
print(
  `Ask about it:    npx tsx src/cli/main.ts status order-1005 --store file:${relative(process.cwd(), join(folder, "bucket"))}`,
);

writeFileSync(finished, "");
const ended = workers.map(({ child }) => new Promise((done) => child.once("exit", done)));
for (const { child } of workers) child.kill("SIGTERM");
await Promise.all(ended);
service.child.kill("SIGTERM");
await queue.close();
