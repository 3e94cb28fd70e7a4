/** Parses and checks command lines. Arguments stay text, so that the id 007 is not the number 7. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { WorkflowError } from "../errors.ts";
import { reasonOf } from "../host/error-data.ts";
import { type Check, count } from "../settings.ts";

/** One option of a command. */
export interface OptionSpec {
  /** The name of its value in the help; undefined for an option without value. */
  readonly value?: string;
  readonly help: string;
  /** Whether it may be given more than once. */
  readonly repeatable?: boolean;
  /** Requires a whole number within these bounds; without a second bound there is no upper one. */
  readonly counts?: readonly [least: number, most?: number];
  /** The check of the setting that it gives. */
  readonly check?: Check<unknown>;
}

/** Two options that cannot be given together, and why. */
export type Contradiction = readonly [option: string, other: string, why: string];

/** The arguments and options of a command, parsed and checked. */
export interface ParsedArguments {
  /** In the order of the command's arguments. */
  readonly values: readonly string[];
  /** The text of an option; undefined when it was not given. */
  text(option: string): string | undefined;
  /** All texts of a repeatable option. */
  texts(option: string): readonly string[];
  /** Whether an option without value was given. */
  has(option: string): boolean;
  /** The value of an option that counts. */
  count(option: string): number | undefined;
}

/** One command: what it takes and what it does. Resolves with the exit code. */
export interface CommandSpec {
  readonly name: string;
  /** Names of the arguments; those in brackets may be left out. */
  readonly takes: readonly string[];
  readonly help: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly contradictions: readonly Contradiction[];
  readonly examples: readonly string[];
  run(args: ParsedArguments): Promise<number>;
}

/** A wrong call of the command line. The message says how to get help. */
export class UsageError extends WorkflowError {
  constructor(message: string, command?: string) {
    super("invalid", `${message}; see buquet-workflow ${command === undefined ? "" : `${command} `}--help`);
  }
}

/** Reads what is behind the name of a command. @throws {UsageError} */
export function parseArguments(command: CommandSpec, words: readonly string[]): ParsedArguments {
  const config: NonNullable<ParseArgsConfig["options"]> = {};
  // `multiple`, so that an option that is given twice can be refused instead of half of it being ignored.
  for (const [name, spec] of Object.entries(command.options))
    config[name] = { type: spec.value === undefined ? "boolean" : "string", multiple: true };
  const { values, positionals } = parse(command, words, config);
  const given = new Map(Object.entries(values));
  for (const [name, list] of given) {
    if (list.length > 1 && command.options[name]?.repeatable !== true)
      throw new UsageError(`--${name} was given ${list.length} times`, command.name);
  }
  const contradiction = command.contradictions.find(([option, other]) => given.has(option) && given.has(other));
  if (contradiction !== undefined) {
    const [option, other, why] = contradiction;
    throw new UsageError(`--${option} and --${other} cannot be given together: ${why}`, command.name);
  }
  const missing = command.takes.find((name, index) => !name.startsWith("[") && positionals[index] === undefined);
  if (missing !== undefined) throw new UsageError(`${command.name} needs ${missing}`, command.name);
  const tooMany = positionals[command.takes.length];
  if (tooMany !== undefined)
    throw new UsageError(`${JSON.stringify(tooMany)} is one word too many; quote JSON as one word`, command.name);
  const text = (option: string): string | undefined => given.get(option)?.[0] as string | undefined;
  const counts = new Map<string, number>();
  for (const [option, { counts: bounds, check }] of Object.entries(command.options)) {
    const typed = text(option);
    if (typed === undefined) continue;
    if (bounds !== undefined) counts.set(option, readCount(command.name, option, typed, bounds));
    check?.(typed, `--${option}`, (reason) => {
      throw new UsageError(reason, command.name);
    });
  }
  return {
    values: positionals,
    text,
    texts: (option) => (given.get(option) ?? []) as string[],
    has: (option) => given.has(option),
    count: (option) => counts.get(option),
  };
}

function readCount(command: string, option: string, typed: string, [least, most]: readonly [number, number?]): number {
  const value = /^-?\d{1,15}$/.test(typed) ? Number(typed) : typed;
  return count(least, most)(value, `--${option}`, (reason) => {
    throw new UsageError(reason, command);
  });
}

/** No option is a number: `-2` is a value. No word of a command line can hold this character, so that it marks one for the parser. */
const NUMBER_MARK = "\0";
const unmark = (word: string): string => word.replace(NUMBER_MARK, "");

function parse(
  command: CommandSpec,
  words: readonly string[],
  options: NonNullable<ParseArgsConfig["options"]>,
): {
  readonly values: Readonly<Record<string, readonly (string | boolean)[]>>;
  readonly positionals: readonly string[];
} {
  try {
    const args = words.map((word) => (/^-\d/.test(word) ? NUMBER_MARK + word : word));
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const typed = Object.entries(values as Record<string, (string | boolean)[]>).map(([name, list]) => [
      name,
      list.map((value) => (typeof value === "string" ? unmark(value) : value)),
    ]);
    return {
      values: Object.fromEntries(typed) as Record<string, (string | boolean)[]>,
      positionals: positionals.map(unmark),
    };
  } catch (error) {
    // Only the first sentence describes the mistake; the rest is about the library.
    const [first = "it cannot be understood"] = reasonOf(error).split(/\.\s|\n/);
    const hint = first.includes("ambiguous") ? "; a value that begins with a dash is written --option=value" : "";
    throw new UsageError(first.replaceAll("'", '"') + hint, command.name);
  }
}

const columns = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
};

function boundsOf({ counts }: OptionSpec): string {
  if (counts === undefined) return "";
  const [least, most] = counts;
  return most === undefined ? `; ${least} or more` : `; ${least} to ${most}`;
}

/** The help of one command. */
export function helpOf(command: CommandSpec): string {
  const options = Object.entries(command.options).map(([name, spec]): [string, string] => [
    `--${name}${spec.value === undefined ? "" : ` <${spec.value}>`}`,
    spec.help + boundsOf(spec),
  ]);
  return [
    `${command.help}.`,
    "",
    `Usage: buquet-workflow ${[command.name, ...command.takes, "[options]"].join(" ")}`,
    "",
    "Options:",
    columns([...options, ["-h, --help", "Show this"]]),
    "",
    "Examples:",
    ...command.examples.map((example) => `  ${example}`),
  ].join("\n");
}

/** The help of the program. */
export function helpOfAll(commands: readonly CommandSpec[]): string {
  return [
    "Durable workflows on object storage.",
    "",
    "Usage: buquet-workflow <command> [options]",
    "",
    "Commands:",
    columns(commands.map((command): [string, string] => [[command.name, ...command.takes].join(" "), command.help])),
    "",
    "buquet-workflow <command> --help shows its options and examples.",
    "Exit codes: 0 done; 1 the run did not complete, the store is not safe or does not answer; 2 the call is wrong.",
  ].join("\n");
}
