/** One worker process of the ETL. Argument: the url of the bucket. */
import { connect, Worker } from "buquet-workflow";
import { endWithParent } from "../support/processes.ts";
import { flightDelays } from "./workflow.ts";

endWithParent();

// One machine has one clock: short leases, so a killed worker is missed within seconds.
const queue = await connect(process.argv[2], { skewMarginMs: 100 });
const worker = new Worker(queue, { workflows: [flightDelays], poll: "300ms", lease: "3s" });
await worker.start();
process.on("SIGTERM", () => void worker.stop().then(() => process.exit(0)));
process.send?.("ready");
