/** From what the user wrote to a plan and a table of handlers. */
import { hasCompensation } from "../../machines/compile.ts";
import type { OnFailure, Plan, PlanStep, RetryPolicy } from "../../machines/plan.ts";
import { type PlanProblem, validatePlan } from "../../machines/validate.ts";
import type { z } from "zod";
import { parseDuration } from "../config.ts";
import { WorkflowError } from "../errors.ts";
import { sha256Hex } from "../host/uuid.ts";
import { checkStepName, checkWorkflowName } from "../names.ts";
import { definitionHash, sortedJson } from "../wire/hash.ts";
import type { AnyWorkflow, ErasedHandlers, WorkflowOptions } from "./workflow.ts";

/** Retries of a step that says nothing. */
export const DEFAULT_RETRIES = 3;
/** Longest attempt of a step that says nothing. */
export const DEFAULT_TIMEOUT_MS = 300_000;
/** buquet's own backoff. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0.25 };

type Schema = z.ZodType;
type Options = WorkflowOptions<unknown, Readonly<Record<string, Schema>>>;

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
  readonly timeout?: string | number;
  readonly delay?: string | number;
  readonly onFailure?: OnFailure;
  readonly remote?: boolean;
  readonly run?: (context: unknown) => unknown;
  readonly compensate?: (context: unknown, result?: unknown) => unknown;
}

interface WrittenSignal {
  readonly dependsOn?: readonly string[];
  readonly schema?: Schema;
  readonly timeout?: string | number;
  readonly onTimeout?: "fail" | "continue";
  readonly onFailure?: OnFailure;
}

const STEP_OPTIONS = new Set([
  "dependsOn",
  "retries",
  "retryPolicy",
  "timeout",
  "delay",
  "onFailure",
  "remote",
  "run",
  "compensate",
]);
const SIGNAL_OPTIONS = new Set(["dependsOn", "schema", "timeout", "onTimeout", "onFailure"]);
const POLICIES: ReadonlySet<unknown> = new Set([
  undefined,
  "fail_workflow",
  "pause_workflow",
  "continue",
  "compensate",
]);

function refuse(workflow: string, step: string, reason: string): never {
  throw new WorkflowError("invalid", `workflow ${JSON.stringify(workflow)}, step ${JSON.stringify(step)}: ${reason}`);
}

function checkOptions(
  workflow: string,
  name: string,
  written: object,
  known: ReadonlySet<string>,
  before: readonly StepDraft[],
): void {
  checkStepName(name);
  const unknown = Object.keys(written).find((option) => !known.has(option));
  if (unknown !== undefined)
    refuse(workflow, name, `there is no option ${JSON.stringify(unknown)}; there are ${[...known].join(", ")}`);
  const names = new Set(before.map((draft) => draft.plan.name));
  if (names.has(name)) refuse(workflow, name, "a step of this name is there already");
  const { dependsOn = [], onFailure } = written as WrittenStep;
  if (!Array.isArray(dependsOn)) refuse(workflow, name, "dependsOn is a list of step names");
  for (const other of dependsOn) {
    if (!names.has(other))
      refuse(workflow, name, `it depends on ${JSON.stringify(other)}, which is not a step written before it`);
  }
  if (!POLICIES.has(onFailure))
    refuse(
      workflow,
      name,
      `onFailure is ${JSON.stringify(onFailure)}; it is fail_workflow, pause_workflow, continue or compensate`,
    );
}

function draftStep(workflow: string, name: string, written: WrittenStep, before: readonly StepDraft[]): StepDraft {
  checkOptions(workflow, name, written, STEP_OPTIONS, before);
  const { retries = DEFAULT_RETRIES, remote = false, run, compensate } = written;
  if (!Number.isInteger(retries) || retries < 0 || retries > 1_000_000)
    refuse(workflow, name, `retries is ${String(retries)}; it is a whole number from 0`);
  if (remote === (run !== undefined))
    refuse(workflow, name, remote ? "a remote step has no handler here" : "it needs a handler: run");
  if (run !== undefined && typeof run !== "function") refuse(workflow, name, "run is a function");
  if (compensate !== undefined && typeof compensate !== "function") refuse(workflow, name, "compensate is a function");
  const plan = {
    kind: "task" as const,
    name,
    dependsOn: [...(written.dependsOn ?? [])],
    retries,
    retryPolicy: { ...DEFAULT_RETRY_POLICY, ...written.retryPolicy },
    timeoutMs: parseDuration(written.timeout ?? DEFAULT_TIMEOUT_MS),
    delayMs: parseDuration(written.delay ?? 0),
    onFailure: written.onFailure,
    compensate: compensate !== undefined,
    remote,
  };
  const handlers = { ...(run === undefined ? {} : { run }), ...(compensate === undefined ? {} : { compensate }) };
  return { plan, handlers, schema: undefined };
}

function draftSignal(workflow: string, name: string, written: WrittenSignal, before: readonly StepDraft[]): StepDraft {
  checkOptions(workflow, name, written, SIGNAL_OPTIONS, before);
  const { onTimeout = "fail" } = written;
  if (onTimeout !== "fail" && onTimeout !== "continue")
    refuse(workflow, name, `onTimeout is fail or continue, not ${JSON.stringify(onTimeout)}`);
  const plan = {
    kind: "signal" as const,
    name,
    dependsOn: [...(written.dependsOn ?? [])],
    timeoutMs: parseDuration(written.timeout ?? 0),
    onTimeout,
    onFailure: written.onFailure,
  };
  return { plan, handlers: {}, schema: written.schema };
}

function planOf(name: string, options: Options, drafts: readonly StepDraft[]): Plan {
  const signals = options.signals === undefined ? undefined : Object.keys(options.signals).toSorted();
  const draft: Plan = {
    name,
    ...(options.version === undefined ? {} : { version: options.version }),
    steps: drafts.map(({ plan }) => plan as PlanStep),
    compensation: options.compensation ?? "mirror",
    onCompensationFailure: options.onCompensationFailure ?? "collect",
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

/** A definition; `step` and `signal` give a longer one. */
export function makeDefinition(
  name: string,
  options: Options,
  drafts: readonly StepDraft[],
): AnyWorkflow & {
  step(step: string, written: WrittenStep | ((context: unknown) => unknown)): AnyWorkflow;
  signal(step: string, written?: WrittenSignal): AnyWorkflow;
} {
  checkWorkflowName(name);
  let plan: Plan | undefined;
  let planHash: string | undefined;
  const schemas = new Map<string, Schema>(Object.entries(options.signals ?? {}));
  for (const draft of drafts) if (draft.schema !== undefined) schemas.set(draft.plan.name, draft.schema);
  return {
    name,
    inputSchema: options.input,
    signalSchemas: schemas,
    handlers: new Map(drafts.map((draft) => [draft.plan.name, draft.handlers])),
    output: options.output,
    get plan(): Plan {
      plan ??= checkPlan(planOf(name, options, drafts));
      return plan;
    },
    get planHash(): string {
      planHash ??= `sha256:${sha256Hex(sortedJson(this.plan)).slice(0, 32)}`;
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
  };
}
