/**
 * Numbers as buquet prints them after reading them. Hashes of inputs are computed over that text, so that ours must match digit for digit.
 *
 * Its reader (serde_json without `float_roundtrip`) collects the digits of a number in 64 bits, drops those that do not fit, and multiplies
 * or divides by one power of ten. That is fast and not always the nearest float: `0.9452706955539223` is read as the float above it. Equal
 * hashes need the same rounding errors.
 */
import { WorkflowError } from "../errors.ts";

const U64_MAX = 18_446_744_073_709_551_615n;
const I64_MIN = -9_223_372_036_854_775_808n;
const LARGEST_POWER = 308;

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/u;

/** The text of a JSON number as buquet writes it back. @throws {WorkflowError} `invalid` for what buquet cannot read: no number, or beyond all floats. */
export function canonicalNumber(text: string): string {
  const match = NUMBER.exec(text);
  if (match === null) throw new WorkflowError("invalid", `${JSON.stringify(text)} is not a JSON number`);
  const [, sign = "", whole = "", fraction, exponent] = match;
  if (fraction === undefined && exponent === undefined) {
    const integer = BigInt(text);
    if (integer >= I64_MIN && integer <= U64_MAX && text !== "-0") return text;
  }
  const value = readFloat(whole, fraction ?? "", Number(exponent ?? "0"));
  if (!Number.isFinite(value)) throw new WorkflowError("invalid", `${text} is larger than any float`);
  return floatText(sign === "" ? value : -value);
}

/** What buquet's reader makes of the digits of a number. */
function readFloat(whole: string, fraction: string, exponent: number): number {
  let digits = 0n;
  let power = exponent;
  let full = false;
  for (const digit of whole) {
    const next = digits * 10n + BigInt(digit);
    full ||= next > U64_MAX;
    if (full) power += 1;
    else digits = next;
  }
  for (const digit of fraction) {
    const next = digits * 10n + BigInt(digit);
    // The first digit that does not fit ends the reading: also smaller ones after it are let go.
    if (next > U64_MAX) break;
    digits = next;
    power -= 1;
  }
  return scale(Number(digits), power);
}

function scale(value: number, power: number): number {
  let scaled = value;
  let left = power;
  while (left < -LARGEST_POWER && scaled !== 0) {
    scaled /= Number(`1e${LARGEST_POWER}`);
    left += LARGEST_POWER;
  }
  if (scaled === 0) return 0;
  if (left > LARGEST_POWER) return Number.POSITIVE_INFINITY;
  return left < 0 ? scaled / Number(`1e${-left}`) : scaled * Number(`1e${left}`);
}

/** Smallest and largest exponent that is written out. */
const PLAIN_FROM = -5;
const PLAIN_TO = 15;

/** A float as buquet prints it: the shortest digits that give it back, `.0` when it is whole, exponents with a sign outside 10⁻⁵ … 10¹⁵. */
export function floatText(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa = "", exponentText = "0"] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 ? "-" : "";
  const exponent = Number(exponentText);
  if (exponent < PLAIN_FROM || exponent > PLAIN_TO) return `${sign}${mantissa}e${exponentText}`;
  const digits = mantissa.replace(".", "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}
