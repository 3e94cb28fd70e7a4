/** The first sample of the page that this project comes from: three steps, one after the other. */
import { connect, Worker, workflow, WorkflowClient } from "buquet-workflow";

const wf = workflow("order_fulfillment")
  .step("validate", async () => ({ valid: true }))
  .step("charge", { dependsOn: ["validate"], run: async () => ({ charged: true }) })
  .step("ship", { dependsOn: ["charge"], run: async () => ({ shipped: true }) });

const queue = await connect(process.argv[2] ?? "memory:");
await using worker = new Worker(queue, { workflows: [wf] });
await worker.start();

const client = new WorkflowClient(queue, { workflows: [wf] });
const run = await client.start("order_fulfillment", { order_id: "123" });
const result = await client.wait(run.id);
console.log(result.status, JSON.stringify(await client.result(run.id)));
