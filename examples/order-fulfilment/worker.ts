/** One worker process of the demo. Arguments: the url of the bucket; a file for its log (default: standard error). */
import { appendFileSync } from "node:fs";
import { connect, createLogger, nodeHost, Worker } from "buquet-workflow";
import { endWithParent } from "../support/processes.ts";
import { orderFulfilment } from "./workflow.ts";

endWithParent();

const [, , url, log] = process.argv;
const logger = log === undefined ? undefined : createLogger({ write: (line) => appendFileSync(log, `${line}\n`) });
// One machine has one clock, and nobody wants to watch a demo wait: leases are short, so a killed worker is missed within seconds.
const queue = await connect(url, { skewMarginMs: 100, host: nodeHost(logger === undefined ? {} : { logger }) });
const worker = new Worker(queue, { workflows: [orderFulfilment], poll: "300ms", lease: "3s" });
await worker.start();
process.on("SIGTERM", () => void worker.stop().then(() => process.exit(0)));
process.send?.("ready");
