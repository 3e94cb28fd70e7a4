/**
 * The package as its users compile it: packed, installed into a project of its own, with all the compilers and schema libraries that are
 * supported. Here these are the compiler and the zod of this repository; CI installs the others (`.ci/setup-consumers.sh`).
 */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const OTHERS = resolve(".cache", "consumers", "node_modules");
const compilers = ["typescript"];
/** Libraries with a schema of `{ n: number, unit?: string }` whose unit is "kg" by default, and one of `{ ok: boolean }`. */
const schemas: Record<string, readonly [from: string, input: string, payload: string]> = {
  zod: ["zod", 'object({ n: s.number(), unit: s.string().default("kg") })', "object({ ok: s.boolean() })"],
  "zod/mini": [
    "zod/mini",
    'object({ n: s.number(), unit: s._default(s.string(), "kg") })',
    "object({ ok: s.boolean() })",
  ],
  "zod/v3": ["zod/v3", 'object({ n: s.number(), unit: s.string().default("kg") })', "object({ ok: s.boolean() })"],
};
if (process.env["CI_REQUIRE_CONSUMERS"] !== undefined) {
  compilers.push(...readdirSync(OTHERS).filter((name) => name.startsWith("typescript-")));
  const [, ...zod] = schemas["zod"] ?? ["", "", ""];
  const [, ...mini] = schemas["zod/mini"] ?? ["", "", ""];
  for (const from of ["zod-3.25", "zod-3.25/v4", "zod-4.0", "zod-4.1"]) schemas[from] = [from, ...zod];
  for (const from of ["zod-3.25/v4-mini", "zod-4.0/mini", "zod-4.1/mini"]) schemas[from] = [from, ...mini];
  schemas["valibot"] = [
    "valibot",
    'object({ n: s.number(), unit: s.optional(s.string(), "kg") })',
    "object({ ok: s.boolean() })",
  ];
  schemas["valibot, async"] = [
    "valibot",
    'objectAsync({ n: s.number(), unit: s.optional(s.string(), "kg") })',
    "object({ ok: s.boolean() })",
  ];
  schemas["arktype"] = ["arktype", `type({ n: "number", unit: "string = 'kg'" })`, 'type({ ok: "boolean" })'];
}

let project = "";

/** A program of the project; returns what the compiler prints. */
async function compile(
  name: string,
  files: Readonly<Record<string, string>>,
  options: object,
  compiler = "typescript",
): Promise<string> {
  const folder = join(project, name);
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  const compilerOptions = {
    target: "es2022",
    module: "nodenext",
    strict: true,
    skipLibCheck: false,
    types: [],
    declaration: true,
    outDir: "out",
    ...options,
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: Object.keys(files) }));
  const tsc = join(compiler === "typescript" ? resolve("node_modules") : OTHERS, compiler, "bin", "tsc");
  const printed = await run(process.execPath, [tsc, "-p", folder], { cwd: folder }).catch((error: unknown) => error);
  return (printed as { readonly stdout: string }).stdout;
}

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "buquet-consumer-"));
  const modules = join(project, "node_modules");
  await mkdir(modules);
  await run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", project]);
  const [packed = ""] = readdirSync(project).filter((name) => name.endsWith(".tgz"));
  await run("tar", ["-xzf", packed], { cwd: project });
  await cp(join(project, "package"), join(modules, "buquet-workflow"), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8")) as { readonly dependencies: object };
  const link = async (from: string, names: readonly string[]): Promise<void> => {
    for (const name of names) {
      await mkdir(dirname(join(modules, name)), { recursive: true });
      await symlink(join(from, name), join(modules, name));
    }
  };
  await link(resolve("node_modules"), [...Object.keys(dependencies), "@types/node", "undici-types"]);
  if (process.env["CI_REQUIRE_CONSUMERS"] !== undefined)
    await link(
      OTHERS,
      readdirSync(OTHERS).filter((name) => /^(?:zod-|valibot$|arktype$|arkregex$|@ark$)/.test(name)),
    );
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
});
afterAll(() => rm(project, { recursive: true, force: true }));

describe.each(compilers)("%s", (compiler) => {
  const everything = { "everything.ts": readFileSync("test/types/consumer/everything.ts", "utf8") };

  test("writes the declarations of a project that exports everything, without @types/node", async () => {
    const printed = await compile(`plain-${compiler}`, everything, { composite: true }, compiler);
    expect(printed).toBe("");
  });

  test.runIf(WHOLE)("does so with a bundler, @types/node and the smallest lib", async () => {
    const options = {
      module: "esnext",
      moduleResolution: "bundler",
      types: ["node"],
      lib: ["es2022"],
    };
    expect(await compile(`bundler-${compiler}`, everything, { ...options, composite: true }, compiler)).toBe("");
  });
});

// ------------------------------------------------------------------ schemas

const usesSchema = (from: string, input: string, payload: string): string => `
import { workflow } from "buquet-workflow";
import { createTestKit } from "buquet-workflow/testing";
import * as s from ${JSON.stringify(from)};
const input = s.${input};
const go = s.${payload};
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
const same = <A, B>(_: Same<A, B>): void => {};
export const order = workflow("order", { input, signals: { go } })
  .step("first", async (ctx) => {
    same<typeof ctx.input, { n: number; unit: string }>(true);
    const signal = await ctx.waitForSignal("go");
    same<typeof signal, { ok: boolean } | undefined>(true);
    return { unit: ctx.input.unit, ok: signal?.ok };
  })
  .signal("go", { dependsOn: ["first"] })
  .signal("again", { dependsOn: ["go"], schema: go })
  .step("last", { dependsOn: ["first", "go", "again"], run: (ctx) => {
    same<typeof ctx.results.go, { ok: boolean }>(true);
    same<typeof ctx.results.again, { ok: boolean }>(true);
    return [ctx.results.first.unit, ctx.results.first.ok ?? false, ctx.results.go.ok, ctx.results.again.ok];
  } });
export const play = async (): Promise<unknown> => {
  const kit = await createTestKit({ workflows: [order] });
  const run = await kit.client.start(order, { n: 1 });
  for (const ok of [true, false]) await run.signal("go", { ok });
  await run.signal("again", { ok: true });
  const refused = await Promise.allSettled([
    kit.client.start(order, { n: "1" } as never),
    run.signal("go", { ok: 1 } as never),
  ]);
  return [(await run.result()).last, refused.map(({ status }) => status)];
};
`;

test("schemas of any library compile, are inferred and checked", async () => {
  const names = Object.keys(schemas);
  const files = Object.values(schemas).map((schema, index) => [`order-${index}.ts`, usesSchema(...schema)]);
  const printed = await compile("schemas", Object.fromEntries(files), { skipLibCheck: true, declaration: false });
  expect(printed).toBe("");
  const plays = names.map((_, index) => `await (await import("./order-${index}.js")).play()`);
  const program = `process.stdout.write(JSON.stringify([${plays.join(", ")}]));`;
  await writeFile(join(project, "schemas", "out", "main.js"), program);
  const { stdout } = await run(process.execPath, [join(project, "schemas", "out", "main.js")]);
  const played = names.map((name, index) => [name, (JSON.parse(stdout) as unknown[])[index]]);
  const right = [
    ["kg", true, false, true],
    ["rejected", "rejected"],
  ];
  expect(played).toEqual(names.map((name) => [name, right]));
});

// ------------------------------------------------------------------ mistakes

const setting = `
import { RescheduleError, Worker, workflow, WorkflowClient, type QueueHandle } from "buquet-workflow";
import { z } from "zod";
declare const queue: QueueHandle; declare const text: string;
const base = workflow("order", { input: z.object({ n: z.number() }), signals: { approval: z.object({ by: z.string() }), note: z.string() } })
  .step("a", () => ({ x: 1 })).step("b", () => "t");
const client = new WorkflowClient(queue, { workflows: [base] });
const run = await client.start("order", { n: 1 });
`;
const NOT_JSON = "holds a Date, Map, bigint, function, class or list with undefined";
const whole = `'"c"' is not assignable to parameter of type '"the result of this step is not JSON: it ${NOT_JSON}"'.`;
const member = (name: string): string =>
  `'"c"' is not assignable to parameter of type '"the result of this step is not JSON: its member ${name} ${NOT_JSON}"'.`;
import { WHOLE } from "../setting.ts";

/** A line of a program, and the end of the only message that the compiler prints for it. */
const mistakes: readonly (readonly [line: string, message: string])[] = [
  [`base.step("c", { dependsOn: ["x"], run: () => 1 });`, `Type '"x"' is not assignable to type '"a" | "b"'.`],
  [`base.step("c", { dependsOn: ["a"], run: (ctx) => ctx.results.b });`, `"a">'.`],
  [
    `base.step("c", { retries: 1 });`,
    `Property 'run' is missing in type '{ retries: number; }' but required in type 'StepNeedsRun'.`,
  ],
  [`base.step("c", {});`, `StepNeedsRun)'.`],
  [`base.step("c");`, "Expected 2 arguments, but got 1."],
  [`base.step("c", { remote: true, run: () => 1 });`, "Type '() => number' is not assignable to type 'undefined'."],
  [
    `base.step("a", () => 1);`,
    `'"a"' is not assignable to parameter of type '"there is a step of this name already"'.`,
  ],
  [`base.signal("a");`, `'"a"' is not assignable to parameter of type '"there is a step of this name already"'.`],
  [`base.step("c", () => ({ at: new Date(0) }));`, member("at")],
  [
    `base.step("c", { dependsOn: ["a"], run: async (ctx) => ({ a: ctx.results.a, deep: { list: [new Date(ctx.input.n)] } }) });`,
    member("deep"),
  ],
  [`base.step("c", () => ({ list: [1, undefined] }));`, member("list")],
  [`base.step("c", () => new Map([[1, 2]]));`, whole],
  [`base.step("c", () => 1n);`, whole],
  [`base.step("c", () => Symbol("x"));`, whole],
  [`base.step("c", () => new Error("x"));`, whole],
  [`base.step("c", () => [undefined, 1]);`, whole],
  [
    `base.step("c", { timeout: "30 seconds", run: () => 1 });`,
    `Type '"30 seconds"' is not assignable to type 'Duration | undefined'.`,
  ],
  [`base.step("c", { delay: text, run: () => 1 });`, `Type 'string' is not assignable to type 'Duration | undefined'.`],
  [`base.signal("c", { timeout: "1 day" });`, `Type '"1 day"' is not assignable to type 'Duration | undefined'.`],
  [
    `base.step("c", (ctx) => ctx.waitForSignal("approval", { timeout: "soon" }));`,
    `Type '"soon"' is not assignable to type 'Duration | undefined'.`,
  ],
  [
    `new Worker(queue, { workflows: [base], lease: "1 minute" });`,
    `Type '"1 minute"' is not assignable to type 'Duration | undefined'.`,
  ],
  [`new RescheduleError("soon");`, `'"soon"' is not assignable to parameter of type 'Duration'.`],
  [`await client.wait("id", { timeout: "soon" });`, `Type '"soon"' is not assignable to type 'Duration | undefined'.`],
  [
    `base.step("c", { onFailure: "ignore", run: () => 1 });`,
    `Type '"ignore"' is not assignable to type 'OnFailure | undefined'.`,
  ],
  [`base.step("c", { retry: 1, run: () => 1 });`, `StepNeedsRun)'.`],
  [
    `base.step("c", (ctx) => ctx.waitForSignal("aproval"));`,
    `'"aproval"' is not assignable to parameter of type '"approval" | "note"'.`,
  ],
  [`workflow("o", { input: { n: "number" } });`, `'n' does not exist in type 'Schema<JsonValue, JsonValue>'.`],
  [
    `workflow<{ n: number }>("o", { signals: { go: z.string() } });`,
    `'"name the payloads too: workflow<Input, { signal: Payload }>(name, …)"'.`,
  ],
  [`await client.start("order", { n: "1" });`, "Type 'string' is not assignable to type 'number'."],
  [`await client.start("order");`, "Expected 2-3 arguments, but got 1."],
  [`await client.signal("id", "approval", { by: 1 });`, "Type 'number' is not assignable to type 'string'."],
  [`await client.send("id", { type: "approval", by: 1 });`, "Type 'number' is not assignable to type 'string'."],
  [`await run.signal("approval", { by: 1 });`, "Type 'number' is not assignable to type 'string'."],
  [
    `await run.signal("aproval", { by: "me" });`,
    `'"aproval"' is not assignable to parameter of type '"approval" | "note"'.`,
  ],
  [`await run.send({ type: "aproval", by: "me" });`, `Type '"aproval"' is not assignable to type '"approval"'.`],
  [
    `base.output((results) => results.c);`,
    `Property 'c' does not exist on type '{ readonly a: { x: number; }; readonly b: string; }'.`,
  ],
];

test("a mistake is one message, of three lines at most, that says what is wrong", async () => {
  const text = setting + mistakes.map(([line]) => line).join("\n");
  const printed = await compile("mistakes", { "mistakes.ts": text }, { skipLibCheck: true, noEmit: true });
  const messages = printed.split(/^(?=\S)/m);
  const from = setting.split("\n").length;
  for (const [index, [line, end]] of mistakes.entries()) {
    const own = messages.filter((message) => message.startsWith(`mistakes.ts(${from + index},`));
    expect(own, line).toEqual([expect.stringMatching(/error TS/)]);
    const lines = (own[0] ?? "").trimEnd().split("\n");
    expect(lines.length, own[0]).toBeLessThanOrEqual(3);
    expect(lines.at(-1)?.endsWith(end), `${line}\n${own[0]}`).toBe(true);
  }
  expect(messages.filter((message) => message.startsWith("mistakes.ts")).length).toBe(mistakes.length);
});
