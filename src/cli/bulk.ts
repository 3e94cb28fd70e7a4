/** Commands for one run or, with `--all`, for every run that matches. */
import { checkFilters } from "../client/runs.ts";
import type { Duration } from "../wire/duration.ts";
import type { BulkCommand, BulkResult, ListRunsOptions } from "../index.ts";
import { type OptionSpec, type ParsedArguments, UsageError } from "./arguments.ts";
import { coloured, fail, print, printable } from "./output.ts";
import { openSession } from "./session.ts";

/** Filters of `list` and of `--all`. */
export const FILTERS: Readonly<Record<string, OptionSpec>> = {
  type: { value: "name", help: "Only runs of this workflow" },
  status: { value: "status", help: "Only runs with this status" },
  prefix: { value: "text", help: "Only ids that begin with this" },
  "older-than": { value: "duration", help: "Only runs that have not changed for this long" },
};

/** Options of a command that can be given to many runs. */
export const BULK: Readonly<Record<string, OptionSpec>> = {
  all: { help: "Every run that fits, in place of one" },
  ...FILTERS,
  limit: { value: "n", help: "With --all: most runs that are changed (default: all)", counts: [1] },
  "dry-run": { help: "With --all: only tell what would be done, also with --yes" },
  yes: { help: "With --all: do it; nobody is asked, so that scripts need not answer" },
};

/** What was typed as filters, checked before anything is opened. @throws {WorkflowError} `invalid` */
export function filtersOf(args: ParsedArguments): ListRunsOptions {
  const [type, status, prefix, olderThan] = ["type", "status", "prefix", "older-than"].map((name) => args.text(name));
  const limit = args.count("limit");
  const filters = {
    ...(type === undefined ? {} : { type }),
    ...(status === undefined ? {} : { status: status as NonNullable<ListRunsOptions["status"]> }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(olderThan === undefined ? {} : { olderThan: olderThan as Duration }),
    ...(limit === undefined ? {} : { limit }),
  };
  checkFilters(filters);
  return filters;
}

/** Whether `--all` was typed. @throws {UsageError} for a call that could mean something else than it says. */
export function isBulk(args: ParsedArguments, command: string): boolean {
  const [id] = args.values;
  const all = args.has("all");
  if (all && id !== undefined) throw new UsageError(`${command} takes an id or --all, not both`, command);
  if (!all && id === undefined) throw new UsageError(`${command} needs <id>, or --all`, command);
  const stray = Object.keys(BULK).find((option) => option !== "all" && args.has(option));
  if (!all && stray !== undefined) throw new UsageError(`--${stray} goes with --all`, command);
  if (all && !args.has("yes") && !args.has("dry-run"))
    throw new UsageError(
      `${command} --all changes every run that fits; add --dry-run to see which, or --yes to do it`,
      command,
    );
  return all;
}

/** Gives a command to every run that matches. Exit code 1 when it failed for any of them. */
export async function bulkRuns(args: ParsedArguments, command: BulkCommand): Promise<number> {
  const filters = filtersOf(args);
  await using session = await openSession(args);
  const counts = { accepted: 0, would: 0, failed: 0 };
  for await (const result of session.client.bulk(command, filters, { dryRun: args.has("dry-run") })) {
    counts[result.outcome] += 1;
    tell(result, command.type, args.has("json"));
  }
  if (!args.has("json")) summarize(command.type, counts);
  return counts.failed > 0 ? 1 : 0;
}

function tell(result: BulkResult, command: string, json: boolean): void {
  if (json) return print(JSON.stringify(result));
  const { id, type = "", status, leads, outcome, error } = result;
  if (outcome === "failed") return fail(`${command} of ${id}: ${error ?? "no reason given"}`, "failed");
  const to = leads === undefined || leads.status === status ? "" : ` → ${coloured(leads.status)}`;
  const after = [
    ...(leads?.starts ?? []).map((step) => `starts ${step}`),
    ...(leads?.undoes ?? []).map((step) => `undoes ${step}`),
  ];
  print([printable(id), printable(type), `${coloured(status ?? "")}${to}`, ...after.map(printable)].join("  "));
}

function summarize(command: string, { accepted, would, failed }: Record<BulkResult["outcome"], number>): void {
  const parts = [
    ...(accepted > 0 ? [`${command} of ${runs(accepted)} is accepted; workers apply it`] : []),
    ...(would > 0 ? [`${command} would change ${runs(would)}; nothing was done`] : []),
    ...(failed > 0 ? [`${runs(failed)} could not be told`] : []),
  ];
  process.stderr.write(`${parts.length === 0 ? `no run fits that ${command} would change` : parts.join("; ")}\n`);
}

const runs = (count: number): string => (count === 1 ? "1 run" : `${count} runs`);
