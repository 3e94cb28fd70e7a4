/** What the options of a model and of its paths may be: one that nobody reads would leave out what its writer believes was looked at. */
import type { Plan, PlanStep } from "../../../machines/plan/plan.ts";
import { parseDuration } from "../../wire/duration.ts";
import { OptionCheck } from "../check.ts";
import type { HandlerWait } from "./events.ts";
import type { PathsOptions } from "./paths.ts";
import { reasonOf } from "../../host/error-data.ts";

/** Everything that `model` and `paths` take: options are handed from one to the other. */
type ModelOptions = PathsOptions & { readonly createTestModel?: unknown };

// As a record, so that the compiler finds what is missing here.
const OPTIONS = Object.keys({
  kind: true,
  waits: true,
  failures: true,
  generations: true,
  cancel: true,
  pause: true,
  terminate: true,
  input: true,
  outputs: true,
  signals: true,
  coverage: true,
  createTestModel: true,
} satisfies Readonly<Record<keyof ModelOptions, true>>);

/**
 * Refuses what no model of this plan can mean. `subject`: the function that was called.
 * @throws {WorkflowError} `invalid`
 */
export function checkModelOptions(plan: Plan, options: ModelOptions, subject: string): void {
  const check = new OptionCheck(subject);
  check.members("the object of options", options, OPTIONS);
  check.oneOf("kind", options.kind, ["shortest", "simple"]);
  check.count("failures", options.failures, 0);
  check.count("generations", options.generations, 1);
  for (const option of ["cancel", "pause", "terminate"] as const) check.typed(option, options[option], "boolean");
  for (const option of ["waits", "outputs", "signals"] as const)
    if (options[option] !== undefined) check.members(option, options[option]);
  const waits = Object.entries(options.waits ?? {});
  for (const [name, list] of waits) checkWaits(check, plan, name, list);
  for (const name of Object.keys(options.outputs ?? {}))
    if (stepOf(check, plan, `outputs.${name}`, name).kind === "signal")
      check.refuse(`outputs.${name} is for a step with a result of its own; what a signal node takes is in signals`);
  const nodes = plan.steps.flatMap((step) => (step.kind === "signal" ? [step.name] : []));
  const heard = new Set([...nodes, ...(plan.signals ?? []), ...waits.flatMap(([, list]) => list.map(nameOf))]);
  for (const name of Object.keys(options.signals ?? {}))
    if (!heard.has(name)) check.refuse(`signals.${name} is for no signal; there are ${listed([...heard])}`);
}

function checkWaits(check: OptionCheck, plan: Plan, name: string, waits: readonly HandlerWait[]): void {
  const what = `waits.${name}`;
  const step = stepOf(check, plan, what, name);
  if (step.kind === "signal") check.refuse(`${what} is for a handler; ${name} is a signal node, which waits by itself`);
  if (step.remote) check.refuse(`${what} is for a handler; ${name} is remote and has none here`);
  check.list(what, waits);
  for (const [index, wait] of waits.entries()) {
    const one = `${what}[${index}]`;
    check.members(one, wait, ["signal", "timeout"]);
    if (typeof wait.signal !== "string") check.refuse(`${one} names no signal; it is { signal: "…", timeout: "7d" }`);
    if (plan.signals?.includes(wait.signal) === false)
      check.refuse(`${one} waits for ${JSON.stringify(wait.signal)}; the workflow declares ${listed(plan.signals)}`);
    try {
      if (wait.timeout !== undefined) parseDuration(wait.timeout);
    } catch (error) {
      check.refuse(`${one}.timeout: ${reasonOf(error)}`);
    }
  }
}

function stepOf(check: OptionCheck, plan: Plan, what: string, name: string): PlanStep {
  const step = plan.steps.find((other) => other.name === name);
  return step ?? check.refuse(`${what} is for no step; there are ${listed(plan.steps.map((other) => other.name))}`);
}

const nameOf = ({ signal }: HandlerWait): string => signal;
const listed = (names: readonly string[]): string => names.join(", ") || "none";
