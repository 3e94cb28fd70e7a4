/** Opening a failed run again: what stays, what begins anew, and what is refused. Numbers in brackets are promises. */
import { describe, expect, test } from "vitest";
import { PermanentError, workflow } from "../../src/index.ts";
import { ACTIVE_PREFIX, laterResultKey, stepResultKey } from "../../src/keys.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";
import { errorOf, waiter } from "./setup.ts";

/** What the handlers did, in order. */
type Log = { readonly step: string; readonly key: string; readonly generation: number }[];
type Told = { readonly step: string; readonly idempotencyKey: string; readonly generation: number };

/** reserve → charge → ship, all undone when shipping fails; it fails until `mends` retries were made. */
function order(log: Log, mends = 1) {
  const note = (kind: "run" | "undo", { step, idempotencyKey: key, generation }: Told): void => {
    log.push({ step: kind === "run" ? step : `undo ${step}`, key, generation });
  };
  return workflow("order")
    .step("look", (ctx) => note("run", ctx))
    .step("reserve", {
      dependsOn: ["look"],
      run: (ctx) => {
        note("run", ctx);
        return { reservation: ctx.generation };
      },
      compensate: (ctx) => note("undo", ctx),
    })
    .step("ship", {
      dependsOn: ["reserve"],
      run: (ctx) => {
        note("run", ctx);
        if (ctx.generation <= mends) throw new PermanentError("no truck");
        return { shipped: ctx.results.reserve };
      },
    });
}

async function bodyOf(kit: TestKit, key: string): Promise<unknown> {
  const read = await kit.store.get(key);
  return read.kind === "found" ? JSON.parse(read.object.body) : undefined;
}

describe("a retry of a failed run", () => {
  test("runs what failed and what was undone as new generations, and nothing that stands", async () => {
    const log: Log = [];
    const definition = order(log);
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition, null, { id: "order-1" });
    expect(await run.wait()).toMatchObject({ status: "failed", error: { type: "StepFailed", step: "ship" } });
    expect(log.map(({ step }) => step)).toEqual(["look", "reserve", "ship", "undo reserve"]);
    await run.retry({ applied: true });
    const { error, compensationErrors, ...view } = await run.wait();
    expect({ error, compensationErrors, status: view.status }).toEqual({
      error: undefined,
      compensationErrors: [],
      status: "completed",
    });
    expect(log.slice(4).map(({ step, generation }) => [step, generation])).toEqual([
      ["reserve", 2],
      ["ship", 2],
    ]);
    expect(view.steps["ship"]?.result).toEqual({ shipped: { reservation: 2 } });
    expect(view.record.machine?.cause).toBeUndefined();
  });

  test("gives a new idempotency key to what was undone or vouched for, and the undo the key of what it undoes [30]", async () => {
    const log: Log = [];
    const definition = order(log);
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition, null, { id: "order-1" });
    await run.wait();
    await run.retry({ applied: true });
    await run.wait();
    const keys = log.map(({ step, key }) => `${step} ${key}`);
    expect(keys).toEqual([
      "look order-1:look:1",
      "reserve order-1:reserve:1",
      "ship order-1:ship:1",
      "undo reserve order-1:reserve:1",
      "reserve order-1:reserve:2",
      "ship order-1:ship:2",
    ]);
  });

  test("keeps the idempotency key of what may have happened [30]", async () => {
    const keys: string[] = [];
    const flaky = workflow("flaky").step("charge", {
      retries: 0,
      run: (ctx) => {
        keys.push(ctx.idempotencyKey);
        if (ctx.generation === 1) throw new Error("the line went dead");
        return "charged";
      },
    });
    await using kit = await createTestKit({ workflows: [flaky] });
    const run = await kit.client.start(flaky, null, { id: "f" });
    await run.wait();
    await run.retry({ applied: true });
    expect(await run.result()).toEqual({ charge: "charged" });
    expect(keys).toEqual(["f:charge:1", "f:charge:1"]);
  });

  test("leaves the first result of a step in its file for ever; later ones have a key of their own [10]", async () => {
    const definition = order([], 2);
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition, null, { id: "order-1" });
    for (const _round of [1, 2]) {
      await run.wait();
      await run.retry({ applied: true });
    }
    expect(await run.wait()).toMatchObject({ status: "completed" });
    await kit.idle();
    expect(await bodyOf(kit, stepResultKey("order-1", "reserve"))).toEqual({ reservation: 1 });
    expect(await bodyOf(kit, laterResultKey("order-1", "reserve", 2))).toEqual({ reservation: 2 });
    expect(await bodyOf(kit, laterResultKey("order-1", "reserve", 3))).toEqual({ reservation: 3 });
    // It completed once, so its only result is its first.
    expect(await bodyOf(kit, stepResultKey("order-1", "ship"))).toEqual({ shipped: { reservation: 3 } });
  });

  test("files the run in the active index again, so that it is found if its worker dies", async () => {
    const parks = workflow("parks").step("a", async (ctx) => {
      if (ctx.generation === 1) throw new PermanentError("no");
      await ctx.waitForSignal("go");
    });
    await using kit = await createTestKit({ workflows: [parks] });
    const run = await kit.client.start(parks, null, { id: "p" });
    const active = async (): Promise<number> => (await kit.store.list(ACTIVE_PREFIX)).objects.length;
    await run.wait();
    await kit.idle();
    expect(await active()).toBe(0);
    await run.retry({ applied: true });
    await kit.until(run, "waiting_signal");
    await kit.idle();
    expect(await active()).toBe(1);
    await run.signal("go", null);
    await run.wait();
    await kit.idle();
    expect(await active()).toBe(0);
  });

  test("given twice for one failure counts once", async () => {
    const log: Log = [];
    const definition = order(log, 9);
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition, null, { id: "order-1" });
    await run.wait();
    const [worker] = kit.workers;
    await worker?.stop();
    await run.retry();
    await run.retry();
    await kit.startWorker();
    await kit.idle();
    expect(await run.wait()).toMatchObject({ status: "failed" });
    expect(log.filter(({ step }) => step === "ship")).toHaveLength(2);
  });

  test("is refused when the run is not failed, and says what else to do", async () => {
    const fine = workflow("fine").step("a", () => 1);
    await using kit = await createTestKit({ workflows: [fine, waiter] });
    const done = await kit.client.start(fine, null, { id: "done" });
    await done.wait();
    const waits = await kit.client.start(waiter, null, { id: "waits" });
    await kit.until(waits, "waiting_signal");
    for (const [id, message] of [
      ["done", "run done is completed, not failed: there is nothing to retry; start a new one"],
      ["waits", "run waits is waiting_signal, not failed: there is nothing to retry"],
      ["nobody", 'run "nobody" does not exist; check the id and the bucket'],
    ] as const)
      expect(await errorOf(kit.client.retry(id))).toMatchObject({
        code: id === "nobody" ? "not_found" : "invalid",
        message,
      });
    await waits.pause({ applied: true });
    expect((await errorOf(waits.retry())).message).toContain("resume goes on");
  });

  test("waits for a worker with the definition of the run", async () => {
    const log: Log = [];
    const definition = order(log);
    const other = workflow("order").step("else", () => 1);
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition, null, { id: "order-1" });
    await run.wait();
    await kit.workers[0]?.stop();
    const stranger = await kit.startWorker({ workflows: [other] });
    await kit.clock.advance("5m");
    await run.retry();
    await kit.clock.advance("5m");
    expect(await run.get()).toMatchObject({ status: "failed", error: { type: "StepFailed" } });
    await stranger.stop();
    await kit.startWorker();
    await kit.clock.advance("5m");
    expect(await run.wait()).toMatchObject({ status: "completed" });
  });

  test("asks again for what the handler had been given by signals", async () => {
    const asked = workflow("asked").step("decide", async (ctx) => {
      const answer = (await ctx.waitForSignal("answer")) as { yes: boolean };
      if (!answer.yes) throw new PermanentError("no");
      return answer;
    });
    await using kit = await createTestKit({ workflows: [asked] });
    const run = await kit.client.start(asked, null, { id: "asked" });
    await run.signal("answer", { yes: false });
    await run.wait();
    await run.retry({ applied: true });
    await kit.until(run, "waiting_signal");
    await run.signal("answer", { yes: true });
    expect(await run.result()).toEqual({ decide: { yes: true } });
  });

  test("tries an undo that failed no more: what it may have left is run again under its key", async () => {
    const keys: string[] = [];
    const stuck = workflow("stuck")
      .step("a", {
        run: (ctx) => void keys.push(ctx.idempotencyKey),
        compensate: () => {
          throw new PermanentError("it cannot be undone");
        },
      })
      .step("b", {
        dependsOn: ["a"],
        run: (ctx) => {
          if (ctx.generation === 1) throw new PermanentError("no");
        },
      });
    await using kit = await createTestKit({ workflows: [stuck] });
    const run = await kit.client.start(stuck, null, { id: "s" });
    expect(await run.wait()).toMatchObject({ status: "failed", error: { type: "CompensationFailed" } });
    await run.retry({ applied: true });
    expect(await run.wait()).toMatchObject({ status: "completed", compensationErrors: [] });
    expect(keys).toEqual(["s:a:1", "s:a:1"]);
  });
});
