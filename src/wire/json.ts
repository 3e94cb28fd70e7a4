/** JSON that keeps numbers: what another language wrote is written back digit for digit. */
import { isLosslessNumber, LosslessNumber } from "lossless-json";

/** Deepest nesting of a value that is put into the bucket: the object around it adds a few levels more. */
export const MAX_DEPTH = 120;

/** Deepest nesting of an object that is read. Programs of buquet refuse what is nested deeper than 127. */
export const MAX_READ_DEPTH = 128;

/** What may be a number that JavaScript would print otherwise: `1.0`, exponents, `0.0000001`, more than fifteen digits, `-0`. */
const RISKY_NUMBER = /(?:^|[:[,\s])(?:-?\d+\.\d*0(?!\d)|-?[\d.]*\d[eE]|-?0\.0{6}|-?\d[\d.]{15,}|-0(?![.\d]))/u;
const NUMBERS = /-?\d[\d.eE+-]*/gu;

/** JSON that exists as text; it is written as it is. */
export abstract class JsonText {
  abstract readonly text: string;
}

/** What this package writes: JSON in which values of users are text. An object that a user may hold does not compile. */
export type Writable =
  | string
  | number
  | boolean
  | null
  | undefined
  | JsonText
  | readonly Writable[]
  | { readonly [name: string]: Writable };

const isPrintedSo = (text: string): boolean => String(Number(text)) === text;

/**
 * Parses JSON. Numbers that would change are kept as they stand; of two members of one name the last counts, as in `JSON.parse`.
 * @throws {SyntaxError} for what is not JSON or is nested deeper than `MAX_READ_DEPTH`
 */
export function parseJson(text: string): unknown {
  checkTextDepth(text, MAX_READ_DEPTH);
  if (!holdsOddNumber(text)) return JSON.parse(text);
  return parseWithCare(text);
}

/**
 * Has the engine parse it with every number that would change in a string behind a mark that no string of the text holds. A parser of its
 * own would take ten times as long, and build strings of single characters that fill the memory.
 */
function parseWithCare(text: string): unknown {
  // Escapes may hide the mark in the text itself. What is no JSON ends here.
  const spelled = JSON.stringify(JSON.parse(text));
  const longest = (spelled.match(/~+/gu) ?? []).reduce((most, { length }) => Math.max(most, length), 0);
  const mark = "~".repeat(longest + 1);
  let marked = "";
  for (const [between, string] of piecesOf(text))
    marked += between.replaceAll(NUMBERS, (number) => (isPrintedSo(number) ? number : `"${mark}${number}"`)) + string;
  return JSON.parse(marked, (_name, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? new LosslessNumber(value.slice(mark.length)) : value,
  );
}

/** Whether a number would change. Instants and digits in strings look like one, and every record holds instants. */
function holdsOddNumber(text: string): boolean {
  if (!RISKY_NUMBER.test(text)) return false;
  for (const [between] of piecesOf(text))
    if (RISKY_NUMBER.test(between) && (between.match(NUMBERS) ?? []).some((number) => !isPrintedSo(number)))
      return true;
  return false;
}

/**
 * Parses JSON into ordinary values. @param maxDepth - Deepest nesting.
 * @throws {SyntaxError} for what is not JSON or is nested deeper
 */
export function parsePlainJson(text: string, maxDepth: number = MAX_READ_DEPTH): unknown {
  checkTextDepth(text, maxDepth);
  return JSON.parse(text);
}

const BACKSLASH = 0x5c;

/**
 * Refuses deep nesting before anything recurses into it: everybody who works on a value would run out of stack. What is not JSON may
 * pass, the parser refuses it.
 */
function checkTextDepth(text: string, maxDepth: number): void {
  let depth = 0;
  for (const [part] of piecesOf(text)) {
    for (let at = 0; at < part.length; at += 1) {
      switch (part.charCodeAt(at)) {
        case 0x5b:
        case 0x7b:
          depth += 1;
          if (depth > maxDepth) throw new SyntaxError(`it is nested deeper than ${maxDepth}`);
          break;
        case 0x5d:
        case 0x7d:
          depth -= 1;
      }
    }
  }
}

/** A JSON text in pieces: what stands before each string, and the string with its quotes. */
function* piecesOf(text: string): Generator<readonly [between: string, string: string]> {
  let begin = 0;
  for (let quote = text.indexOf('"'); quote !== -1; quote = text.indexOf('"', begin)) {
    const end = endOfString(text, quote) + 1;
    yield [text.slice(begin, quote), text.slice(quote, end)];
    begin = end;
  }
  yield [text.slice(begin), ""];
}

/** Where the string that begins at a quote ends: at the next one that is not escaped. */
function endOfString(text: string, begin: number): number {
  for (let end = text.indexOf('"', begin + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

/** Half of a character, as `JSON.stringify` writes it: an escape behind an even number of backslashes. */
const HALF_CHARACTER = /(?<!\\)((?:\\\\)*)\\ud[89a-f][\da-f]{2}/gu;

/**
 * Writes compact JSON; kept numbers and texts come out as they stood. Half of a character (an error message that was cut) becomes U+FFFD:
 * other readers of the bucket refuse the whole object that holds one.
 */
export function stringifyJson(value: unknown): string {
  const text = write(value) ?? "null";
  return text.includes("\\ud") ? text.replaceAll(HALF_CHARACTER, "$1\\ufffd") : text;
}

/** Only paths to kept values are written here, member by member; the engine writes the rest. */
function write(value: unknown): string | undefined {
  if (value instanceof JsonText) return value.text;
  if (isLosslessNumber(value)) return value.value;
  if (!holdsKept(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((member) => write(member) ?? "null").join(",")}]`;
  let text = "";
  for (const [name, member] of Object.entries(value)) {
    const written = write(member);
    if (written !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${written}`;
  }
  return `{${text}}`;
}

function holdsKept(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof JsonText || isLosslessNumber(value)) return true;
  return (Array.isArray(value) ? value : Object.values(value)).some(holdsKept);
}

/** The same value with ordinary numbers. Kept texts stay as they are. */
export function toPlain(value: unknown): unknown {
  if (!holdsKept(value) || value instanceof JsonText) return value;
  if (isLosslessNumber(value)) return Number(value.value);
  if (Array.isArray(value)) return value.map(toPlain);
  return Object.fromEntries(Object.entries(value as object).map(([name, member]) => [name, toPlain(member)]));
}
