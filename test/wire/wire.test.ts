import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readyKey } from "../../src/keys.ts";
import { taskCodec } from "../../src/queue/task.ts";
import { decodeRecord, encodeRecord } from "../../src/run/record.ts";
import { checkJsonValue } from "../../src/wire/check.ts";
import { definitionHash } from "../../src/wire/hash.ts";
import { formatInstant, formatOpaque, parseInstant } from "../../src/wire/instant.ts";
import { parseJson, stringifyJson, toPlain } from "../../src/wire/json.ts";

const golden = (folder: string): { name: string; key: string; body: string }[] =>
  readdirSync(`test/golden/${folder}`).map((name) => ({
    name,
    ...JSON.parse(readFileSync(`test/golden/${folder}/${name}`, "utf8")),
  }));

test.each(golden("tasks"))("reads the task $name that buquet wrote and writes the same bytes", ({ key, body }) => {
  const written = taskCodec.encode(taskCodec.decode(body, key));
  // JavaScript puts keys that look like integers first; the order of members means nothing in JSON.
  if (/"\d+":/.test(body)) expect([...written].toSorted()).toEqual([...body].toSorted());
  else expect(written).toBe(body);
});

test.each(golden("workflow-state"))("reads the record $name that buquet wrote and loses nothing", ({ key, body }) => {
  const written = encodeRecord(decodeRecord(body, key));
  expect(JSON.parse(written)).toEqual(JSON.parse(body));
  for (const number of body.match(/(?<=[:[,])-?\d+\.\d+/g) ?? []) expect(written).toContain(number);
});

test.each([
  ["none", [], "sha256:72808dbb20881c00"],
  ["one step", [{ name: "a", dependsOn: [] }], "sha256:cfbdb93a98bd3269"],
  [
    "two steps",
    [
      { name: "a", dependsOn: [] },
      { name: "b", dependsOn: ["a"] },
    ],
    "sha256:d546d328fe022f72",
  ],
  [
    "a diamond",
    [
      { name: "start", dependsOn: [] },
      { name: "left", dependsOn: ["start"] },
      { name: "right", dependsOn: ["start"] },
      { name: "end", dependsOn: ["right", "left"] },
    ],
    "sha256:e786c7e8f68b0969",
  ],
  [
    "an umlaut",
    [
      { name: "prüfen", dependsOn: [] },
      { name: "ship", dependsOn: ["prüfen"] },
    ],
    "sha256:8d23b1f2b478119b",
  ],
  [
    "a dependency twice",
    [
      { name: "a", dependsOn: [] },
      { name: "b", dependsOn: ["a", "a"] },
    ],
    "sha256:df6038e428417978",
  ],
])("computes the definition hash of %s as Python does", (_name, steps, hash) => {
  expect(definitionHash(steps)).toBe(hash);
});

test("files a task under the minute in which it is due", () => {
  const at = parseInstant("2024-01-15T10:30:00Z")?.ms ?? 0;
  expect(readyKey("f0000000-0000-4000-8000-000000000000", at)).toBe(
    "ready/f/0028421910/f0000000-0000-4000-8000-000000000000",
  );
});

test("keeps numbers as they stand when JavaScript would change them", () => {
  const text = '{"a":1.0,"b":12345678901234567890,"c":1e-6,"d":[-0,100.50],"e":0.1,"f":"1.0"}';
  expect(stringifyJson(parseJson(text))).toBe(text);
  expect(toPlain(parseJson(text))).toEqual({
    a: 1,
    b: Number("12345678901234567890"),
    c: 1e-6,
    d: [-0, 100.5],
    e: 0.1,
    f: "1.0",
  });
});

test("keeps a member that is called __proto__", () => {
  const text = '{"__proto__":{"a":1}}';
  expect(stringifyJson(parseJson(text))).toBe(text);
});

test("says where a value is not JSON", () => {
  expect(checkJsonValue({ a: { b: undefined } })).toBe("$.a.b is undefined");
  expect(checkJsonValue([1, 2n])).toBe("$[1] is a bigint");
  expect(checkJsonValue({ at: new Date(0) })).toBe("$.at is a Date");
  expect(checkJsonValue(Number.NaN)).toBe("$ is NaN");
  expect(checkJsonValue({ f: () => 1 })).toBe("$.f is a function");
  expect(checkJsonValue("\ud800")).toBe("$ holds a lone surrogate");
});

test("finds a cycle, but not a value that stands twice", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  expect(checkJsonValue(cycle)).toBe("$.self is a cycle");
  const twice = { n: 1 };
  expect(checkJsonValue([twice, twice])).toBeUndefined();
});

test("writes both forms of an instant and reads what buquet reads", () => {
  expect(formatInstant(0)).toBe("1970-01-01T00:00:00Z");
  expect(formatOpaque(1_700_000_000_123)).toBe("2023-11-14T22:13:20.123+00:00");
  expect(parseInstant("2026-01-28 12:00:00.123456789+01:00")?.ms).toBe(Date.UTC(2026, 0, 28, 11, 0, 0, 123));
  for (const wrong of ["2026-01-28", "2026-01-28T12:00:00", "2026-01-28T24:00:00Z", "", "now"])
    expect(parseInstant(wrong)).toBeUndefined();
});
