/** Why a run failed is kept with its record and told by every view, without a request more. */
import { describe, expect, test } from "vitest";
import {
  connect,
  createLogger,
  nodeHost,
  PermanentError,
  RescheduleError,
  type RunView,
  Worker,
  workflow,
  WorkflowClient,
  WorkflowFailedError,
} from "../../src/index.ts";
import { handleOf } from "../../src/queue/handle.ts";
import type { ObjectStore, PutOutcome } from "../../src/store/object-store.ts";
import { stateKey } from "../../src/keys.ts";
import { newTask } from "../../src/queue/task.ts";
import { FAILURES_KEPT, keepFailures, MAX_FAILURES_LENGTH } from "../../src/run/decide/failures.ts";
import type { Draft } from "../../src/run/decide/draft.ts";
import { endedWithoutUs } from "../../src/run/ended-task.ts";
import type { FailedAttempt } from "../../src/run/record/record.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { moodyStore } from "../services/moody-store.ts";

/** An error as a driver of a database throws it. */
function refused(order: string): Error {
  const socket = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED", port: 1 });
  return Object.assign(new TypeError("charge failed", { cause: socket }), { code: "E_CHARGE", order });
}

const saga = workflow("saga")
  .step("reserve", { run: () => "reserved", compensate: () => {} })
  .step("charge", {
    dependsOn: ["reserve"],
    retries: 2,
    run: (): null => {
      throw refused("o-1");
    },
  });

async function until(wf: typeof saga): Promise<RunView> {
  await using kit = await createTestKit({ workflows: [wf] });
  return await (await kit.client.start(wf)).wait();
}

describe("a step that fails for good", () => {
  test("keeps its attempts, and what was undone says so", async () => {
    const view = await until(saga);
    expect(view.steps["reserve"]).toMatchObject({ status: "undone", undo: "done", result: "reserved" });
    const { charge } = view.steps;
    expect(charge).toMatchObject({
      status: "failed",
      attempt: 3,
      error: expect.stringContaining("ECONNREFUSED 127.0.0.1:1"),
    });
    expect(charge?.failure).toMatchObject({
      name: "TypeError",
      message: "charge failed",
      code: "E_CHARGE",
      members: { order: "o-1" },
      stack: expect.stringContaining("kept.test.ts"),
      cause: { message: "connect ECONNREFUSED 127.0.0.1:1", code: "ECONNREFUSED", members: { port: 1 } },
    });
    const attempts = charge?.failed_attempts ?? [];
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    for (const { began_at = "", ended_at = "" } of attempts)
      expect(Date.parse(ended_at)).toBeGreaterThanOrEqual(Date.parse(began_at));
    expect(view.failure).toEqual(charge?.failure);
    // On the wire: one of its five words, and a text.
    expect(view.record.steps.get("reserve")?.status).toBe("completed");
    expect(view.record.steps.get("charge")?.error).toBeTypeOf("string");
  });

  test("comes out of result as a real error with its cause", async () => {
    await using kit = await createTestKit({ workflows: [saga] });
    const run = await kit.client.start(saga);
    const error = await run.result().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    const { cause, code } = error as WorkflowFailedError;
    expect(code).toBe("failed");
    expect(cause).toBeInstanceOf(Error);
    expect(cause).toMatchObject({ name: "TypeError", message: "charge failed", code: "E_CHARGE", order: "o-1" });
    expect((cause as Error).cause).toMatchObject({ message: "connect ECONNREFUSED 127.0.0.1:1", code: "ECONNREFUSED" });
    expect((cause as Error).stack).toContain("kept.test.ts");
  });

  test("costs no write more than one that does not", async () => {
    const writes = async (failures: number): Promise<number> => {
      let left = failures;
      const wf = workflow("w").step("a", () => {
        left -= 1;
        if (left >= 0) throw refused("o");
        return 1;
      });
      await using kit = await createTestKit({ workflows: [wf] });
      const view = await (await kit.client.start(wf, null, { id: "r" })).wait();
      expect(view.steps["a"]?.failed_attempts?.length ?? 0).toBe(failures);
      return (await kit.store.versions(stateKey("r"))).length;
    };
    expect(await writes(2)).toBe(await writes(0));
  });

  test("an undo that fails says why", async () => {
    const wf = workflow("stuck")
      .step("a", {
        retries: 0,
        run: () => 1,
        compensate: () => {
          throw refused("o-2");
        },
      })
      .step("b", {
        dependsOn: ["a"],
        run: (): null => {
          throw new PermanentError("no");
        },
      });
    await using kit = await createTestKit({ workflows: [wf] });
    const run = await kit.client.start(wf);
    const view = await run.wait();
    expect(view.steps["a"]).toMatchObject({
      status: "undo_failed",
      undo: "failed",
      undo_failure: { code: "E_CHARGE" },
    });
    expect(view.error?.type).toBe("CompensationFailed");
    const { cause } = (await run.result().catch((thrown: unknown) => thrown)) as WorkflowFailedError;
    expect(cause).toMatchObject({ name: "PermanentError", message: "no" });
    expect(kit.log.filter(({ level, message }) => level === "error" && message === "undo failed")).toHaveLength(1);
  });
});

test("attempts in place and over the queue are counted together, and all told by the writes that are made anyway", async () => {
  const attempts: Record<"a" | "b", number[]> = { a: [], b: [] };
  // The first delay is short and waited for in place; the second one is not, and the attempt after it comes from the queue.
  const fails = (name: "a" | "b") => ({
    retries: 3,
    retryPolicy: { initialMs: 1_000, maxMs: 60_000, multiplier: 60, jitter: 0 },
    run: (ctx: { readonly attempt: number }): Promise<number> => {
      attempts[name].push(ctx.attempt);
      if (ctx.attempt > 2) return kit.hold(new Promise<number>(() => {}));
      throw refused(`o-${ctx.attempt}`);
    },
  });
  // One of them is handed off to the holder of the start, the other has a task of its own.
  const wf = workflow("slow").step("a", fails("a")).step("b", fails("b"));
  await using kit = await createTestKit({ workflows: [wf] });
  const run = await kit.client.start(wf);
  await kit.clock.advance("2m");
  expect(attempts).toEqual({ a: [1, 2, 3], b: [1, 2, 3] });
  const { steps } = await run.get();
  for (const name of ["a", "b"]) {
    const failed = steps[name]?.failed_attempts ?? [];
    expect(failed.map(({ attempt }) => attempt)).toEqual([1, 2]);
    for (const { attempt, error, began_at, ended_at } of failed) {
      expect([began_at, ended_at]).not.toContain(undefined);
      expect(error).toMatchObject({
        name: "TypeError",
        code: "E_CHARGE",
        members: { order: `o-${attempt}` },
        stack: expect.stringContaining("kept.test.ts"),
        cause: { code: "ECONNREFUSED", members: { port: 1 } },
      });
    }
  }
});

test("a step that is tried again over the queue has no more attempts than it may, and keeps the last ones whole", async () => {
  const attempts: Record<"a" | "b", number[]> = { a: [], b: [] };
  const fails = (name: "a" | "b") => ({
    retries: 4,
    retryPolicy: { initialMs: 4_000, maxMs: 60_000, multiplier: 2, jitter: 0 },
    onFailure: "continue" as const,
    run: (ctx: { readonly attempt: number }): null => {
      attempts[name].push(ctx.attempt);
      throw refused(`o-${ctx.attempt}`);
    },
  });
  const wf = workflow("slow").step("a", fails("a")).step("b", fails("b"));
  await using kit = await createTestKit({ workflows: [wf] });
  const { steps } = await (await kit.client.start(wf)).wait();
  expect(attempts).toEqual({ a: [1, 2, 3, 4, 5], b: [1, 2, 3, 4, 5] });
  for (const name of ["a", "b"]) {
    const failed = steps[name]?.failed_attempts ?? [];
    expect(failed.map(({ attempt }) => attempt)).toEqual([3, 4, 5]);
    for (const { error } of failed) expect(error.cause?.members).toEqual({ port: 1 });
  }
});

test("what a task says of attempts is not lost with the worker that claimed it next", async () => {
  const attempts: number[] = [];
  const wf = workflow("unlucky")
    .step("first", { onFailure: "continue", run: () => 1 })
    .step("own", {
      retries: 1,
      retryPolicy: { initialMs: 60_000, maxMs: 60_000, multiplier: 1, jitter: 0 },
      run: (ctx): Promise<number> => {
        attempts.push(ctx.attempt);
        if (ctx.attempt === 1) throw refused("o-1");
        kit.workers.at(-1)?.crash();
        return kit.hold(new Promise<number>(() => {}));
      },
    });
  await using kit = await createTestKit({ workflows: [wf] });
  const run = await kit.client.start(wf);
  await kit.clock.advance("2m");
  await kit.startWorker();
  const view = await run.wait();
  expect(attempts).toEqual([1, 2]);
  expect(view.error).toMatchObject({ type: "WorkerLost", step: "own", attempt: 2 });
  const failed = view.steps["own"]?.failed_attempts ?? [];
  expect(failed.map(({ attempt, error }) => [attempt, error.name])).toEqual([
    [1, "TypeError"],
    [2, "WorkerLost"],
  ]);
});

test("RescheduleError is no failure: no attempt more, no warning, and the history says what it is", async () => {
  const attempts: number[] = [];
  const wf = workflow("later")
    .step("a", () => 1)
    .step("b", {
      dependsOn: ["a"],
      run: (ctx) => {
        attempts.push(ctx.attempt);
        if (attempts.length < 4) throw new RescheduleError("10m", "the bank is closed");
        return attempts.length;
      },
    });
  await using kit = await createTestKit({ workflows: [wf] });
  const run = await kit.client.start(wf, null, { id: "r" });
  const view = await run.wait();
  expect(attempts).toEqual([1, 1, 1, 1]);
  expect(view.steps["b"]).toMatchObject({ status: "completed", attempt: 1 });
  expect(view.steps["b"]?.failed_attempts).toBeUndefined();
  expect(kit.log.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
  expect(kit.log.filter(({ message }) => message === "step asked to be run again later")).toHaveLength(3);
});

test("a step is given up after as many attempts as it had", async () => {
  let calls = 0;
  const wf = workflow("crashing").step("a", {
    retries: 2,
    run: () => {
      calls += 1;
      kit.workers.at(-1)?.crash();
      return kit.hold(new Promise<number>(() => {}));
    },
  });
  await using kit = await createTestKit({ workflows: [wf] });
  const run = await kit.client.start(wf);
  for (let worker = 0; worker < 4; worker += 1) {
    await kit.clock.advance("5m");
    await kit.startWorker();
  }
  const view = await run.wait();
  expect(calls).toBe(3);
  expect(view.error).toMatchObject({ type: "WorkerLost", message: expect.stringContaining("after 3 attempts") });
});

test("a step began when its handler did, not when it was asked for", async () => {
  const names = ["a", "b", "c"] as const;
  const busy = async (): Promise<number> => {
    await kit.clock.sleep("10s");
    return 1;
  };
  const wf = workflow("three").step("a", busy).step("b", busy).step("c", busy);
  await using kit = await createTestKit({ workflows: [wf], worker: { concurrency: 1 } });
  const run = await kit.client.start(wf);
  await kit.clock.advance("5s");
  const early = (await run.get()).steps;
  expect(names.filter((name) => early[name]?.started_at !== undefined)).toHaveLength(1);
  const { steps } = await run.wait();
  const began = names.map((name) => Date.parse(steps[name]?.started_at ?? "")).toSorted((a, b) => a - b);
  const ended = names.map((name) => Date.parse(steps[name]?.completed_at ?? "")).toSorted((a, b) => a - b);
  for (const [at, end] of ended.entries()) expect(end - (began[at] ?? 0)).toBeLessThan(12_000);
  expect((began[1] ?? 0) - (began[0] ?? 0)).toBeGreaterThanOrEqual(10_000);
});

test("the true words: held, waiting, skipped", async () => {
  const wf = workflow("words")
    .step("held", {
      onFailure: "pause_workflow",
      run: (): null => {
        throw new PermanentError("not today");
      },
    })
    .step("asks", (ctx) => ctx.waitForSignal("go"))
    .signal("node");
  await using kit = await createTestKit({ workflows: [wf] });
  const run = await kit.client.start(wf);
  const paused = await kit.until(run, "paused");
  expect(paused.steps).toMatchObject({
    held: { status: "held", failure: { name: "PermanentError" } },
    node: { status: "waiting" },
  });
  expect(paused.failure?.message).toBe("not today");
  await run.skip("held", { applied: true });
  expect((await run.get()).steps["held"]?.status).toBe("skipped");
});

test("the true words of a run that is stopped: first stopping, then undoing", async () => {
  const wf = workflow("stopped")
    .step("booked", { run: () => 1, compensate: () => kit.clock.sleep("1h") })
    .step("slow", () => kit.clock.sleep("10m"))
    .step("last", { dependsOn: ["slow"], run: () => 1 });
  await using kit = await createTestKit({ workflows: [wf] });
  const run = await kit.client.start(wf);
  await kit.idle();
  await run.cancel();
  await kit.idle();
  const words = async (): Promise<readonly unknown[]> => {
    const view = await run.get();
    return [view.status, view.stopping, ...["booked", "slow", "last"].map((name) => view.steps[name]?.status)];
  };
  expect(await words()).toEqual(["compensating", "cancelled", "completed", "stopping", "cancelled"]);
  await kit.clock.advance("11m");
  expect(await words()).toEqual(["compensating", "cancelled", "undoing", "cancelled", "cancelled"]);
});

test("a run that is terminated says so, where the wire says cancelled", async () => {
  const wf = workflow("ended")
    .step("done", () => 1)
    .step("slow", () => kit.clock.sleep("10m"))
    .step("last", { dependsOn: ["slow"], run: () => 1 });
  await using kit = await createTestKit({ workflows: [wf] });
  const [ended, cancelled] = [await kit.client.start(wf), await kit.client.start(wf)];
  await kit.idle();
  await ended.terminate({ reason: "a test" });
  await cancelled.cancel();
  await kit.clock.advance("1h");
  const view = await ended.get();
  expect(view).toMatchObject({
    status: "cancelled",
    error: { type: "Terminated", message: "a test" },
    steps: { done: { status: "completed" }, slow: { status: "terminated" }, last: { status: "terminated" } },
  });
  expect(view.record.steps.get("slow")?.status).toBe("cancelled");
  expect((await cancelled.get()).steps["last"]?.status).toBe("cancelled");
  await expect(ended.result()).rejects.toThrow(`run ${ended.id} was terminated: a test`);
  await expect(cancelled.result()).rejects.toThrow(`run ${cancelled.id} was cancelled`);
});

test("a program of buquet that fails a step is no lost worker", async () => {
  await using kit = await createTestKit({ workflows: [saga], workers: 0 });
  const { context } = kit.queue;
  const execution = { kind: "run", step: "charge", generation: 2, wake: 0, begun: false, retries: 0 } as const;
  const spec = {
    id: "00000000-0000-4000-8000-000000000001",
    taskType: "workflow.step:saga:charge",
    input: null,
    timeoutMs: 1,
    maxRetries: 0,
  };
  const task = { ...newTask(spec, 0), status: "failed", attempt: 1 } as const;
  const [raised] = await endedWithoutUs(context, "r", execution, { ...task, last_error: "ValueError: no funds" });
  expect(raised).toMatchObject({
    failure: { type: "StepFailed", message: "ValueError: no funds" },
    failures: [{ error: { name: "ValueError", message: "no funds" } }],
  });
  // A monitor of buquet that gives a worker up leaves its name.
  const [lost] = await endedWithoutUs(context, "r", execution, {
    ...task,
    worker_id: "w",
    last_error: "Timeout after max retries (1 attempts)",
  });
  expect(lost).toMatchObject({ failure: { type: "WorkerLost" } });
});

test("a thousand failing steps stay within the bound, the newest with their details", () => {
  const stack = `Error: x\n${"    at somewhere (file.ts:1:1)\n".repeat(100)}`;
  const draft = { machine: { failures: [] as readonly FailedAttempt[] } } as unknown as Draft;
  for (let step = 0; step < 1_000; step += 1)
    for (let attempt = 1; attempt <= 5; attempt += 1)
      keepFailures(draft, { kind: "run", step: `s${step}`, generation: 1, wake: 0 }, [
        { attempt, endedAt: step, error: { name: "Error", message: "x".repeat(1_000), stack } },
      ]);
  const kept = draft.machine.failures ?? [];
  expect(JSON.stringify(kept).length).toBeLessThanOrEqual(MAX_FAILURES_LENGTH + kept.length + 2);
  const last = kept.filter(({ step }) => step === "s999");
  expect(last.map(({ attempt }) => attempt)).toEqual([3, 4, 5]);
  expect(last).toHaveLength(FAILURES_KEPT);
  expect(last.at(-1)?.error.stack).toBe(stack);
});

test("a write whose answer was lost, but which landed, is in the log like any other", async () => {
  let lost = 0;
  const wf = workflow("unheard").step("a", () => {
    throw new PermanentError("no");
  });
  const messages: string[] = [];
  const logger = createLogger({ level: "error", write: (record) => messages.push(record) });
  await using opened = await connect("memory:unheard");
  const { store } = moodyStore(opened.context.store, opened.context.host.clock);
  const deaf: ObjectStore = {
    ...store,
    put: async (key, body, condition): Promise<PutOutcome> => {
      const outcome = await store.put(key, body, condition);
      if (key !== stateKey("r") || !/"status":"failed","current_steps"/.test(String(body))) return outcome;
      lost += 1;
      return { kind: "unknown", cause: new Error("reset") };
    },
  };
  await using queue = handleOf(deaf, nodeHost({ logger }));
  await using worker = new Worker(queue, { workflows: [wf] });
  await worker.start();
  const run = await new WorkflowClient(queue, { workflows: [wf] }).start(wf, null, { id: "r" });
  await run.wait();
  await worker.stop();
  expect(lost).toBe(1);
  expect(messages.filter((record) => record.startsWith("error run failed"))).toHaveLength(1);
});
