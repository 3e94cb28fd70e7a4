/** Why a run does not move, and runs that meet another definition. */
import { describe, expect, test } from "vitest";
import { PermanentError, workflow } from "../../src/index.ts";
import { planKey, stateKey } from "../../src/keys.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";
import { errorOf, waiter } from "./setup.ts";

const noHandlerLines = (kit: TestKit): number =>
  kit.log.filter((line) => line.message.startsWith("no handler here")).length;

describe("explain says", () => {
  test("that nobody serves the workflow", async () => {
    await using kit = await createTestKit({ workflows: [waiter], workers: 0 });
    const run = await kit.client.start(waiter);
    expect(await run.explain()).toEqual(["no worker that was seen in the last minute serves waiter"]);
  });

  test("that a worker was there and is not seen any more", async () => {
    await using kit = await createTestKit({ workflows: [waiter] });
    const run = await kit.client.start(waiter);
    await kit.idle();
    kit.workers[0]?.crash();
    await kit.clock.advance("2m");
    expect(await run.explain()).toEqual([
      "no worker that was seen in the last minute serves waiter",
      "step wait waits for signal go",
    ]);
  });

  test("that the step runs elsewhere, and the worker says so once and leaves it for others", async () => {
    const ours = workflow("split")
      .step("a", () => 1)
      .step("b", { dependsOn: ["a"], remote: true });
    const theirs = workflow("split")
      .step("a", () => 1)
      .step("b", { dependsOn: ["a"], run: () => "theirs" });
    await using kit = await createTestKit({ workflows: [ours] });
    const run = await kit.client.start(ours);
    await kit.clock.advance("1h");
    expect(await run.explain()).toEqual([
      "step b waits for a program on this bucket that is not ours: the step is remote",
      expect.stringMatching(/^step b is pending on the queue, available at 2026-01-01T00:00:00/),
    ]);
    expect(noHandlerLines(kit)).toBe(1);
    expect(kit.log).toContainEqual(
      expect.objectContaining({ level: "warn", fields: expect.objectContaining({ step: "b", worker: "worker-1" }) }),
    );
    // The same definition with a handler: the same hash on the wire.
    await kit.startWorker({ workflows: [theirs] });
    expect(await run.result()).toEqual({ b: "theirs" });
    expect(noHandlerLines(kit)).toBe(1);
  });

  test("that no worker has a handler for the step", async () => {
    const both = workflow("half").step("a", { delay: "1h", run: () => 1 });
    const none = workflow("half").step("a", { remote: true });
    await using kit = await createTestKit({ workflows: [both] });
    const run = await kit.client.start(both);
    await kit.idle();
    await kit.workers[0]?.stop();
    await kit.startWorker({ workflows: [none] });
    await kit.clock.advance("2h");
    expect(await run.explain()).toEqual([
      "no worker that was seen in the last minute has a handler for step a",
      expect.stringMatching(/^step a is pending on the queue, available at /),
    ]);
  });

  test("who holds the lease until when, and when that is over", async () => {
    const slow = workflow("slow").step("a", () => kit.clock.sleep("10m"));
    await using kit = await createTestKit({ workflows: [slow] });
    const run = await kit.client.start(slow);
    await kit.idle();
    expect(await run.explain()).toEqual([
      expect.stringMatching(/^step a is leased by worker-1 until 2026-01-01T00:00:30/),
    ]);
    await kit.clock.advance("25s");
    expect(await run.explain()).toEqual([
      expect.stringMatching(/^step a is leased by worker-1 until 2026-01-01T00:00:50/),
    ]);
    kit.workers[0]?.crash();
    await kit.clock.advance("40s");
    expect(await run.explain()).toContainEqual(
      expect.stringMatching(/^step a was leased by worker-1 until .*, and that is over; the next worker/),
    );
  });

  test("when the next timer is due", async () => {
    const later = workflow("later")
      .step("a", { delay: "7d", run: () => 1 })
      .signal("b", { timeout: "1d" });
    await using kit = await createTestKit({ workflows: [later] });
    const run = await kit.client.start(later);
    await kit.idle();
    expect([...(await run.explain())].toSorted()).toEqual([
      "deadline of b is due at 2026-01-02T00:00:00.000Z",
      "delay of a is due at 2026-01-08T00:00:00.000Z",
      "step b waits for signal b",
    ]);
  });

  test("when the next attempt comes", async () => {
    const flaky = workflow("flaky").step("a", {
      retryPolicy: { initialMs: 3_600_000, maxMs: 3_600_000, jitter: 0 },
      run: () => {
        throw new Error("no");
      },
    });
    await using kit = await createTestKit({ workflows: [flaky] });
    const run = await kit.client.start(flaky);
    await kit.idle();
    expect(await run.explain()).toEqual([
      expect.stringMatching(
        /^step a is pending on the queue, available at 2026-01-01T01:00:00.*; attempt 1 failed: Error: no$/,
      ),
    ]);
  });

  test("why the attempt before the one that runs failed", async () => {
    const again = workflow("again").step("a", {
      retryPolicy: { initialMs: 60_000, maxMs: 60_000, jitter: 0 },
      run: async ({ attempt }) => {
        if (attempt === 1) throw new Error("no answer", { cause: new Error("refused") });
        await kit.clock.sleep("10m");
      },
    });
    await using kit = await createTestKit({ workflows: [again] });
    const run = await kit.client.start(again);
    await kit.clock.advance("5m");
    expect(await run.explain()).toEqual([
      expect.stringMatching(/^step a is leased by worker-1 until .*; attempt 1 failed: Error: no answer \(refused\)$/),
    ]);
  });

  test("why the undo that is tried again failed, and which step made the run stop", async () => {
    const stubborn = workflow("stubborn")
      .step("a", {
        run: () => 1,
        compensate: () => {
          throw new Error("bank closed");
        },
        retryPolicy: { initialMs: 3_600_000, maxMs: 3_600_000, jitter: 0 },
      })
      .step("b", {
        dependsOn: ["a"],
        onFailure: "compensate",
        run: () => {
          throw new PermanentError("no stock");
        },
      });
    await using kit = await createTestKit({ workflows: [stubborn] });
    const run = await kit.client.start(stubborn);
    await kit.idle();
    expect(await run.explain()).toEqual([
      "it is stopped, and will end failed, because step b failed: PermanentError: no stock",
      expect.stringMatching(/^the undo of a is pending .*; attempt 1 failed: Error: bank closed$/),
    ]);
  });

  test("whether anybody can go on when the stored plan is gone", async () => {
    await using kit = await createTestKit({ workflows: [waiter] });
    const run = await kit.client.start(waiter);
    await kit.idle();
    const hash = (await run.get()).record.machine?.plan_hash ?? "";
    await kit.store.delete(planKey(hash));
    expect(await run.explain()).toEqual([
      `the bucket has no plan ${hash} any more; a worker that was seen in the last minute serves it and goes on with the run`,
    ]);
    await kit.workers[0]?.stop();
    expect(await run.explain()).toContain(
      `the bucket has no plan ${hash} any more; start a worker that serves exactly this definition, which puts it back`,
    );
    await kit.startWorker();
    expect(await run.explain()).toEqual(["step wait waits for signal go"]);
  });

  test("that the record is older than its tasks, and how to have them compared", async () => {
    const two = workflow("two")
      .step("a", () => kit.clock.sleep("2m"))
      .step("b", { dependsOn: ["a"], run: () => 2 });
    await using kit = await createTestKit({ workflows: [two] });
    const run = await kit.client.start(two);
    await kit.clock.advance("1m");
    const old = await kit.store.get(stateKey(run.id));
    await run.result();
    if (old.kind === "missing") return expect.fail("no record");
    await kit.store.put(stateKey(run.id), old.object.body, "always");
    expect((await run.get()).status).toBe("running");
    expect(await run.explain()).toEqual([
      expect.stringMatching(
        /^the task of step a is completed, but the record does not say so; it is compared with its tasks at 2026-.*; to do that now: buquet-workflow sweeper --run wf-/,
      ),
    ]);
  });

  test("that it is paused, and why", async () => {
    await using kit = await createTestKit({ workflows: [waiter] });
    const run = await kit.client.start(waiter);
    await run.pause({ reason: "the bank is closed" });
    await kit.idle();
    expect(await run.explain()).toEqual([
      "it is paused (the bank is closed); resume goes on",
      "step wait waits for signal go",
    ]);
  });

  test("that a failed step is held", async () => {
    const held = workflow("held").step("a", {
      onFailure: "pause_workflow",
      run: () => {
        throw new PermanentError("no stock");
      },
    });
    await using kit = await createTestKit({ workflows: [held] });
    const run = await kit.client.start(held);
    await kit.until(run, "paused");
    expect(await run.explain()).toEqual([
      "it is paused (PermanentError: no stock); resume goes on",
      "step a failed and is held (PermanentError: no stock); resume tries it again, skip goes on without it",
    ]);
    // Nothing but the record is needed for that.
    await kit.store.delete(planKey((await run.get()).record.machine?.plan_hash ?? ""));
    await kit.workers[0]?.stop();
    expect((await run.explain()).at(-1)).toContain("(PermanentError: no stock)");
  });

  test("nothing of a run that is over", async () => {
    await using kit = await createTestKit({ workflows: [waiter] });
    const run = await kit.client.start(waiter);
    await run.cancel();
    await run.wait();
    expect(await run.explain()).toEqual([]);
  });
});

describe("a run that meets another definition [75, 76]", () => {
  const before = workflow("deploy")
    .signal("go")
    .step("ship", { dependsOn: ["go"], run: () => "before" });
  const after = workflow("deploy")
    .step("check", () => 1)
    .signal("go", { dependsOn: ["check"] })
    .step("ship", { dependsOn: ["go"], run: () => "after" });

  test("is left alone while a worker with its own definition was seen in the last minute", async () => {
    await using kit = await createTestKit({ workflows: [before] });
    const run = await kit.client.start(before);
    await kit.until(run, "waiting_signal");
    const old = kit.workers[0];
    await kit.startWorker({ workflows: [after] });
    old?.crash();
    await run.signal("go", null);
    await kit.idle();
    expect((await run.get()).status).toBe("waiting_signal");
    expect(kit.log).toContainEqual(expect.objectContaining({ message: "run left to others" }));
  });

  test("is paused when nobody serves its definition any more; the error names both hashes and the steps", async () => {
    await using kit = await createTestKit({ workflows: [before] });
    const run = await kit.client.start(before);
    await kit.until(run, "waiting_signal");
    await kit.workers[0]?.stop();
    await kit.startWorker({ workflows: [after] });
    await run.signal("go", null);
    const paused = await kit.until(run, "paused");
    expect(paused.error?.type).toBe("VersionMismatch");
    for (const part of [before.definitionHash, after.definitionHash, "check, go, ship"])
      expect(paused.error?.message).toContain(part);
    expect(await run.explain()).toEqual([
      `no worker that was seen in the last minute serves its definition ${before.definitionHash}`,
      paused.error?.message,
      "step go waits for signal go",
    ]);
    // The old definition comes back: the run goes on where it was, and the signal was not lost.
    await kit.startWorker({ workflows: [before] });
    await kit.workers[1]?.stop();
    await run.resume();
    expect(await run.result()).toEqual({ ship: "before" });
  });

  test("is not resumed by a worker that does not fit: the resume waits for one that does", async () => {
    await using kit = await createTestKit({ workflows: [before] });
    const run = await kit.client.start(before);
    await kit.until(run, "waiting_signal");
    await kit.workers[0]?.stop();
    await kit.startWorker({ workflows: [after] });
    await run.signal("go", null);
    await kit.until(run, "paused");
    await run.resume();
    await kit.clock.advance("10m");
    expect(await run.get()).toMatchObject({ status: "paused", error: { type: "VersionMismatch" } });
    await kit.startWorker({ workflows: [before] });
    await kit.workers[1]?.stop();
    expect(await run.result()).toEqual({ ship: "before" });
  });

  test("goes on under its stored plan when only the plan is another", async () => {
    const slower = workflow("deploy")
      .signal("go")
      .step("ship", { dependsOn: ["go"], delay: "1d", run: () => "slower" });
    expect(slower.definitionHash).toBe(before.definitionHash);
    expect(slower.planHash).not.toBe(before.planHash);
    await using kit = await createTestKit({ workflows: [before] });
    const run = await kit.client.start(before);
    await kit.until(run, "waiting_signal");
    await kit.workers[0]?.stop();
    await kit.startWorker({ workflows: [slower] });
    const at = kit.clock.now();
    await run.signal("go", null);
    expect(await run.result()).toEqual({ ship: "slower" });
    // The stored plan has no delay.
    expect(kit.clock.now() - at).toBeLessThan(60_000);
  });

  test("goes on when it has no hash", async () => {
    await using kit = await createTestKit({ workflows: [before] });
    const run = await kit.client.start(before);
    await kit.until(run, "waiting_signal");
    await kit.workers[0]?.stop();
    const key = `workflow/${run.id}/state.json`;
    const read = await kit.store.get(key);
    if (read.kind === "missing") throw new Error("no record");
    const body = read.object.body.replace(before.definitionHash, "");
    await kit.store.put(key, body, "always");
    await kit.startWorker({ workflows: [after] });
    await run.signal("go", null);
    expect(await run.result()).toEqual({ ship: "after" });
  });

  test("is a reason to refuse two definitions of one name in one worker", async () => {
    await using kit = await createTestKit({ workflows: [before], workers: 0 });
    expect((await errorOf(kit.startWorker({ workflows: [before, after] }))).message).toContain(
      'two workflows are named "deploy"',
    );
  });
});
