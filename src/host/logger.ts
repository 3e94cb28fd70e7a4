/** Log records: text for people, with the stacks of errors below each line, or one JSON object per line for programs. */
import { type ErrorData, errorDataOf, isErrorLike, stackLines, summarize, summaryOf } from "./error-data.ts";
import type { Host, LogFields, Logger } from "./host.ts";
import { printable } from "./printable.ts";

/**
 * A logger that writes nothing.
 *
 * @example
 * ```ts
 * const host = nodeHost({ logger: silentLogger });
 * ```
 */
export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The levels of log lines, from the least to the most important. */
export type LogLevel = "debug" | "info" | "warn" | "error";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Options of `createLogger`. */
export interface LoggerOptions {
  /** The least important level that is written. @defaultValue "info" */
  readonly level?: LogLevel;
  /**
   * `text`: level, message and `name=value` on one line; under it, indented, the stacks, members and causes of errors. `json`: an object on
   * one line, errors as their data. In both, control characters and line ends of a message or a value are escaped, so that nothing that is
   * logged can look like another record.
   * @defaultValue "text"
   */
  readonly format?: "text" | "json";
  /** Called with each record, without a line end. A record as text may have several lines; all but the first are indented. */
  readonly write: (record: string) => void;
}

/** Makes a logger that writes records. It accepts any value; what is not JSON is described in words. */
export function createLogger(options: LoggerOptions): Logger {
  const least = LEVELS.indexOf(options.level ?? "info");
  const format = options.format === "json" ? jsonRecord : textRecord;
  return loggerOf((level, message, fields) => {
    if (LEVELS.indexOf(level) >= least)
      options.write(format(level, typeof message === "string" ? message : summaryOf(message), fieldsOf(fields)));
  });
}

/** A logger whose lines all have these fields. The fields of a line follow and take precedence. */
export function withFields(logger: Logger, fields: LogFields): Logger {
  return loggerOf((level, message, more) => logger[level](message, { ...fields, ...fieldsOf(more) }));
}

/** The same host with a logger that never throws, because a lost log line must not affect a run. */
export function withSafeLogger({ clock, random, logger }: Host): Host {
  const safe = loggerOf((level, message, fields) => {
    try {
      logger[level](message, fields);
    } catch {
      // There is no other place to report it.
    }
  });
  return { clock, random, logger: safe };
}

function loggerOf(log: (level: LogLevel, message: string, fields?: LogFields) => void): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => log(level, message, fields);
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Fields as they were given, whatever that was: handlers in JavaScript also give an error alone. */
function fieldsOf(given: unknown): LogFields {
  if (given === undefined) return {};
  if (isError(given)) return { error: given };
  if (typeof given !== "object" || given === null || Array.isArray(given)) return { value: given };
  try {
    return { ...given };
  } catch {
    return { value: summaryOf(given) };
  }
}

function jsonRecord(level: LogLevel, message: string, fields: LogFields): string {
  // A member that stood twice would be read as the later one.
  const named = Object.entries(fields).map(([name, value]) => [OWN.has(name) ? `${name}_` : name, value] as const);
  const members = named.map(([name, value]) => `${JSON.stringify(name)}:${jsonOf(value)}`);
  // JSON leaves some characters that end lines or steer terminals as they are; written so they are JSON too.
  return printable(`{${[`"level":"${level}"`, `"message":${JSON.stringify(message)}`, ...members].join(",")}}`);
}

const OWN: ReadonlySet<string> = new Set(["level", "message"]);

/** Converts errors to data, and describes what is not JSON in words. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value, tellMember) ?? "null";
  } catch {
    return JSON.stringify(summaryOf(value));
  }
}

/** `this`: what holds the member. An error is asked for before its `toJSON`, which may bring anything and rarely brings the stack. */
function tellMember(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const given = this[name];
  if (isError(given)) return errorDataOf(given);
  return typeof value === "bigint" ? String(value) : value;
}

/** An error of any realm. */
function isError(value: unknown): value is Error {
  if (typeof value !== "object" || value === null) return false;
  try {
    return ["[object Error]", "[object DOMException]"].includes(Object.prototype.toString.call(value));
  } catch {
    return false;
  }
}

function textRecord(level: LogLevel, message: string, fields: LogFields): string {
  const line = [level.padEnd(5), printable(message)];
  const below: string[] = [];
  const entries = Object.entries(fields);
  for (const [name, value] of entries) {
    const error = errorIn(name, value);
    const told = error === undefined ? value : summarize(error);
    if (error !== undefined) below.push(...stackLines(error));
    // The reason of a failure says the same.
    if (error === undefined || !entries.some(([, other]) => other === told)) line.push(`${word(name)}=${word(told)}`);
  }
  return [line.join(" "), ...below.map(printable)].join("\n");
}

/** The error that a field is: itself, or as its data. */
function errorIn(name: string, value: unknown): ErrorData | undefined {
  if (isError(value)) return errorDataOf(value);
  const isData = name === "error" && isErrorLike(value) && "name" in value;
  return isData ? (value as ErrorData) : undefined;
}

/** One word, or a text in quotes. */
function word(value: unknown): string {
  if (typeof value === "string" && /^[^\s"=\p{C}]+$/u.test(value)) return value;
  return printable(jsonOf(value));
}
