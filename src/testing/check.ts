/** Options are looked at before anything begins: a word that nobody reads, or a number that cannot be, would make a test pass unseen. */
import { WorkflowError } from "../errors.ts";
import { shown } from "../wire/duration.ts";

/** Says no to an option of something, with what is allowed. */
export class OptionCheck {
  readonly #subject: string;

  /** `subject`: what has the options, as its caller calls it. */
  constructor(subject: string) {
    this.#subject = subject;
  }

  /** @throws {WorkflowError} `invalid`, always. */
  refuse(reason: string): never {
    throw new WorkflowError("invalid", `${this.#subject}: ${reason}`);
  }

  /** An object; with `known`, one that has no other members. */
  members(what: string, value: unknown, known?: readonly string[]): void {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      this.refuse(`${what} is ${shown(value)}; it is an object`);
    const unknown = known === undefined ? undefined : Object.keys(value).find((member) => !known.includes(member));
    if (unknown !== undefined)
      this.refuse(`${what} has no member ${JSON.stringify(unknown)}; there are ${(known ?? []).join(", ")}`);
  }

  /** A whole number, or no limit at all. */
  count(option: string, value: unknown, least: 0 | 1): void {
    if (value === undefined || value === Number.POSITIVE_INFINITY) return;
    if (!Number.isInteger(value) || (value as number) < least)
      this.refuse(`${option} is ${shown(value)}; it is a whole number from ${least}, or Infinity`);
  }

  /** One of these words. */
  oneOf(option: string, value: unknown, allowed: readonly string[]): void {
    if (value !== undefined && !allowed.includes(value as string))
      this.refuse(`${option} is ${shown(value)}; it is ${allowed.join(" or ")}`);
  }

  /** One of these types, by the words of `typeof`. */
  typed(option: string, value: unknown, type: "boolean" | "function"): void {
    if (value !== undefined && typeof value !== type)
      this.refuse(`${option} is ${shown(value)}; it is ${type === "boolean" ? "true or false" : "a function"}`);
  }

  /** A list of anything. */
  list(option: string, value: unknown): void {
    if (!Array.isArray(value)) this.refuse(`${option} is ${shown(value)}; it is a list`);
  }
}
