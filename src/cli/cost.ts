/** `cost`: what a run will cost before it runs. */
import { planOf } from "../../machines/plan/program.ts";
import type { Duration } from "../wire/duration.ts";
import {
  cost,
  type CostedWorkflow,
  type CostPath,
  costPaths,
  type CostOptions,
  type CostReport,
  type PathCost,
  PRICE_LISTS,
} from "../cost/index.ts";
import { REQUESTED_KINDS } from "../cost/requests.ts";
import { WorkflowError } from "../errors.ts";
import { StoredPrograms } from "../programs/stored-programs.ts";
import type { ParsedArguments } from "./arguments.ts";
import { coloured, print, printable, printJson, table } from "./output.ts";
import { loadWorkflows, openSession } from "./session.ts";

const MILLION = 1_000_000;
/** How many paths are played by default: a workflow has two or three for each step. */
const PATHS_PLAYED = 15;

/** `cost`: a table of paths, requests by kind and dollars. */
export async function showCost(args: ParsedArguments): Promise<number> {
  const [name = ""] = args.values;
  const workflow = await findWorkflow(args, name);
  const options = optionsOf(args);
  const wanted = wantedPaths(costPaths(workflow, options), args.texts("path"));
  // Every path takes time: those of three hundred steps would take minutes.
  const played = args.has("all") || args.has("json") ? wanted : wanted.slice(0, PATHS_PLAYED);
  const report = await cost(workflow, { ...options, paths: played });
  if (args.has("json")) return printJson({ ...report, prices: PRICE_LISTS });
  const [first] = report.paths;
  const same = report.paths.slice(1).filter((path) => first !== undefined && costsTheSame(path, first));
  const rows = report.paths.filter((path) => !same.includes(path));
  print(tableOf(rows));
  if (wanted.length > played.length)
    print(
      `${wanted.length - played.length} more paths: --all counts them, --path <text> those whose name holds the text`,
    );
  if (same.length > 0) print(`as the first: ${same.map(({ path }) => printable(path)).join(", ")}`);
  if (args.has("why")) for (const path of rows) print(`\n${printable(path.path)}\n${reasonsOf(path)}`);
  print(
    `\nRequests of one run; dollars for a million runs at list prices of ${PRICE_LISTS[0]?.lookedUpOn ?? ""}. Not in it:`,
  );
  print(aside("a run that only waits, a day", report.parkedDay, MILLION));
  print(aside("a worker with nothing to do, a day", report.idleWorkerDay, 1));
  print("  storage, transfer, and clients that ask whether a run is over");
  for (const note of report.notes) print(printable(note));
  return 0;
}

/** The paths whose names hold one of the texts; all when there is none. @throws {WorkflowError} `invalid` for a text in no name. */
function wantedPaths(paths: readonly CostPath[], texts: readonly string[]): readonly CostPath[] {
  const unknown = texts.find((text) => !paths.some(({ name }) => name.includes(text)));
  if (unknown !== undefined) {
    throw new WorkflowError(
      "invalid",
      `--path ${JSON.stringify(unknown)} is in the name of no path; there are ${namesOf(paths)}`,
    );
  }
  return texts.length === 0 ? paths : paths.filter(({ name }) => texts.some((text) => name.includes(text)));
}

function namesOf(paths: readonly CostPath[]): string {
  const more = paths.length > PATHS_PLAYED ? ` and ${paths.length - PATHS_PLAYED} more` : "";
  return `${paths
    .slice(0, PATHS_PLAYED)
    .map(({ name }) => printable(name))
    .join(", ")}${more}`;
}

/** A definition of the modules that were named, else what workers of the bucket serve. */
async function findWorkflow(args: ParsedArguments, name: string): Promise<CostedWorkflow> {
  const loaded = await loadWorkflows(args.texts("workflows"));
  const defined = loaded.find((workflow) => workflow.name === name);
  if (defined !== undefined) return defined;
  await using session = await openSession(args);
  const { store, host } = session.handle.context;
  const program = await new StoredPrograms(store, host, []).byName(name);
  if (program === undefined) {
    const known =
      loaded.length === 0 ? "name its module with --workflows" : `known are ${loaded.map((w) => w.name).join(", ")}`;
    throw new WorkflowError(
      "invalid",
      `no workflow ${JSON.stringify(name)} is known here or was ever served on ${store.url}; ${known}`,
    );
  }
  const plan = planOf(program);
  if (plan === undefined)
    throw new WorkflowError("invalid", `${JSON.stringify(name)} is no DAG of steps, so it cannot be priced`);
  return { name, plan, definitionHash: program.definitionHash };
}

function optionsOf(args: ParsedArguments): CostOptions {
  const durations = args.texts("duration").map((text) => halves("duration", text));
  const all = durations.find(([step]) => step === undefined)?.[1];
  const twice = durations.find(([step], index) => durations.findIndex(([other]) => other === step) < index);
  if (twice !== undefined)
    throw new WorkflowError("invalid", `--duration was given twice for ${twice[0] ?? "all steps"}`);
  const own = durations.flatMap(([step, value]): [string, Duration][] =>
    step === undefined ? [] : [[step, value as Duration]],
  );
  if (all !== undefined && own.length > 0)
    throw new WorkflowError("invalid", "--duration is one for all steps, or step=duration for each that is meant");
  const waits = new Map<string, { signal: string }[]>();
  for (const text of args.texts("waits")) {
    const [step, signal] = halves("waits", text);
    if (step === undefined) throw new WorkflowError("invalid", `--waits ${text}: write step=signal`);
    waits.set(step, [...(waits.get(step) ?? []), { signal }]);
  }
  const answer = args.text("answer");
  const foreignPoll = args.text("foreign-poll");
  return {
    ...(all === undefined ? {} : { duration: all as Duration }),
    ...(own.length === 0 ? {} : { duration: Object.fromEntries(own) }),
    ...(waits.size === 0 ? {} : { waits: Object.fromEntries(waits) }),
    ...(answer === undefined ? {} : { answer: answer as Duration }),
    ...(foreignPoll === undefined ? {} : { foreignPoll: foreignPoll as Duration }),
  };
}

/** `step=value`, or a value alone. The last `=` counts: names of steps may hold one. */
function halves(option: string, text: string): [string | undefined, string] {
  const at = text.lastIndexOf("=");
  if (at === 0 || at === text.length - 1) throw new WorkflowError("invalid", `--${option} ${text}: a half is missing`);
  return at === -1 ? [undefined, text] : [text.slice(0, at), text.slice(at + 1)];
}

/** Most retries cost nothing but time: a row for each would say so again and again. */
function costsTheSame(a: PathCost, b: PathCost): boolean {
  return a.status === b.status && REQUESTED_KINDS.every((kind) => a.requests[kind] === b.requests[kind]);
}

function tableOf(paths: readonly PathCost[]): string {
  return table(
    ["PATH", "END", ...REQUESTED_KINDS.map((kind) => kind.toUpperCase()), ...PRICE_LISTS.map(({ name }) => name)],
    paths.map(({ path, status, requests, dollars }) => [
      printable(path),
      coloured(status),
      ...REQUESTED_KINDS.map((kind) => String(requests[kind])),
      ...PRICE_LISTS.map(({ name }) => `$${(dollars[name] ?? 0).toFixed(2)}`),
    ]),
  );
}

function reasonsOf({ because }: PathCost): string {
  return table(
    ["WHAT", ...REQUESTED_KINDS.map((kind) => kind.toUpperCase())],
    because.map(({ what, requests }) => [printable(what), ...REQUESTED_KINDS.map((kind) => String(requests[kind]))]),
  );
}

function aside(what: string, { requests, dollars }: CostReport["parkedDay"], of: number): string {
  const counts = REQUESTED_KINDS.filter((kind) => requests[kind] > 0).map(
    (kind) => `${requests[kind]} ${kind.toUpperCase()}`,
  );
  const prices = PRICE_LISTS.map(({ name }) => `${name} $${(((dollars[name] ?? 0) * of) / MILLION).toFixed(2)}`);
  return `  ${what}: ${counts.join(" ")}${of === 1 ? "" : "; a million of them"}: ${prices.join(", ")}`;
}
