/** `docs/faults.md` has a row for each fault, and the tests that it names exist. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

interface Row {
  readonly fault: string;
  readonly here: string;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

const ROWS: readonly Row[] = readFileSync("docs/faults.md", "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, fault = "", original = "", here = "", shown = "", end] = line.split("|").map((cell) => cell.trim());
    if (!/^[CW]-\d+$/u.test(fault)) return [];
    if (original === "" || here === "" || end !== "") throw new Error(`row ${fault} has not four cells`);
    const tests = shown.split("<br>").flatMap((name) => {
      if (name === "") return [];
      const match = /^`(test\/\S+\.test\.ts)` › (.+)$/u.exec(name);
      if (match === null) throw new Error(`row ${fault}: ${name} is not a file and a title`);
      return [{ file: match[1] ?? "", title: match[2] ?? "" }];
    });
    return [{ fault, here, tests }];
  });

const numbered = (letter: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${letter}-${index + 1}`);

test("there is one row for each fault, in order", () => {
  expect(ROWS.map(({ fault }) => fault)).toEqual([...numbered("C", 26), ...numbered("W", 18)]);
});

test.each(ROWS)("$fault names tests that exist, or says why it cannot arise", ({ here, tests }) => {
  if (!here.startsWith("cannot arise: ")) expect(tests).not.toEqual([]);
  for (const { file, title } of tests) {
    expect(existsSync(file), file).toBe(true);
    const source = readFileSync(file, "utf8");
    const titles = [...source.matchAll(/\(\s*(?:"([^"\n]+)"|'([^'\n]+)'|`([^`\n]+)`),/gu)].map(
      (match) => match[1] ?? match[2] ?? match[3],
    );
    expect(titles, `${file} › ${title}`).toContain(title);
  }
});

test("a test that carries the number of a fault is named in its row", () => {
  const named = new Map(ROWS.map(({ fault, tests }) => [fault, new Set(tests.map(({ title }) => title))]));
  const files = new Set(ROWS.flatMap(({ tests }) => tests.map(({ file }) => file)));
  const missing: string[] = [];
  for (const file of files) {
    for (const [, title = ""] of readFileSync(file, "utf8").matchAll(/\(\s*"([^"\n]+\([CW]-[^"\n]+\))"/gu)) {
      const faults = /\(((?:[CW]-\d+(?:, )?)+)\)$/u.exec(title)?.[1]?.split(", ") ?? [];
      if (!faults.some((fault) => named.get(fault)?.has(title))) missing.push(`${file} › ${title}`);
    }
  }
  expect(missing).toEqual([]);
});
