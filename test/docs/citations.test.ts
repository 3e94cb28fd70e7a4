/**
 * Whatever a comment, a test or a page cites is there: rules (R1), promises (P1), faults of the original (C-1, W-1), parts of the protocol
 * (protocol 1.12, protocol §7) and planted mistakes. The words of the glossary are those of the source.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const PROTOCOL = "docs/protocol.md";
const PROMISES = "docs/promises.md";
const FAULTS = "docs/faults.md";
const GLOSSARY = "docs/glossary.md";
const COMMIT = "src/run/commit.ts";

/** What stands in the pages, by the form in which it is cited. */
interface Targets {
  readonly rules: ReadonlySet<string>;
  readonly promises: ReadonlySet<string>;
  readonly faults: ReadonlySet<string>;
  readonly parts: ReadonlySet<string>;
  readonly mistakes: ReadonlySet<string>;
}

const read = (path: string): string => readFileSync(path, "utf8");

function found(page: string, pattern: RegExp): ReadonlySet<string> {
  return new Set([...read(page).matchAll(pattern)].map(([, name = ""]) => name));
}

const targets: Targets = {
  rules: found(PROTOCOL, /^- \*\*R(\d+)\*\* /gmu),
  promises: found(PROMISES, /^\| P(\d+) \|/gmu),
  faults: found(FAULTS, /^\| ([CW]-\d+) \|/gmu),
  parts: found(PROTOCOL, /^#{2,3} (\d+(?:\.\d+[a-z]?)?)[. ]/gmu),
  mistakes: found(PROTOCOL, /^\| (\d+)\. /gmu),
};

/** A citation, and whether what it names is there. */
interface Citation {
  readonly line: number;
  readonly text: string;
  readonly isThere: boolean;
}

/** Every number of "1.8, 1.13", "P51–P53", "P22 to P25" or "mistakes 22 and 23". */
const numbersOf = (text: string): readonly string[] => text.match(/\d+(?:\.\d+[a-z]?)?/gu) ?? [];

const LIST = String.raw`(?:(?:, | and |–| to )(?:§)?\d+(?:\.\d+[a-z]?)?)*`;

/** The citations of a text. In the protocol itself a bare § is one of its own parts. */
function citationsIn(page: string, text: string): readonly Citation[] {
  const all: Citation[] = [];
  const add = (match: RegExpMatchArray, isThere: boolean): void => {
    const line = text.slice(0, match.index).split("\n").length;
    all.push({ line, text: match[0], isThere });
  };
  const each = (pattern: RegExp, isThere: (match: RegExpMatchArray) => boolean): void => {
    for (const match of text.matchAll(pattern)) add(match, isThere(match));
  };
  const areIn = (names: ReadonlySet<string>, numbers: readonly string[]): boolean =>
    numbers.length > 0 && numbers.every((name) => names.has(name));

  // R2 is also a store, and exists as a rule.
  each(/\bR(\d{1,2})\b/gu, ([, rule = ""]) => targets.rules.has(rule));
  each(/\bP(\d{1,3})(?:[–-](\d{1,3}))?\b/gu, ([, from = "", to = from]) => areIn(targets.promises, [from, to]));
  each(/\b([CW])[-\u{2011}](\d+)\b/gu, ([, kind = "", number = ""]) => targets.faults.has(`${kind}-${number}`));
  each(new RegExp(String.raw`\bplanted mistakes? \d+${LIST}`, "gu"), ([mistakes]) =>
    areIn(targets.mistakes, numbersOf(mistakes)),
  );
  each(new RegExp(String.raw`\b[Pp]rotocol §?\d+(?:\.\d+[a-z]?)?\b${LIST}`, "gu"), ([parts]) =>
    areIn(targets.parts, numbersOf(parts)),
  );
  // A part of what? Only the protocol has parts that are cited, and standards that are named.
  each(/(?<!\b[Pp]rotocol |RFC \d{4} )§[ ]?(\d+(?:\.\d+)?)?/gu, ([, part = ""]) =>
    page === PROTOCOL ? targets.parts.has(part) : false,
  );
  // The same without a sign: "(1.15)", "/** 1.7: …". Their page is named, or nobody finds it.
  if (page === PROTOCOL) each(/\((1\.\d+[a-z]?)[);,]/gu, ([, part = ""]) => targets.parts.has(part));
  else if (!page.endsWith(".md")) each(/(?:\/\*\* |\/\/ |^ *\* |(?<!\w)\()1\.\d{1,2}[a-z]?[):;]/gmu, () => false);
  return all;
}

const unresolved = (page: string, text: string): readonly string[] =>
  citationsIn(page, text)
    .filter(({ isThere }) => !isThere)
    .map((citation) => `${page}:${citation.line}: ${citation.text}`);

/** The texts of the repository that cite. What is kept under `test/golden` is what other programs wrote; this file cites what is not there. */
function findTexts(): readonly string[] {
  return ["README.md", "CHANGELOG.md"].concat(
    ...["src", "machines", "test", "docs", "examples", "bench"].map((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /\.(?:ts|js|mjs|md|py)$/u.test(entry.name))
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((path) => !/node_modules|^test\/golden\/|^test\/docs\/citations/u.test(path)),
    ),
  );
}

const texts = findTexts();

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index + 1));

describe("citations", () => {
  test("the pages have what can be cited", () => {
    expect([...targets.rules]).toEqual(numbered(9));
    expect([...targets.promises]).toEqual(numbered(83));
    expect(targets.faults.size).toBe(26 + 18);
    const parts = ["0", "1", ...numbered(7).map((part) => `1.${part}`), "1.7b"];
    const others = numbered(16).slice(7);
    expect([...targets.parts]).toEqual([
      ...parts,
      ...others.map((part) => `1.${part}`),
      ...numbered(8).filter((part) => part !== "1"),
    ]);
    expect([...targets.mistakes]).toEqual(numbered(23));
  });

  test("every citation of the repository names something that is there", () => {
    expect(texts.flatMap((path) => unresolved(path, read(path)))).toEqual([]);
  });

  test("there are citations of every kind, in sources, tests and pages", () => {
    const cited = (folder: string): string[] =>
      texts
        .filter((path) => path.startsWith(folder))
        .flatMap((path) => citationsIn(path, read(path)).map(({ text }) => text.replaceAll(/\d.*$/gu, "")));
    expect([...new Set(cited("src/"))]).toEqual(
      expect.arrayContaining(["R", "P", "C-", "W-", "protocol ", "Protocol ", "protocol §", "planted mistake "]),
    );
    expect([...new Set(cited("test/"))]).toEqual(expect.arrayContaining(["R", "P", "C-", "W-", "protocol "]));
    expect([...new Set(cited(PROTOCOL))]).toEqual(expect.arrayContaining(["R", "P", "(", "§", "planted mistake "]));
  });

  test.each([
    "R10",
    "P84",
    "P0",
    "P59–P184",
    "C-27",
    "W-19",
    "protocol 1.17",
    "protocol 1.8, 1.99",
    "Protocol §9",
    "planted mistake 24",
    "planted mistakes 22 and 99",
    "(§5)",
    "design §4",
    "(1.15)",
  ])("a citation of what is not there is found: %s", (cited) => {
    expect(unresolved("src/planted.ts", `/** The first line.\n * It says so: ${cited} and more. */`)).toHaveLength(1);
  });

  test.each(["RFC 9562 §5.5", "1.3 KB a call", "`1.0`", "P-256", "UTC-5"])("%s is none", (text) => {
    expect(unresolved("src/planted.ts", `/** ${text} */`)).toEqual([]);
  });
});

describe("one text for one rule", () => {
  /** The rules of a text, each in one line. */
  const rulesOf = (text: string): readonly string[] =>
    text
      .replaceAll(/\n(?: \*| ) {2,}/gu, " ")
      .split("\n")
      .flatMap((line) => /^(?: \* |- \*\*)(R\d)(?:\*\*)? (.*)$/u.exec(line)?.slice(1, 3).join(" ") ?? []);

  test(`${COMMIT} and ${PROTOCOL} have the same nine rules, word for word`, () => {
    const rules = rulesOf(read(PROTOCOL));
    expect(rules).toHaveLength(9);
    expect(rulesOf(read(COMMIT))).toEqual(rules);
  });

  test("each rule has a test that carries its number", () => {
    const titles = read("test/run/rules.test.ts").matchAll(/^ {2}test\("R(\d):/gmu);
    expect([...new Set([...titles].map(([, rule = ""]) => rule))]).toEqual(numbered(9));
  });
});

describe("the glossary", () => {
  const rows = read(GLOSSARY)
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => cells.length === 5);

  test("names only what is in the source today: a name that was changed leaves it", () => {
    const source = texts
      .filter((path) => /^(?:src|machines)\//u.test(path))
      .map(read)
      .join("\n");
    const words = new Set(source.match(/\w+/gu));
    const names = rows.flatMap(([, , , today = ""]) => [...today.matchAll(/`(\w+)`/gu)].map(([, name = ""]) => name));
    expect(names.length).toBeGreaterThan(60);
    expect(names.filter((name) => !words.has(name))).toEqual([]);
  });

  test("defines each word once", () => {
    const words = rows.flatMap(([, word = ""]) => word.split(", ")).filter((word) => !/^(?:word|-+)$/u.test(word));
    expect(words.filter((word, index) => words.indexOf(word) < index)).toEqual([]);
  });
});
