/** The client and the worker together, on a store in memory and the real clock; nothing sleeps and hopes, everything is awaited. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { measureChain, measureIdle } from "../../bench/chain.ts";
import { WorkflowClient } from "../../src/client/client.ts";
import { handleOf } from "../../src/queue/handle.ts";
import type { AnyWorkflow } from "../../src/define/workflow.ts";
import {
  PermanentError,
  RescheduleError,
  untypedWorkflow,
  workflow,
  WorkflowCancelledError,
  WorkflowError,
  WorkflowFailedError,
} from "../../src/index.ts";
import { nodeHost } from "../../src/host/node.ts";
import { Worker } from "../../src/services/worker.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Duration } from "../../src/wire/duration.ts";

const run = promisify(execFile);

interface Bundle extends AsyncDisposable {
  readonly client: WorkflowClient;
  readonly worker: Worker;
  readonly store: MemoryStore;
}

async function setup(...workflows: AnyWorkflow[]): Promise<Bundle> {
  const host = nodeHost();
  const store = new MemoryStore({ clock: host.clock });
  const handle = handleOf(store, host);
  const worker = new Worker(handle, { workflows });
  await worker.start();
  return {
    client: new WorkflowClient(handle, { workflows }),
    worker,
    store,
    [Symbol.asyncDispose]: () => worker.stop(),
  };
}

describe("a run", () => {
  test("gives each step its input and the results that it names", async () => {
    const definition = workflow("sum", { input: z.object({ n: z.number() }) })
      .step("double", (ctx) => ({ n: ctx.input.n * 2 }))
      .step("add", { dependsOn: ["double"], run: (ctx) => ctx.results.double.n + 1 });
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition, { n: 20 });
    expect(await started.result()).toEqual({ add: 41 });
    expect(await bundle.store.get(`workflow/${started.id}/steps/double.json`)).toMatchObject({
      object: { body: '{"n":40}' },
    });
  });

  test("aborts the signal of a running handler when it is cancelled, and takes its end", async () => {
    let begun: () => void = () => {};
    const begins = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const definition = workflow("heard").step("wait", async (ctx) => {
      begun();
      await new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve(), { once: true }));
      return ctx.isCancelled();
    });
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition);
    await begins;
    await bundle.client.cancel(started.id);
    const record = await started.wait();
    expect(record.status).toBe("cancelled");
    expect(record.steps["wait"]).toMatchObject({ status: "completed", result: true });
  });

  test("fails a step that wants to be rescheduled after something that is no duration", async () => {
    const definition = workflow("late").step("a", () => {
      throw new RescheduleError("soon" as Duration);
    });
    await using bundle = await setup(definition);
    const record = await (await bundle.client.start(definition)).wait();
    expect(record).toMatchObject({
      status: "failed",
      error: { message: expect.stringContaining('"soon" is not a duration') },
    });
  });

  test("passes over a signal that cannot be read", async () => {
    const definition = workflow("signals").step("wait", async (ctx) => String(await ctx.waitForSignal("go")));
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition);
    await bundle.store.put(`workflow/${started.id}/signals/go/2026-01-01T00:00:00+00:00_x.json`, "{", "always");
    await started.signal("go", "yes");
    expect(await started.result()).toEqual({ wait: "yes" });
  });

  test("undoes a step that was skipped after it may have happened, and says that it is not known", async () => {
    const undone: unknown[] = [];
    const definition = workflow("skipped")
      .step("a", {
        retries: 0,
        onFailure: "pause_workflow",
        run: () => {
          throw new Error("who knows");
        },
        compensate: (ctx, result) => {
          undone.push(ctx.outcome, result);
        },
      })
      .step("b", {
        dependsOn: ["a"],
        run: () => {
          throw new PermanentError("no");
        },
      });
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition);
    for await (const { status } of bundle.client.watch(started.id)) if (status === "paused") break;
    await bundle.client.skip(started.id, "a");
    expect((await started.wait()).status).toBe("failed");
    expect(undone).toEqual(["unknown", undefined]);
  });

  test("writes nothing for a command to a run that is over (R6)", async () => {
    const definition = workflow("over").step("a", () => 1);
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition);
    await started.result();
    const key = `workflow/${started.id}/state.json`;
    const before = await bundle.store.get(key);
    await bundle.client.pause(started.id).catch(() => undefined);
    await bundle.client.cancel(started.id, { applied: true }).catch(() => undefined);
    expect(await bundle.store.get(key)).toEqual(before);
  });

  test("works with every name that is legal", async () => {
    const definition = workflow("__proto__")
      .step("__proto__", () => 1)
      .step("1", { dependsOn: ["__proto__"], run: (ctx) => ctx.results["__proto__"] + 1 })
      .step("a.b c", { dependsOn: ["1"], run: (ctx) => ctx.results["1"] + 1 })
      .step("🦀", { dependsOn: ["a.b c"], run: (ctx) => ctx.results["a.b c"] + 1 });
    await using bundle = await setup(definition);
    expect(await (await bundle.client.start(definition)).result()).toEqual({ "🦀": 4 });
  });

  test("tries ordinary errors again with the same idempotency key, and permanent ones never", async () => {
    const keys: string[] = [];
    let permanent = 0;
    const definition = workflow("retry")
      .step("flaky", {
        retryPolicy: { initialMs: 1, maxMs: 1 },
        run: (ctx) => {
          keys.push(ctx.idempotencyKey);
          if (ctx.attempt < 3) throw new Error("not yet");
          return ctx.attempt;
        },
      })
      .step("hopeless", {
        dependsOn: ["flaky"],
        run: () => {
          permanent += 1;
          throw new PermanentError("never");
        },
      });
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition);
    await expect(started.result()).rejects.toThrow(WorkflowFailedError);
    expect(keys.length).toBe(3);
    expect(new Set(keys).size).toBe(1);
    expect(permanent).toBe(1);
    expect((await started.get()).error).toMatchObject({ type: "StepFailed", step: "hopeless" });
  });

  test("undoes completed steps in reverse, with their results", async () => {
    const undone: unknown[] = [];
    const definition = workflow("saga")
      .step("a", { run: () => ({ a: 1 }), compensate: (_ctx, result) => void undone.push(result) })
      .step("b", { dependsOn: ["a"], run: () => ({ b: 2 }), compensate: (_ctx, result) => void undone.push(result) })
      .step("c", {
        dependsOn: ["b"],
        run: () => {
          throw new PermanentError("no");
        },
      });
    await using bundle = await setup(definition);
    expect((await (await bundle.client.start(definition)).wait()).status).toBe("failed");
    expect(undone).toEqual([{ b: 2 }, { a: 1 }]);
  });

  test("undoes a step whose outcome is unknown, without a result", async () => {
    const undone: unknown[] = [];
    const definition = workflow("unknown").step("a", {
      retries: 0,
      run: () => {
        throw new Error("who knows");
      },
      compensate: (ctx, result) => void undone.push([ctx.outcome, result]),
    });
    await using bundle = await setup(definition);
    expect((await (await bundle.client.start(definition)).wait()).status).toBe("failed");
    expect(undone).toEqual([["unknown", undefined]]);
  });

  test("lets dependents of a continued failure run and see undefined", async () => {
    const definition = workflow("continue")
      .step("a", {
        onFailure: "continue",
        run: (): number => {
          throw new PermanentError("no");
        },
      })
      .step("b", { dependsOn: ["a"], run: (ctx) => ({ saw: ctx.results.a === undefined ? "nothing" : "something" }) });
    await using bundle = await setup(definition);
    expect(await (await bundle.client.start(definition)).result()).toEqual({ b: { saw: "nothing" } });
  });

  test("holds a failed step until it is resumed or skipped", async () => {
    let broken = true;
    const definition = workflow("hold")
      .step("a", {
        onFailure: "pause_workflow",
        run: (ctx) => {
          if (broken) throw new PermanentError("broken");
          return ctx.generation;
        },
      })
      .step("b", { dependsOn: ["a"], run: (ctx) => ctx.results.a });
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition);
    await bundle.worker.signals.next((fact) => fact.signal === "committed" && fact.status === "paused");
    broken = false;
    await bundle.client.resume(started.id);
    expect(await started.result()).toEqual({ b: 2 });
  });

  test("gives a signal that came first to the wait that opens later, and each signal once", async () => {
    const definition = workflow("signals").step("two", async (ctx) => {
      const first = (await ctx.waitForSignal("go")) as { n: number };
      const second = (await ctx.waitForSignal("go")) as { n: number };
      return [first.n, second.n];
    });
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition);
    await started.signal("go", { n: 1 });
    await started.signal("go", { n: 2 });
    expect(await started.result()).toEqual({ two: [1, 2] });
  });

  test("fails a step that swallows the suspension of its own wait", async () => {
    const definition = workflow("swallow").step("a", async (ctx) => {
      try {
        await ctx.waitForSignal("go");
      } catch {
        return "caught";
      }
      return "given";
    });
    await using bundle = await setup(definition);
    expect((await (await bundle.client.start(definition)).wait()).error?.message).toContain("let it pass");
  });

  test("cancels with a reason and undoes", async () => {
    const undone: string[] = [];
    const definition = workflow("cancel")
      .step("a", { run: () => 1, compensate: () => void undone.push("a") })
      .signal("never", { dependsOn: ["a"] });
    await using bundle = await setup(definition);
    const started = await bundle.client.start(definition);
    await bundle.worker.signals.next((fact) => fact.signal === "committed" && fact.status === "waiting_signal");
    await started.cancel({ reason: "no longer wanted" });
    await expect(started.result()).rejects.toThrow(WorkflowCancelledError);
    expect(undone).toEqual(["a"]);
    expect((await started.get()).error).toMatchObject({ type: "Cancelled", message: "no longer wanted" });
  });

  test("runs a step again later when it asks for it, at no cost in retries", async () => {
    let calls = 0;
    const definition = workflow("later").step("a", {
      retries: 0,
      run: () => {
        calls += 1;
        if (calls === 1) throw new RescheduleError("10ms");
        return calls;
      },
    });
    await using bundle = await setup(definition);
    expect(await (await bundle.client.start(definition)).result()).toEqual({ a: 2 });
  });

  test("refuses a result that is not JSON, with the path", async () => {
    const definition = workflow("not-json").step("a", () => ({ at: new Map() }) as unknown as { at: string });
    await using bundle = await setup(definition);
    expect((await (await bundle.client.start(definition)).wait()).error?.message).toContain("$.at is a Map");
  });

  test("fails the step whose result makes the record too large, at once, and undoes it", async () => {
    let calls = 0;
    const undone: string[] = [];
    let definition = untypedWorkflow("too-large");
    for (let index = 0; index < 18; index += 1) {
      definition = definition.step(`step-${index}`, {
        dependsOn: index === 0 ? [] : [`step-${index - 1}`],
        run: () => {
          calls += 1;
          return "x".repeat(250_000);
        },
        compensate: (ctx) => undone.push(`${ctx.step} ${ctx.outcome}`),
      });
    }
    await using bundle = await setup(definition);
    const view = await (await bundle.client.start(definition)).wait();
    expect(view.status).toBe("failed");
    expect(view.error).toMatchObject({ type: "StepFailed", step: "step-15" });
    expect(view.error?.message).toContain("more than 3932160");
    expect(calls).toBe(16);
    expect(undone.slice(0, 2)).toEqual(["step-15 unknown", "step-14 completed"]);
    expect(undone).toHaveLength(16);
  });

  test("is the same run when it is started twice, and refuses what it cannot take", async () => {
    const definition = workflow("twice", {
      input: z.object({ n: z.number() }),
      signals: { go: z.object({ ok: z.boolean() }) },
    }).step("a", () => 1);
    await using bundle = await setup(definition);
    const first = await bundle.client.start(definition, { n: 1 }, { id: "same" });
    await first.wait();
    const again = await bundle.client.start(definition, { n: 1 }, { id: "same" });
    expect((await again.get()).status).toBe("completed");
    await expect(bundle.client.start("twice", { n: "x" })).rejects.toThrow(WorkflowError);
    await expect(bundle.client.start("nobody", {})).rejects.toThrow(/was ever served/);
    await expect(bundle.client.start(definition, { n: 1 }, { id: "a/b" })).rejects.toThrow(/slash/);
    await expect(first.signal("go", { ok: true })).rejects.toThrow(/takes no signals/);
    await expect(bundle.client.get("nothing")).rejects.toThrow(/does not exist/);
  });
});

describe("the budget", () => {
  test("a linear step costs three puts and one round trip, no reads, no lists", async () => {
    const few = await measureChain(1, 50);
    const many = await measureChain(101, 50);
    expect((many.byKind["put"] ?? 0) - (few.byKind["put"] ?? 0)).toBe(300);
    expect((many.byKind["get"] ?? 0) - (few.byKind["get"] ?? 0)).toBe(0);
    expect((many.byKind["delete"] ?? 0) - (few.byKind["delete"] ?? 0)).toBe(0);
    expect(many.handlersMs).toBe(100 * 50);
  });

  test("a long step costs five puts, and one more for each heartbeat of a lease", async () => {
    const few = await measureChain(1, 50, 15_000);
    const many = await measureChain(11, 50, 15_000);
    const puts = ((many.byKind["put"] ?? 0) - (few.byKind["put"] ?? 0)) / 10;
    // The first lease is renewed every 10 s, and its key moves with the minute.
    const heartbeats = 15 / 10 + 15 / 60;
    expect(puts).toBeGreaterThan(4);
    expect(puts).toBeLessThanOrEqual(5 + heartbeats + 0.1);
    expect((many.byKind["get"] ?? 0) - (few.byKind["get"] ?? 0)).toBe(0);
  });

  test("an idle worker lists at most 17 times a minute", async () => {
    expect(await measureIdle()).toBeLessThanOrEqual(17 * 60);
  });
});

test("a lease or poll that would hammer the store is refused", () => {
  const host = nodeHost();
  const handle = handleOf(new MemoryStore({ clock: host.clock }), host, { skewMarginMs: 0 });
  const workflows = [workflow("w").step("a", () => 1)];
  for (const lease of [0, 1, 999, "0ms", "0.5s"] as const)
    expect(() => new Worker(handle, { workflows, lease }), String(lease)).toThrow(
      `lease is ${JSON.stringify(lease)}; it must be a duration from 1s to 1d`,
    );
  for (const poll of [0, 0.5, "0s"] as const)
    expect(() => new Worker(handle, { workflows, poll }), String(poll)).toThrow(
      `poll is ${JSON.stringify(poll)}; it must be a duration from 1ms to 1d`,
    );
  expect(new Worker(handle, { workflows, lease: "1s", poll: 1 }).id).toMatch(/^worker-/);
});

describe("the samples of the first page", () => {
  const example = async (name: string): Promise<string> =>
    (await run(process.execPath, ["--import", "tsx", `examples/seed-page/${name}.ts`])).stdout.trim();

  test("an order goes through", async () => {
    expect(await example("order")).toBe('completed {"ship":{"shipped":true}}');
  });

  test("an approval comes in", async () => {
    expect(await example("approval")).toBe('{"wait_approval":{"approved_by":"manager@example.com"}}');
  });
});
