/** Turns what the user wrote into a plan and a table of handlers. */
import type { AnyStateMachine } from "xstate";
import { buildMachine } from "../../machines/plan/advance.ts";
import { hasCompensation } from "../../machines/plan/compile.ts";
import type { OnFailure, Plan, PlanStep } from "../../machines/plan/plan.ts";
import type { RetryPolicy } from "../../machines/program.ts";
import { MAX_STEPS, type PlanProblem, validatePlan } from "../../machines/plan/validate.ts";
import { WorkflowError } from "../errors.ts";
import { sha256Hex } from "../host/uuid.ts";
import { checkStepName, checkWorkflowName, nameProblem } from "../names.ts";
import { checkMembers } from "../settings.ts";
import { checkLongestWait, checkRetryPolicy, DEFAULT_RETRY_POLICY } from "../wire/backoff.ts";
import { type Duration, parseDuration, shown } from "../wire/duration.ts";
import { definitionHash, sortedJson } from "../wire/hash.ts";
import { isSchema, type Schema } from "./schema.ts";
import type { AnyWorkflow, CompiledWorkflow, ErasedHandlers, UntypedOptions } from "./workflow.ts";
import { reasonOf } from "../host/error-data.ts";

/** The default of `retries`. */
export const DEFAULT_RETRIES = 3;
/** The default of `timeout`. */
export const DEFAULT_TIMEOUT_MS = 300_000;

type Options = UntypedOptions;

/** One node as written, before defaults that depend on the whole are known. */
export interface StepDraft {
  readonly plan: Omit<PlanStep, "onFailure"> & { readonly onFailure: OnFailure | undefined };
  readonly handlers: ErasedHandlers;
  readonly schema: Schema | undefined;
}

interface WrittenStep {
  readonly dependsOn?: readonly string[];
  readonly retries?: number;
  readonly retryPolicy?: Partial<RetryPolicy>;
  readonly timeout?: Duration;
  readonly delay?: Duration;
  readonly onFailure?: OnFailure;
  readonly remote?: boolean;
  readonly run?: (context: unknown) => unknown;
  readonly compensate?: (context: unknown, result?: unknown) => unknown;
}

interface WrittenSignal {
  readonly dependsOn?: readonly string[];
  readonly schema?: Schema;
  readonly timeout?: Duration;
  readonly onTimeout?: "fail" | "continue";
  readonly onFailure?: OnFailure;
}

const STEP_OPTIONS = [
  "dependsOn",
  "retries",
  "retryPolicy",
  "timeout",
  "delay",
  "onFailure",
  "remote",
  "run",
  "compensate",
];
const SIGNAL_OPTIONS = ["dependsOn", "schema", "timeout", "onTimeout", "onFailure"];
const WORKFLOW_OPTIONS = ["input", "version", "signals", "compensation", "foreign", "output"];
const POLICIES = ["fail_workflow", "pause_workflow", "continue", "compensate"];
const MAX_RETRIES = 1_000_000;

/** Refuses the definition, with the place of the mistake. */
type Refuse = (reason: string) => never;

const refuser =
  (workflow: string, step?: string): Refuse =>
  (reason) => {
    const where = step === undefined ? "" : `, step ${JSON.stringify(step)}`;
    throw new WorkflowError("invalid", `workflow ${JSON.stringify(workflow)}${where}: ${reason}`);
  };

function checkOneOf(refuse: Refuse, option: string, value: unknown, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value as string))
    refuse(`${option} is ${shown(value)}; it must be ${allowed.join(" or ")}`);
}

function checkSchema(refuse: Refuse, option: string, value: unknown): void {
  if (value !== undefined && !isSchema(value))
    refuse(`${option} is ${shown(value)}; it must be a zod schema, or another one that implements Standard Schema`);
}

function duration(refuse: Refuse, option: string, value: string | number, least: 0 | 1): number {
  let ms: number;
  try {
    ms = parseDuration(value);
  } catch (error) {
    return refuse(`${option}: ${reasonOf(error)}`);
  }
  if (ms < least) refuse(`${option} is ${shown(value)}; it must be at least 1 ms`);
  return ms;
}

function checkStep(
  refuse: Refuse,
  name: string,
  written: WrittenStep | WrittenSignal,
  before: readonly StepDraft[],
): void {
  const names = new Set(before.map((draft) => draft.plan.name));
  if (names.has(name)) refuse("a step of this name is there already");
  if (before.length >= MAX_STEPS)
    refuse(`it would be one step more than ${MAX_STEPS}; split the workflow into several`);
  const { dependsOn = [], onFailure } = written;
  if (!Array.isArray(dependsOn)) refuse(`dependsOn is a list of step names, not ${shown(dependsOn)}`);
  const seen = new Set<unknown>();
  for (const other of dependsOn) {
    if (other === name) refuse("it depends on itself");
    if (!names.has(other)) refuse(`it depends on ${shown(other)}, which is not a step written before it`);
    if (seen.has(other)) refuse(`it depends on ${shown(other)} twice`);
    seen.add(other);
  }
  checkOneOf(refuse, "onFailure", onFailure, POLICIES);
}

function resolveRetryPolicy(refuse: Refuse, written: Partial<RetryPolicy> | undefined): RetryPolicy {
  if (written === undefined) return DEFAULT_RETRY_POLICY;
  checkMembers(refuse, "the members of retryPolicy", written, Object.keys(DEFAULT_RETRY_POLICY));
  const policy = { ...DEFAULT_RETRY_POLICY, ...written };
  checkRetryPolicy(policy, refuse);
  return policy;
}

function draftStep(workflow: string, name: string, written: WrittenStep, before: readonly StepDraft[]): StepDraft {
  checkStepName(name);
  const refuse = refuser(workflow, name);
  if (written === undefined || written === null) refuse("it needs a handler: a function, or options with run");
  checkMembers(refuse, "the options of a step", written, STEP_OPTIONS);
  checkStep(refuse, name, written, before);
  const { retries = DEFAULT_RETRIES, remote = false, run, compensate } = written;
  if (!Number.isInteger(retries) || retries < 0 || retries > MAX_RETRIES)
    refuse(`retries is ${shown(retries)}; it must be a whole number from 0 to ${MAX_RETRIES}`);
  if (typeof remote !== "boolean") refuse(`remote is ${shown(remote)}; it must be true or false`);
  if (run !== undefined && typeof run !== "function") refuse(`run is ${shown(run)}; it must be a function`);
  if (remote === (run !== undefined))
    refuse(remote ? "a remote step has no handler here: leave out run or remote" : "it needs a handler: run");
  if (compensate !== undefined && typeof compensate !== "function")
    refuse(`compensate is ${shown(compensate)}; it must be a function`);
  const retryPolicy = resolveRetryPolicy(refuse, written.retryPolicy);
  checkLongestWait(retries, retryPolicy, refuse);
  const plan = {
    kind: "task" as const,
    name,
    dependsOn: [...(written.dependsOn ?? [])],
    retries,
    retryPolicy,
    timeoutMs: duration(refuse, "timeout", written.timeout ?? DEFAULT_TIMEOUT_MS, 1),
    delayMs: duration(refuse, "delay", written.delay ?? 0, 0),
    onFailure: written.onFailure,
    compensate: compensate !== undefined,
    remote,
  };
  const handlers = { ...(run === undefined ? {} : { run }), ...(compensate === undefined ? {} : { compensate }) };
  return { plan, handlers, schema: undefined };
}

function draftSignal(workflow: string, name: string, written: WrittenSignal, before: readonly StepDraft[]): StepDraft {
  checkStepName(name);
  const refuse = refuser(workflow, name);
  checkMembers(refuse, "the options of a signal", written, SIGNAL_OPTIONS);
  checkStep(refuse, name, written, before);
  const { onTimeout = "fail", schema, timeout } = written;
  checkOneOf(refuse, "onTimeout", onTimeout, ["fail", "continue"]);
  checkSchema(refuse, "schema", schema);
  const plan = {
    kind: "signal" as const,
    name,
    dependsOn: [...(written.dependsOn ?? [])],
    timeoutMs: timeout === undefined ? 0 : duration(refuse, "timeout (leave it out to wait for ever)", timeout, 1),
    onTimeout,
    onFailure: written.onFailure,
  };
  return { plan, handlers: {}, schema };
}

function checkOutput(refuse: Refuse, output: unknown): void {
  if (typeof output !== "function") refuse(`output is ${shown(output)}; it must be a function`);
}

/** Checks the options of the workflow. */
function checkWorkflow(name: string, options: Options): void {
  checkWorkflowName(name);
  const refuse = refuser(name);
  checkMembers(refuse, "the options of a workflow", options, WORKFLOW_OPTIONS);
  const { input, version, signals, compensation, foreign, output } = options;
  checkSchema(refuse, "input", input);
  if (version !== undefined && typeof version !== "string") refuse(`version is ${shown(version)}; it must be a string`);
  if (foreign !== undefined && typeof foreign !== "boolean")
    refuse(`foreign is ${shown(foreign)}; it must be true or false`);
  if (output !== undefined) checkOutput(refuse, output);
  checkOneOf(refuse, "compensation", compensation, ["mirror", "chain"]);
  if (signals === undefined) return;
  checkMembers(refuse, "signals", signals, Object.keys(signals ?? {}));
  for (const [signal, schema] of Object.entries(signals)) {
    const problem = nameProblem(signal);
    if (problem !== undefined) refuse(`signal name ${JSON.stringify(signal)} cannot be used: ${problem}`);
    if (schema === undefined) refuse(`signal ${JSON.stringify(signal)} has no schema`);
    checkSchema(refuse, `the schema of signal ${JSON.stringify(signal)}`, schema);
  }
}

function planOf(name: string, options: Options, drafts: readonly StepDraft[]): Plan {
  const signals = options.signals === undefined ? undefined : Object.keys(options.signals).toSorted();
  const draft: Plan = {
    name,
    ...(options.version === undefined ? {} : { version: options.version }),
    steps: drafts.map(({ plan }) => plan as PlanStep),
    compensation: options.compensation ?? "mirror",
    foreign: options.foreign ?? false,
    ...(signals === undefined ? {} : { signals }),
  };
  const onFailure: OnFailure = hasCompensation(draft) ? "compensate" : "fail_workflow";
  return { ...draft, steps: draft.steps.map((step) => ({ ...step, onFailure: step.onFailure ?? onFailure })) };
}

function checkPlan(plan: Plan): Plan {
  const problems: readonly PlanProblem[] = validatePlan(plan);
  if (problems.length > 0) {
    throw new WorkflowError(
      "invalid",
      `workflow ${JSON.stringify(plan.name)} cannot work: ${problems.map((problem) => problem.message).join("; ")}`,
    );
  }
  return plan;
}

/** The hash of a whole plan: it keys compiled machines and stored plans. */
export function hashPlan(plan: Plan): string {
  return `sha256:${sha256Hex(sortedJson(plan)).slice(0, 32)}`;
}

/** A definition. `step` and `signal` return a new one. */
export function makeDefinition(
  name: string,
  given: Options,
  drafts: readonly StepDraft[],
): CompiledWorkflow & {
  step(step: string, written: WrittenStep | ((context: unknown) => unknown)): AnyWorkflow;
  signal(step: string, written?: WrittenSignal): AnyWorkflow;
  output(make: (results: Record<string, unknown>) => unknown): AnyWorkflow;
} {
  if (drafts.length === 0) checkWorkflow(name, given);
  // The plan is made later: what the caller does to its objects meanwhile must not get into it.
  const options: Options = {
    ...given,
    ...(given.signals === undefined ? {} : { signals: { ...given.signals } }),
  };
  let plan: Plan | undefined;
  let planHash: string | undefined;
  let machine: AnyStateMachine | undefined;
  const schemas = new Map<string, Schema>(Object.entries(options.signals ?? {}));
  for (const draft of drafts) if (draft.schema !== undefined) schemas.set(draft.plan.name, draft.schema);
  const definition: ReturnType<typeof makeDefinition> = {
    name,
    inputSchema: options.input,
    signalSchemas: schemas,
    handlers: new Map(drafts.map((draft) => [draft.plan.name, draft.handlers])),
    makeOutput: options.output,
    get plan(): Plan {
      plan ??= freeze(checkPlan(planOf(name, options, drafts)));
      return plan;
    },
    get machine(): AnyStateMachine {
      machine ??= buildMachine(this.plan).machine;
      return machine;
    },
    get planHash(): string {
      planHash ??= hashPlan(this.plan);
      return planHash;
    },
    get definitionHash(): string {
      return definitionHash(this.plan.steps);
    },
    step: (step, written) =>
      makeDefinition(name, options, [
        ...drafts,
        draftStep(name, step, typeof written === "function" ? { run: written } : written, drafts),
      ]),
    signal: (step, written = {}) =>
      makeDefinition(name, options, [...drafts, draftSignal(name, step, written, drafts)]),
    output: (make) => {
      checkOutput(refuser(name), make);
      return makeDefinition(name, { ...options, output: make }, drafts);
    },
  };
  return Object.freeze(definition);
}

/** Freezes a plan, because runs, hashes and workers share it. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
