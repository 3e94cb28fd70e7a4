/** Reads durations, and spells them in messages. */
import { WorkflowError } from "../errors.ts";
import { cutAt } from "./cut.ts";

/**
 * A length of time: a number of milliseconds, or a number with a unit (`"250ms"`, `"30s"`, `"5m"`, `"1.5h"`, `"7d"`, `"1w"`), from zero to
 * ten years. Other texts do not compile. Cast a text that comes from a setting, `value as Duration`: it is checked again where it is used.
 */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d" | "w"}`;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Ten years: buquet's own workers cannot hold more, and every date that is computed from a duration keeps a year of four digits. */
export const LONGEST_DURATION_MS = 315_360_000_000;

/** Characters of a value that a message shows. */
const MOST_SHOWN = 200;

/** A refused value as its author wrote it, for messages. Never throws. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number" || typeof value === "symbol") return Object.is(value, -0) ? "-0" : String(value);
  try {
    const text = JSON.stringify(value) ?? String(value);
    return text.length > MOST_SHOWN ? `${cutAt(text, MOST_SHOWN)}…` : text;
  } catch {
    return "an object that is not JSON";
  }
}

/**
 * Milliseconds of a duration: `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"7d"`, `"1w"`, or a number of milliseconds.
 * @throws {WorkflowError} `invalid` for anything else, for a negative number and for more than ten years.
 */
export function parseDuration(value: string | number): number {
  const ms = typeof value === "number" ? value : millisecondsOf(value);
  if (!Number.isFinite(ms) || ms < 0 || ms > LONGEST_DURATION_MS) {
    throw new WorkflowError(
      "invalid",
      `${shown(value)} is not a duration; write "250ms", "30s", "5m", "2h", "7d", "1w" or milliseconds, up to ten years`,
    );
  }
  // Without this, -0 would reach divisions.
  return ms + 0;
}

function millisecondsOf(text: unknown): number {
  const match = typeof text === "string" ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text.trim()) : null;
  return match === null ? Number.NaN : Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? Number.NaN);
}

/** Spells milliseconds in the largest unit without a fraction: `"90s"`, `"1h"`. `parseDuration` reads it. */
export function spellDuration(ms: number): string {
  const whole = Object.entries(UNIT_MS).filter(([, unit]) => ms >= unit && Number.isInteger(ms / unit));
  const [name, unit] = whole.at(-1) ?? ["ms", 1];
  return `${ms / unit}${name}`;
}
