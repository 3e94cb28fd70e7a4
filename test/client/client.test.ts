/** What a client asks of runs, and what it is told. Numbers in brackets are promises. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  handleOf,
  IdempotencyConflictError,
  meterStore,
  nodeHost,
  RunNotFoundError,
  TimeoutError,
  workflow,
  WorkflowCancelledError,
  WorkflowClient,
  WorkflowFailedError,
} from "../../src/index.ts";
import { taskKey } from "../../src/keys.ts";
import { startTick } from "../../src/run/wakeups/start.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { World } from "../simulation/world/index.ts";
import { errorOf, HOUR, START, waiter } from "./setup.ts";

const add = workflow("add", {
  input: z.object({ n: z.number(), by: z.number().default(1) }),
})
  .step("sum", (ctx) => ctx.input.n + ctx.input.by)
  .output((results) => ({ sum: results.sum }));

describe("start", () => {
  test("gives a handle with an id of its own, and the schema's defaults are stored [16-20]", async () => {
    await using kit = await createTestKit({ workflows: [add] });
    const run = await kit.client.start("add", { n: 1 });
    expect(run.id).toMatch(/^wf-[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(await run.result()).toEqual({ sum: 2 });
    expect((await run.get()).data).toEqual({ n: 1, by: 1 });
  });

  test("twice with one id and input is the same run", async () => {
    let calls = 0;
    const count = workflow("count").step("a", (ctx) => {
      calls += 1;
      return { data: ctx.input };
    });
    await using kit = await createTestKit({ workflows: [count] });
    const runs = await Promise.all([1, 2, 3].map(() => kit.client.start(count, { a: 1, b: [0.5] }, { id: "same" })));
    expect(runs.map(({ created }) => created).toSorted()).toEqual([false, false, true]);
    const results = await Promise.all(runs.map((run) => run.result()));
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
    const late = await kit.client.start(count, { b: [0.5], a: 1 }, { id: "same" });
    expect([late.created, await late.result()]).toEqual([false, results[0]]);
    expect(calls).toBe(1);
  });

  test("of one id with several inputs at once starts one run and refuses the others", async () => {
    const echo = workflow("echo").step("a", (ctx) => ({ got: ctx.input }));
    await using kit = await createTestKit({ workflows: [echo] });
    const starts = await Promise.allSettled([1, 2, 3].map((n) => kit.client.start(echo, n, { id: "same" })));
    const refused = starts.flatMap((start) => (start.status === "rejected" ? [start.reason as unknown] : []));
    expect(refused).toHaveLength(2);
    for (const error of refused) {
      expect(error).toBeInstanceOf(IdempotencyConflictError);
      expect(error).toMatchObject({ code: "conflict", key: "same", message: expect.stringContaining("another input") });
    }
    const { data } = await kit.client.get("same");
    expect(await kit.client.result("same")).toEqual({ a: { got: data } });
    await expect(kit.client.start(echo, null, { id: "same" })).rejects.toThrow(IdempotencyConflictError);
    expect((await kit.client.start(echo, data, { id: "same" })).created).toBe(false);
  });

  test("compares what the schema makes of the inputs", async () => {
    await using kit = await createTestKit({ workflows: [add] });
    await kit.client.start(add, { n: 1 }, { id: "defaults" });
    expect((await kit.client.start(add, { n: 1, by: 1 }, { id: "defaults" })).created).toBe(false);
    await expect(kit.client.start(add, { n: 1, by: 2 }, { id: "defaults" })).rejects.toThrow("another input");
  });

  test("compiles a definition that the client was not given once, however often it starts", async () => {
    const count = workflow("count").step("a", () => 1);
    let compiled = 0;
    const watched = Object.create(count, {
      plan: {
        get: () => {
          compiled += 1;
          return count.plan;
        },
      },
    }) as typeof count;
    await using kit = await createTestKit({ workflows: [count] });
    const client = new WorkflowClient(kit.queue);
    await client.start(watched);
    const once = compiled;
    for (let index = 0; index < 5; index += 1) await client.start(watched);
    expect([once > 0, compiled]).toEqual([true, once]);
  });

  test("refuses the id of a run of another workflow", async () => {
    await using kit = await createTestKit({ workflows: [add, waiter] });
    await kit.client.start(add, { n: 1, by: 1 }, { id: "taken" });
    const error = await errorOf(kit.client.start(waiter, null, { id: "taken" }));
    expect(error).toMatchObject({ code: "conflict", message: expect.stringContaining('is a "add", not a "waiter"') });
  });

  test("refused, it puts no task in the place of one that a client had no time to put", async () => {
    await using kit = await createTestKit({ workflows: [add, waiter], workers: 0 });
    await kit.client.start(add, { n: 1, by: 1 }, { id: "taken" });
    const key = taskKey(startTick.id("taken", {}));
    await kit.store.delete(key);
    await errorOf(kit.client.start(waiter, null, { id: "taken" }));
    expect((await kit.store.get(key)).kind).toBe("missing");
    const run = await kit.client.start(add, { n: 1, by: 1 }, { id: "taken" });
    await kit.startWorker();
    // Long before its first look.
    await kit.clock.advance("10s");
    expect((await run.get()).status).toBe("completed");
  });

  test("refuses an input that the schema refuses, that is not JSON or that is too large, and puts nothing", async () => {
    await using kit = await createTestKit({ workflows: [add, waiter], workers: 0 });
    for (const [promise, message] of [
      [
        kit.client.start("add", { n: "x" }),
        'the input of "add" is refused: n: Invalid input: expected number, received string',
      ],
      [kit.client.start("waiter", { at: new Map() }), "the input is not JSON: $.at is a Map"],
      [kit.client.start("waiter", "x".repeat(300_000)), "the input is more than 262144 characters of JSON"],
    ] as const)
      expect((await errorOf(promise)).message).toContain(message);
    expect((await kit.store.list("")).objects).toEqual([]);
  });

  test("finds a workflow that it was not given by what a worker published, and says so when there is none", async () => {
    await using kit = await createTestKit({ workflows: [add] });
    const { store } = kit;
    const { handleOf, nodeHost } = await import("../../src/index.ts");
    const stranger = new WorkflowClient(handleOf(store, nodeHost()));
    const { id } = await stranger.start("add", { n: 2, by: 3 });
    expect((await kit.client.wait(id)).steps["sum"]?.result).toBe(5);
    expect((await errorOf(stranger.start("nobody"))).message).toContain("was ever served");
  });
});

describe("wait and result", () => {
  test("wait gives the final record however the run ended; result throws by name", async () => {
    const fails = workflow("fails").step("a", {
      retries: 0,
      run: () => {
        throw new Error("no");
      },
    });
    await using kit = await createTestKit({ workflows: [fails, waiter] });
    const failed = await kit.client.start(fails);
    expect(await failed.wait()).toMatchObject({ status: "failed", error: { type: "StepFailed", step: "a" } });
    const error = await errorOf(failed.result());
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect(error).toMatchObject({ runId: failed.id, error: { type: "StepFailed", message: "Error: no" } });
    const cancelled = await kit.client.start(waiter);
    await cancelled.cancel({ reason: "changed my mind" });
    expect(await cancelled.wait()).toMatchObject({ status: "cancelled" });
    const stopped = await errorOf(cancelled.result());
    expect(stopped).toBeInstanceOf(WorkflowCancelledError);
    expect(stopped.message).toContain("changed my mind");
  });

  test("wait gives up in time, and the run goes on", async () => {
    const delayed = workflow("delayed").step("a", { delay: "1d", run: () => 1 });
    await using kit = await createTestKit({ workflows: [delayed] });
    const run = await kit.client.start(delayed);
    expect(await errorOf(run.wait({ timeout: "1h" }))).toBeInstanceOf(TimeoutError);
    expect(kit.clock.now()).toBe(START + HOUR);
    expect(await run.result()).toEqual({ a: 1 });
  });

  test("wait ends with the reason of its signal when that is aborted, before or meanwhile", async () => {
    const delayed = workflow("delayed").step("a", { delay: "1d", run: () => 1 });
    await using kit = await createTestKit({ workflows: [delayed] });
    const run = await kit.client.start(delayed);
    const before = new Error("enough");
    expect(await errorOf(run.wait({ signal: AbortSignal.abort(before) }))).toBe(before);
    expect(await errorOf(run.result({ signal: AbortSignal.abort(before) }))).toBe(before);
    const stop = new AbortController();
    const waiting = errorOf(run.wait({ signal: stop.signal, timeout: "1h" }));
    stop.abort();
    expect(await waiting).toMatchObject({ name: "AbortError" });
    const live = new AbortController();
    expect(await errorOf(run.wait({ signal: live.signal, timeout: "1h" }))).toBeInstanceOf(TimeoutError);
    expect(await run.result()).toEqual({ a: 1 });
    // A call that was given up before it began asks for nothing, whatever became of the run.
    expect(await errorOf(run.wait({ signal: AbortSignal.abort(before) }))).toBe(before);
  });

  test("knows no run that does not exist", async () => {
    await using kit = await createTestKit({ workflows: [waiter] });
    for (const ask of [
      kit.client.get("none"),
      kit.client.wait("none"),
      kit.client.signal("none", "go", 1),
      kit.client.cancel("none"),
      kit.client.pause("none"),
      kit.client.resume("none"),
      kit.client.explain("none"),
    ])
      expect(await errorOf(ask)).toBeInstanceOf(RunNotFoundError);
    expect(await kit.client.exists("none")).toBe(false);
    const run = await kit.client.start(waiter);
    expect(await kit.client.exists(run.id)).toBe(true);
  });
});

describe("signal [25]", () => {
  const strict = workflow("strict", { signals: { go: z.object({ ok: z.boolean() }) } })
    .step("ask", async (ctx) => ({ ok: (await ctx.waitForSignal("go"))?.ok ?? false }))
    .signal("node", { dependsOn: ["ask"] });

  test("gives its id once it is durable, and reaches the run before it waits", async () => {
    await using kit = await createTestKit({ workflows: [waiter] });
    const run = await kit.client.start(waiter);
    const id = await run.signal("go", "early");
    const inbox = await kit.store.list(`workflow/${run.id}/signals/go/`);
    expect(inbox.objects.map((object) => object.key)).toEqual([expect.stringContaining(`_${id}.json`)]);
    expect(await run.result()).toEqual({ wait: { got: "early" } });
  });

  test("comes in the order of sending", async () => {
    const three = workflow("three").step("a", async (ctx) => {
      const got: unknown[] = [];
      for (let index = 0; index < 3; index += 1) got.push(await ctx.waitForSignal("n"));
      return got as number[];
    });
    await using kit = await createTestKit({ workflows: [three] });
    const run = await kit.client.start(three);
    for (const n of [1, 2, 3]) await run.signal("n", n);
    expect(await run.result()).toEqual({ a: [1, 2, 3] });
  });

  test("is refused when the name is not declared, the schema refuses it, or the run is over", async () => {
    await using kit = await createTestKit({ workflows: [strict] });
    const run = await kit.client.start(strict);
    expect((await errorOf(run.signal("stop" as "go", 1 as never))).message).toContain(
      'declares no signal "stop"; it declares go',
    );
    expect((await errorOf(run.signal("go", { ok: 1 as never }))).message).toContain(
      'payload of signal "go" is refused',
    );
    await run.signal("go", { ok: true });
    // A node takes the signal of its name without a declaration.
    await run.signal("node", null);
    expect(await run.result()).toEqual({ node: null });
    expect(await errorOf(run.signal("go", { ok: true }))).toMatchObject({
      code: "invalid",
      message: expect.stringContaining("is completed; it takes no signals any more"),
    });
  });
});

describe("cancel, pause and resume", () => {
  test("resolve once they are durable, or once they are applied when that is asked for", async () => {
    await using kit = await createTestKit({ workflows: [waiter] });
    const run = await kit.client.start(waiter);
    await run.pause({ applied: true, reason: "lunch" });
    expect(await run.get()).toMatchObject({ status: "paused", error: { type: "Paused", message: "lunch" } });
    await run.resume({ applied: true });
    expect((await run.get()).error).toBeUndefined();
    await run.cancel({ applied: true });
    expect((await run.get()).status).toBe("cancelled");
  });

  test("are there without any worker, and a later one applies them in one go", async () => {
    await using kit = await createTestKit({ workflows: [waiter], workers: 0 });
    const run = await kit.client.start(waiter);
    await run.cancel({ reason: "nobody was here" });
    expect((await run.get()).status).toBe("pending");
    await kit.startWorker();
    expect(await run.wait()).toMatchObject({ status: "cancelled", error: { message: "nobody was here" } });
  });

  test("with a reason that no run could be told are refused, and nothing is put", async () => {
    await using kit = await createTestKit({ workflows: [waiter], workers: 0 });
    const run = await kit.client.start(waiter);
    const { objects: before } = await kit.store.list("");
    const long = "x".repeat(10_001);
    for (const command of ["pause", "cancel", "terminate"] as const) {
      for (const [reason, message] of [
        [5, "a reason is a text, not a number"],
        [null, "a reason is a text, not null"],
        [{ why: 1 }, "a reason is a text, not an object"],
        [long, "a reason has 10000 characters at most, not 10001"],
      ] as const) {
        expect(await errorOf(run[command]({ reason: reason as never })), command).toMatchObject({
          code: "invalid",
          message,
        });
        const bulk = kit.client.bulk({ type: command, reason: reason as never }, {}, { dryRun: true });
        expect(await errorOf(bulk.next())).toMatchObject({ code: "invalid", message });
      }
    }
    expect((await kit.store.list("")).objects).toEqual(before);
    await kit.startWorker();
    await run.pause({ reason: long.slice(1), applied: true });
    expect((await run.get()).error?.message).toBe(long.slice(1));
    await run.terminate({ reason: "", applied: true });
    expect(await run.get()).toMatchObject({ status: "cancelled", error: { message: "" } });
  });

  test("a cancel of a run that is over changes nothing", async () => {
    await using kit = await createTestKit({ workflows: [add] });
    const run = await kit.client.start(add, { n: 1, by: 1 });
    await run.result();
    const { record: _before, ...before } = await run.get();
    await run.cancel();
    await kit.idle();
    expect(await run.get()).toMatchObject(before);
  });

  test("a cancel without undo leaves what was done", async () => {
    const undone: string[] = [];
    const saga = workflow("saga")
      .step("a", { run: () => 1, compensate: () => void undone.push("a") })
      .signal("never", { dependsOn: ["a"] });
    await using kit = await createTestKit({ workflows: [saga] });
    const kept = await kit.client.start(saga);
    await kit.until(kept, "waiting_signal");
    await kept.cancel({ compensate: false });
    expect((await kept.wait()).status).toBe("cancelled");
    expect(undone).toEqual([]);
    const given = await kit.client.start(saga);
    await kit.until(given, "waiting_signal");
    await given.cancel();
    expect((await given.wait()).status).toBe("cancelled");
    expect(undone).toEqual(["a"]);
  });
});

describe("watch", () => {
  test("gives each state once, and ends with the run", async () => {
    await using kit = await createTestKit({ workflows: [waiter] });
    const run = await kit.client.start(waiter);
    const seen: string[] = [];
    for await (const view of run.watch()) {
      seen.push(`${view.status} ${view.record.machine?.write.id ?? ""}`);
      if (view.status === "waiting_signal") await run.signal("go", 1);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.at(-1)).toContain("completed");
    const after: string[] = [];
    for await (const view of run.watch()) after.push(view.status);
    expect(after).toEqual(["completed"]);
  });

  test("of the plain client hears of another process by asking, ends in time, and ends when it is told to", async () => {
    // Two processes: the worker's, and one whose client shares nothing with it but the bucket and the clock.
    const { handleOf, Worker } = await import("../../src/index.ts");
    const world = new World("watch", { latency: 5 });
    const there = world.spawn("worker");
    void new Worker(handleOf(there.store, there.host), { workflows: [waiter] }).start();
    const here = world.spawn("client");
    const client = new WorkflowClient(handleOf(here.store, here.host), { workflows: [waiter] });
    const seen: string[] = [];
    const ends: string[] = [];
    const stop = new AbortController();
    void (async () => {
      const run = await client.start(waiter, null, { id: "w" });
      for await (const view of run.watch({ timeout: "1m" })) seen.push(view.status);
      ends.push(`timeout ${Math.round(world.nowMs / 60_000)}`);
      world.after(30_000, () => stop.abort());
      for await (const _ of run.watch({ signal: stop.signal })) void _;
      ends.push("aborted");
      for await (const _ of run.watch({ signal: stop.signal })) void _;
      ends.push("aborted before");
      await run.signal("go", 1);
      for await (const view of run.watch()) seen.push(view.status);
      ends.push("over");
    })();
    await world.run({ until: () => ends.includes("over"), maxVirtualMs: 600_000 });
    expect(ends).toEqual(["timeout 1", "aborted", "aborted before", "over"]);
    expect(seen[0]).toBe("pending");
    expect(seen).toContain("waiting_signal");
    expect(seen.at(-1)).toBe("completed");
  });
});

describe("list [70]", () => {
  test("gives runs by id, filtered by workflow, status and prefix, at most so many", async () => {
    await using kit = await createTestKit({ workflows: [add, waiter] });
    for (const id of ["b-1", "a-2", "a-1"]) await kit.client.start(add, { n: 1, by: 1 }, { id });
    for (const id of ["a-3", "c"]) await kit.client.start(waiter, null, { id });
    await kit.idle();
    const ids = async (options: Parameters<WorkflowClient["list"]>[0]): Promise<string[]> => {
      const found: string[] = [];
      for await (const view of kit.client.list(options)) found.push(view.id);
      return found;
    };
    expect(await ids({})).toEqual(["a-1", "a-2", "a-3", "b-1", "c"]);
    expect(await ids({ type: "add" })).toEqual(["a-1", "a-2", "b-1"]);
    expect(await ids({ status: "waiting_signal" })).toEqual(["a-3", "c"]);
    expect(await ids({ prefix: "a-" })).toEqual(["a-1", "a-2", "a-3"]);
    expect(await ids({ prefix: "a-", type: "add", limit: 1 })).toEqual(["a-1"]);
    expect((await errorOf(ids({ limit: 0 }))).message).toContain("limit is 0; it must be a whole number from 1");
    expect((await errorOf(ids({ status: "done" as "failed" }))).message).toContain(
      'status is "done"; it must be pending',
    );
  });

  test("asks for no run behind the last one that it gives", async () => {
    await using kit = await createTestKit({ workflows: [add], workers: 0 });
    for (const id of ["a", "b", "c", "d"]) await kit.client.start(add, { n: 1, by: 1 }, { id });
    const store = meterStore(kit.store);
    const client = new WorkflowClient(handleOf(store, nodeHost()));
    const found: string[] = [];
    for await (const view of client.list({ limit: 2 })) found.push(view.id);
    expect(found).toEqual(["a", "b"]);
    expect(store.usage().requests).toMatchObject({ list: 1, get: 2 });
  });

  test("jumps over the objects of runs that have many", async () => {
    const big = workflow("big").step("a", async (ctx) => {
      for (let index = 0; index < 5; index += 1) await ctx.waitForSignal("n");
      return 1;
    });
    await using kit = await createTestKit({ workflows: [big], workers: 0 });
    for (const id of ["r-1", "r-2"]) {
      await kit.client.start(big, null, { id });
      for (let index = 0; index < 1_100; index += 1)
        await kit.store.put(`workflow/${id}/signals/n/${String(index).padStart(6, "0")}`, "{}", "always");
    }
    const found: string[] = [];
    for await (const view of kit.client.list()) found.push(view.id);
    expect(found).toEqual(["r-1", "r-2"]);
  });
});
