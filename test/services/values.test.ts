/** What crosses between user code and the kept record: each side has its own copy, and what is kept is what was returned. */
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { z } from "zod";
import { PermanentError, untypedWorkflow } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

test("gives two steps different idempotency keys, whatever colons their names hold, and one that a header can carry", async () => {
  const keys: string[] = [];
  const key = (ctx: { idempotencyKey: string }): void => void keys.push(ctx.idempotencyKey);
  const colons = untypedWorkflow("colons")
    .step("b:1", key)
    .step("1", key)
    .step("%3A", key)
    .step(":", key)
    .step("ü", key);
  await using kit = await createTestKit({ workflows: [colons] });
  await (await kit.client.start("colons", null, { id: "a:b" })).wait();
  await (await kit.client.start("colons", null, { id: "a" })).wait();
  expect(new Set(keys).size).toBe(10);
  expect(keys).toContain("a%3Ab:1:1");
  expect(keys).toContain("a:b%3A1:1");
  expect(keys).toContain("a:%C3%BC:1");
});

test("gives every attempt, sibling, undo and wake its own copy, and keeps what was returned", async () => {
  const kept = { xs: [1], gone: undefined };
  const seen: string[] = [];
  const see = (what: string, value: unknown): void => void seen.push(`${what} ${JSON.stringify(value)}`);
  type Any = any; // eslint-disable-line @typescript-eslint/no-explicit-any -- the handlers do what types forbid
  const hostile = untypedWorkflow("hostile")
    .step("a", {
      run: (ctx: Any) => {
        see("input", ctx.input);
        ctx.input.list.push("mine");
        return kept;
      },
      compensate: (ctx: Any, result: Any) => {
        see("undo", result);
        result.xs.push("undo");
        if (ctx.attempt === 1) throw new Error("again");
      },
    })
    .step("b", {
      dependsOn: ["a"],
      run: (ctx: Any) => {
        // The handler of "a" is over, and goes on with what it returned.
        kept.xs.push(99);
        Object.assign(kept, { big: 1n });
        see("b", ctx.results.a);
        ctx.results.a.xs.push(2);
        ctx.input.list.push("mine too");
        if (ctx.attempt === 1) throw new Error("again");
        return 1;
      },
    })
    .step("c", {
      dependsOn: ["a"],
      run: async (ctx: Any) => {
        see("c", ctx.results.a);
        ctx.results.a.xs = "no list";
        const first = await ctx.waitForSignal("s");
        see("signal", first);
        first.n.push(1);
        await ctx.waitForSignal("s");
      },
    })
    .step("d", {
      dependsOn: ["b", "c"],
      run: (ctx: Any) => {
        see("input", ctx.input);
        throw new PermanentError("undo all");
      },
    });
  await using kit = await createTestKit({ workflows: [hostile] });
  const run = await kit.client.start("hostile", { list: [] });
  await kit.idle();
  await run.signal("s", { n: [] });
  await kit.idle();
  await run.signal("s", { n: [] });
  const view = await run.wait();
  expect(view.error?.message).toContain("undo all");
  expect(seen.toSorted()).toEqual([
    ...Array.from({ length: 2 }, () => 'b {"xs":[1]}'),
    ...Array.from({ length: 3 }, () => 'c {"xs":[1]}'),
    ...Array.from({ length: 2 }, () => 'input {"list":[]}'),
    ...Array.from({ length: 2 }, () => 'signal {"n":[]}'),
    ...Array.from({ length: 2 }, () => 'undo {"xs":[1]}'),
  ]);
  const bodyOf = async (key: string): Promise<string> => {
    const read = await kit.store.get(key);
    return read.kind === "found" ? read.object.body : "";
  };
  expect(JSON.parse(await bodyOf(`workflow/${run.id}/steps/a.json`))).toEqual({ xs: [1] });
  expect(JSON.parse(await bodyOf(`workflow/${run.id}/state.json`))).toMatchObject({
    data: { list: [] },
    steps: { a: { result: { xs: [1] } } },
  });
});

test("reads what a handler returns once: getters, proxies and toJSON cannot say one thing and then another", async () => {
  let reads = 0;
  const turns = {
    get value() {
      reads += 1;
      return reads === 1 ? 1 : 1n;
    },
  };
  const proxied = new Proxy(
    { a: 1 },
    { get: (target, name) => (name === "a" ? (reads += 1) : Reflect.get(target, name)) },
  );
  class Money {
    toJSON(): string {
      return "1 EUR";
    }
  }
  const hidden = Object.defineProperty({ a: 1 }, "toJSON", { value: () => 2 });
  const bomb: unknown[] = [["x"]];
  for (let depth = 0; depth < 60; depth += 1) bomb.push([bomb.at(-1), bomb.at(-1)]);
  const odd = untypedWorkflow("odd")
    .step("getter", () => ({ turns }))
    .step("proxy", { dependsOn: ["getter"], run: () => proxied })
    .step("class", { onFailure: "continue", run: () => ({ price: new Money() }) })
    .step("hidden", { onFailure: "continue", run: () => [hidden] })
    .step("bomb", { onFailure: "continue", run: () => bomb.at(-1) })
    .step("revoked", {
      onFailure: "continue",
      run: () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return { proxy };
      },
    });
  await using kit = await createTestKit({ workflows: [odd] });
  const run = await kit.client.start("odd");
  const { steps } = await run.wait();
  expect(steps["getter"]?.result).toEqual({ turns: { value: 1 } });
  expect(steps["proxy"]?.result).toEqual({ a: 2 });
  expect(reads).toBe(2);
  expect(steps["class"]?.error).toContain("the result is not JSON: $.price is a Money");
  expect(steps["hidden"]?.error).toContain("the result is not JSON: $[0] has a method toJSON");
  expect(steps["bomb"]?.error).toContain("more than 262144 characters");
  expect(steps["revoked"]?.error).toContain("it cannot be read: TypeError");
});

test("drops members that are undefined, wherever a value crosses, and refuses what else JSON cannot say", async () => {
  const given = { id: "x", note: undefined, deep: [{ a: undefined, b: 1 }] };
  const kept = { id: "x", deep: [{ b: 1 }] };
  const seen: unknown[] = [];
  const tasks: (string | undefined)[] = [];
  const drops = untypedWorkflow("drops")
    .step("returns", () => given)
    .step("nothing", () => {})
    .step("hears", async (ctx) => {
      seen.push(await ctx.waitForSignal("s"), await ctx.waitForSignal("e"), ctx.input);
      tasks.push(await ctx.queue.submit("other", given), await ctx.queue.submit("other", undefined));
    });
  await using kit = await createTestKit({ workflows: [drops] });
  const run = await kit.client.start("drops", given);
  await run.signal("s", given);
  await run.send({ type: "e", ...(given as object) });
  const { steps, data } = await run.wait();
  expect(steps["returns"]?.result).toStrictEqual(kept);
  expect(steps["nothing"]?.result).toBeNull();
  expect(data).toStrictEqual(kept);
  expect(seen).toStrictEqual([kept, kept, kept]);
  const inputs = await Promise.all(tasks.map((id) => kit.queue.task(id ?? "")));
  expect(inputs.map((task) => task?.input)).toStrictEqual([kept, null]);
  const wrong = { xs: [1, undefined] };
  for (const refused of [kit.client.start("drops", wrong), kit.queue.submit("other", wrong)])
    await expect(refused).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining("$.xs[1] is undefined"),
    });
  const open = await kit.client.start("drops");
  for (const refused of [open.signal("s", wrong), open.send({ type: "e", ...(wrong as object) })])
    await expect(refused).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining("$.xs[1] is undefined"),
    });
});

test("takes what a call is given when it is called, also while a schema looks at it", async () => {
  const slow = z.looseObject({ n: z.number() }).refine(async () => true);
  const given = untypedWorkflow("given", { input: slow, signals: { s: slow, free: z.unknown() } }).step("a", (ctx) =>
    ctx.waitForSignal("s"),
  );
  const free = untypedWorkflow("free").step("a", (ctx) => ctx.waitForSignal("s"));
  await using kit = await createTestKit({ workflows: [given, free] });
  const changed = <T>(call: (value: { n: number; more: unknown[] }) => Promise<T>): Promise<T> => {
    const value = { n: 1, more: [] as unknown[] };
    const promise = call(value);
    Object.assign(value, { n: Number.NaN });
    value.more.push(() => {});
    return promise;
  };
  for (const name of ["given", "free"]) {
    const run = await changed((value) => kit.client.start(name, value));
    expect((await run.get()).data).toEqual({ n: 1, more: [] });
    await changed((value) => run.signal("s", value));
    expect(await run.result()).toEqual({ a: { n: 1, more: [] } });
  }
  const idempotency = { key: "k" };
  const id = changed((value) => kit.queue.submit("t", value, { idempotency }));
  idempotency.key = "other";
  expect((await kit.queue.task(await id))?.input).toEqual({ n: 1, more: [] });
  expect(await kit.queue.submit("t", { n: 1, more: [] }, { idempotency: { key: "k" } })).toBe(await id);
});

test("hands out views that are copies, with ordinary numbers, and prints them like plain objects", async () => {
  type Any = any; // eslint-disable-line @typescript-eslint/no-explicit-any -- the test does what types forbid
  const flow = untypedWorkflow("flow", {
    output: (results: Any) => {
      results.a.push("output");
      return results;
    },
  }).step("a", () => [1, { deep: true }]);
  await using kit = await createTestKit({ workflows: [flow] });
  const run = await kit.client.start("flow", { big: 1 });
  const view = (await run.wait()) as Any;
  expect(await run.result()).toEqual({ a: [1, { deep: true }, "output"] });
  expect(inspect(view.steps.a, { depth: 5 })).toContain("result: [ 1, { deep: true } ]");
  expect(inspect(view)).toContain("data: { big: 1 }");
  view.steps.a.result.push(1);
  view.data.big = 2;
  view.record.steps.get("a").result = "mine";
  view.record.machine.outbox.push("mine");
  expect(await run.get()).toMatchObject({ data: { big: 1 }, steps: { a: { result: [1, { deep: true }] } } });
  const key = `workflow/${run.id}/state.json`;
  const read = await kit.store.get(key);
  if (read.kind === "missing") throw new Error("no record");
  const odd = read.object.body.replace('"data":{"big":1}', '"data":{"big":1.0},"x_other":{"n":12345678901234567890}');
  await kit.store.put(key, odd, "always");
  const other = await run.get();
  expect(other.data).toEqual({ big: 1 });
  expect(other.record.rest).toEqual({ x_other: { n: Number("12345678901234567890") } });
});

test("lets a schema see what was not given", async () => {
  const whole = untypedWorkflow("whole", { input: z.object({ n: z.number().default(1) }).default({ n: 7 }) });
  const optional = untypedWorkflow("optional", { input: z.string().optional() });
  const nothing = untypedWorkflow("nothing", { input: z.void(), signals: { s: z.void() } });
  const inputs = [whole, optional, nothing].map((flow) => flow.step("a", (ctx) => ctx.input));
  const waiting = untypedWorkflow("waiting", { input: z.void(), signals: { s: z.void() } }).step("a", (ctx) =>
    ctx.waitForSignal("s"),
  );
  await using kit = await createTestKit({ workflows: [...inputs, waiting] });
  const results = inputs.map(async (flow) => (await kit.client.start(flow.name)).result());
  expect(await Promise.all(results)).toEqual([{ a: { n: 7 } }, { a: null }, { a: null }]);
  const run = await kit.client.start("waiting");
  await run.signal("s", undefined);
  expect(await run.result()).toEqual({ a: null });
});

test("fails a step whose handler asks for its signals in another order, also when it catches that", async () => {
  const names = ["left", "right"];
  let catches = false;
  const flow = untypedWorkflow("flow").step("a", async (ctx) => {
    const got: unknown[] = [];
    for (const name of names) {
      const wait = ctx.waitForSignal(name, { timeout: "1h" });
      got.push((await (catches ? wait.catch(() => "caught") : wait)) ?? null);
    }
    return got;
  });
  await using kit = await createTestKit({ workflows: [flow] });
  const steady = await kit.client.start("flow");
  await steady.signal("left", { n: 1 });
  await kit.clock.advance("2h");
  expect(await steady.result()).toEqual({ a: [{ n: 1 }, null] });
  const run = await kit.client.start("flow");
  await kit.idle();
  names.reverse();
  await run.signal("left", { n: 1 });
  const { error } = await run.wait();
  expect(error).toMatchObject({ attempt: 1 });
  expect(error?.message).toContain('waits for signal "right" where it waited for "left" when it ran before');
  const late = await kit.client.start("flow");
  await kit.clock.advance("30m");
  names.reverse();
  catches = true;
  await kit.clock.advance("1h");
  expect((await late.wait()).error?.message).toContain('waits for signal "left" where it waited for "right"');
});

test("does not hear of what becomes of the objects that a definition, a kit or a bulk command was given", async () => {
  const retryPolicy = { initialMs: 5, maxMs: 5 };
  const dependsOn = ["a"];
  const options = {
    compensation: "chain" as "chain" | "mirror",
    signals: { s: z.string() } as Record<string, z.ZodType>,
  };
  const flow = untypedWorkflow("flow", options)
    .step("a", () => 1)
    .step("b", { dependsOn, retryPolicy, run: () => 2 });
  Object.assign(options, { compensation: "mirror" });
  options.signals["late"] = z.string();
  retryPolicy.initialMs = 1;
  dependsOn.push("b");
  expect(flow.plan).toMatchObject({ compensation: "chain", signals: ["s"] });
  expect(flow.plan.steps[1]).toMatchObject({ dependsOn: ["a"], retryPolicy: { initialMs: 5 } });
  expect(() => (flow.plan.steps as unknown[]).push(1)).toThrow(TypeError);
  expect(() => Object.assign(flow, { name: "other" })).toThrow(TypeError);
  const workflows = [flow];
  await using kit = await createTestKit({ workflows, workers: 0 });
  workflows.pop();
  const run = await kit.client.start("flow");
  const command: { type: "pause" | "terminate" } = { type: "pause" };
  const bulk = kit.client.bulk(command);
  command.type = "terminate";
  for await (const done of bulk) expect(done.leads?.status).not.toBe("cancelled");
  await kit.startWorker();
  await kit.idle();
  // A pause may come late; a terminate that was never asked for would not.
  expect((await run.get()).status).not.toBe("cancelled");
});
