/** Handlers that do what nobody expects: their step fails and says why; neither the worker nor the run is lost. */
import { describe, expect, test } from "vitest";
import { type AnyWorkflow, RescheduleError, untypedWorkflow, workflow } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

/** How a run of one step ends, with the time that it took on the clock of the kit. */
async function endOf(definition: AnyWorkflow) {
  await using kit = await createTestKit({ workflows: [definition] });
  const began = kit.clock.now();
  const run = await kit.client.start(definition.name);
  const { status, error } = await run.wait();
  return { status, error, ms: kit.clock.now() - began };
}

const once = { retries: 0 } as const;

/** How the line begins that a worker logs about a task which it could not drive to its end. */
const UNDRIVEN = "a task could not be driven to its end";

describe("what a handler throws or returns", () => {
  test.each<[string, () => unknown, string]>([
    [
      "nothing that has a text",
      () => {
        throw Object.create(null);
      },
      "threw {}",
    ],
    [
      "an error whose message throws",
      () => {
        throw Object.defineProperty(new Error("x"), "message", {
          get: () => {
            throw new Error("y");
          },
        });
      },
      "threw an instance of Error",
    ],
    [
      "a proxy whose traps throw",
      () => {
        const trap = (): never => {
          throw new Error("trapped");
        };
        throw new Proxy(new Error("x"), { get: trap, getPrototypeOf: trap, has: trap, ownKeys: trap });
      },
      "threw something that cannot be told as text",
    ],
    [
      "a delay to which no text belongs",
      () => {
        throw new RescheduleError(10n as unknown as number);
      },
      "is not a duration",
    ],
    [
      "an error whose name is a symbol",
      () => {
        throw Object.assign(new Error("x"), { name: Symbol("name") });
      },
      "Error: x",
    ],
    [
      "a result whose member throws",
      () => ({
        get it() {
          throw new Error("not yet");
        },
      }),
      "the result is not JSON: it cannot be read: Error: not yet",
    ],
  ])("%s fails its step at once", async (_, handler, message) => {
    const end = await endOf(untypedWorkflow("odd").step("a", { ...once, run: handler }));
    expect(end).toMatchObject({
      status: "failed",
      error: { type: "StepFailed", message: expect.stringContaining(message) },
    });
    expect(end.ms).toBeLessThan(10_000);
  });

  test("a long message is kept in part", async () => {
    const { error } = await endOf(
      untypedWorkflow("long").step("a", {
        ...once,
        run: () => {
          throw new Error("🙂".repeat(3_000_000));
        },
      }),
    );
    expect(error?.message.length).toBeLessThan(2_100);
    expect(error?.message).toMatch(/^Error: 🙂.*🙂… \(6000000 characters\)$/u);
  });
});

describe("a wait for a signal", () => {
  test("that is not awaited fails its step, and not the process", async () => {
    const unawaited = untypedWorkflow("unawaited").step("a", {
      ...once,
      run: async (ctx) => {
        void ctx.waitForSignal("never");
        await Promise.resolve();
      },
    });
    expect((await endOf(unawaited)).error?.message).toContain("caught the suspension that ctx.waitForSignal throws");
  });

  test("that is awaited after other work is a wait", async () => {
    const later = untypedWorkflow("later").step("a", async (ctx) => {
      const answer = ctx.waitForSignal("go");
      await new Promise((done) => setImmediate(done));
      return answer;
    });
    await using kit = await createTestKit({ workflows: [later] });
    const run = await kit.client.start("later");
    await run.signal("go", 1);
    expect(await run.result()).toEqual({ a: 1 });
  });

  test.each([
    ["a/b", 'signal name "a/b" cannot be used: it holds a slash'],
    ["", 'signal name "" cannot be used: it is empty'],
    [undefined as unknown as string, "it is not a text"],
  ])("for %j is refused", async (name, message) => {
    const end = await endOf(untypedWorkflow("names").step("a", { ...once, run: (ctx) => ctx.waitForSignal(name) }));
    expect(end.error?.message).toContain(message);
  });

  test("for what the workflow does not declare is refused, as sending it is", async () => {
    const { z } = await import("zod");
    const closed = untypedWorkflow("closed", { signals: { go: z.json() } }).step("a", {
      ...once,
      run: (ctx) => ctx.waitForSignal("og"),
    });
    expect((await endOf(closed)).error?.message).toContain('workflow closed declares no signal "og"');
  });

  test.each([0, "0s"] as const)("with the timeout %j does not wait", async (timeout) => {
    const now = workflow("now").step("a", async (ctx) => (await ctx.waitForSignal("go", { timeout })) ?? "nothing");
    await using kit = await createTestKit({ workflows: [now] });
    const run = await kit.client.start(now);
    expect(await run.result()).toEqual({ a: "nothing" });
  });
});

describe("a record that is nearly full", () => {
  const RESULTS = Array.from({ length: 15 }, (_, index) => `s${index}`);

  /** As many results of 250 KB as fit. */
  function nearlyFull(name: string) {
    let definition = untypedWorkflow(name);
    for (const result of RESULTS) definition = definition.step(result, { ...once, run: () => "x".repeat(250_000) });
    return definition;
  }

  test("has room left for steps that fail, however many and loud", async () => {
    let full = nearlyFull("loud");
    for (let index = 0; index < 20; index += 1)
      full = full.step(`f${index}`, {
        ...once,
        dependsOn: RESULTS,
        onFailure: "continue",
        run: () => {
          throw new Error("e".repeat(5_000));
        },
      });
    await using kit = await createTestKit({ workflows: [full] });
    const run = await kit.client.start("loud");
    const { status, steps } = await run.wait();
    expect(status).toBe("completed");
    expect(steps["f19"]?.error).toContain("Error: e");
    expect(steps["f19"]?.error).not.toContain("WorkerLost");
  });

  test("has room left to undo what was done", async () => {
    const undone: string[] = [];
    let full = untypedWorkflow("undone");
    for (const result of [...RESULTS, "rest"])
      full = full.step(result, {
        ...once,
        run: () => "x".repeat(result === "rest" ? 150_000 : 250_000),
        compensate: () => undone.push(result),
      });
    for (let index = 0; index < 30; index += 1)
      full = full.step(`f${index}`, {
        ...once,
        dependsOn: [...RESULTS, "rest"],
        onFailure: "continue",
        run: () => {
          throw new Error("e".repeat(2_000));
        },
      });
    full = full.step("last", {
      ...once,
      dependsOn: Array.from({ length: 30 }, (_, index) => `f${index}`),
      run: () => {
        throw new Error("no");
      },
    });
    await using kit = await createTestKit({ workflows: [full] });
    const run = await kit.client.start("undone");
    expect((await run.wait()).status).toBe("failed");
    expect(undone.toSorted()).toEqual([...RESULTS, "rest"].toSorted());
    expect(kit.log.filter(({ message }) => message.startsWith(UNDRIVEN))).toEqual([]);
  });

  test("leaves signals where they are and can be cancelled", async () => {
    const full = nearlyFull("waits").step("w", { dependsOn: RESULTS, run: (ctx) => ctx.waitForSignal("big") });
    await using kit = await createTestKit({ workflows: [full] });
    const run = await kit.client.start("waits");
    await kit.until(run, "waiting_signal");
    for (const letter of ["a", "b"]) await run.signal("big", letter.repeat(200_000));
    await kit.clock.advance("30m");
    expect((await run.get()).status).toBe("waiting_signal");
    expect(kit.log.filter(({ message }) => message.startsWith(UNDRIVEN))).toEqual([]);
    expect(kit.log.some(({ message }) => message.includes("do not fit"))).toBe(true);
    await run.cancel();
    expect((await run.wait()).status).toBe("cancelled");
  });
});
