/** One worker process of a fleet. Argument: the url of the bucket. */
import { connect, Worker } from "../../src/index.ts";
import * as workflows from "./workflows.ts";

// Whoever started it is gone: so is it, as abruptly as that.
process.once("disconnect", () => process.exit(1));
// One machine has one clock, and nobody wants to watch a test wait for the leases of the dead.
const queue = await connect(process.argv[2], { skewMarginMs: 100 });
const worker = new Worker(queue, { workflows: Object.values(workflows), poll: "300ms", lease: "3s" });
await worker.start();
process.on("SIGTERM", () => void worker.stop().then(() => process.exit(0)));
process.send?.("ready");
