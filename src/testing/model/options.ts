/** Checks the options of models and paths. An option without effect would leave out what its author believes to be tested. */
import type { Plan, PlanStep } from "../../../machines/plan/plan.ts";
import {
  anything,
  type ChecksOf,
  countOrNoLimit,
  duration,
  flag,
  listOf,
  oneOf,
  optionsOf,
  readSettings,
  recordOf,
  type Refuse,
  refuseSettings,
  text,
} from "../../settings.ts";
import type { HandlerWait } from "./events.ts";
import type { PathsOptions } from "./paths.ts";

/** Everything that `model` and `paths` take: options are handed from one to the other. */
type ModelOptions = PathsOptions & { readonly createTestModel?: unknown };

const WAIT = { signal: text, timeout: duration(0) } satisfies ChecksOf<HandlerWait>;

const CHECKS = {
  kind: oneOf("shortest", "simple"),
  waits: recordOf(listOf(optionsOf(WAIT, ["signal"]))),
  failures: countOrNoLimit(0),
  generations: countOrNoLimit(1),
  cancel: flag,
  input: anything,
  outputs: recordOf(anything),
  signals: recordOf(anything),
  coverage: anything,
  createTestModel: anything,
} satisfies ChecksOf<ModelOptions>;

/**
 * Refuses what no model of this plan can mean. `subject`: the function that was called.
 * @throws {WorkflowError} `invalid`
 */
export function checkModelOptions(plan: Plan, options: ModelOptions, subject: string): void {
  readSettings(subject, CHECKS, options);
  const refuse: Refuse = (reason) => refuseSettings(subject, reason);
  const waits = Object.entries(options.waits ?? {});
  for (const [name, list] of waits) checkWaits(refuse, plan, name, list);
  for (const name of Object.keys(options.outputs ?? {}))
    if (stepOf(refuse, plan, `outputs.${name}`, name).kind === "signal")
      refuse(`outputs.${name} is for a step with a result of its own; what a signal node takes is in signals`);
  const nodes = plan.steps.flatMap((step) => (step.kind === "signal" ? [step.name] : []));
  const heard = new Set([...nodes, ...(plan.signals ?? []), ...waits.flatMap(([, list]) => list.map(nameOf))]);
  for (const name of Object.keys(options.signals ?? {}))
    if (!heard.has(name)) refuse(`signals.${name} is for no signal; there are ${listed([...heard])}`);
}

function checkWaits(refuse: Refuse, plan: Plan, name: string, waits: readonly HandlerWait[]): void {
  const what = `waits.${name}`;
  const step = stepOf(refuse, plan, what, name);
  if (step.kind === "signal") refuse(`${what} is for a handler; ${name} is a signal node, which waits by itself`);
  if (step.remote) refuse(`${what} is for a handler; ${name} is remote and has none here`);
  for (const [index, { signal }] of waits.entries())
    if (plan.signals?.includes(signal) === false)
      refuse(`${what}[${index}] waits for ${JSON.stringify(signal)}; the workflow declares ${listed(plan.signals)}`);
}

function stepOf(refuse: Refuse, plan: Plan, what: string, name: string): PlanStep {
  const step = plan.steps.find((other) => other.name === name);
  return step ?? refuse(`${what} is for no step; there are ${listed(plan.steps.map((other) => other.name))}`);
}

const nameOf = ({ signal }: HandlerWait): string => signal;
const listed = (names: readonly string[]): string => names.join(", ") || "none";
