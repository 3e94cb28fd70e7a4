/** Names as long as they may be, in letters that take most room, work in a folder as they do elsewhere. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, untypedWorkflow, Worker, WorkflowClient } from "../../src/index.ts";
import { stepResultKey } from "../../src/keys.ts";
import { encodeKey } from "../../src/store/file-names.ts";
import { listKeys } from "../../src/store/paging.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "long-names-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** 200 bytes each. */
const NAMES = [
  ["umlauts", "ü".repeat(100)],
  ["emoji", "🙂".repeat(50)],
  ["Chinese", `${"单".repeat(66)}.x`],
  ["blanks", `a${" ".repeat(198)}b`],
  ["per cents", "%".repeat(80)],
] as const;

test.each(NAMES)("%s", async (what, name) => {
  const id = `${name.slice(0, -2)}-r`;
  const definition = untypedWorkflow(name)
    .step(name, () => 1)
    .signal(`${name.slice(0, -2)}-s`, { dependsOn: [name] })
    .step("end", { dependsOn: [`${name.slice(0, -2)}-s`], run: () => 2 });
  await using queue = await connect(`file:${join(folder, what)}`);
  const worker = new Worker(queue, { workflows: [definition], id: "w" });
  await worker.start();
  const client = new WorkflowClient(queue, { workflows: [definition] });
  const run = await client.start(name, null, { id });
  await run.signal(`${name.slice(0, -2)}-s`, null);
  expect((await run.wait({ timeout: "30s" })).status).toBe("completed");
  await worker.stop();
  const { store } = queue.context;
  expect((await store.get(stepResultKey(id, name))).kind).toBe("found");
  const keys: string[] = [];
  for await (const key of listKeys(store, `workflow/${id}/steps/`)) keys.push(key);
  expect(keys).toContain(stepResultKey(id, name));
  const ids: string[] = [];
  for await (const view of client.list()) ids.push(view.id);
  expect(ids).toEqual([id]);
});

test("a part that is short enough stays as it was written", () => {
  expect(encodeKey("workflow/ü b/state.json")).toEqual(["workflow", "%C3%BC%20b", "state.json"]);
  expect(encodeKey(`workflow/${"ü".repeat(42)}/x`)[1]).toBe("%C3%BC".repeat(42));
  expect(encodeKey(`workflow/${"ü".repeat(43)}/x`)[1]).toBe(`%~${"ü".repeat(43)}`);
});
