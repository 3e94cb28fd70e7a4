/** What a run will cost before it runs. Why a run does not move is another question: `run.explain()`. */
import { PlanProgram } from "../../machines/plan/program.ts";
import { type Duration, parseDuration, shown } from "../wire/duration.ts";
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import type { RunStatus } from "../../machines/snapshot.ts";
import { DEFAULT_SKEW_MARGIN_MS } from "../run/handle.ts";
import { DEFAULT_FOREIGN_POLL_MS } from "../services/foreign-poll.ts";
import { DUE_MS, MONITOR_SHARE, SERVING_MS, SWEEP_MS } from "../services/worker.ts";
import { shortestLeaseMs } from "../services/lease.ts";
import { DEFAULT_LEASE_MS, DEFAULT_POLL_MS, foreignPollPeriod, LONGEST_PERIOD_MS } from "../services/worker-options.ts";
import { type ChecksOf, duration, list, objectWith, readArgument, readSettings } from "../settings.ts";
import { type CostPath, type Course, DEFAULT_DURATION_MS } from "./path.ts";
import { dollarsPerMillion, PRICE_LISTS } from "./prices.ts";
import { NO_REQUESTS, type Requests } from "./requests.ts";
import { RULES } from "./rules.ts";
import { typicalPaths } from "./typical.ts";
import { walk, type Walked, type WalkOptions } from "./walk.ts";

/** What is priced: a definition, or what a bucket keeps of one. */
export type CostedWorkflow = Pick<AnyWorkflow, "name" | "plan" | "planHash" | "definitionHash">;

/** Options of `explainCost`. Durations: `"30s"` or milliseconds. */
export interface CostOptions {
  /** How long a handler takes, one for all or by step. @defaultValue "100ms" */
  readonly duration?: Duration | Readonly<Record<string, Duration>>;
  /** Signals that handlers wait for with `ctx.waitForSignal`, by step: nothing in a definition says so. */
  readonly waits?: Readonly<Record<string, readonly { readonly signal: string; readonly timeout?: Duration }[]>>;
  /** How long after a wait has begun its signal is sent. @defaultValue "1h" */
  readonly answer?: Duration;
  /** The lease of the workers. @defaultValue "30s" */
  readonly lease?: Duration;
  /** How often the worker asks for changes of runs with `foreign: true`. @defaultValue "10s" */
  readonly foreignPoll?: Duration;
  /** Paths of your own instead of the typical ones. */
  readonly paths?: readonly CostPath[];
}

const DEFAULT_ANSWER_MS = 3_600_000;
const usual = duration(0);
const bySteps = objectWith();
const costed = objectWith<CostedWorkflow>("name", "plan");

const CHECKS = {
  duration: (value, name, refuse) =>
    typeof value === "object" && !Array.isArray(value) ? bySteps(value, name, refuse) : usual(value, name, refuse),
  waits: bySteps,
  answer: duration(0),
  // As a worker with the usual margin takes it.
  lease: duration(shortestLeaseMs(DEFAULT_SKEW_MARGIN_MS), LONGEST_PERIOD_MS),
  foreignPoll: foreignPollPeriod,
  paths: list,
} satisfies ChecksOf<CostOptions>;

/** Requests with what a million times as many cost, by price list; requests only. */
export interface Priced {
  readonly requests: Requests;
  readonly dollars: Readonly<Record<string, number>>;
}

/** What one path costs. Dollars for a million runs. */
export interface PathCost extends Priced {
  readonly path: string;
  /** How the run ends; one that is not over waits for a person or a signal. */
  readonly status: RunStatus;
  /** What the requests are for, in the order in which it first happens. */
  readonly because: readonly CostReason[];
}

/** So many times the same situation. */
export interface CostReason {
  readonly rule: string;
  readonly times: number;
  /** Requests of one time. */
  readonly requests: Partial<Requests>;
  readonly what: string;
  /** The code that sends them, and the section of the protocol. */
  readonly from: string;
}

/** What a workflow costs. */
export interface CostReport {
  readonly workflow: string;
  readonly paths: readonly PathCost[];
  /** A run that only waits for one signal, a day: one look; with `foreign: true` also its polls. Dollars for a million runs. */
  readonly parkedDay: Priced;
  /** A worker with nothing to do, a day: not in any path. Dollars for a million workers. */
  readonly idleWorkerDay: Priced;
  /** What the prediction could not know. */
  readonly notes: readonly string[];
}

const DAY_MS = 86_400_000;
const YEAR_MS = 366 * DAY_MS;
/** A full minute: where a lease key moves to another minute depends on when a run starts. */
const SOME_MINUTE = 1_767_225_600_000;

/**
 * Predicts the requests of a run by kind, path by path, with what they cost at list prices. Makes no request.
 *
 * @example
 * ```ts
 * const { paths } = explainCost(orders);
 * for (const { path, requests, dollars } of paths) console.log(path, requests.put, dollars["S3 Standard"]);
 * ```
 * @throws {WorkflowError} `invalid` for a step or signal that is not there, or a number that cannot be.
 */
export function explainCost(workflow: CostedWorkflow, options: CostOptions = {}): CostReport {
  readArgument("explainCost", "workflow", costed, workflow);
  const given = readSettings("explainCost", CHECKS, options);
  const { plan, planHash, definitionHash } = workflow;
  const program = new PlanProgram(plan, { planHash, definitionHash });
  const settings: WalkOptions = {
    startAt: SOME_MINUTE,
    workerAt: SOME_MINUTE,
    leaseMs: given.lease ?? DEFAULT_LEASE_MS,
    skewMarginMs: DEFAULT_SKEW_MARGIN_MS,
    foreignPollMs: given.foreignPoll ?? DEFAULT_FOREIGN_POLL_MS,
    horizonMs: YEAR_MS,
  };
  const waits = waitsOf(workflow, options);
  const durationMs = durationsOf(workflow, options);
  const answerMs = given.answer ?? DEFAULT_ANSWER_MS;
  checkPaths(workflow, options.paths ?? []);
  const paths = options.paths ?? typicalPaths(plan, { durationMs, waits, answerMs });
  return {
    workflow: workflow.name,
    paths: paths.map((path) => costOf(path.name, walk(program, path, settings))),
    parkedDay: parkedDay(settings, plan.foreign),
    idleWorkerDay: idleWorkerDay(settings, plan.foreign),
    notes: notesOf(workflow, waits),
  };
}

function costOf(path: string, { ledger, record }: Walked): PathCost {
  return {
    path,
    status: record.status,
    ...priced(ledger.total()),
    because: [...ledger.times].map(([rule, times]) => ({ rule, times, ...RULES[rule] })),
  };
}

function priced(requests: Requests): Priced {
  const dollars = Object.fromEntries(PRICE_LISTS.map((list) => [list.name, dollarsPerMillion(requests, list)]));
  return { requests, dollars };
}

/** The rounds of an idle worker: one LIST each, and two puts each time it says that it lives. */
function idleWorkerDay({ leaseMs, foreignPollMs }: WalkOptions, foreign: boolean): Priced {
  const rounds = [DEFAULT_POLL_MS, leaseMs * MONITOR_SHARE, SWEEP_MS, DUE_MS, ...(foreign ? [foreignPollMs] : [])];
  const list = rounds.reduce((sum, ms) => sum + DAY_MS / ms, 0);
  return priced({ ...NO_REQUESTS, list: Math.round(list), put: 2 * (DAY_MS / SERVING_MS) });
}

/** Two walks of a run that waits for ever, a day apart. */
function parkedDay(settings: WalkOptions, foreign: boolean): Priced {
  const plan = {
    name: "parked",
    steps: [
      {
        kind: "signal" as const,
        name: "never",
        dependsOn: [],
        timeoutMs: 0,
        onTimeout: "fail" as const,
        onFailure: "fail_workflow" as const,
      },
    ],
    compensation: "mirror" as const,
    foreign,
  };
  const program = new PlanProgram(plan, { planHash: "", definitionHash: "" });
  const after = (days: number): Requests =>
    walk(
      program,
      { name: "parked" },
      { ...settings, horizonMs: days * DAY_MS + DAY_MS / 2, looks: true },
    ).ledger.total();
  const [one, two] = [after(1), after(2)];
  const kinds = Object.keys(one) as (keyof Requests)[];
  const requests = Object.fromEntries(kinds.map((kind) => [kind, two[kind] - one[kind]])) as Requests;
  return priced(requests);
}

function checkSteps(workflow: CostedWorkflow, what: string, names: readonly string[]): void {
  const known = workflow.plan.steps.map((step) => step.name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new WorkflowError(
    "invalid",
    `${what}: ${workflow.name} has no step ${JSON.stringify(unknown)}; it has ${known.join(", ")}`,
  );
}

/** What no client could send is nothing that a handler waits for. */
function checkSignals({ name, plan }: CostedWorkflow, signals: readonly string[]): void {
  const declared = plan.signals;
  const unknown = signals.find((signal) => declared !== undefined && !declared.includes(signal));
  if (unknown === undefined) return;
  throw new WorkflowError(
    "invalid",
    `waits: workflow ${name} declares no signal ${JSON.stringify(unknown)}; it declares ${(declared ?? []).join(", ") || "none"}`,
  );
}

function checkPaths(workflow: CostedWorkflow, paths: readonly CostPath[]): void {
  for (const { name, steps = new Map(), undos = new Map(), answers = new Map(), steering = [] } of paths) {
    const what = `path ${JSON.stringify(name)}`;
    for (const map of [steps, undos, answers])
      if (!(map instanceof Map)) throw new WorkflowError("invalid", `${what}: steps, undos and answers are Maps`);
    const named = steering.flatMap(({ after }) => after.step ?? []);
    checkSteps(workflow, what, [...steps.keys(), ...undos.keys(), ...named]);
    const courses: readonly Course[] = [...steps.values(), ...undos.values()];
    checkNumbers(
      what,
      "durationMs",
      courses.map(({ durationMs = 0 }) => durationMs),
    );
    checkNumbers(
      what,
      "failures",
      courses.map(({ failures = 0 }) => failures),
    );
    checkNumbers(what, "the time of an answer", [...answers.values()]);
    checkNumbers(
      what,
      "after.ms",
      steering.map(({ after }) => after.ms),
    );
    const end = courses.find(({ ends = "completes" }) => ends !== "completes" && ends !== "fails")?.ends;
    if (end !== undefined)
      throw new WorkflowError("invalid", `${what}: ends is "completes" or "fails", not ${shown(end)}`);
  }
}

function checkNumbers(what: string, which: string, numbers: readonly number[]): void {
  const wrong = numbers.find((number) => !(Number.isFinite(number) && number >= 0));
  if (wrong !== undefined)
    throw new WorkflowError("invalid", `${what}: ${which} is a number from 0, not ${String(wrong)}`);
}

function durationsOf(
  workflow: CostedWorkflow,
  { duration = DEFAULT_DURATION_MS }: CostOptions,
): (step: string) => number {
  const own = new Map(typeof duration === "object" ? Object.entries(duration) : []);
  checkSteps(workflow, "duration", [...own.keys()]);
  const usualMs = typeof duration === "object" ? DEFAULT_DURATION_MS : parseDuration(duration);
  const names = workflow.plan.steps.map((step) => step.name);
  // Each a millisecond longer than the one before: no two that begin together end together.
  return (step) => parseDuration(own.get(step) ?? usualMs) + names.indexOf(step);
}

type Waits = ReadonlyMap<string, readonly { readonly signal: string; readonly timeoutMs: number }[]>;

function waitsOf(workflow: CostedWorkflow, { waits = {} }: CostOptions): Waits {
  checkSteps(workflow, "waits", Object.keys(waits));
  checkSignals(
    workflow,
    Object.values(waits).flatMap((signals) => signals.map(({ signal }) => signal)),
  );
  return new Map(
    Object.entries(waits).map(([step, signals]) => [
      step,
      signals.map(({ signal, timeout }) => ({ signal, timeoutMs: timeout === undefined ? 0 : parseDuration(timeout) })),
    ]),
  );
}

function notesOf({ plan }: CostedWorkflow, waits: Waits): readonly string[] {
  const named = new Set([...waits.values()].flat().map((wait) => wait.signal));
  const unnamed = (plan.signals ?? []).filter((signal) => !named.has(signal));
  const remote = plan.steps.filter((step) => step.kind === "task" && step.remote).map((step) => step.name);
  return [
    ...(unnamed.length === 0
      ? []
      : [`no step is known to wait for ${unnamed.join(", ")}: say which with waits (--waits step=signal)`]),
    ...(remote.length === 0
      ? []
      : [`${remote.join(", ")} run in another program: priced as if a worker of this package ran them`]),
    ...(plan.foreign
      ? ["foreign: true: each worker that serves it asks for every open run all day, priced here for one worker"]
      : []),
  ];
}
