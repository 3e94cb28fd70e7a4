/** Typed events: what is sent, and what is refused because the run could never take it. */
import { expect, test } from "vitest";
import { z } from "zod";
import { nodeHost } from "../../src/host/node.ts";
import { handleOf, PermanentError, workflow, WorkflowClient } from "../../src/index.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { errorOf } from "./setup.ts";

const asks = workflow("asks", { signals: { answer: z.object({ yes: z.boolean() }) } })
  .signal("approval", { schema: z.object({ by: z.string() }) })
  .step("ask", { dependsOn: ["approval"], run: async (ctx) => (await ctx.waitForSignal("answer")) ?? null })
  .step("end", {
    dependsOn: ["ask"],
    run: (ctx) => ctx.results.ask,
  });

test("an event reaches the node or handler that waits for it, without its type", async () => {
  await using kit = await createTestKit({ workflows: [asks] });
  const run = await kit.client.start(asks, null, { id: "a" });
  expect(await run.send({ type: "approval", by: "me" })).toMatch(/^[0-9a-f-]{36}$/);
  await kit.until(run, ({ steps }) => steps["ask"]?.status === "waiting");
  await kit.client.send("a", { type: "answer", yes: true }, {}, asks);
  expect(await run.result()).toEqual({ end: { yes: true } });
  expect((await run.get()).steps["approval"]?.result).toEqual({ by: "me" });
});

test("what is no event, has another name or another payload is refused, and nothing is put", async () => {
  await using kit = await createTestKit({ workflows: [asks] });
  const run = await kit.client.start(asks, null, { id: "a" });
  await kit.until(run, "waiting_signal");
  for (const [event, message] of [
    ["approval", 'an event is an object with a type, such as { type: "approval" }, not "approval"'],
    [[{ type: "approval" }], "an event is an object with a type"],
    [null, "an event is an object with a type"],
    [{ by: "me" }, "an event is an object with a type"],
    [{ type: 1 }, "an event is an object with a type"],
    [{ type: "a/b" }, 'signal name "a/b" cannot be used'],
    [{ type: "stop" }, 'workflow asks declares no signal "stop"; it declares answer'],
    [{ type: "approval" }, 'the payload of signal "approval" is refused'],
    [{ type: "answer", yes: 1n }, 'the payload of signal "answer" is refused'],
  ] as const)
    expect(await errorOf(kit.client.send("a", event as never)), String(message)).toMatchObject({
      code: "invalid",
      message: expect.stringContaining(message),
    });
  expect((await errorOf(kit.client.send("nobody", { type: "go" }))).message).toContain("does not exist");
  expect((await kit.store.list("workflow/a/signals/")).objects).toEqual([]);
});

test("a handle of start checks a signal as it checks an event, also where the client was given no definitions", async () => {
  const host = nodeHost();
  const client = new WorkflowClient(handleOf(new MemoryStore({ clock: host.clock }), host));
  const run = await client.start(asks, null, { id: "a" });
  const refused = { code: "invalid", message: expect.stringContaining('the payload of signal "approval" is refused') };
  expect(await errorOf(run.send({ type: "approval", by: 1 } as never))).toMatchObject(refused);
  expect(await errorOf(run.signal("approval", { by: 1 as never }))).toMatchObject(refused);
  expect(await run.signal("approval", { by: "me" })).toMatch(/-/);
  // Whoever has no definition cannot check anything.
  expect(await client.signal("a", "approval", { by: 1 })).toMatch(/-/);
});

test("what the run can never take any more is refused with the reason", async () => {
  const open = workflow("open")
    .signal("first", {})
    .step("second", { dependsOn: ["first"], run: async (ctx) => String(await ctx.waitForSignal("go")) })
    .signal("third", { dependsOn: ["second"] });
  const failing = workflow("failing", { signals: { go: z.object({}) } })
    .step("a", {
      run: () => 1,
      compensate: async () => {
        await released;
      },
    })
    .step("b", {
      dependsOn: ["a"],
      run: () => {
        throw new PermanentError("no");
      },
    });
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  await using kit = await createTestKit({ workflows: [asks, open, failing] });

  const one = await kit.client.start(asks, null, { id: "one" });
  await one.send({ type: "approval", by: "me" });
  await kit.until(one, ({ steps }) => steps["ask"]?.status === "waiting");
  expect((await errorOf(one.send({ type: "approval", by: "me" }))).message).toBe(
    'run one will never take the event "approval": its node "approval" is completed',
  );
  // A named signal is what it was: nobody is asked whether anything waits for it.
  expect(await one.signal("approval", { by: "me" })).toMatch(/-/);
  await one.send({ type: "answer", yes: true });
  await one.wait();
  expect((await errorOf(one.send({ type: "answer", yes: true }))).message).toContain("takes no signals any more");

  const two = await kit.client.start(open, null, { id: "two" });
  await kit.until(two, "waiting_signal");
  // A handler may wait for anything where nothing is declared; also for what is a node.
  await kit.client.send("two", { type: "first" });
  await kit.until(two, ({ steps }) => steps["second"]?.status === "waiting");
  await kit.client.send("two", { type: "first" });
  await kit.client.send("two", { type: "go" });
  await kit.until(two, ({ steps }) => steps["third"]?.status === "waiting");
  expect((await errorOf(kit.client.send("two", { type: "go" }))).message).toContain(
    "no step is left that could wait for it",
  );
  await kit.client.send("two", { type: "third" });
  await two.wait();

  const three = await kit.client.start(failing, null, { id: "three" });
  while ((await three.get()).status !== "compensating") await kit.clock.advance("10ms");
  expect((await errorOf(three.send({ type: "go" }))).message).toContain(
    "it is compensating and starts no steps any more",
  );
  release();
  await three.wait();
});
