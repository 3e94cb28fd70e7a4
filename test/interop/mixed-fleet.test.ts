/** The example of a mixed fleet, run by the commands of its README. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { WorkflowClient } from "../../src/client/client.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { openServer, pythonProgram, whyNoInterop } from "./server.ts";

const README = readFileSync("examples/mixed-fleet/README.md", "utf8");
const COMMANDS = [...README.matchAll(/^(?:npx buquet-workflow|python) .+$/gmu)].map(([line]) => line);

test.skipIf(whyNoInterop() !== undefined)("the example of a mixed fleet ends as its README says", async () => {
  const server = await openServer();
  const started: ChildProcess[] = [];
  try {
    const bucket = await server.bucket();
    const run = (command: string): Promise<string> => {
      const [program = "", ...args] = command
        .replace(/^npx buquet-workflow/u, `${process.execPath} dist/src/cli/main.js`)
        .split(" ");
      const child = spawn(program === "python" ? pythonProgram() : program, args, {
        env: { ...process.env, ...bucket.env, NO_COLOR: "1", RUST_LOG: "off" },
      });
      started.push(child);
      return new Promise((done, fail) => {
        let output = "";
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
        child.once("error", fail);
        child.once("close", (code) => done(`${output}ended with ${code}`));
      });
    };
    expect(COMMANDS).toHaveLength(3);
    const [worker = "", steps = "", service = ""] = COMMANDS;
    // These two go on until they are stopped: should one end before, the other side waits in vain and its output says why.
    const others = [run(worker), run(steps)];
    const output = await Promise.race([run(service), ...others]);
    expect(output).toContain("ended with 0");
    expect(output).toContain("A-1 completed\nA-2 cancelled\n");
    const client = new WorkflowClient(handleOf(bucket.store, bucket.host));
    const results: unknown[] = [];
    for await (const { status, steps: now } of client.list())
      results.push([status, now["score"]?.result, now["pay"]?.result]);
    expect(results).toEqual(
      expect.arrayContaining([
        ["completed", { risk: "high" }, { paid: 1250.5, score: { risk: "high" } }],
        ["cancelled", { risk: "low" }, undefined],
      ]),
    );
  } finally {
    for (const child of started) child.kill("SIGKILL");
    await server.stop();
  }
});
