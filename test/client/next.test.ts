/** What a client says comes next: with the schemas of a definition that it was given, and without. */
import { expect, test } from "vitest";
import { z } from "zod";
import { handleOf, nodeHost, workflow, WorkflowClient } from "../../src/index.ts";
import { stateKey } from "../../src/keys.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { errorOf } from "./setup.ts";

const asks = workflow("asks", {
  signals: { answer: z.object({ yes: z.boolean(), note: z.string().default("") }), stamp: z.date() },
})
  .step("ask", async (ctx) => ({ yes: (await ctx.waitForSignal("answer", { timeout: "1h" }))?.yes ?? null }))
  .signal("go", {})
  .step("stamp", async (ctx) => void (await ctx.waitForSignal("stamp")))
  .step("end", { dependsOn: ["ask", "go", "stamp"], run: () => 1 });

test("each open wait has the schema of what it takes, its deadline, and where both lead", async () => {
  await using kit = await createTestKit({ workflows: [asks] });
  const run = await kit.client.start(asks, null, { id: "a" });
  await kit.until(run, ({ status }) => status === "waiting_signal");
  const next = await run.next();
  expect(next).toMatchObject({ id: "a", status: "waiting_signal", timers: [], steps: [] });
  const [answer, ...others] = next.signals.toSorted((a, b) => a.signal.localeCompare(b.signal));
  expect(answer).toMatchObject({
    signal: "answer",
    step: "ask",
    schema: { type: "object", properties: { yes: { type: "boolean" }, note: { type: "string" } }, required: ["yes"] },
    leads: { status: "running", starts: ["ask"] },
    deadline: { at: "2026-01-01T01:00:00+00:00", leads: { starts: ["ask"] } },
  });
  // A node without a schema takes anything, and what JSON Schema cannot say is anything.
  expect(others).toMatchObject([{ signal: "go" }, { signal: "stamp", schema: {} }]);
  expect(others[0]).not.toHaveProperty("schema");
  expect(next.commands.map(({ command }) => command)).toEqual(["pause", "cancel", "terminate"]);

  const stranger = new WorkflowClient(handleOf(kit.store, nodeHost()));
  const without = await stranger.next("a");
  expect(without.signals).toHaveLength(3);
  expect(without.signals.some((wait) => "schema" in wait)).toBe(false);
});

test("a run whose machine is not there to be asked says so", async () => {
  await using kit = await createTestKit({ workflows: [asks], workers: 0 });
  await kit.client.start(asks, null, { id: "a" });
  const read = await kit.store.get(stateKey("a"));
  if (read.kind === "missing") throw new Error("no record");
  const { machine: _dropped, ...plain } = JSON.parse(read.object.body) as Record<string, unknown>;
  await kit.store.put(stateKey("a"), JSON.stringify(plain), "always");
  expect(await errorOf(kit.client.next("a"))).toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("another program rewrote its record"),
  });
  expect((await errorOf(kit.client.next("b"))).message).toContain("does not exist");
});
