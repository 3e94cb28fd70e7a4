/** `graph`: draws a workflow, or a run with the states that it is in. */
import { extname } from "node:path";
import type { MachineConfig } from "../../machines/chart.ts";
import { compilePlan } from "../../machines/plan/compile.ts";
import type { PersistedSnapshot } from "../../machines/snapshot.ts";
import { registeredDefinition } from "../define/registered.ts";
import { drawChart, type DrawingFormat } from "../draw/drawing.ts";
import { WorkflowError } from "../errors.ts";
import { EFFECTS } from "../run/effects/effects.ts";
import { repairRecord } from "../run/foreign/repair.ts";
import { StoredPrograms } from "../programs/stored-programs.ts";
import { type ParsedArguments, UsageError } from "./arguments.ts";
import { paintPng } from "./chromium.ts";
import { print, printable, printJson } from "./output.ts";
import { loadWorkflows, openSession } from "./session.ts";
import { writeOutput } from "./write.ts";

const FORMATS = ["svg", "png", "mermaid", "json", "source"] as const;
type Format = (typeof FORMATS)[number];

const BY_EXTENSION: Readonly<Record<string, Format>> = {
  ".svg": "svg",
  ".png": "png",
  ".mmd": "mermaid",
  ".mermaid": "mermaid",
  ".json": "json",
  ".ts": "source",
};

/** What is drawn. */
interface Subject {
  /** The name of the workflow. */
  readonly name: string;
  readonly chart: MachineConfig;
  /** Undefined: no state is highlighted. */
  readonly snapshot?: PersistedSnapshot;
}

/** `graph`. */
export async function drawGraph(args: ParsedArguments): Promise<number> {
  const out = args.text("out");
  const format = formatOf(args.text("format"), out);
  if (format === "png" && out === undefined && process.stdout.isTTY)
    throw new UsageError("a PNG is nothing for a terminal: give --out file.png, or pipe it", "graph");
  if (args.has("json") && out === undefined)
    throw new UsageError("--json says what was written with --out; the chart as JSON is --format json", "graph");
  const subject = await find(args);
  const drawn = format === "png" ? await paintPng(await draw(subject, "svg")) : await draw(subject, format);
  if (out === undefined) {
    process.stdout.write(drawn);
    return 0;
  }
  await writeOutput(out, drawn);
  if (args.has("json")) return printJson({ workflow: subject.name, format, out });
  print(`${printable(subject.name)} as ${format}: ${out}`);
  return 0;
}

const draw = ({ chart, snapshot }: Subject, format: DrawingFormat): Promise<string> =>
  drawChart(chart, format, snapshot);

function formatOf(name: string | undefined, out: string | undefined): Format {
  const guessed = out === undefined ? undefined : BY_EXTENSION[extname(out).toLowerCase()];
  if (name !== undefined) {
    const format = FORMATS.find((known) => known === name);
    if (format === undefined)
      throw new UsageError(`--format is one of ${FORMATS.join(", ")}, not ${JSON.stringify(name)}`, "graph");
    if (guessed !== undefined && guessed !== format)
      throw new UsageError(`--format ${format} and --out ${out} contradict each other; leave one out`, "graph");
    return format;
  }
  if (out === undefined) return "svg";
  if (guessed === undefined)
    throw new UsageError(`${out} does not say which format; give --format ${FORMATS.join("|")}`, "graph");
  return guessed;
}

async function find(args: ParsedArguments): Promise<Subject> {
  const [name] = args.values;
  const id = args.text("run");
  if (id !== undefined) return findRun(args, id, name);
  if (name === undefined) throw new UsageError("graph needs <workflow> or --run <id>", "graph");
  // What is drawn before it ever runs needs no store.
  const modules = args.texts("workflows");
  const workflows = await loadWorkflows(modules);
  const known = workflows.find((workflow) => workflow.name === name);
  if (known !== undefined) return { name, chart: compilePlan(known.plan) };
  if (modules.length > 0) {
    const names = workflows.map((workflow) => JSON.stringify(workflow.name)).join(", ");
    throw new WorkflowError(
      "invalid",
      `${modules.join(", ")} export no workflow ${JSON.stringify(name)}, only ${names}`,
    );
  }
  await using session = await openSession(args);
  const program = await new StoredPrograms(session.handle.context.store, session.handle.context.host, []).byName(name);
  if (program === undefined)
    throw new WorkflowError(
      "invalid",
      `no worker of this store ever served ${JSON.stringify(name)}; name the module that exports it: --workflows`,
    );
  return { name, chart: program.chart() };
}

async function findRun(args: ParsedArguments, id: string, name: string | undefined): Promise<Subject> {
  await using session = await openSession(args);
  const { record } = await session.client.get(id);
  if (name !== undefined && name !== record.type)
    throw new WorkflowError(
      "invalid",
      `run ${JSON.stringify(id)} is of ${JSON.stringify(record.type)}, not ${JSON.stringify(name)}`,
    );
  const { store, host } = session.handle.context;
  const programs = new StoredPrograms(store, host, session.workflows.map(registeredDefinition));
  const repaired = await repairRecord({ store, programs, effects: EFFECTS }, record);
  if ("reason" in repaired)
    throw new WorkflowError("data", `run ${JSON.stringify(id)} cannot be drawn: ${repaired.reason}`);
  const subject = { name: repaired.program.name, chart: repaired.program.chart() };
  const snapshot = repaired.record.machine?.snapshot;
  return snapshot === undefined ? subject : { ...subject, snapshot };
}
