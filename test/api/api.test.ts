/** What users get: every public name, its signature and its comment, as the built declarations have them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Declarations } from "./declarations.ts";
import { API_PAGE, apiPage } from "./page.ts";

const declarations = new Declarations(process.cwd());

test("the public API is what docs/api.md says; after a change that is meant: npm run api", async () => {
  expect((await apiPage(declarations)).split("\n")).toEqual(readFileSync(API_PAGE, "utf8").split("\n"));
});

test.for(declarations.entries)(
  "%s: every type that stands in a signature is exported there, or by the main entry",
  (entry) => {
    expect(declarations.hidden(entry)).toEqual([]);
  },
);

/** Types that stand in no signature: programs name them for types of their own. */
const HELPERS = ["InputOf"];

test.for(declarations.entries)("%s: every type that is exported stands in a signature there", (entry) => {
  const all = declarations.namesOf(entry);
  const isMentioned = (name: string): boolean =>
    all.some((other) => other.name !== name && new RegExp(`\\b${name}\\b`).test(other.signature));
  const types = all.filter(({ signature }) => /^export (?:type|interface)/.test(signature)).map(({ name }) => name);
  expect(types.filter((name) => !isMentioned(name) && !HELPERS.includes(name))).toEqual([]);
});

test.for(declarations.entries)("%s: every public name and member has a comment", (entry) => {
  const names = declarations.namesOf(entry);
  const bare = names.flatMap(({ name, comment, members }) => [
    ...((comment ?? "") === "" ? [name] : []),
    ...members.filter((member) => (member.comment ?? "") === "").map((member) => `${name}.${member.name}`),
  ]);
  expect(bare).toEqual([]);
});

/** Errors that only this package throws: who catches one looks at `code`. */
const isThrown = (signature: string): boolean => / extends WorkflowError\b/.test(signature);

test("every public function and class shows how it is used", () => {
  const shown = declarations.entries
    .flatMap((entry) => declarations.namesOf(entry))
    .filter(({ signature }) => /^export (?:function|class)/.test(signature) && !isThrown(signature));
  expect(
    shown.filter(({ comment }) => comment?.includes("@example\n```ts\n") !== true).map(({ name }) => name),
  ).toEqual([]);
});

describe("how declarations are read", () => {
  const folder = mkdtempSync(join(tmpdir(), "buquet-api-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function packageOf(files: Readonly<Record<string, string>>): Declarations {
    const manifest = { exports: { ".": { types: "./index.d.ts" }, "./package.json": "./package.json" } };
    for (const [name, text] of Object.entries({ "package.json": JSON.stringify(manifest), ...files }))
      writeFileSync(join(folder, name), text);
    return new Declarations(folder);
  }

  test("names are sorted and follow re-exports, under the name that they are given", () => {
    const read = packageOf({
      "index.d.ts": `export { b as c } from "./b.ts"; export type * from "./a.ts"; import { d } from "./b.ts"; export { d };`,
      "a.d.ts": `export type A = 1; declare const hidden: 1;`,
      "b.d.ts": `export declare function b(): void; export declare const d: 1;`,
    });
    expect(read.entries).toEqual(["."]);
    expect(read.namesOf(".").map(({ signature }) => signature)).toEqual([
      "export type A = 1;",
      "export function c(): void;",
      "export const d: 1;",
    ]);
  });

  test("a signature has all overloads, no comments and nothing private", () => {
    const [read] = packageOf({
      "index.d.ts": [
        "/** What it is. */",
        "export declare class A {",
        "    #private;",
        "    private readonly b;",
        "    /** What c is. */",
        "    c(x: /* why */ number): void;",
        "    c(x: string): void;",
        "    readonly d: 1;",
        "}",
      ].join("\n"),
    }).namesOf(".");
    expect(read).toMatchObject({
      signature: "export class A {\n    c(x:  number): void;\n    c(x: string): void;\n    readonly d: 1;\n}",
      comment: "What it is.",
      members: [
        { name: "c", comment: "What c is." },
        { name: "d", comment: undefined },
      ],
    });
  });

  test("a member takes its comment from what its class implements, wherever that is", () => {
    const [read] = packageOf({
      "index.d.ts": `import type { B } from "./b.ts"; export declare class A implements B { b: 1; c: 1; }`,
      "b.d.ts": `export interface B extends C { b: 1; } interface C { c: 1; }`,
    }).namesOf(".");
    expect(read?.members).toEqual([]);
  });

  test("a type is hidden when no entry exports it; what is private mentions nothing", () => {
    const read = packageOf({
      "index.d.ts": `import { B, C } from "./b.ts"; import type { Z } from "zod"; export declare class A { private b: B; c: C | Z; }`,
      "b.d.ts": `export type B = 1; export interface C extends D {} interface D { e: typeof e } declare const e: 1;`,
    });
    expect(read.hidden(".")).toEqual([
      "C of b.d.ts, in A of index.d.ts",
      "D of b.d.ts, in C of b.d.ts",
      "e of b.d.ts, in D of b.d.ts",
    ]);
  });
});
