import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import { workflow } from "../../src/index.ts";

const base = workflow("types", {
  input: z.object({ n: z.number() }),
  signals: { go: z.object({ ok: z.boolean() }) },
}).step("a", () => ({ a: 1 }));

test("a handler sees its input and only the results that it names", () => {
  base.step("b", {
    dependsOn: ["a"],
    run: (ctx) => {
      expectTypeOf(ctx.input).toEqualTypeOf<{ n: number }>();
      expectTypeOf(ctx.results.a.a).toExtend<number>();
      return 1;
    },
    compensate: (_ctx, result) => expectTypeOf(result).toExtend<number | undefined>(),
  });
  // @ts-expect-error -- a is not named in dependsOn
  base.step("b", { run: (ctx) => ctx.results.a.a });
});

test("an unknown dependency and a duplicate step do not compile", () => {
  // @ts-expect-error -- there is no step x
  base.step("b", { dependsOn: ["x"], run: () => 1 });
  // @ts-expect-error -- a is there already
  base.step("a", () => 1);
});

test("a result that is used with the wrong type does not compile", () => {
  // @ts-expect-error -- a number is not a text
  base.step("b", { dependsOn: ["a"], run: (ctx) => ctx.results.a.a.toUpperCase() });
});

test("after a continued failure a result may be missing", () => {
  base.step("b", { onFailure: "continue", run: () => ({ b: 1 }) }).step("c", {
    dependsOn: ["b"],
    run: (ctx) => expectTypeOf(ctx.results.b).extract<undefined>().toEqualTypeOf<undefined>() && null,
  });
});

test("a result that is not JSON does not compile", () => {
  // @ts-expect-error -- a Date becomes a text
  base.step("b", () => ({ at: new Date(0) }));
  // @ts-expect-error -- JSON has no bigint
  base.step("b", () => 1n);
});

test("a declared signal has its payload, and others do not compile", () => {
  base.step("b", async (ctx) => {
    expectTypeOf(await ctx.waitForSignal("go")).toEqualTypeOf<{ ok: boolean } | undefined>();
    // @ts-expect-error -- not declared
    await ctx.waitForSignal("stop");
    return 1;
  });
});
