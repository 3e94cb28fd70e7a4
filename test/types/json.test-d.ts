import { expectTypeOf, test } from "vitest";
import {
  type JsonValue,
  type OutputOf,
  type RunOf,
  untypedWorkflow,
  workflow,
  type WorkflowClient,
} from "../../src/index.ts";

const base = workflow("json").step("a", () => 1);

test("members that may be undefined compile, and dependents see that they may be missing", () => {
  base
    .step("b", () => ({ id: "x", note: undefined as string | undefined, deep: { n: undefined as number | undefined } }))
    .step("c", {
      dependsOn: ["b"],
      run: (ctx) => {
        expectTypeOf(ctx.results.b).toEqualTypeOf<{ id: string; note?: string; deep: { n?: number } }>();
        return ctx.results.b;
      },
      compensate: (_ctx, result) => expectTypeOf(result?.note).toEqualTypeOf<string | undefined>(),
    })
    .step("d", {
      dependsOn: ["c"],
      run: (ctx) => {
        expectTypeOf(ctx.results.c).toEqualTypeOf<{ id: string; note?: string; deep: { n?: number } }>();
      },
    });
});

test("optional members stay as they are", () => {
  interface Noted {
    readonly id: string;
    readonly note?: string;
    readonly inner?: readonly Noted[];
  }
  base
    .step("b", (): Noted => ({ id: "x" }))
    .step("c", {
      dependsOn: ["b"],
      run: (ctx) => {
        expectTypeOf(ctx.results.b).toEqualTypeOf<Noted>();
      },
    });
});

test("members of which nothing is known compile", () => {
  base
    .step("b", () => ({ body: JSON.parse("1") as unknown }))
    .step("c", (): Record<string, unknown> => ({ a: 1 }))
    .step("d", () => [JSON.parse("1") as unknown])
    .step("e", () => ({ list: [{ body: JSON.parse("1") as unknown }] }))
    .step("f", {
      dependsOn: ["b", "c", "d"],
      run: (ctx) => {
        expectTypeOf(ctx.results.b).toEqualTypeOf<{ body: unknown }>();
        expectTypeOf(ctx.results.c).toEqualTypeOf<Record<string, unknown>>();
        expectTypeOf(ctx.results.d).toEqualTypeOf<unknown[]>();
      },
    });
});

test("a result that may be undefined is null for dependents", () => {
  base
    .step("b", (): { n: number } | undefined => undefined)
    .step("c", {
      dependsOn: ["b"],
      run: (ctx) => {
        expectTypeOf(ctx.results.b).toEqualTypeOf<{ n: number } | null>();
      },
    });
});

test("what JSON cannot say does not compile, at any depth", () => {
  // @ts-expect-error -- a Date becomes a text
  base.step("b", () => ({ at: undefined as Date | undefined }));
  // @ts-expect-error -- a Set becomes an empty object
  base.step("b", () => ({ deep: [{ ids: new Set([1]) }] }));
  // @ts-expect-error -- a method is lost
  base.step("b", () => new URL("https://example.com"));
  // @ts-expect-error -- a function is lost
  base.step("b", () => ({ next: () => 1 }));
  // @ts-expect-error -- JSON has no symbols
  base.step("b", () => ({ kind: Symbol("x") }));
  // @ts-expect-error -- JSON has no bigint
  base.step("b", () => ({ n: 1n }));
  // @ts-expect-error -- an entry that is undefined would become null
  base.step("b", () => ({ list: [1, undefined] }));
  // @ts-expect-error -- a promise in a result is an empty object
  base.step("b", () => ({ later: Promise.resolve(1) }));
});

test("a step that can be skipped or can fail may have no result", () => {
  const policies = workflow("policies")
    .step("held", { onFailure: "pause_workflow", run: () => 1 })
    .step("tried", { onFailure: "continue", run: () => "x" })
    .step("remote", { remote: true, onFailure: "continue" });
  policies.step("end", {
    dependsOn: ["held", "tried", "remote"],
    run: (ctx) => {
      expectTypeOf(ctx.results.held).toEqualTypeOf<number | null>();
      expectTypeOf(ctx.results.tried).toEqualTypeOf<string | undefined>();
      expectTypeOf(ctx.results.remote).toEqualTypeOf<JsonValue | undefined>();
    },
  });
  expectTypeOf<OutputOf<typeof policies>>().toEqualTypeOf<{
    readonly held: number | null;
    readonly tried: string | null;
    readonly remote: JsonValue;
  }>();
});

test("the output is the results of the last steps, and none of them is optional", () => {
  const fork = base
    .step("b", { dependsOn: ["a"], run: () => "b" })
    .step("c", { dependsOn: ["a"], run: () => ({ c: true }) })
    .signal("d", { dependsOn: ["c"] });
  expectTypeOf<OutputOf<typeof fork>>().toEqualTypeOf<{ readonly b: string; readonly d: unknown }>();
  const shaped = fork.output((results) => {
    expectTypeOf(results.c).toEqualTypeOf<{ c: boolean }>();
    return results.a + results.b.length;
  });
  expectTypeOf<OutputOf<typeof shaped>>().toEqualTypeOf<number>();
  untypedWorkflow("u", { output: (results) => results["x"] }).output((results) => results["y"]);
});

test("a client knows its definitions by name", () => {
  const first = workflow<{ n: number }>("by hand").step("a", () => 1);
  const order = workflow("order")
    .signal("go")
    .step("x", { dependsOn: ["go"], run: () => "x" });
  const use = async (client: WorkflowClient<readonly [typeof order, typeof first]>): Promise<void> => {
    const run = await client.start("order");
    expectTypeOf(run).toEqualTypeOf<RunOf<typeof order>>();
    expectTypeOf(await run.result()).toEqualTypeOf<{ readonly x: string }>();
    expectTypeOf(await client.run("id", "order").result()).toEqualTypeOf<{ readonly x: string }>();
    expectTypeOf(await client.result("id", {}, order)).toEqualTypeOf<{ readonly x: string }>();
    // Others are found in the bucket, and a definition whose types were named has no name for the compiler.
    expectTypeOf(await (await client.start("by hand", { anything: 1 })).result()).toEqualTypeOf<unknown>();
    expectTypeOf(await (await client.start(first, { n: 1 })).result()).toEqualTypeOf<{ readonly a: number }>();
    const untyped: WorkflowClient = client;
    await untyped.start("order", { n: 1 });
    await untyped.signal("id", "any", 1);
    await untyped.run("id").signal("any", new Map());
    // @ts-expect-error -- n is a number
    await client.start(first, { n: "1" });
  };
  void use;
});
