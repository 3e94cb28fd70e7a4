/** A run whose machine is damaged: everybody says so, nobody touches it, and it goes on when it is repaired. */
import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { stateKey } from "../../src/keys.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";
import { errorOf } from "../client/setup.ts";

const order = workflow("order").step("wait", async (ctx) => String(await ctx.waitForSignal("go")));

type Json = Record<string, unknown>;

/** Damages the record of a run and gives back the body that it had. */
async function damage(kit: TestKit, id: string, change: (machine: Json) => Json): Promise<string> {
  const read = await kit.store.get(stateKey(id));
  if (read.kind === "missing") throw new Error("no record");
  const record = JSON.parse(read.object.body) as Json;
  const body = JSON.stringify({ ...record, machine: change(record["machine"] as Json) });
  await kit.store.put(stateKey(id), body, "always");
  return read.object.body;
}

test.each<[string, (machine: Json) => Json, string]>([
  [
    "a state that is none",
    (machine) => ({ ...machine, snapshot: { ...(machine["snapshot"] as Json), value: "lost" } }),
    'value is "lost"',
  ],
  [
    "a context without members",
    (machine) => ({ ...machine, snapshot: { ...(machine["snapshot"] as Json), context: {} } }),
    "context.outcome is nothing",
  ],
  ...[
    { steps: { "s:wait": null } },
    { draining: 0.5 },
    { draining: [null] },
    { waits: [null] },
    { waits: { a: 1 } },
    { outcome: "x" },
  ].map((part): [string, (machine: Json) => Json, string] => {
    const damaged = (snapshot: Json): Json => ({ ...snapshot, context: { ...(snapshot["context"] as Json), ...part } });
    const change = (machine: Json): Json => ({ ...machine, snapshot: damaged(machine["snapshot"] as Json) });
    return [`a context with ${JSON.stringify(part)}`, change, `context.${Object.keys(part).join()}`];
  }),
  [
    "actors",
    (machine) => ({ ...machine, snapshot: { ...(machine["snapshot"] as Json), children: { a: 1 } } }),
    "its actors are",
  ],
  [
    "a step in flight that its plan has not",
    (machine) => ({
      ...machine,
      executions: [{ kind: "run", step: "x", generation: 1, wake: 0, begun: false, retries: 0 }],
    }),
    'it names "x"',
  ],
])(
  "%s: explain says so, commands are refused, workers leave it alone, and a repair is enough",
  async (_what, change, words) => {
    await using kit = await createTestKit({ workflows: [order] });
    const run = await kit.client.start(order, null, { id: "a" });
    await kit.until(run, "waiting_signal");
    const whole = await damage(kit, "a", change);
    const damaged = await kit.store.get(stateKey("a"));
    expect(await run.explain()).toEqual([expect.stringContaining(words)]);
    expect(await run.get()).toMatchObject({
      status: "waiting_signal",
      steps: { wait: { status: expect.any(String) } },
    });
    expect((await kit.client.list().next()).value).toMatchObject({ id: "a", status: "waiting_signal" });
    for (const ask of [() => run.next(), () => run.signal("go", 1), () => run.skip("wait")]) {
      const error = await errorOf(ask());
      expect(error).toMatchObject({ code: "data", message: expect.stringContaining(stateKey("a")) });
      expect(error.message).toContain(words);
    }
    await run.cancel();
    await kit.clock.advance("10m");
    expect(await kit.store.get(stateKey("a"))).toEqual(damaged);
    // Others are driven meanwhile.
    const other = await kit.client.start(order, null, { id: "b" });
    await other.signal("go", 1);
    expect(await other.result()).toEqual({ wait: "1" });
    // The command was kept.
    await kit.store.put(stateKey("a"), whole, "always");
    await kit.clock.advance("10m");
    expect((await run.get()).status).toBe("cancelled");
  },
);

test("a plan of another workflow is not followed", async () => {
  const refund = workflow("refund").step("wait", () => 1);
  await using kit = await createTestKit({ workflows: [order, refund] });
  const run = await kit.client.start(order, null, { id: "a" });
  await kit.until(run, "waiting_signal");
  await kit.client.start(refund);
  await kit.idle();
  await damage(kit, "a", (machine) => ({ ...machine, plan_hash: refund.planHash }));
  expect(await run.explain()).toEqual([expect.stringContaining('the plan is that of "refund"')]);
});
