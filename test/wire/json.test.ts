import { afterEach, expect, test, vi } from "vitest";
import { parseJson, stringifyJson } from "../../src/wire/json.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const PLAIN = [
  '{"at":"2026-01-01T00:00:00.000000+00:00","why":"took 1.0 s [-0, 1e9]","n":[1,0.1,-1.5,0.30000000000000004]}',
  '"\\\\\\" 1.0"',
  "[]",
  '["x"]',
  "1",
];
test.each(PLAIN)("leaves %s to the engine: only numbers outside of strings would change", (text) => {
  const value: unknown = JSON.parse(text);
  const parse = vi.spyOn(JSON, "parse");
  expect(parseJson(text)).toEqual(value);
  expect(parse).toHaveBeenCalledTimes(1);
});

test.each(["1.0", "[1e3]", '{"\\"":-0}', '["a\\\\", 12345678901234567890]', "[1, 1e-6]", "[\n0.00000012]", "[1.10]"])(
  "parses %s with care, as one of its numbers would change",
  (text) => {
    expect(stringifyJson(parseJson(text))).toBe(text.replaceAll(/\s/gu, ""));
  },
);

test.each(['["', '["\\', '{"a":1.0', "[1.]", "[01.0]", "[1.0,]", '["\n",1.0]', "[-]", "1.0.0", "[1e]", ""])(
  "refuses %j",
  (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  },
);

test("takes no string for a number that it kept, whatever marks and escapes it holds", () => {
  const text = '{"~":1.0,"a":["~1.0","~~\\u007e2.0","\\u007e~~~"],"__proto__":{"b":-0},"c":1.0,"c":2.50}';
  expect(stringifyJson(parseJson(text))).toBe('{"~":1.0,"a":["~1.0","~~~2.0","~~~~"],"__proto__":{"b":-0},"c":2.50}');
});
