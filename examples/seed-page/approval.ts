/** The second sample: a step that waits for a person, without holding a worker. */
import { z } from "zod";
import { connect, PermanentError, Worker, workflow, WorkflowClient } from "buquet-workflow";

const approval = workflow("approval", { signals: { approval: z.object({ approver: z.string() }) } }).step(
  "wait_approval",
  async (ctx) => {
    const signal = await ctx.waitForSignal("approval", { timeout: "7d" });
    if (!signal) throw new PermanentError("nobody approved");
    return { approved_by: signal.approver };
  },
);

const queue = await connect(process.argv[2] ?? "memory:");
await using worker = new Worker(queue, { workflows: [approval] });
await worker.start();

const client = new WorkflowClient(queue, { workflows: [approval] });
const run = await client.start(approval);
await client.signal(run.id, "approval", { approver: "manager@example.com" });
console.log(JSON.stringify(await run.result()));
