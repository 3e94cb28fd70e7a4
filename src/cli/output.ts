/** Output: tables for people, JSON for programs. */
import { printable } from "../host/printable.ts";
import { err, out } from "./colours.ts";

export { printable } from "../host/printable.ts";

/** Prints a value as JSON. Gives the exit code of a command that did what it was told. */
export function printJson(value: unknown): 0 {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  return 0;
}

/** Prints a line. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A text of somebody else that may have lines: the rest is as in `printable`. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** Says what is wrong, on standard error. With `json` as `{ error: { code, message } }`. */
export function fail(message: string, code?: string, json = false): void {
  const line = json
    ? JSON.stringify({ error: { code: code ?? "invalid", message } })
    : code === undefined
      ? message
      : `${err.red("error")}: ${printableLines(message)}`;
  process.stderr.write(`${line}\n`);
}

/** The width of a text as printed, without colours. */
function widthOf(text: string): number {
  // eslint-disable-next-line no-control-regex -- colour codes are control characters
  return text.replaceAll(/\u001b\[\d+m/g, "").length;
}

/** Rows under a header, in columns as wide as they need. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => widthOf(row[column] ?? ""))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join("  ")
      .trimEnd();
  return [out.bold(line(header)), ...rows.map(line)].join("\n");
}

/** The status of a run or step in its colour. */
export function coloured(status: string, text: string = status): string {
  switch (status) {
    case "completed":
      return out.green(text);
    case "failed":
    case "held":
    case "undo_failed":
      return out.red(text);
    case "cancelled":
    case "terminated":
    case "compensating":
    case "undoing":
    case "undone":
    case "stopping":
      return out.yellow(text);
    case "paused":
    case "waiting":
    case "waiting_signal":
      return out.cyan(text);
    default:
      return text;
  }
}
