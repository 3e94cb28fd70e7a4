import { expect, test } from "vitest";
import { createLogger } from "../../src/host/logger.ts";

test("a line comes out whatever is put into it, errors with their stack and causes", () => {
  const lines: string[] = [];
  const logger = createLogger({ format: "json", write: (line) => lines.push(line) });
  const round: { self?: unknown } = {};
  round.self = round;
  logger.error("odd", { big: 1n, round, error: new TypeError("no", { cause: new Error("why") }), nothing: undefined });
  const [line = ""] = lines;
  expect(JSON.parse(line)).toMatchObject({
    level: "error",
    message: "odd",
    error: {
      name: "TypeError",
      message: "no",
      stack: expect.stringContaining("logger.test.ts"),
      cause: { message: "why" },
    },
  });
  createLogger({ write: (text) => lines.push(text) }).warn("odd", { round, error: new Error("no") });
  expect(lines[1]).toContain("no");
});
