/** `explore`: every state that a workflow can reach, without a store. */
import { writeFile } from "node:fs/promises";
import { WorkflowError } from "../errors.ts";
import { DEFAULT_FAULTS } from "../testing/explore/setting.ts";
import { type Exploration, explore, type ExploreProgress } from "../testing/explore/explore.ts";
import type { Typed } from "./arguments.ts";
import { out as colours } from "./colours.ts";
import { print, printJson } from "./output.ts";
import { loadWorkflows } from "./session.ts";

/** How often people are told how far it is. */
const TELL_EVERY_MS = 2_000;

/** Walks it. Resolves with 1 when a rule is broken or there were too many states to look at. */
export async function exploreWorkflow(typed: Typed): Promise<number> {
  const [name = ""] = typed.values;
  const workflows = await loadWorkflows(typed.texts("workflows"));
  const workflow = workflows.find((other) => other.name === name);
  if (workflow === undefined) {
    const known = workflows.map((other) => other.name).join(", ");
    throw new WorkflowError(
      "invalid",
      known === "" ? `name the module of ${name}: --workflows ./module.js` : `there is no ${name}; there are ${known}`,
    );
  }
  const faults = typed.count("faults", 0);
  const limit = typed.count("limit", 1);
  const result = explore(workflow, {
    ...(faults === undefined ? {} : { faults }),
    ...(limit === undefined ? {} : { limit }),
    ...(typed.has("with-operator") ? { kinds: [...DEFAULT_FAULTS, "terminate", "retry"] } : {}),
    symmetry: typed.has("symmetry"),
    onProgress: progressTeller(),
  });
  const out = typed.text("out");
  const counterexample = result.violations.find(({ path }) => path.length > 0);
  if (out !== undefined && counterexample !== undefined)
    await writeFile(out, `${JSON.stringify(counterexample.toTimeline())}\n`);
  if (typed.has("json"))
    printJson({ ...result, violations: result.violations.map(({ toTest: _test, ...rest }) => rest) });
  else tell(result, out === undefined || counterexample === undefined ? undefined : out);
  return result.violations.length === 0 ? 0 : 1;
}

/** On standard error, so that it is in nobody's way. */
function progressTeller(): (progress: ExploreProgress) => void {
  let next = Date.now() + TELL_EVERY_MS;
  return ({ states, left, depth }) => {
    if (Date.now() < next) return;
    next = Date.now() + TELL_EVERY_MS;
    process.stderr.write(`${states} states, ${left} left to look at, ${depth} moves from the start\n`);
  };
}

const SHOWN = 12;

function tell(result: Exploration, out: string | undefined): void {
  const ends = Object.entries(result.ends).map(([status, count]) => `${count} ${status}`);
  print(`${result.workflow}: ${result.states} states, ${result.edges} moves; ends: ${ends.join(", ")}`);
  const { coverage } = result;
  for (const [what, { all, never }] of Object.entries(coverage)) {
    print(`${what}: ${all - never.length} of ${all} were met`);
    for (const name of never.slice(0, SHOWN)) print(`  never: ${name}`);
    if (never.length > SHOWN) print(`  and ${never.length - SHOWN} more`);
  }
  for (const { text } of result.violations) print(`\n${colours.red("broken")} ${text}`);
  if (out !== undefined) print(`\nthe first path is in ${out}; buquet-workflow inspect --file ${out} shows it`);
  if (result.violations.length === 0) print(colours.green("every rule holds in every state"));
}
