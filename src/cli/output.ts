/** What the command line prints: tables for people, JSON for programs. */
import pc from "picocolors";

/** Prints a value as JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Prints a line. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Says what is wrong and ends the process with this code once everything is written. */
export function fail(message: string, code: number): void {
  process.stderr.write(`${pc.red("error")}: ${message}\n`);
  process.exitCode = code;
}

/** An error that nobody expected, with its stack. */
export function unexpected(error: unknown): void {
  fail(error instanceof Error ? (error.stack ?? error.message) : String(error), 1);
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
  return [pc.bold(line(header)), ...rows.map(line)].join("\n");
}

/** The status of a run or step in its colour. */
export function coloured(status: string): string {
  switch (status) {
    case "completed":
      return pc.green(status);
    case "failed":
      return pc.red(status);
    case "cancelled":
    case "compensating":
      return pc.yellow(status);
    case "paused":
    case "waiting_signal":
      return pc.cyan(status);
    default:
      return status;
  }
}
