/** Predicts what a run costs. To find out why a run does not move, use `run.explain()`. */
import type { PlanProgram } from "../../machines/plan/program.ts";
import type { RunStatus } from "../../machines/snapshot.ts";
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import { DEFAULT_SKEW_MARGIN_MS } from "../queue/handle.ts";
import { DEFAULT_FOREIGN_POLL_MS } from "../services/foreign-poll.ts";
import { shortestLeaseMs } from "../services/lease.ts";
import { DEFAULT_LEASE_MS, DEFAULT_POLL_MS, foreignPollPeriod, LONGEST_PERIOD_MS } from "../services/worker-options.ts";
import { type ChecksOf, duration, list, objectWith, readArgument, readSettings } from "../settings.ts";
import { type Duration, parseDuration, shown } from "../wire/duration.ts";
import { measure, type MeasureSettings } from "./measure.ts";
import { type CostPath, type HandlerBehaviour, DEFAULT_DURATION_MS } from "./path.ts";
import { playable } from "./stubs.ts";
import { dollarsPerMillion, PRICE_LISTS } from "./prices.ts";
import { addRequests, NO_REQUESTS, type Requests } from "./requests.ts";
import { typicalPaths } from "./typical.ts";

export type { CostPath, HandlerBehaviour, ScheduledCommand } from "./path.ts";
export type { RunCommand } from "../run/wakeups/command.ts";
export type { PriceList } from "./prices.ts";
export type { Requests } from "./requests.ts";
export { PRICE_LISTS };

/** What is priced: a definition, or what a bucket keeps of one. */
export type CostedWorkflow = Pick<AnyWorkflow, "name" | "plan" | "definitionHash">;

/** Options of `cost`. Durations are `"30s"` or milliseconds. */
export interface CostOptions {
  /** How long each handler takes: one duration for all, or one by step. @defaultValue "100ms" */
  readonly duration?: Duration | Readonly<Record<string, Duration>>;
  /** The signals for which handlers call `ctx.waitForSignal`, by step. A definition does not hold them. @defaultValue none */
  readonly waits?: Readonly<Record<string, readonly { readonly signal: string; readonly timeout?: Duration }[]>>;
  /** How long after a wait has begun its signal is sent. @defaultValue "1h" */
  readonly answer?: Duration;
  /** The lease of the worker. @defaultValue "30s" */
  readonly lease?: Duration;
  /** How often the worker checks runs of workflows with `foreign: true`. @defaultValue "10s" */
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

/** Requests and their price. Storage and traffic are not included. */
export interface Priced {
  /** How many requests of each kind. */
  readonly requests: Requests;
  /** What a million times as many cost in US dollars, by the name of the price list. */
  readonly dollars: Readonly<Record<string, number>>;
}

/** What one path costs. Dollars for a million runs. */
export interface PathCost extends Priced {
  /** The name of the path. */
  readonly path: string;
  /** The status at the end. A run that is not over waits for a person or a signal. */
  readonly status: RunStatus;
  /** The requests by purpose, in the order in which each purpose first occurred. Their sum is `requests`. */
  readonly because: readonly CostReason[];
}

/** Requests for one purpose. */
export interface CostReason {
  /** The purpose, for people. */
  readonly what: string;
  /** How many requests of each kind serve it. */
  readonly requests: Requests;
}

/** What a workflow costs. */
export interface CostReport {
  /** The name of the workflow. */
  readonly workflow: string;
  /** The paths in the order in which they were given, or the typical ones. */
  readonly paths: readonly PathCost[];
  /** What a run costs that waits for one signal for a day. Dollars for a million runs. */
  readonly parkedDay: Priced;
  /** What a worker costs in a day without work; no path includes it. Dollars for a million workers. */
  readonly idleWorkerDay: Priced;
  /** What the prediction does not know, as sentences. */
  readonly notes: readonly string[];
}

/** Away from the instant of a round, so that none falls on an end of the time that is measured. */
const OFF_ROUNDS_MS = 2_500;
const HOURS_A_DAY = 24;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = HOURS_A_DAY * HOUR_MS;

/**
 * Counts the requests of a run by kind, path by path, with what they cost at list prices. Each path is played on the real worker and the
 * real client, on a bucket in memory under a virtual clock; handlers are replaced by stubs, so that nothing of the workflow is called.
 *
 * @example
 * ```ts
 * const { paths } = await cost(order);
 * for (const { path, requests, dollars } of paths) console.log(path, requests.put, dollars["S3 Standard"]);
 * ```
 * @throws {WorkflowError} `invalid` for a step or signal that is not there, or a number that cannot be.
 */
export async function cost(workflow: CostedWorkflow, options: CostOptions = {}): Promise<CostReport> {
  readArgument("cost", "workflow", costed, workflow);
  const given = readSettings("cost", CHECKS, options);
  const { plan, definitionHash } = workflow;
  const settings: MeasureSettings = {
    leaseMs: given.lease ?? DEFAULT_LEASE_MS,
    foreignPollMs: given.foreignPoll ?? DEFAULT_FOREIGN_POLL_MS,
  };
  checkPaths(workflow, options.paths ?? []);
  const program = playable(plan, definitionHash);
  const paths: PathCost[] = [];
  for (const path of options.paths ?? costPaths(workflow, options)) {
    const { reasons, status = "pending" } = await measure({ program, path }, settings);
    const because = [...reasons].map(([what, requests]) => ({ what, requests }));
    paths.push({ path: path.name, status, ...priced(sumOf(reasons)), because });
  }
  return {
    workflow: workflow.name,
    paths,
    parkedDay: priced(await parkedDay(settings, plan.foreign)),
    idleWorkerDay: priced(await idleWorkerDay(settings, plan.foreign)),
    notes: notesOf(workflow, waitsOf(workflow, options)),
  };
}

/**
 * The typical paths of a workflow, which `cost` takes when it is given none: all goes well, each step fails for good, each deadline passes,
 * each step succeeds with its last retry, a cancel. Playing a path takes time: of a long workflow, pick some and give them to `cost`.
 *
 * @example
 * ```ts
 * const [good] = costPaths(order);
 * if (good !== undefined) console.log((await cost(order, { paths: [good] })).paths);
 * ```
 * @throws {WorkflowError} `invalid` for a step or signal that is not there, or a number that cannot be.
 */
export function costPaths(workflow: CostedWorkflow, options: Omit<CostOptions, "paths"> = {}): readonly CostPath[] {
  readArgument("costPaths", "workflow", costed, workflow);
  const { answer: answerMs = DEFAULT_ANSWER_MS } = readSettings("costPaths", CHECKS, options);
  const durationMs = durationsOf(workflow, options);
  const waits = waitsOf(workflow, options);
  return typicalPaths(workflow.plan, { durationMs, waits, answerMs, pollMs: DEFAULT_POLL_MS });
}

function sumOf(bills: ReadonlyMap<string, Requests>): Requests {
  return [...bills.values()].reduce((sum, bill) => addRequests(sum, bill), NO_REQUESTS);
}

function priced(requests: Requests): Priced {
  const dollars = Object.fromEntries(PRICE_LISTS.map((prices) => [prices.name, dollarsPerMillion(requests, prices)]));
  return { requests, dollars };
}

/** A run that waits for ever. */
function parked(foreign: boolean): PlanProgram {
  const step = {
    kind: "signal" as const,
    name: "never",
    dependsOn: [],
    timeoutMs: 0,
    onTimeout: "fail" as const,
    onFailure: "fail_workflow" as const,
  };
  const plan = {
    name: "parked",
    steps: [step],
    compensation: "mirror" as const,
    foreign,
  };
  return playable(plan, "");
}

/** The rounds of a worker whose requests take no time, so that none is late: the most that they can be. */
async function idleWorkerDay(settings: MeasureSettings, foreign: boolean): Promise<Requests> {
  const program = parked(foreign);
  const { idle } = await measure({ program }, { ...settings, requestMs: 0, fromMs: OFF_ROUNDS_MS, forMs: HOUR_MS });
  return addRequests(NO_REQUESTS, sumOf(idle), HOURS_A_DAY);
}

/** A day of a run that only waits, from a while after its start: one look falls into it. */
async function parkedDay(settings: MeasureSettings, foreign: boolean): Promise<Requests> {
  const played = { program: parked(foreign), path: { name: "parked" } };
  const fromMs = 10 * MINUTE_MS + OFF_ROUNDS_MS;
  const { reasons } = await measure(played, { ...settings, requestMs: 0, fromMs, forMs: DAY_MS });
  return sumOf(reasons);
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
  for (const { name, steps = new Map(), undos = new Map(), answers = new Map(), commands = [] } of paths) {
    const what = `path ${JSON.stringify(name)}`;
    for (const map of [steps, undos, answers])
      if (!(map instanceof Map)) throw new WorkflowError("invalid", `${what}: steps, undos and answers are Maps`);
    const named = commands.flatMap(({ after }) => after.step ?? []);
    checkSteps(workflow, what, [...steps.keys(), ...undos.keys(), ...named]);
    const behaviours: readonly HandlerBehaviour[] = [...steps.values(), ...undos.values()];
    checkNumbers(
      what,
      "durationMs",
      behaviours.map(({ durationMs = 0 }) => durationMs),
    );
    checkNumbers(
      what,
      "failures",
      behaviours.map(({ failures = 0 }) => failures),
    );
    checkNumbers(what, "the time of an answer", [...answers.values()]);
    checkNumbers(
      what,
      "after.ms",
      commands.map(({ after }) => after.ms),
    );
    const end = behaviours.find(({ ends = "completes" }) => ends !== "completes" && ends !== "fails")?.ends;
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
