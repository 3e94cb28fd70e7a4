/** What the examples print. */
import colours from "picocolors";

/** Prints a line. */
export function print(line: string): void {
  console.log(line);
}

/** The status of a run in its colour, when a terminal shows it. */
export function coloured(status: string): string {
  if (status === "completed") return colours.green(status);
  if (status === "failed") return colours.red(status);
  return status === "cancelled" || status === "compensating" ? colours.yellow(status) : status;
}

/** Rows under a header, in columns as wide as they need. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((cells) => plain(cells[column]).length)));
  return lines
    .map((cells) =>
      cells.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - plain(cell).length)).join("  "),
    )
    .map((line) => line.trimEnd())
    .join("\n");
}

/** A cell without the codes of its colour. */
function plain(cell = ""): string {
  // eslint-disable-next-line no-control-regex -- colour codes are control characters
  return cell.replaceAll(/\u001b\[\d+m/g, "");
}
