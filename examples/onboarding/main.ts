/**
 * Two new users, days made seconds: one finishes the profile in time, the other is reminded. Killed and started again, it goes on where
 * it was; what was due meanwhile is done late, and once.
 *
 * Arguments: the folder (default: .buquet/onboarding); the url of a bucket (default: a folder in it).
 */
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { coloured, print } from "../support/print.ts";
import { connect, Worker, WorkflowClient, WorkflowError } from "buquet-workflow";
import { openWork, writeWhole } from "../support/files.ts";
import { onboarding, type SendLetter } from "./workflow.ts";

const folder = resolve(process.argv[2] ?? ".buquet/onboarding");
const finish = openWork(folder);

/** A letter is a file that is named after its key: written again, it is the same letter. */
const send: SendLetter = async ({ key, to, text }) => {
  const path = join(folder, "letters", `${key.replaceAll(":", "-")}.txt`);
  if (!existsSync(path)) print(`  to ${to}: ${text}`);
  writeWhole(path, `To: ${to}\n\n${text}\n`);
};

const definition = onboarding(send, { finishWithin: "3s", askAfter: "2s" });
const queue = await connect(process.argv[3] ?? `file:${join(folder, "bucket")}`, { skewMarginMs: 100 });
const worker = new Worker(queue, { workflows: [definition], poll: "300ms", lease: "3s" });
await worker.start();
const client = new WorkflowClient(queue, { workflows: [definition] });

print(`ada will finish her profile, bob will not; everything in ${relative(process.cwd(), folder) || "."}`);
const users = ["ada", "bob"].map(async (user) => {
  const input = { user, address: `${user}@example.com` };
  const run = await client.start(definition, input, { id: `user-${user}` });
  let finished = false;
  for await (const view of run.watch()) {
    print(`  ${user}  ${coloured(view.status)}  ${view.currentSteps.join(", ")}`.trimEnd());
    if (user !== "ada" || finished || view.status !== "waiting_signal") continue;
    finished = true;
    try {
      await run.signal("profile_finished", { photo: true });
    } catch (error) {
      if (!(error instanceof WorkflowError && error.code === "invalid")) throw error;
    }
  }
  const { ask } = await run.result();
  return `${user}  ${ask.reminded ? "was reminded" : "needed no reminder"}`;
});
for (const line of await Promise.all(users)) print(line);
print(`The letters: cat ${join(relative(process.cwd(), folder) || ".", "letters", "*.txt")}`);

finish();
await worker.stop();
await queue.close();
