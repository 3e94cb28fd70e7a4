/**
 * The main job: worker processes on a local folder take a file of orders through. Killed at any moment and started again, it goes on
 * where it was.
 *
 * Arguments: the folder (default: .buquet/demo); the file of orders (default: orders.json beside this file); the url of an empty
 * bucket (default: the folder is one).
 */
import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { z } from "zod";
import { coloured, print, table } from "../support/print.ts";
import { connect, type Run, type RunView, WorkflowClient, WorkflowError } from "buquet-workflow";
import { openWork } from "../support/files.ts";
import { keepRunning } from "../support/processes.ts";
import { readLedger } from "./ledger.ts";
import { readReservation } from "./warehouse.ts";
import { orderFulfilment, orderSchema } from "./workflow.ts";

const WORKERS = 2;
const OVER: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** A line of the file: the order, and whether its customer thinks better of it while it waits for approval. */
const lineSchema = orderSchema.extend({ cancelled: z.string().optional() });
type Line = z.infer<typeof lineSchema>;

const folder = resolve(process.argv[2] ?? ".buquet/demo");
const shown = relative(process.cwd(), folder) || ".";
const file = process.argv[3] || new URL("orders.json", import.meta.url);
const lines = z.array(lineSchema).parse(JSON.parse(readFileSync(file, "utf8")));
const [, , , , bucket] = process.argv;
const store = bucket ?? `file:${join(folder, "bucket")}`;
const ledger = join(folder, "ledger.jsonl");
const stock = join(folder, "stock");
// Declined cards are what the demo is about; their stacks would hide what it prints.
const log = join(folder, "workers.log");

const finish = openWork(folder);

const service = await keepRunning({
  script: new URL("payment-service.ts", import.meta.url),
  // The workers know its address: the next one listens there too.
  args: (first) => [ledger, first === undefined ? "0" : new URL((first as { url: string }).url).port],
  onReplaced: (why) => print(`  the payment service is gone (${why}) and comes again`),
});
const env = { PAYMENTS_URL: (service.message as { url: string }).url, STOCK_FOLDER: stock };
const workers = await Promise.all(
  Array.from({ length: WORKERS }, (_, index) =>
    keepRunning({
      script: new URL("worker.ts", import.meta.url),
      args: () => [store, log],
      env,
      onReplaced: (why) => print(`  worker ${index + 1} is gone (${why}); another one takes its place`),
    }),
  ),
);

const queue = await connect(store);
const client = new WorkflowClient(queue, { workflows: [orderFulfilment] });
print(`${lines.length} orders, ${WORKERS} workers, everything in ${shown}`);
let over = 0;

/** What the people around the order do: the manager approves it, or the customer cancels it. */
async function decide(run: Run, line: Line): Promise<void> {
  try {
    if (line.cancelled !== undefined) await run.cancel({ reason: line.cancelled });
    else await run.signal("approval", { approver: "manager@example.com" });
  } catch (error) {
    // Decided before we were killed, and carried out a moment ago: an order that is over takes no signals.
    if (!(error instanceof WorkflowError && error.code === "invalid")) throw error;
  }
}

async function follow(line: Line): Promise<RunView> {
  const run = await client.start(orderFulfilment, orderSchema.parse(line), { id: `order-${line.order_id}` });
  let decided = false;
  let last: RunView | undefined;
  for await (const view of run.watch()) {
    if (OVER.has(view.status)) over += 1;
    if (view.status !== last?.status) {
      const now = OVER.has(view.status) ? `(${over} of ${lines.length} are over)` : view.currentSteps.join(", ");
      print(`  order ${line.order_id}  ${coloured(view.status)}  ${now}`.trimEnd());
    }
    last = view;
    if (view.status !== "waiting_signal" || decided) continue;
    decided = true;
    await decide(run, line);
  }
  if (last === undefined) throw new Error(`order ${line.order_id} was never seen`);
  return last;
}

const views = await Promise.all(lines.map(follow));

const entries = readLedger(ledger);
const rows = views.map((view, index) => {
  const { order_id, item, amount } = lines[index] as Line;
  const booked = entries.filter((entry) => entry.order === order_id).map((entry) => entry.what);
  return [
    order_id,
    item,
    String(amount),
    coloured(view.status),
    booked.join(" + ") || "nothing",
    readReservation(stock, order_id)?.state ?? "nothing",
    view.error?.message ?? "",
  ];
});
print("");
print(table(["ORDER", "ITEM", "AMOUNT", "END", "LEDGER", "STOCK", "WHY"], rows));
print("");
print(`The payment service's ledger:   cat ${join(shown, "ledger.jsonl")}`);
const shownStore = bucket === undefined ? `file:${join(shown, "bucket")}` : `'${bucket}'`;
if (bucket === undefined)
  print(`Look at the state of a run:     cat ${join(shown, "bucket/workflow/order-1004/state.json")}`);
print(`What the workers logged:        cat ${join(shown, "workers.log")}`);
print(`Ask about a run:                npx buquet-workflow status order-1005 --store ${shownStore}`);

finish();
await Promise.all(workers.map((worker) => worker.stop()));
await service.stop();
await queue.close();
