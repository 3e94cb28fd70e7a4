import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  type AnyEvent,
  type EventOf,
  type InputOf,
  type OutputOf,
  type Run,
  type StepContext,
  type UndoContext,
  workflow,
  type WorkflowClient,
} from "../../src/index.ts";

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

test("a handler that is written apart names only what it uses", () => {
  const early = (ctx: StepContext): string => ctx.idempotencyKey;
  const late = async (
    ctx: StepContext<{ n: number }, { a: { a: number } }, { go: { ok: boolean } }>,
  ): Promise<number> => {
    const go = await ctx.waitForSignal("go");
    return go?.ok === true ? ctx.input.n + ctx.results.a.a : 0;
  };
  const undo = (ctx: UndoContext, result: number | undefined): string => `${ctx.outcome} ${result}`;
  base.step("b", { dependsOn: ["a"], run: late, compensate: undo });
  workflow("apart").step("b", early);
  workflow<{ n: number }>("apart").step("b", (ctx) => ctx.input.n + early(ctx).length);
  // @ts-expect-error -- a is not named in dependsOn
  base.step("b", { run: late });
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

test("results are widened where a plain variable would be", () => {
  base
    .step("b", () => ({ valid: true, word: "a", list: [1] }))
    .step("c", {
      dependsOn: ["b"],
      run: async (ctx) => {
        expectTypeOf(ctx.results.b).toEqualTypeOf<{ valid: boolean; word: string; list: number[] }>();
        return 1;
      },
      compensate: (_ctx, result) => expectTypeOf(result).toEqualTypeOf<number | undefined>(),
    })
    .step("d", {
      dependsOn: ["c"],
      run: (ctx): "x" | "y" => {
        expectTypeOf(ctx.results.c).toEqualTypeOf<number>();
        return "x";
      },
    })
    .step("e", { dependsOn: ["d"], run: (ctx) => void expectTypeOf(ctx.results.d).toEqualTypeOf<"x" | "y">() })
    .step("f", { dependsOn: ["e"], run: (ctx) => expectTypeOf(ctx.results.e).toEqualTypeOf<null>() && null });
});

test("a result of which types cannot tell is taken", () => {
  base.step("b", () => JSON.parse("1") as unknown);
  base.step("b", () => JSON.parse("1"));
  base.step("b", (ctx) => ({ data: ctx.input }));
  // Any JSON, and JSON within.
  workflow("any").step("a", (ctx) => ({ data: ctx.input, list: [ctx.input] }));
  interface Named {
    readonly name: string;
    readonly inner?: readonly Named[];
  }
  base.step("b", (): Named => ({ name: "an interface" }));
});

test("compensate sees what run returns, and an undo of nothing sees undefined", () => {
  base.step("b", {
    run: async () => ({ id: "r-1" }),
    compensate: (ctx, result) => {
      expectTypeOf(result).toEqualTypeOf<{ id: string } | undefined>();
      expectTypeOf(ctx.outcome).toEqualTypeOf<"completed" | "unknown">();
      // @ts-expect-error -- an undo cannot wait for a signal
      void ctx.waitForSignal;
    },
  });
});

test("a signal node has its payload, or what its options let come in its place", () => {
  const schema = z.object({ ok: z.boolean() });
  base
    .signal("plain", { schema })
    .signal("late", { schema, timeout: "1d", onTimeout: "continue" })
    .signal("failed", { schema, timeout: "1d", onFailure: "continue" })
    .signal("any")
    .step("b", {
      dependsOn: ["plain", "late", "failed", "any"],
      run: (ctx) => {
        expectTypeOf(ctx.results.plain).toEqualTypeOf<{ ok: boolean }>();
        expectTypeOf(ctx.results.late).toEqualTypeOf<{ ok: boolean } | null>();
        expectTypeOf(ctx.results.failed).toEqualTypeOf<{ ok: boolean } | undefined>();
        expectTypeOf(ctx.results.any).toEqualTypeOf<unknown>();
        return 1;
      },
    });
  // @ts-expect-error -- there is no step x
  base.signal("b", { dependsOn: ["x"] });
  // @ts-expect-error -- a is there already
  base.signal("a");
});

test("an output has the type that its function returns, else the results by name", () => {
  const shaped = workflow("shaped")
    .step("a", () => 1)
    .output((results) => ({ count: Object.keys(results).length }));
  expectTypeOf<OutputOf<typeof shaped>>().toEqualTypeOf<{ count: number }>();
  const plain = workflow("plain").step("a", () => 1);
  expectTypeOf<OutputOf<typeof plain>>().toEqualTypeOf<{ readonly a: number }>();
  expectTypeOf<InputOf<typeof base>>().toEqualTypeOf<{ n: number }>();
});

test("a start takes the input of its workflow and gives its output", () => {
  const shaped = workflow("shaped", { input: z.object({ n: z.number() }) })
    .step("a", () => 1)
    .output(() => "text");
  const start = (client: WorkflowClient): Promise<Run<string>> => client.start(shaped, { n: 1 });
  void start;
  // @ts-expect-error -- n is a number
  void ((client: WorkflowClient) => client.start(shaped, { n: "1" }));
  // @ts-expect-error -- there is no default input
  void ((client: WorkflowClient) => client.start(shaped));
});

test("a start may leave out what the schema fills in, and the handler has it", () => {
  const filled = workflow("filled", { input: z.object({ n: z.number(), unit: z.string().default("kg") }) }).step(
    "a",
    (ctx) => {
      expectTypeOf(ctx.input).toEqualTypeOf<{ n: number; unit: string }>();
      return ctx.input.unit;
    },
  );
  const start = (client: WorkflowClient): Promise<unknown> => client.start(filled, { n: 1 });
  void start;
  // @ts-expect-error -- n has no default
  void ((client: WorkflowClient) => client.start(filled, { unit: "g" }));
});

test("bad options do not compile", () => {
  // @ts-expect-error -- there is no such policy
  base.step("b", { onFailure: "ignore", run: () => 1 });
  // @ts-expect-error -- a remote step has no handler
  base.step("b", { remote: true, run: () => 1 });
  // @ts-expect-error -- a step needs a handler
  base.step("b", { retries: 1 });
  // @ts-expect-error -- there is no option retry
  base.step("b", { retry: 1, run: () => 1 });
  // @ts-expect-error -- a map is not JSON
  base.step("b", { run: () => new Map([[1, 2]]) });
});

test("events are the declared signals and the nodes, with their payloads", () => {
  const asks = workflow("asks", { signals: { answer: z.object({ yes: z.boolean() }), note: z.string() } })
    .step("prepare", () => 1)
    .signal("approval", { dependsOn: ["prepare"], schema: z.object({ by: z.string() }) })
    .signal("anything", { dependsOn: ["prepare"] });
  type Asked = EventOf<typeof asks>;
  expectTypeOf<{ type: "answer"; yes: boolean }>().toExtend<Asked>();
  expectTypeOf<{ type: "approval"; by: string }>().toExtend<Asked>();
  expectTypeOf<{ type: "anything"; n: number }>().toExtend<Asked>();
  const send = (client: WorkflowClient, run: Run<unknown, Asked>): void => {
    void run.send({ type: "answer", yes: true });
    void client.send("id", { type: "approval", by: "me" }, {}, asks);
    void client.send<typeof asks>("id", { type: "answer", yes: false });
    void client.run("id", asks).send({ type: "anything" });
    // @ts-expect-error -- there is no such event
    void run.send({ type: "stop" });
    // @ts-expect-error -- yes is a boolean
    void run.send({ type: "answer", yes: "true" });
    // @ts-expect-error -- by is missing
    void client.send("id", { type: "approval" }, {}, asks);
    // @ts-expect-error -- a text has no members: it is sent by signal
    void run.send({ type: "note" });
    // @ts-expect-error -- not a member of the payload
    void client.run("id", asks).send({ type: "answer", yes: true, no: false });
  };
  void send;
});

test("events of a workflow that declares none may be anything, and so may those of an unknown one", () => {
  const open = workflow("open").step("a", async (ctx) => ({ got: String(await ctx.waitForSignal("go")) }));
  expectTypeOf<EventOf<typeof open>>().toEqualTypeOf<AnyEvent>();
  void ((client: WorkflowClient) => client.send("id", { type: "go", n: 1 }));
  // @ts-expect-error -- an event has a type
  void ((client: WorkflowClient) => client.send("id", { n: 1 }));
});

test("a started run knows its events", () => {
  const node = workflow("node").signal("go", { schema: z.object({ n: z.number() }) });
  const start = async (client: WorkflowClient): Promise<void> => {
    const run = await client.start(node, null);
    void run.send({ type: "go", n: 1 });
    // @ts-expect-error -- n is a number
    void run.send({ type: "go", n: "1" });
  };
  void start;
});
