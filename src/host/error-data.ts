/**
 * Converts whatever was thrown into plain data for logs and records, and into one line for people.
 *
 * JavaScript lets anything be thrown: strings, plain objects, errors of other realms, proxies whose traps throw, errors with throwing
 * getters, cycles of causes, or megabytes of message. Nothing in this file throws, and its output is bounded.
 */

/** A JSON value, as members of errors are stored. */
export type PlainJson =
  | null
  | boolean
  | number
  | string
  | readonly PlainJson[]
  | { readonly [name: string]: PlainJson };

/** Anything that was thrown, as JSON of at most 12,000 characters. */
export interface ErrorData {
  /** The name, such as `TypeError`; `NonError` when something other than an error was thrown, whose text is then the message. */
  readonly name: string;
  /** The message: at most 2,000 characters. */
  readonly message: string;
  /** The code, such as `ECONNREFUSED`. */
  readonly code?: string | number;
  /** The stack: at most 4,000 characters, and 1,500 for a cause. */
  readonly stack?: string;
  /** Its own enumerable members that are JSON: at most twenty, with at most 1,000 characters each. */
  readonly members?: Readonly<Record<string, PlainJson>>;
  /** Its cause, in the same form. */
  readonly cause?: ErrorData;
  /** The errors of an `AggregateError`, in the same form. */
  readonly errors?: readonly ErrorData[];
}

/** The longest JSON of an error, with causes and stacks. What does not fit is cut: stacks of causes first, then members, then causes. */
export const MAX_ERROR_LENGTH = 12_000;

const MAX_MESSAGE = 2_000;
const MAX_STACK = 4_000;
const MAX_INNER_STACK = 1_500;
const MAX_NAME = 200;
const MAX_MEMBERS = 20;
const MAX_MEMBER = 1_000;
/** An error, its causes and what they hold, all together. */
const MAX_ERRORS = 10;
/** JSON of one error around its texts: names of members, quotes, braces. */
const OVERHEAD = 100;

/** The name of what was thrown and is no error. */
const NON_ERROR = "NonError";

type Mutable = {
  -readonly [K in keyof ErrorData]: K extends "cause" ? Mutable : K extends "errors" ? Mutable[] : ErrorData[K];
};

interface Found {
  readonly data: Mutable;
  readonly thrown: unknown;
}

/** What is left of the limits. */
class Budget {
  #left = MAX_ERROR_LENGTH;

  /** As much of a text as fits, in JSON. None takes more than half of what is left, so that something is left for the others. */
  take(text: string, longest: number): string {
    const most = this.#left / 2;
    let kept = cutText(text, longest);
    let cost = JSON.stringify(kept).length;
    while (cost > most) {
      if (most < 50) return "";
      kept = cutText(text, Math.floor((kept.length * most) / cost / 2));
      cost = JSON.stringify(kept).length;
    }
    this.#left -= cost;
    return kept;
  }

  /** Whether so many characters fit; then they are taken. */
  fits(length: number): boolean {
    if (length > this.#left) return false;
    this.#left -= length;
    return true;
  }
}

/** The beginning of a text, with how long it was; without halves of characters, which others cannot read from JSON. */
function cutText(text: string, longest: number): string {
  if (text.length <= longest) return wellFormed(text);
  return `${wellFormed(text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, ""))}… (${text.length} characters)`;
}

const wellFormed = (text: string): string => text.replaceAll(/\p{Cs}/gu, "\ufffd");

/** A member, wherever it comes from; undefined when reading it throws. */
function read(value: object, name: PropertyKey): unknown {
  try {
    return Reflect.get(value, name);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** An error of any realm, or what is built like one. */
export function isErrorLike(value: unknown): value is object {
  return isObject(value) && typeof read(value, "message") === "string";
}

/** Converts what was thrown. Never throws. */
export function errorDataOf(thrown: unknown): ErrorData {
  const budget = new Budget();
  const found: Found[] = [];
  const data = describe(thrown, budget, found, new Set());
  for (const { data: one, thrown: from } of found) if (isObject(from)) addMembers(one, from, budget);
  for (const { data: one, thrown: from } of found)
    if (one.stack === undefined && isErrorLike(from)) addStack(one, from, MAX_INNER_STACK, budget);
  return data;
}

function describe(thrown: unknown, budget: Budget, found: Found[], seen: Set<unknown>): Mutable {
  seen.add(thrown);
  const isError = isErrorLike(thrown);
  const name = isError ? read(thrown, "name") : NON_ERROR;
  const message = isError ? (read(thrown, "message") as string) : textOf(thrown);
  budget.fits(OVERHEAD);
  const data: Mutable = {
    name: budget.take(typeof name === "string" && name !== "" ? name : "Error", MAX_NAME),
    message: budget.take(message, MAX_MESSAGE),
  };
  // The stack of what was thrown itself comes before the words of its causes.
  if (isError && found.length === 0) addStack(data, thrown, MAX_STACK, budget);
  found.push({ data, thrown });
  if (!isObject(thrown)) return data;
  const code = codeOf(thrown);
  if (typeof code === "string") data.code = budget.take(code, MAX_NAME);
  else if (code !== undefined) data.code = code;
  const isNew = (value: unknown): boolean => value != null && found.length < MAX_ERRORS && !seen.has(value);
  const cause = read(thrown, "cause");
  if (isError && isNew(cause)) data.cause = describe(cause, budget, found, seen);
  const errors: Mutable[] = [];
  for (const inner of isError ? innerErrors(thrown) : []) {
    if (isNew(inner)) errors.push(describe(inner, budget, found, seen));
  }
  if (errors.length > 0) data.errors = errors;
  return data;
}

/** What an `AggregateError` or a `SuppressedError` holds. */
function innerErrors(error: object): readonly unknown[] {
  const errors = read(error, "errors");
  if (isArray(errors))
    return Array.from({ length: Math.min(lengthOf(errors), MAX_ERRORS) }, (_, at) => read(errors, at));
  if (read(error, "name") === "SuppressedError") return [read(error, "error"), read(error, "suppressed")];
  return [];
}

function isArray(value: unknown): value is object {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

function lengthOf(array: object): number {
  const length = read(array, "length");
  return typeof length === "number" ? length : 0;
}

function codeOf(thrown: object): string | number | undefined {
  const code = read(thrown, "code");
  if (typeof code === "string" && code !== "") return code;
  // The numbers of a DOMException are an older spelling of its name.
  const isLegacy = read(thrown, Symbol.toStringTag) === "DOMException";
  return typeof code === "number" && Number.isFinite(code) && !isLegacy ? code : undefined;
}

/** What was thrown, as text, when it is not an error. */
function textOf(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  if (!isObject(thrown)) return String(thrown);
  const plain = plainOf(thrown);
  if (plain !== undefined) return JSON.stringify(plain);
  const constructor = read(thrown, "constructor");
  const name = isObject(constructor) ? read(constructor, "name") : undefined;
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "something that cannot be told as text";
}

const TOLD = new Set(["name", "message", "stack", "cause", "errors", "code"]);

function addMembers(data: Mutable, thrown: object, budget: Budget): void {
  const members: [string, PlainJson][] = [];
  for (const name of ownNames(thrown)) {
    if (TOLD.has(name) || name.length > MAX_NAME || members.length >= MAX_MEMBERS) continue;
    const plain = plainOf(read(thrown, name));
    if (plain === undefined) continue;
    const { length } = JSON.stringify(plain);
    if (length <= MAX_MEMBER && budget.fits(length + JSON.stringify(name).length + 2))
      members.push([wellFormed(name), plain]);
  }
  // A value that is not an error is already in the message.
  if (members.length > 0 && data.name !== NON_ERROR) data.members = Object.fromEntries(members);
}

function ownNames(value: object): readonly string[] {
  try {
    return Object.keys(value);
  } catch {
    return [];
  }
}

/** A value as JSON if it is some: plain objects, lists, texts, numbers, dates. At most two hundred of them, five deep. */
function plainOf(value: unknown): PlainJson | undefined {
  let left = 200;
  const copy = (one: unknown, depth: number): PlainJson | undefined => {
    left -= 1;
    if (left < 0 || depth > 5) return undefined;
    if (one === null || typeof one === "boolean") return one;
    if (typeof one === "string") return cutText(one, MAX_MESSAGE);
    if (typeof one === "number") return Number.isFinite(one) ? one : String(one);
    if (typeof one === "bigint") return String(one);
    if (typeof one !== "object") return undefined;
    if (isArray(one)) {
      const list: PlainJson[] = [];
      for (let at = 0; at < lengthOf(one); at += 1) {
        const item = copy(read(one, at) ?? null, depth + 1);
        if (item === undefined) return undefined;
        list.push(item);
      }
      return list;
    }
    if (!isPlainObject(one)) return dateText(one);
    const members: [string, PlainJson][] = [];
    for (const name of ownNames(one)) {
      const member = read(one, name);
      if (member === undefined) continue;
      const plain = copy(member, depth + 1);
      if (plain === undefined) return undefined;
      members.push([wellFormed(name), plain]);
    }
    return Object.fromEntries(members);
  };
  return copy(value, 0);
}

/** Of this realm or another. */
function isPlainObject(value: object): boolean {
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    return prototype === null || Object.getPrototypeOf(prototype) === null;
  } catch {
    return false;
  }
}

function dateText(value: object): string | undefined {
  try {
    return Date.prototype.toISOString.call(value);
  } catch {
    return undefined;
  }
}

/** The header of a stack repeats the message: of a long one only its beginning is kept there. */
function addStack(data: Mutable, error: object, longest: number, budget: Budget): void {
  const stack = read(error, "stack");
  if (typeof stack !== "string" || stack === "") return;
  const message = read(error, "message") as string;
  const at = message.length > 300 ? stack.indexOf(message) : -1;
  const short = at === -1 ? stack : `${stack.slice(0, at)}${cutText(message, 300)}${stack.slice(at + message.length)}`;
  const kept = budget.take(short, longest);
  if (kept !== "") data.stack = kept;
}

/** An error from its data: name, message, code, stack, members and causes. */
export function errorOf(data: ErrorData): Error {
  const error = new Error(data.message, data.cause === undefined ? {} : { cause: errorOf(data.cause) });
  const define = (name: string, value: unknown, enumerable: boolean): void => {
    Object.defineProperty(error, name, { value, enumerable, writable: true, configurable: true });
  };
  for (const [name, value] of Object.entries(data.members ?? {})) define(name, value, true);
  define("name", data.name, false);
  define("stack", data.stack ?? `${data.name}: ${data.message}`, false);
  if (data.code !== undefined) define("code", data.code, true);
  if (data.errors !== undefined) define("errors", data.errors.map(errorOf), false);
  return error;
}

/** Longest summary. */
const MAX_SUMMARY = 2_200;
/** The part of it that is reserved for causes. */
const MAX_HEAD = 1_500;

/** What was thrown in one line: name, message, code, and what it was caused by. At most about 2,000 characters. Never throws. */
export function summaryOf(thrown: unknown): string {
  return summarize(errorDataOf(thrown));
}

/** The summary of an error that was converted before. */
export function summarize(data: ErrorData): string {
  const said =
    data.name === NON_ERROR
      ? `threw ${data.message}`
      : data.message === ""
        ? data.name
        : `${data.name}: ${data.message}`;
  return withReasons(said, data);
}

/** The message of what was thrown and what it was caused by, in one line, to end a sentence with. Never throws. */
export function reasonOf(thrown: unknown): string {
  const data = errorDataOf(thrown);
  return withReasons(data.message === "" ? data.name : data.message, data);
}

function withReasons(said: string, data: ErrorData): string {
  const reasons: string[] = [];
  for (const { name, message } of causesOf(data)) {
    const text = name === "Error" || name === NON_ERROR || message === "" ? message : `${name}: ${message}`;
    if (text !== "" && !said.includes(message) && !reasons.some((other) => other.includes(message))) reasons.push(text);
  }
  const codes = [data, ...causesOf(data)].flatMap(({ code }) => code ?? []);
  const code = codes.find((one) => ![said, ...reasons].some((text) => text.includes(String(one))));
  const details = [...(code === undefined ? [] : [String(code)]), ...reasons];
  const head = oneLine(said);
  if (details.length === 0) return cutText(head, MAX_SUMMARY);
  return cutText(`${cutText(head, MAX_HEAD)} (${oneLine(details.join("; "))})`, MAX_SUMMARY);
}

function* causesOf({ cause, errors = [] }: ErrorData): Generator<ErrorData> {
  for (const inner of cause === undefined ? errors : [cause, ...errors]) {
    yield inner;
    yield* causesOf(inner);
  }
}

const oneLine = (text: string): string => text.replaceAll(/\s*[\n\r\u2028\u2029]+\s*/g, " ");

/**
 * An error as the text that a task keeps of its last attempt, which other programs read too: the summary, and the stack under it.
 * `errorOfText` reads it again.
 */
export function textOfError(data: ErrorData): string {
  return [summarize(data), ...framesOf(data)].join("\n").slice(0, MAX_STACK);
}

/** An error from its text: with its stack if this package wrote the text, otherwise as it was written. */
export function errorOfText(text: string): ErrorData {
  const [first = "", ...rest] = text.split("\n");
  const frames = rest.filter((line) => /^\s+at /.test(line));
  const isOurs = frames.length > 0 && frames.length === rest.length;
  const said = isOurs ? first : text;
  const [, name, message] = /^([A-Za-z_$][\w$.]*): ([^]*)$/.exec(said) ?? [];
  return {
    name: cutText(name ?? "Error", MAX_NAME),
    message: cutText(message ?? said, MAX_MESSAGE),
    ...(isOurs ? { stack: cutText(text, MAX_STACK) } : {}),
  };
}

/** Longest text of the members of an error for people. */
const MAX_MEMBERS_SHOWN = 500;

/** The lines below an error for people, indented: the frames of its stack, its members, and the same for its causes. */
export function stackLines(data: ErrorData): readonly string[] {
  const inner = [...causesOf(data)].flatMap((cause) => [
    `  caused by ${summarize(withoutCauses(cause))}`,
    ...detailLines(cause),
  ]);
  return [...detailLines(data), ...inner];
}

function detailLines(data: ErrorData): readonly string[] {
  const frames = framesOf(data).map((line) => `    ${line.trim()}`);
  const { members } = data;
  return members === undefined
    ? frames
    : [...frames, `    with ${cutText(JSON.stringify(members), MAX_MEMBERS_SHOWN)}`];
}

function framesOf({ stack = "" }: ErrorData): readonly string[] {
  return stack.split("\n").filter((line) => /^\s+at /.test(line));
}

function withoutCauses({ cause: _cause, errors: _errors, ...rest }: ErrorData): ErrorData {
  return rest;
}
