/** Both samples of the page that this project comes from, as they stand, in a folder. In memory they run as examples/README.md says, with SLOW=1. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inFolder, runProgram } from "./programs.ts";

test.each([
  ["order", 'completed {"ship":{"shipped":true}}'],
  ["approval", '{"wait_approval":{"approved_by":"manager@example.com"}}'],
])("%s prints what it came to", async (sample, printed) => {
  const script = `examples/seed-page/${sample}.ts`;
  await inFolder(async (folder) => {
    expect(await runProgram(script, [`file:${folder}`])).toMatchObject({ code: 0, output: `${printed}\n` });
  });
});

test("the state of an order is one JSON file, and so is the result of each step", async () => {
  await inFolder(async (folder) => {
    await runProgram("examples/seed-page/order.ts", [`file:${folder}`]);
    const [run = ""] = readdirSync(join(folder, "workflow"));
    const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, "workflow", run, name), "utf8"));
    expect(read("state.json")).toMatchObject({
      type: "order_fulfillment",
      status: "completed",
      data: { order_id: "123" },
    });
    expect(read("steps/charge.json")).toEqual({ charged: true });
  });
});
