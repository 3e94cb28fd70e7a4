/** The payment service's own memory: a file with a line for each charge and refund, once for each idempotency key. */
import { closeSync, fsyncSync, openSync, truncateSync, writeSync } from "node:fs";
import { readIfThere } from "../support/files.ts";

/** One line. `void`: a refund that came before its charge; the charge is refused from then on. */
export interface LedgerEntry {
  readonly what: "charge" | "refund" | "void";
  readonly key: string;
  readonly order: string;
  readonly amount?: number;
}

/** Whole lines only: a line that was cut off when its writer died was never answered for. */
export function readLedger(path: string): readonly LedgerEntry[] {
  const text = readIfThere(path) ?? "";
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LedgerEntry);
}

/** What was written into a ledger. */
export interface Ledger {
  has(what: LedgerEntry["what"], key: string): boolean;
  /** Writes a line and returns when it is on the disk; nothing when it is there already. */
  record(entry: LedgerEntry): void;
}

/** Opens a ledger for its only writer. */
export function openLedger(path: string): Ledger {
  const entries = readLedger(path);
  const whole = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  // The half line of a writer that died must not become the beginning of the next one.
  if ((readIfThere(path) ?? "") !== whole) truncateSync(path, Buffer.byteLength(whole));
  const seen = new Set(entries.map(({ what, key }) => `${what} ${key}`));
  return {
    has: (what, key) => seen.has(`${what} ${key}`),
    record: (entry) => {
      const id = `${entry.what} ${entry.key}`;
      if (seen.has(id)) return;
      const file = openSync(path, "a");
      writeSync(file, `${JSON.stringify(entry)}\n`);
      fsyncSync(file);
      closeSync(file);
      seen.add(id);
    },
  };
}
