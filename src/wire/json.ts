/** JSON whose numbers survive: what another language wrote is written back digit for digit. */
import {
  isLosslessNumber,
  LosslessNumber,
  parse as parseLossless,
  stringify as stringifyLossless,
} from "lossless-json";

/** Deepest nesting that every reader of the bucket accepts. */
export const MAX_DEPTH = 120;

/** Numbers that JavaScript would print otherwise than they stand there: `1.0`, exponents, `0.0000001`, more than fifteen digits, `-0`. */
const RISKY_NUMBER = /[:[,\s](?:-?\d+\.\d*0(?!\d)|-?[\d.]*\d[eE]|-?0\.0{6}|-?\d[\d.]{15,}|-0(?![.\d]))/u;

function keepText(text: string): unknown {
  const value = Number(text);
  return String(value) === text ? value : new LosslessNumber(text);
}

/** Parses JSON. Numbers that would change are kept as they stand. @throws {SyntaxError} */
export function parseJson(text: string): unknown {
  if (!RISKY_NUMBER.test(` ${text}`)) return JSON.parse(text);
  return parseLossless(text, undefined, keepText);
}

/** Half of a character, as `JSON.stringify` writes it: an escape behind an even number of backslashes. */
const HALF_CHARACTER = /(?<!\\)((?:\\\\)*)\\ud[89a-f][\da-f]{2}/gu;

/**
 * Writes compact JSON; kept numbers come out as they stood. Half of a character (an error message that was cut) becomes U+FFFD: other
 * readers of the bucket refuse the whole object that holds one.
 */
export function stringifyJson(value: unknown): string {
  const text = (holdsKeptNumber(value) ? stringifyLossless(value) : JSON.stringify(value)) ?? "null";
  return text.includes("\\ud") ? text.replaceAll(HALF_CHARACTER, "$1\\ufffd") : text;
}

function holdsKeptNumber(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (isLosslessNumber(value)) return true;
  return (Array.isArray(value) ? value : Object.values(value)).some(holdsKeptNumber);
}

/** The same value with ordinary numbers, for handlers. */
export function toPlain(value: unknown): unknown {
  if (!holdsKeptNumber(value)) return value;
  if (isLosslessNumber(value)) return Number(value.value);
  if (Array.isArray(value)) return value.map(toPlain);
  return Object.fromEntries(Object.entries(value as object).map(([name, member]) => [name, toPlain(member)]));
}
