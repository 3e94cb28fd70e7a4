/** The pages that a user reads, and what in them can be run or looked up. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { API_PAGE } from "../api/page.ts";

/** A block between fences. */
export interface Block {
  readonly page: string;
  /** The line of its first fence, from 1. */
  readonly line: number;
  /** The word behind the fence: `ts`, `sh`; empty for what a program prints. */
  readonly language: string;
  readonly text: string;
}

/** Every page that somebody writes: the README, the pages of `docs/` but the one that is made, and the README of the examples. */
export function findPages(): readonly string[] {
  const docs = readdirSync("docs", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((page) => page !== API_PAGE);
  return ["README.md", "examples/README.md", ...docs.toSorted()];
}

/** The blocks of a page, in order. */
export function blocksOf(page: string): readonly Block[] {
  const text = readFileSync(page, "utf8");
  return [...text.matchAll(/^```(\w*)[^\n]*\n(.*?)^```$/gms)].map((match) => ({
    page,
    line: text.slice(0, match.index).split("\n").length,
    language: match[1] ?? "",
    text: match[2] ?? "",
  }));
}

/** The page without its blocks. */
export function proseOf(page: string): string {
  return readFileSync(page, "utf8").replaceAll(/^```.*?^```$/gms, "");
}

/** Commands of a shell block, without comments; a line that ends with a backslash goes on. */
export function commandsOf(block: Block): readonly string[] {
  return block.text
    .replaceAll("\\\n", " ")
    .split("\n")
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** What a program says that it prints: the comments behind its `console.log(…)`. */
export function printsOf(block: Block): readonly string[] {
  return [...block.text.matchAll(/console\.log\(.*\)[;,] \/\/ (.+)$/gm)].map((match) => match[1] ?? "");
}

/** Files and folders of the repository that a page names, in backticks or as links, and the scripts that it runs. */
export function namesIn(page: string): { readonly paths: readonly string[]; readonly scripts: readonly string[] } {
  const prose = proseOf(page);
  const inline = [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? "");
  const paths = inline.filter((name) => /^(src|machines|test|examples|docs|bench|\.ci)\/[\w./-]*$/.test(name));
  const links = [...prose.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
    .map((match) => match[1] ?? "")
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => join(dirname(page), target));
  const text = readFileSync(page, "utf8");
  const scripts = [...text.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? "");
  return { paths: [...paths, ...links], scripts: /npm test/.test(text) ? [...scripts, "test"] : scripts };
}
