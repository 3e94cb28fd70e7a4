/** Log lines: a text or a JSON object each. */
import { errorDataOf, summaryOf } from "./error-data.ts";
import type { LogFields, Logger } from "./host.ts";

/** Says nothing. */
export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** How much is said, from most to least. */
export type LogLevel = "debug" | "info" | "warn" | "error";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Options of a logger. */
export interface LoggerOptions {
  /** The least important level that is written. @defaultValue "info" */
  readonly level?: LogLevel;
  /** @defaultValue "text" */
  readonly format?: "text" | "json";
  readonly write: (line: string) => void;
}

/** A logger that writes lines. */
export function createLogger(options: LoggerOptions): Logger {
  const least = LEVELS.indexOf(options.level ?? "info");
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (LEVELS.indexOf(level) < least) return;
      options.write(options.format === "json" ? jsonLine(level, message, fields) : textLine(level, message, fields));
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A logger whose lines all have these fields; those of a line come behind and win. */
export function withFields(logger: Logger, fields: LogFields): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, more: LogFields = {}): void =>
      logger[level](message, { ...fields, ...more });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function jsonLine(level: LogLevel, message: string, fields: LogFields): string {
  const members = Object.entries(fields).map(([name, value]) => `${JSON.stringify(name)}:${jsonOf(value)}`);
  return `{${[`"level":"${level}"`, `"message":${JSON.stringify(message)}`, ...members].join(",")}}`;
}

/** A line must come out whatever a handler puts into it: errors as their data, what is not JSON in words. */
function jsonOf(value: unknown): string {
  const isError =
    typeof value === "object" && value !== null && Object.prototype.toString.call(value) === "[object Error]";
  try {
    if (!isError) return JSON.stringify(value) ?? "null";
  } catch {
    return JSON.stringify(summaryOf(value));
  }
  return JSON.stringify(errorDataOf(value));
}

function textLine(level: LogLevel, message: string, fields: LogFields): string {
  const pairs = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : jsonOf(value)}`,
  );
  return [level.padEnd(5), message, ...pairs].join(" ");
}
