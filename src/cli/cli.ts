/** The command line without its process: arguments in, an exit code out. */
import { type ErrorCode, isWorkflowError } from "../errors.ts";
import { helpOf, helpOfAll, parseArguments, UsageError } from "./arguments.ts";
import { commands } from "./commands.ts";
import { errorDataOf, summaryOf } from "../host/error-data.ts";
import { fail, print } from "./output.ts";

/** The version that `--version` prints; a test holds it to package.json. */
export const VERSION = "0.1.0";

/** Whether a command line starts a service, which continues when nobody reads its output. */
export function isServiceCall(words: readonly string[]): boolean {
  return SERVICES.has(words[0] ?? "");
}

const SERVICES: ReadonlySet<string> = new Set(["worker", "sweeper", "inspect"]);

/** Runs one command line. Exit codes: 0 done, 1 the run failed or the answer is no, 2 the call is wrong. Never rejects. */
export async function runCli(words: readonly string[]): Promise<number> {
  const json = words.includes("--json");
  try {
    return await dispatch(words);
  } catch (error) {
    if (!isWorkflowError(error)) return failed(errorDataOf(error).stack ?? summaryOf(error), "internal", json);
    return failed(error.message, error.code, json);
  }
}

/** The codes of wrong calls, which would be refused again. */
const WRONG_CALLS: readonly ErrorCode[] = ["invalid", "not_found", "conflict"];

function failed(message: string, code: ErrorCode, json: boolean): number {
  fail(message, code, json);
  return WRONG_CALLS.includes(code) ? 2 : 1;
}

async function dispatch(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined) {
    fail(helpOfAll(commands));
    return 2;
  }
  if (name === "--version" || name === "-v") return said(VERSION);
  const asked = name === "help" ? rest[0] : name;
  if (asked === undefined || asked === "--help" || asked === "-h") return said(helpOfAll(commands));
  const command = commands.find((candidate) => candidate.name === asked);
  if (command === undefined) throw new UsageError(`there is no command ${JSON.stringify(asked)}`);
  const end = rest.indexOf("--");
  const before = end === -1 ? rest : rest.slice(0, end);
  if (name === "help" || before.includes("--help") || before.includes("-h")) return said(helpOf(command));
  return command.run(parseArguments(command, rest));
}

function said(text: string): number {
  print(text);
  return 0;
}
