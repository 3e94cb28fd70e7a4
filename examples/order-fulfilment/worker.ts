/** One worker process of the demo. */
import { connect, Worker } from "../../src/index.ts";
import { orderFulfilment } from "./workflow.ts";

const queue = await connect(process.argv[2]);
const worker = new Worker(queue, { workflows: [orderFulfilment], poll: "300ms", lease: "6s" });
await worker.start();
process.send?.("ready");
// The one who started us is gone: so are we, as abruptly as it gets.
process.on("disconnect", () => process.exit(1));
process.on("SIGTERM", () => void worker.stop().then(() => process.exit(0)));
