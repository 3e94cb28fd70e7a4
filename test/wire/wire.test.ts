import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseIndexKey } from "../../src/keys.ts";
import { decodeRecord, encodeRecord } from "../../src/run/record/codec.ts";
import { formatInstant, formatOpaque, parseInstant } from "../../src/wire/instant.ts";
import { parseJson, stringifyJson, toPlain } from "../../src/wire/json.ts";
import { golden } from "../golden.ts";
import { problemOf } from "../stored.ts";

test.each(golden("workflow-state"))("reads the record $name that buquet wrote and loses nothing", ({ key, body }) => {
  const written = encodeRecord(decodeRecord(body, key));
  expect(JSON.parse(written)).toEqual(JSON.parse(body));
  for (const number of body.match(/(?<=[:[,])-?\d+\.\d+/g) ?? []) expect(written).toContain(number);
});

test("reads the error of a step that an earlier version wrote as an object, which buquet cannot read, and writes its words", () => {
  const step = { status: "failed", attempt: 1 };
  const body = JSON.stringify({
    id: "r",
    type: "t",
    definition_hash: "sha256:0",
    status: "failed",
    current_steps: [],
    data: null,
    steps: { a: { ...step, error: { type: "StepFailed", message: "boom" } }, b: { ...step, error: null } },
    signals: {},
    created_at: "2026-01-01T00:00:00+00:00",
    updated_at: "2026-01-01T00:00:00+00:00",
  });
  const written = JSON.parse(encodeRecord(decodeRecord(body, "workflow/r/state.json"))) as { steps: unknown };
  expect(written.steps).toEqual({ a: { ...step, error: "boom" }, b: step });
});

const FREE = [...golden("payloads"), ...golden("step-results"), ...golden("schedules"), ...golden("schemas")];

test.each(FREE)("reads the JSON of $key that buquet wrote and writes the same bytes", ({ body }) => {
  expect(stringifyJson(parseJson(body))).toBe(body);
});

test.each([...golden("index"), ...golden("clock")])("$name is empty, and its key says all", ({ key, body }) => {
  expect(body).toBe("");
  if (key !== "clock/now") expect(key).toContain(parseIndexKey(key)?.id);
});

test("every kind of recorded object is read by some test", () => {
  const sources = readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => readFileSync(`test/${file}`, "utf8"))
    .join("\n");
  for (const folder of readdirSync("test/golden", { withFileTypes: true }))
    if (folder.isDirectory() && folder.name !== "layouts") expect(sources).toContain(`golden("${folder.name}")`);
});

test("keeps numbers as they stand when JavaScript would change them", () => {
  const text = '{"a":1.0,"b":12345678901234567890,"c":1e-6,"d":[-0,100.50],"e":0.1,"f":"1.0","g":0.00000012}';
  expect(stringifyJson(parseJson(text))).toBe(text);
  expect(toPlain(parseJson(text))).toEqual({
    a: 1,
    b: Number("12345678901234567890"),
    c: 1e-6,
    d: [-0, 100.5],
    e: 0.1,
    f: "1.0",
    g: 1.2e-7,
  });
});

test("keeps a member that is called __proto__", () => {
  const text = '{"__proto__":{"a":1}}';
  expect(stringifyJson(parseJson(text))).toBe(text);
});

test("says where a value is not JSON", () => {
  expect(problemOf({ a: { b: [undefined] } })).toBe("$.a.b[0] is undefined");
  expect(problemOf([1, 2n])).toBe("$[1] is a bigint");
  expect(problemOf({ at: new Date(0) })).toBe("$.at is a Date");
  expect(problemOf(Number.NaN)).toBe("$ is NaN");
  expect(problemOf({ f: () => 1 })).toBe("$.f is a function");
  expect(problemOf({ e: new Error("x") })).toBe("$.e is an Error");
  expect(problemOf(Object.create({ inherited: 1 }))).toBe("$ is an object that inherits from another");
  expect(problemOf("\ud800")).toBe("$ holds a lone surrogate");
  expect(problemOf([{ "\ud800": 1 }])).toBe("$[0] has a member whose name holds a lone surrogate");
});

test("says where an array has a hole, which JSON would fill with null", () => {
  // eslint-disable-next-line no-sparse-arrays -- it is what is looked for
  expect(problemOf({ rows: [[1], [, , , 1]] })).toBe("$.rows[1][0] is undefined");
  const ends = [1];
  ends.length = 2;
  expect(problemOf(ends)).toBe("$[1] is undefined");
  expect(problemOf([])).toBeUndefined();
});

test("finds a cycle, but not a value that stands twice", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  expect(problemOf(cycle)).toBe("$.self is a cycle");
  const twice = { n: 1 };
  expect(problemOf([twice, twice])).toBeUndefined();
});

test("writes both forms of an instant and reads what buquet reads", () => {
  expect(formatInstant(0)).toBe("1970-01-01T00:00:00Z");
  expect(formatOpaque(1_700_000_000_123)).toBe("2023-11-14T22:13:20.123+00:00");
  expect(parseInstant("2026-01-28 12:00:00.123456789+01:00")?.ms).toBe(Date.UTC(2026, 0, 28, 11, 0, 0, 123));
  for (const wrong of [
    "2026-01-28",
    "2026-01-28T12:00:00",
    "2026-01-28T24:00:00Z",
    "2026-02-30T00:00:00Z",
    "12026-01-01T00:00:00Z",
    "",
    "now",
  ])
    expect(parseInstant(wrong)).toBeUndefined();
});

test("reads and writes instants before 1970 and beyond the year 9999", () => {
  expect(parseInstant("1969-12-31T23:59:59.999Z")?.ms).toBe(-1);
  expect(formatInstant(-1)).toBe("1969-12-31T23:59:59.999Z");
  expect(parseInstant("0001-01-01T00:00:00Z")?.ms).toBe(-62_135_596_800_000);
  expect(formatInstant(Date.UTC(12_026, 0, 28))).toBe("+12026-01-28T00:00:00Z");
  expect(formatInstant(-62_198_755_200_000)).toBe("-0001-01-01T00:00:00Z");
});
