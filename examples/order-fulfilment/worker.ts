/** One worker process of the demo. Argument: the url of the bucket. */
import { connect, Worker } from "buquet-workflow";
import { endWithParent } from "../support/processes.ts";
import { orderFulfilment } from "./workflow.ts";

endWithParent();

// One machine has one clock, and nobody wants to watch a demo wait: leases are short, so a killed worker is missed within seconds.
const queue = await connect(process.argv[2], { skewMarginMs: 100 });
const worker = new Worker(queue, { workflows: [orderFulfilment], poll: "300ms", lease: "3s" });
await worker.start();
process.on("SIGTERM", () => void worker.stop().then(() => process.exit(0)));
process.send?.("ready");
