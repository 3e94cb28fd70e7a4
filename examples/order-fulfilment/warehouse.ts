/** The stock: a file for each order that something was reserved for. */
import { join } from "node:path";
import { readIfThere, writeWhole } from "../support/files.ts";

/** What the file of an order says. */
export interface Reservation {
  readonly key: string;
  readonly item: string;
  readonly state: "reserved" | "released";
}

function fileOf(order: string): string {
  const folder = process.env["STOCK_FOLDER"];
  if (folder === undefined) throw new Error("STOCK_FOLDER is not set");
  return join(folder, `${order}.json`);
}

/** The reservation of an order, if there ever was one. */
export function readReservation(folder: string, order: string): Reservation | undefined {
  const text = readIfThere(join(folder, `${order}.json`));
  return text === undefined ? undefined : (JSON.parse(text) as Reservation);
}

/** Sets an item aside. Twice is the same as once. */
export function reserve(order: string, item: string, key: string): void {
  writeWhole(fileOf(order), JSON.stringify({ key, item, state: "reserved" } satisfies Reservation));
}

/** Puts an item back. Twice is the same as once, and so is putting back what was never set aside. */
export function release(order: string, item: string, key: string): void {
  writeWhole(fileOf(order), JSON.stringify({ key, item, state: "released" } satisfies Reservation));
}
