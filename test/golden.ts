/** What the real buquet wrote (`test/golden`), and what it made of given inputs (`vectors.json`). */
import { readdirSync, readFileSync } from "node:fs";

/** One recorded object. */
export interface GoldenObject {
  readonly name: string;
  readonly key: string;
  readonly body: string;
}

/** Every recorded object of a folder. */
export function golden(folder: string): readonly GoldenObject[] {
  return readdirSync(`test/golden/${folder}`).map((name) => goldenObject(folder, name.replace(/\.json$/u, "")));
}

/** One recorded object by name. */
export function goldenObject(folder: string, name: string): GoldenObject {
  const recorded = JSON.parse(readFileSync(`test/golden/${folder}/${name}.json`, "utf8")) as GoldenObject;
  return { name, key: recorded.key, body: recorded.body };
}

/** The rows of a section of the vectors. `test/queue/vectors.test.ts` fails for a section that no test asks for. */
export function vectors<Row>(section: string): readonly Row[] {
  const all = JSON.parse(readFileSync("test/golden/vectors.json", "utf8")) as Record<string, readonly Row[]>;
  const rows = all[section];
  if (rows === undefined || rows.length === 0) throw new Error(`vectors.json has no section ${section}`);
  return rows;
}
