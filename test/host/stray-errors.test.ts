/** Rejections that nobody awaits are told to the logger of a worker, whatever that logger is. */
import { expect, test } from "vitest";
import type { Logger } from "../../src/host/host.ts";
import { catchStrays } from "../../src/host/stray-errors.ts";

/** A logger as libraries have it: its methods stand in its class. */
class ClassLogger implements Logger {
  readonly lines: string[] = [];
  debug(message: string): void {
    this.lines.push(message);
  }
  info(message: string): void {
    this.lines.push(message);
  }
  warn(message: string): void {
    this.lines.push(message);
  }
  error(message: string): void {
    this.lines.push(message);
  }
}

/** The listeners of the process, without those of the test runner. */
const strays = (before: readonly unknown[]): ((error: unknown) => void)[] =>
  process.listeners("unhandledRejection").filter((listener) => !before.includes(listener)) as never;

test("a logger whose methods stand in its class is told, until the last worker that has it stops", () => {
  const before = process.listeners("unhandledRejection");
  const logger = new ClassLogger();
  const stops = [catchStrays(logger), catchStrays(logger)];
  expect(strays(before)).toHaveLength(1);
  stops[0]?.();
  for (const tell of strays(before)) tell(new Error("nobody awaits this"));
  expect(logger.lines).toEqual(["unhandled rejection outside of any handler that is known"]);
  stops[1]?.();
  expect(strays(before)).toEqual([]);
});
