/**
 * Checks options. Each object of options has one table of checks with an entry for every member: an option without a check does not compile,
 * and a member without a check is refused by its name at run time.
 *
 * Rules between several settings are checked by the code that owns all of them, such as `resolveWorkerOptions`.
 */
import { WorkflowError } from "./errors.ts";
import type { Host } from "./host/host.ts";
import { LONGEST_DURATION_MS, parseDuration, shown, spellDuration } from "./wire/duration.ts";
import { reasonOf } from "./host/error-data.ts";

/** Refuses a setting. The reason begins with its name. */
export type Refuse = (reason: string) => never;

/** Checks one setting and returns its value. `name` is its name in messages. */
export type Check<T> = (value: unknown, name: string, refuse: Refuse) => T;

/** A check for every member of an object of options. */
export type ChecksOf<Options> = { readonly [Name in keyof Options]-?: Check<unknown> };

/** The values that the checks return; undefined for options that were not given. */
export type ReadBy<Checks extends Readonly<Record<string, Check<unknown>>>> = {
  readonly [Name in keyof Checks]: ReturnType<Checks[Name]> | undefined;
};

/**
 * Reads an object of options with the checks of its members. A member that is `undefined` counts as not given.
 * @param what the owner of the options in messages: "a worker".
 * @param needed members that have no default.
 * @throws {WorkflowError} `invalid` for a member that has no check, for what a check refuses, and for a needed member that is missing.
 */
export function readSettings<const Checks extends Readonly<Record<string, Check<unknown>>>>(
  what: string,
  checks: Checks,
  given: unknown,
  needed: readonly (keyof Checks & string)[] = [],
): ReadBy<Checks> {
  return readMembers((reason) => refuseSettings(what, reason), checks, given, needed);
}

/** `within`: the option that holds the object; empty where the object itself is what was given. */
function readMembers<const Checks extends Readonly<Record<string, Check<unknown>>>>(
  refuse: Refuse,
  checks: Checks,
  given: unknown,
  needed: readonly (keyof Checks & string)[],
  within = "",
): ReadBy<Checks> {
  const nameOf = (member: string): string => (within === "" ? member : `${within}.${member}`);
  const known = Object.keys(checks);
  const values = (given === undefined ? {} : given) as Readonly<Record<string, unknown>>;
  checkMembers((reason) => refuse(within === "" ? reason : `${within}: ${reason}`), "they", values, known);
  const missing = needed.find((member) => values[member] === undefined);
  if (missing !== undefined) refuse(`${nameOf(missing)} is missing`);
  const read = known.map((member): [string, unknown] => {
    const value = values[member];
    return [member, value === undefined ? undefined : checks[member]?.(value, nameOf(member), refuse)];
  });
  return Object.fromEntries(read) as ReadBy<Checks>;
}

/** Reads an argument that is no object of options. @throws {WorkflowError} `invalid`, with `what` as its caller calls what is called. */
export function readArgument<T>(what: string, name: string, check: Check<T>, given: unknown): T {
  return check(given, name, (reason) => {
    throw new WorkflowError("invalid", `${what}: ${reason}`);
  });
}

/**
 * A copy, so that later changes by the caller have no effect. A value that is not an object is returned as it is, for a check to refuse.
 */
export function copied<T>(given: T): T {
  return typeof given === "object" && given !== null ? { ...given } : given;
}

/** Says no to settings that are right one by one and cannot work together. @throws {WorkflowError} `invalid`, always. */
export function refuseSettings(what: string, reason: string): never {
  throw new WorkflowError("invalid", `options of ${what}: ${reason}`);
}

/** Refuses a value that is not an object and, where all members are known, the first unknown one, with a suggestion. */
export function checkMembers(refuse: Refuse, what: string, written: unknown, known?: readonly string[]): void {
  if (typeof written !== "object" || written === null || Array.isArray(written))
    refuse(`${what} are an object, not ${shown(written)}`);
  const unknown = Object.keys(written as object).find((option) => known?.includes(option) === false);
  if (unknown !== undefined) refuse(`there is no option ${JSON.stringify(unknown)}; there are ${known?.join(", ")}`);
}

/** A duration within these bounds, in milliseconds. */
export function duration(leastMs: number, mostMs: number = LONGEST_DURATION_MS): Check<number> {
  return (value, name, refuse) => {
    let ms: number;
    try {
      ms = parseDuration(value as string | number);
    } catch (error) {
      return refuse(`${name}: ${reasonOf(error)}`);
    }
    if (ms >= leastMs && ms <= mostMs) return ms;
    return refuse(
      `${name} is ${shown(value)}; it must be a duration from ${spellDuration(leastMs)} to ${mostMs === LONGEST_DURATION_MS ? "ten years" : spellDuration(mostMs)}`,
    );
  };
}

/** A number of milliseconds within these bounds: for members whose name ends in `Ms`. */
export function milliseconds(least: number, most: number = LONGEST_DURATION_MS): Check<number> {
  return (value, name, refuse) =>
    typeof value === "number" && value >= least && value <= most
      ? value + 0
      : refuse(`${name} is ${shown(value)}; it must be a number of milliseconds from ${least} to ${most}`);
}

/** A whole number within these bounds. */
export function count(least: number, most: number = Number.MAX_SAFE_INTEGER): Check<number> {
  return (value, name, refuse) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? (value as number) + 0
      : refuse(
          `${name} is ${shown(value)}; it must be a whole number from ${least}${most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`}`,
        );
}

/** A whole number from this one on, or `Infinity`: no limit. */
export function countOrNoLimit(least: number): Check<number> {
  return (value, name, refuse) =>
    value === Number.POSITIVE_INFINITY
      ? value
      : count(least)(value, name, (reason) => refuse(`${reason}, or Infinity for no limit`));
}

/** True or false. */
export const flag: Check<boolean> = (value, name, refuse) =>
  typeof value === "boolean" ? value : refuse(`${name} is ${shown(value)}; it must be true or false`);

/** A text. */
export const text: Check<string> = (value, name, refuse) =>
  typeof value === "string" ? value : refuse(`${name} is ${shown(value)}; it must be a string`);

/** A list of anything. */
export const list: Check<readonly unknown[]> = (value, name, refuse) =>
  Array.isArray(value) ? value : refuse(`${name} is ${shown(value)}; it must be a list`);

/** A list whose members all pass this check. */
export function listOf<T>(check: Check<T>): Check<readonly T[]> {
  return (value, name, refuse) => list(value, name, refuse).map((one, at) => check(one, `${name}[${at}]`, refuse));
}

/** An object with members of any names that all pass this check, where they are given. */
export function recordOf<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value, name, refuse) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return refuse(`${name} is ${shown(value)}; it must be an object`);
    const given = Object.entries(value).filter(([, one]) => one !== undefined);
    return Object.fromEntries(given.map(([member, one]) => [member, check(one, `${name}.${member}`, refuse)]));
  };
}

/** An object of options within one: `needed` have no default. */
export function optionsOf<const Checks extends Readonly<Record<string, Check<unknown>>>>(
  checks: Checks,
  needed: readonly (keyof Checks & string)[] = [],
): Check<ReadBy<Checks>> {
  return (value, name, refuse) => {
    recordOf(anything)(value, name, refuse);
    return readMembers(refuse, checks, value, needed, name);
  };
}

/** Any value: other code checks it. */
export const anything: Check<unknown> = (value) => value;

/** One of these texts. */
export function oneOf<const T extends string>(...allowed: readonly T[]): Check<T> {
  return (value, name, refuse) =>
    allowed.find((one) => one === value) ?? refuse(`${name} is ${shown(value)}; it must be ${allowed.join(" or ")}`);
}

/** A function. */
export const callback: Check<(...args: never[]) => unknown> = (value, name, refuse) =>
  typeof value === "function"
    ? (value as (...args: never[]) => unknown)
    : refuse(`${name} is ${shown(value)}; it must be a function`);

/** An `AbortSignal`, also one of another realm: test environments such as jsdom bring a class of their own. */
export const abortSignal: Check<AbortSignal> = (value, name, refuse) => {
  const signal = (typeof value === "object" && value !== null ? value : {}) as Partial<AbortSignal>;
  return typeof signal.aborted === "boolean" && typeof signal.addEventListener === "function"
    ? (value as AbortSignal)
    : refuse(`${name} is ${shown(value)}; it must be an AbortSignal`);
};

/** An object with these methods or members, whatever its class: `needs` names some of them. */
export function objectWith<T extends object>(...needs: readonly (keyof T & string)[]): Check<T> {
  return (value, name, refuse) => {
    const isObject = typeof value === "object" && value !== null;
    const missing = isObject ? needs.find((member) => !(member in value)) : needs[0];
    if (!isObject || missing !== undefined)
      refuse(
        `${name} is ${isObject ? `an object without ${missing}` : shown(value)}; it ${needs.length === 0 ? "is an object" : `has ${needs.join(", ")}`}`,
      );
    return value as T;
  };
}

/** A host: clock, randomness and logger. */
export const processHost: Check<Host> = objectWith("clock", "random", "logger");

/** A value that a function of this package checks; the function throws with the reason. */
export function checkedBy<T>(check: (value: T) => void): Check<T> {
  return (value) => {
    check(value as T);
    return value as T;
  };
}
