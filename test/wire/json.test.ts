import { parse } from "lossless-json";
import { beforeEach, expect, test, vi } from "vitest";
import { parseJson, stringifyJson } from "../../src/wire/json.ts";

vi.mock("lossless-json", { spy: true });

beforeEach(() => {
  vi.mocked(parse).mockClear();
});

const PLAIN = [
  '{"at":"2026-01-01T00:00:00.000000+00:00","why":"took 1.0 s [-0, 1e9]","n":[1,0.1,-1.5,0.30000000000000004]}',
  '"\\\\\\" 1.0"',
  "[]",
  '["x"]',
  "1",
];
test.each(PLAIN)("leaves %s to the engine: only numbers outside of strings would change", (text) => {
  expect(parseJson(text)).toEqual(JSON.parse(text));
  expect(parse).not.toHaveBeenCalled();
});

test.each(["1.0", "[1e3]", '{"\\"":-0}', '["a\\\\", 12345678901234567890]', "[1, 1e-6]", "[\n0.00000012]", "[1.10]"])(
  "parses %s with care, as one of its numbers would change",
  (text) => {
    expect(stringifyJson(parseJson(text))).toBe(text.replaceAll(/\s/gu, ""));
    expect(parse).toHaveBeenCalledTimes(1);
  },
);

test.each(['["', '["\\', '{"a":1.0', "[1.]", "[01.0]", "[1.0,]", '["\n",1.0]', "[-]", "1.0.0", "[1e]", ""])(
  "refuses %j",
  (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  },
);
