/** `explore`: every state that a workflow can reach, without a store. */
import { dirname, relative, resolve, sep } from "node:path";
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import { checkExploreOptions } from "../testing/explore/options.ts";
import { DEFAULT_FAULTS } from "../testing/oracle/setting.ts";
import { type Exploration, explore, type ExploreOptions, type ExploreProgress } from "../testing/explore/explore.ts";
import type { TestImports } from "../testing/explore/violation.ts";
import { type ParsedArguments, UsageError } from "./arguments.ts";
import { out as colours } from "./colours.ts";
import { print, printable, printableLines, printJson } from "./output.ts";
import { isWorkflow, loadExports, loadWorkflows } from "./session.ts";
import { writeOutput } from "./write.ts";

/** How often progress is printed. */
const TELL_EVERY_MS = 2_000;

/** Explores the workflow. Resolves with 1 when a rule is broken or the limit of states was reached. */
export async function exploreWorkflow(args: ParsedArguments): Promise<number> {
  const [name = ""] = args.values;
  const workflows = await loadWorkflows(args.texts("workflows"));
  const workflow = workflows.find((other) => other.name === name);
  if (workflow === undefined) {
    const known = workflows.map((other) => other.name).join(", ");
    throw new WorkflowError(
      "invalid",
      known === "" ? `name the module of ${name}: --workflows ./module.js` : `there is no ${name}; there are ${known}`,
    );
  }
  const faults = args.count("faults");
  const limit = args.count("limit");
  const test = args.text("test");
  if (test !== undefined && test === args.text("out"))
    throw new UsageError(`--out and --test both write ${test}; give each a file of its own`, "explore");
  // Before the walk, which may take a while.
  const imports = test === undefined ? undefined : await importsOf(args, workflow, test);
  const result = explore(workflow, {
    ...(await rulesOf(args)),
    ...(faults === undefined ? {} : { faults }),
    ...(limit === undefined ? {} : { limit }),
    ...(args.has("with-operator") ? { kinds: [...DEFAULT_FAULTS, "terminate", "retry"] } : {}),
    ...(args.has("symmetry") ? { symmetry: true } : {}),
    onProgress: progressTeller(),
  });
  const out = args.text("out");
  // A path without a step is one too: the rule is broken before anything happens. Only a walk that was cut short has none.
  const counterexample = result.violations.find(({ check }) => check !== "limit");
  if (counterexample !== undefined) {
    if (out !== undefined) await writeOutput(out, `${JSON.stringify(counterexample.toTimeline())}\n`);
    if (test !== undefined && imports !== undefined) await writeOutput(test, counterexample.toTest(imports));
  }
  const files = [out, test].filter((file) => file !== undefined);
  if (counterexample === undefined && result.truncated && files.length > 0)
    process.stderr.write(
      `nothing was written to ${files.join(" and ")}: the walk was cut short before it met a broken rule, so there is no path\n`,
    );
  if (args.has("json"))
    printJson({ ...result, violations: result.violations.map(({ toTest: _test, ...rest }) => rest) });
  else tell(result, counterexample === undefined ? {} : { out, test });
  return result.violations.length === 0 ? 0 : 1;
}

/** What the module says of signals, results and own checks, under the name that `--rules` gives. */
async function rulesOf(args: ParsedArguments): Promise<ExploreOptions> {
  const name = args.text("rules");
  if (name === undefined) return {};
  const modules = args.texts("workflows");
  const rules = (await loadExports(modules)).find((exported) => exported.name === name)?.value;
  if (typeof rules !== "object" || rules === null)
    throw new WorkflowError("invalid", `${modules.join(", ")} export no object ${name}, the options of explore`);
  if (isWorkflow(rules))
    throw new WorkflowError("invalid", `${name} is a workflow; --rules names the object with the options of explore`);
  if (Object.keys(rules).length === 0)
    throw new WorkflowError("invalid", `${name} holds no option of explore, such as always, finally or signals`);
  checkExploreOptions(rules, name);
  return rules;
}

/** Where a test that lies in `file` finds the workflow and its rules. */
async function importsOf(args: ParsedArguments, workflow: AnyWorkflow, file: string): Promise<TestImports> {
  const exported = (await loadExports(args.texts("workflows"))).find(({ value }) => value === workflow);
  if (exported === undefined)
    throw new WorkflowError("invalid", `a test cannot import ${workflow.name}: it is exported only inside of a list`);
  const path = relative(dirname(resolve(file)), resolve(exported.module)).replaceAll(sep, "/");
  const options = args.text("rules");
  return {
    from: path.startsWith("../") ? path : `./${path}`,
    workflow: exported.name,
    ...(options === undefined ? {} : { options }),
  };
}

/** On standard error, apart from the result. */
function progressTeller(): (progress: ExploreProgress) => void {
  let next = Date.now() + TELL_EVERY_MS;
  return ({ states, left, depth }) => {
    if (Date.now() < next) return;
    next = Date.now() + TELL_EVERY_MS;
    process.stderr.write(`${states} states, ${left} left to look at, ${depth} moves from the start\n`);
  };
}

const SHOWN = 12;

function tell(
  result: Exploration,
  { out, test }: { readonly out?: string | undefined; readonly test?: string | undefined },
): void {
  const ends = Object.entries(result.ends).map(([status, count]) => `${count} ${status}`);
  print(`${printable(result.workflow)}: ${result.states} states, ${result.edges} moves; ends: ${ends.join(", ")}`);
  const { coverage } = result;
  for (const [what, { all, never }] of Object.entries(coverage)) {
    print(`${what}: ${all - never.length} of ${all} were met`);
    for (const name of never.slice(0, SHOWN)) print(`  never: ${printable(name)}`);
    if (never.length > SHOWN) print(`  and ${never.length - SHOWN} more`);
  }
  for (const { text } of result.violations) print(`\n${colours.red("broken")} ${printableLines(text)}`);
  for (const note of result.notes) print(`note: ${printable(note)}`);
  if (out !== undefined) print(`\nthe first path is in ${out}; buquet-workflow inspect --file ${out} shows it`);
  if (test !== undefined) print(`\nthe first path as a test is in ${test}`);
  if (result.violations.length === 0) print(colours.green("every rule holds in every state"));
}
