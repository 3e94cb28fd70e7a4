/** The kit for tests of users: everything here happens in virtual time, and nothing sleeps. */
import { stat } from "node:fs/promises";
import { setTimeout } from "node:timers";
import { describe, expect, test } from "vitest";
import { PermanentError, workflow, WorkflowCancelledError, WorkflowFailedError } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);

describe("time in the kit", () => {
  test("stands still until somebody moves it or waits for a run", async () => {
    const definition = workflow("later").step("a", { delay: "7d", run: () => "ran" });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await kit.idle();
    expect(kit.clock.now()).toBe(START);
    await kit.clock.advance("6d");
    expect(kit.clock.now()).toBe(START + 6 * 24 * HOUR);
    expect((await run.get()).steps["a"]).toBeUndefined();
    await kit.clock.advance("1d");
    await kit.idle();
    expect((await run.get()).status).toBe("completed");
  });

  test("skips what a result has to wait for", async () => {
    const definition = workflow("skip").step("a", { delay: "30d", run: () => "ran" });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    expect(await run.result()).toEqual({ a: "ran" });
    expect(kit.clock.now() - START).toBeGreaterThanOrEqual(30 * 24 * HOUR);
    expect(kit.clock.now() - START).toBeLessThan(30 * 24 * HOUR + 1_000);
  });

  test("is patient only while the process runs", async () => {
    // The answer of a file system that comes while the process is kept from running is seen after every timer that ran out meanwhile.
    const stall = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    const definition = workflow("stalled").step("a", async () => {
      await new Promise<void>((resolve, reject) => {
        const ask = (): void => {
          stat(".").then(() => resolve(), reject);
          stall(200);
        };
        setTimeout(() => setImmediate(ask), 5);
      });
      return "answered";
    });
    await using kit = await createTestKit({ workflows: [definition], patience: "100ms" });
    const run = await kit.client.start(definition);
    expect(await run.result()).toEqual({ a: "answered" });
  });

  test("never passes while a handler is at work outside of it", async () => {
    const definition = workflow("outside").step("a", {
      timeout: "1s",
      run: async () => {
        // Real turns of the event loop, as a real request would take them.
        for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        return "answered";
      },
    });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    expect(await run.result()).toEqual({ a: "answered" });
    expect(kit.clock.now()).toBe(START);
  });

  test("passes for a handler that sleeps on it, and its timeout strikes", async () => {
    const definition = workflow("slow").step("a", {
      timeout: "1m",
      retries: 0,
      run: () => kit.clock.sleep("2m"),
    });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await expect(run.result()).rejects.toThrow("took longer than 60000 ms");
    expect(kit.clock.now() - START).toBe(60_000);
  });

  test("can be moved past a handler that the test holds", async () => {
    const definition = workflow("held").step("a", {
      timeout: "1m",
      retries: 0,
      run: () => new Promise<null>(() => {}),
    });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await kit.clock.advance("1m");
    expect((await run.get()).status).toBe("failed");
  });

  test("cannot be moved by a handler", async () => {
    const definition = workflow("mover").step("a", { retries: 0, run: () => kit.clock.advance("1s") });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await expect(run.result()).rejects.toThrow("a handler cannot move the clock");
  });

  test("gives up with a reason when nothing will ever happen", async () => {
    const definition = workflow("stuck").signal("never");
    await using kit = await createTestKit({ workflows: [definition], patience: "20ms" });
    const run = await kit.client.start(definition);
    await expect(run.result()).rejects.toThrow(/does not go on by itself: step never waits for signal never/);
    await using empty = await createTestKit({ workflows: [definition], patience: "20ms", workers: 0 });
    const other = await empty.client.start(definition);
    await expect(other.result()).rejects.toThrow(/no worker that was seen in the last minute serves stuck/);
  });

  test("is the same every time", async () => {
    const play = async (seed: number): Promise<unknown> => {
      const definition = workflow("same")
        .step("a", {
          run: (ctx) => {
            if (ctx.attempt < 3) throw new Error("again");
            return ctx.idempotencyKey;
          },
        })
        .step("b", { delay: "1h", run: () => 1 });
      await using kit = await createTestKit({ workflows: [definition], workers: 2, seed });
      const run = await kit.client.start(definition);
      await run.result();
      return {
        id: run.id,
        now: kit.clock.now(),
        log: kit.log,
        record: await kit.store.get(`workflow/${run.id}/state.json`),
      };
    };
    const first = await play(7);
    expect(await play(7)).toEqual(first);
    expect(await play(8)).not.toEqual(first);
  });
});

describe("a run in the kit", () => {
  test("retries with backoff, in no real time", async () => {
    const at: number[] = [];
    const definition = workflow("flaky").step("a", {
      retryPolicy: { initialMs: HOUR, maxMs: 4 * HOUR, multiplier: 2, jitter: 0 },
      run: (ctx) => {
        at.push(kit.clock.now() - START);
        if (ctx.attempt < 4) throw new Error("not yet");
        return ctx.attempt;
      },
    });
    await using kit = await createTestKit({ workflows: [definition] });
    expect(await (await kit.client.start(definition)).result()).toEqual({ a: 4 });
    expect(at.map((ms) => Math.round(ms / HOUR))).toEqual([0, 1, 3, 7]);
  });

  test("takes a signal, or goes on when its time is up", async () => {
    const definition = workflow("ask")
      .signal("answer", { timeout: "7d", onTimeout: "continue" })
      .step("after", {
        dependsOn: ["answer"],
        run: (ctx) => ({ got: ctx.results.answer === null ? "nothing" : "it" }),
      });
    await using kit = await createTestKit({ workflows: [definition] });
    const answered = await kit.client.start(definition);
    await kit.until(answered, "waiting_signal");
    await answered.signal("answer", { yes: true });
    expect(await answered.result()).toEqual({ after: { got: "it" } });
    expect(kit.clock.now()).toBe(START);
    const ignored = await kit.client.start(definition);
    expect(await ignored.result()).toEqual({ after: { got: "nothing" } });
    expect(kit.clock.now() - START).toBeGreaterThanOrEqual(7 * 24 * HOUR);
  });

  test("is signalled while its result is awaited", async () => {
    const definition = workflow("late").step("a", async (ctx) => ({ got: (await ctx.waitForSignal("go")) === 1 }));
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    const result = run.result();
    await kit.until(run, "waiting_signal");
    await run.signal("go", 1);
    expect(await result).toEqual({ a: { got: true } });
  });

  test("undoes what it did", async () => {
    const undone: unknown[] = [];
    const definition = workflow("saga")
      .step("a", { run: () => ({ id: 1 }), compensate: (_ctx, result) => void undone.push(result) })
      .step("b", {
        dependsOn: ["a"],
        run: () => {
          throw new PermanentError("no");
        },
      });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await expect(run.result()).rejects.toThrow(WorkflowFailedError);
    expect(undone).toEqual([{ id: 1 }]);
  });

  test("pauses, and goes on when it is told to", async () => {
    const definition = workflow("pause").step("a", { delay: "1h", run: () => 1 });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await kit.client.pause(run.id, { reason: "lunch" });
    await kit.clock.advance("2h");
    expect(await run.get()).toMatchObject({ status: "paused", error: { message: "lunch" } });
    await kit.client.resume(run.id);
    expect(await run.result()).toEqual({ a: 1 });
    expect(kit.clock.now()).toBe(START + 2 * HOUR);
  });

  test("is cancelled", async () => {
    const definition = workflow("cancel").signal("never");
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await run.cancel({ reason: "enough" });
    await expect(run.result()).rejects.toThrow(WorkflowCancelledError);
  });

  test("survives the crash of its worker, with the same idempotency key", async () => {
    const keys: string[] = [];
    const definition = workflow("crash")
      .step("a", (ctx) => {
        keys.push(ctx.idempotencyKey);
        if (keys.length === 1) kit.workers[0]?.crash();
        return ctx.attempt;
      })
      .step("b", { dependsOn: ["a"], run: () => "done" });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await kit.idle();
    expect((await run.get()).status).toBe("running");
    await kit.startWorker();
    expect(await run.result()).toEqual({ b: "done" });
    expect(keys.length).toBe(2);
    expect(new Set(keys).size).toBe(1);
    expect((await run.get()).steps["a"]).toMatchObject({ result: 2 });
    // Within two lease periods.
    expect(kit.clock.now() - START).toBeLessThanOrEqual(60_000);
  });

  test("is handed over by a worker that stops", async () => {
    const definition = workflow("stop").step("a", async (ctx) => {
      if (ctx.attempt === 1) await kit.clock.sleep("10m");
      return ctx.attempt;
    });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await kit.idle();
    await kit.workers[0]?.stop();
    expect(kit.workers[0]?.alive).toBe(false);
    await kit.startWorker();
    expect(await run.result()).toEqual({ a: 2 });
    expect(kit.clock.now() - START).toBeLessThan(10 * 60_000);
  });

  test("is finished by a worker that stops, when its handler ends within the grace", async () => {
    const definition = workflow("drain")
      .step("a", async (ctx) => {
        await kit.clock.sleep("10s");
        return ctx.attempt;
      })
      .step("b", { dependsOn: ["a"], run: () => "later" });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await kit.idle();
    await kit.workers[0]?.stop();
    // The step that ran was finished; the next one was left for others.
    expect((await run.get()).steps).toMatchObject({ a: { status: "completed", result: 1 }, b: { status: "running" } });
    await kit.startWorker();
    expect(await run.result()).toEqual({ b: "later" });
  });

  test("is followed state by state, until it is over", async () => {
    const definition = workflow("watch").step("a", { delay: "1h", run: () => 1 });
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    const seen: string[] = [];
    for await (const view of run.watch()) seen.push(view.status);
    expect(seen.at(0)).toBe("pending");
    expect(seen.at(-1)).toBe("completed");
    expect(seen).toContain("running");
  });

  test("ends otherwise than a test waits for, and the test hears of it", async () => {
    const definition = workflow("other").step("a", () => 1);
    await using kit = await createTestKit({ workflows: [definition] });
    const run = await kit.client.start(definition);
    await expect(kit.until(run, "waiting_signal")).rejects.toThrow("is completed");
  });

  test("says facts that a test awaits, and logs what handlers say", async () => {
    const definition = workflow("facts").step("a", (ctx) => {
      ctx.log.info("hello", { n: 1 });
      return 1;
    });
    await using kit = await createTestKit({ workflows: [definition] });
    const driven = kit.workers[0]?.signals.next((fact) => fact.signal === "driven");
    const run = await kit.client.start(definition);
    await run.result();
    expect(await driven).toMatchObject({ run: run.id, end: "finished" });
    expect(kit.log).toContainEqual(
      expect.objectContaining({ message: "hello", fields: expect.objectContaining({ n: 1, run: run.id, step: "a" }) }),
    );
  });
});
