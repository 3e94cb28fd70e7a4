/** Runs one handler: attempts, timeout, retries in place, suspension at a signal, and the translation of how it ended into facts. */
import type { StepQueue } from "../define/context.ts";
import type { ActivityPolicy } from "../programs/programs.ts";
import { parseDuration } from "../wire/duration.ts";
import { PermanentError, RescheduleError, WorkflowError } from "../errors.ts";
import { checkSignalName } from "../names.ts";
import { type ErrorData, errorDataOf, reasonOf, summaryOf } from "../host/error-data.ts";
import type { Host, Logger } from "../host/host.ts";
import { withFields } from "../host/logger.ts";
import { backoffMs } from "../wire/backoff.ts";
import type { WaitForSignalOptions } from "../define/context.ts";
import { epochOf } from "../run/decide/steps.ts";
import type { Fact } from "../run/facts.ts";
import { callTraced } from "../host/stray-errors.ts";
import { type Flight, type FlightRef, type GivenSignals, refOf, type RunRecord } from "../run/record/record.ts";
import { lazyMembers, STORED_NULL, StoredValue } from "../wire/value.ts";
import { type ChecksOf, duration, readSettings } from "../settings.ts";

/** Largest result of a step in UTF-16 units of its JSON. */
export const MAX_RESULT_LENGTH: number = 256 * 1024;

/** How one attempt ended. */
export type AttemptEnd =
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "threw"; readonly error: unknown }
  /** It caught the suspension of its own wait, or asked in another order than before: it cannot run again from its top. */
  | { readonly kind: "unrepeatable"; readonly error: WorkflowError }
  | { readonly kind: "waits"; readonly signal: string; readonly timeoutMs: number }
  | { readonly kind: "timeout" }
  /** The lease is lost or the process stops: the end is not known. */
  | { readonly kind: "abandoned" };

/** Everything that a handler is given. The typed view of it is `StepContext` in `src/define/context.ts`. */
export interface HandlerEnvironment {
  readonly host: Host;
  readonly record: RunRecord;
  readonly flight: Flight;
  readonly policy: ActivityPolicy;
  readonly attempt: number;
  /** Whether the workflow takes signals of this name. */
  isSignal(name: string): boolean;
  readonly heartbeat: () => Promise<void>;
  /** Aborts when the run does not want the step any more; the handler may still end as it likes. */
  readonly unwanted: AbortSignal;
  readonly queue: StepQueue;
  readonly log: Logger;
  readonly handler: (context: unknown, result?: unknown) => unknown;
  /** Whether an error that escapes the handler, as a rejection that nobody awaits, fails the attempt. */
  readonly catchesStrays: boolean;
}

/**
 * The key under which a step's outside effects are to be idempotent: the same over attempts, restarts, wakes and hand-off. Names are
 * percent-encoded, so that no two steps share a key because of a colon in a name, and so that the key can be sent in an HTTP header.
 */
export function idempotencyKeyOf(record: RunRecord, step: string): string {
  const epoch = record.machine === undefined ? 1 : epochOf(record.machine, step);
  return `${encodeName(record.id)}:${encodeName(step)}:${epoch}`;
}

/** Names with half of a character are refused where they are given; one in a record that somebody edited must not stop its worker. */
const encodeName = (name: string): string => encodeURIComponent(name.replaceAll(/\p{Surrogate}/gu, "\ufffd"));

function givenOf(record: RunRecord, flight: FlightRef): GivenSignals["given"] {
  const entry = record.machine?.given.find(
    (given) => given.step === flight.step && given.generation === flight.generation,
  );
  return entry?.given ?? [];
}

/** Results of the named steps, as handlers see them: each a copy, made when the handler reads it. */
function resultsOf(record: RunRecord, names: readonly string[]): Record<string, unknown> {
  const members = names.map((name): [string, () => unknown] => {
    const state = record.steps.get(name);
    return [name, () => (state?.status === "completed" ? (state.result ?? STORED_NULL).read() : undefined)];
  });
  return lazyMembers({}, members);
}

const WAIT_CHECKS = { timeout: duration(0) } satisfies ChecksOf<WaitForSignalOptions>;

/** Runs the handler once. Never rejects. */
export async function runAttempt(environment: HandlerEnvironment, stop: AbortSignal): Promise<AttemptEnd> {
  const { host, record, flight, policy } = environment;
  const abort = new AbortController();
  const timer = new AbortController();
  /** Aborts when the attempt has ended and its handler has not. */
  const over = new AbortController();
  let waits: { signal: string; timeoutMs: number } | undefined;
  let calls = 0;
  /** Thrown inside the handler where it waits for a signal; caught by nobody but us. */
  const suspensions = new Set<unknown>();
  /** Set when the handler asks in another order than before: it would be given the payload of another signal. */
  let disorder: WorkflowError | undefined;
  const given = givenOf(record, flight);
  const answer = async (name: string, options: { timeout?: string | number }): Promise<unknown> => {
    checkSignalName(name);
    readSettings("ctx.waitForSignal", WAIT_CHECKS, options);
    if (!environment.isSignal(name))
      throw new WorkflowError("invalid", `workflow ${record.type} declares no signal ${JSON.stringify(name)}`);
    // Nothing is what no deadline is kept as.
    const timeoutMs = options.timeout === undefined ? 0 : Math.max(1, parseDuration(options.timeout));
    if (disorder !== undefined) throw disorder;
    const known = given[calls];
    calls += 1;
    if (known !== undefined) {
      if (known.signal === name) return known.id === null ? undefined : known.payload.read();
      disorder = new WorkflowError(
        "invalid",
        `step ${JSON.stringify(flight.step)} waits for signal ${JSON.stringify(name)} where it waited for ${JSON.stringify(known.signal)} when it ran before; a handler waits in the same order each time, also after a deploy`,
      );
      throw disorder;
    }
    waits ??= { signal: name, timeoutMs };
    const suspension = new Error(`waits for signal ${JSON.stringify(name)}; do not catch this`);
    suspensions.add(suspension);
    throw suspension;
  };
  const waitForSignal = (name: string, options: { timeout?: string | number } = {}): Promise<unknown> => {
    const answered = answer(name, options);
    // A handler that does not await it fails by itself; the process must not.
    answered.catch(() => {});
    return answered;
  };
  const submit: StepQueue["submit"] = async (type, input) => {
    over.signal.throwIfAborted();
    return environment.queue.submit(type, input);
  };
  const known = {
    runId: record.id,
    workflow: record.type,
    step: flight.step,
    attempt: environment.attempt,
    generation: flight.generation,
    signal: abort.signal,
    idempotencyKey: idempotencyKeyOf(record, flight.step),
    heartbeat: environment.heartbeat,
    isCancelled: () => environment.unwanted.aborted,
    waitForSignal,
    log: withFields(environment.log, { run: record.id, step: flight.step, attempt: environment.attempt }),
    queue: { submit },
    outcome: hasCompleted(record, flight.step) ? "completed" : "unknown",
    results: resultsOf(record, policy.dependsOn),
  };
  const context = lazyMembers(known, [["input", () => record.data.read()]]);
  const discourage = (): void => abort.abort(new WorkflowError("closed", "the run does not want this step any more"));
  if (environment.unwanted.aborted) discourage();
  else environment.unwanted.addEventListener("abort", discourage, { once: true });
  let abandon = (): void => {};
  const stopped = new Promise<AttemptEnd>((resolve) => {
    abandon = () => resolve({ kind: "abandoned" });
    if (stop.aborted) abandon();
    else stop.addEventListener("abort", abandon, { once: true });
  });
  const timedOut = host.clock
    .sleep(policy.timeoutMs, { signal: timer.signal })
    .then((): AttemptEnd => ({ kind: "timeout" }));
  let failStray: (error: unknown) => void = () => {};
  const strayed = new Promise<AttemptEnd>((resolve) => {
    failStray = (error) => resolve({ kind: "threw", error });
  });
  const fields = { run: record.id, step: flight.step, attempt: environment.attempt };
  const called = environment.catchesStrays
    ? callTraced({ fields, fail: failStray }, () => callHandler(environment, context))
    : callHandler(environment, context);
  let isOpen = true;
  const handled = called.then((end): AttemptEnd => {
    isOpen = false;
    if (disorder !== undefined) return { kind: "unrepeatable", error: disorder };
    if (waits === undefined) return end;
    if (end.kind === "threw" && suspensions.has(end.error)) return { kind: "waits", ...waits };
    return {
      kind: "unrepeatable",
      error: new WorkflowError(
        "invalid",
        `step ${JSON.stringify(flight.step)} caught the suspension that ctx.waitForSignal throws; let it pass`,
      ),
    };
  });
  const end = await Promise.race([handled, timedOut, stopped, strayed]);
  timer.abort();
  stop.removeEventListener("abort", abandon);
  environment.unwanted.removeEventListener("abort", discourage);
  // A handler that still runs is told, and puts nothing on the queue any more.
  if (isOpen) {
    const reason = new WorkflowError("closed", `the attempt is over: ${end.kind}`);
    over.abort(reason);
    abort.abort(reason);
  }
  return end;
}

async function callHandler(environment: HandlerEnvironment, context: unknown): Promise<AttemptEnd> {
  try {
    const { flight, record, handler } = environment;
    const state = record.steps.get(flight.step);
    const value =
      flight.kind === "run"
        ? await handler(context)
        : await handler(context, hasCompleted(record, flight.step) ? (state?.result ?? STORED_NULL).read() : undefined);
    return { kind: "returned", value };
  } catch (error) {
    return { kind: "threw", error };
  }
}

/** A step that was skipped has the result null and no attempt: it did not complete. */
function hasCompleted(record: RunRecord, step: string): boolean {
  const state = record.steps.get(step);
  return state?.status === "completed" && state.attempt > 0;
}

/** What a worker does after an attempt. */
export type AfterAttempt =
  | { readonly kind: "facts"; readonly facts: readonly Fact[] }
  /** Again, after a delay; `counts`: it uses up a retry. */
  | { readonly kind: "again"; readonly delayMs: number; readonly counts: boolean; readonly message: string }
  | { readonly kind: "abandoned" };

/** Why an attempt failed; undefined: it did not. */
export function failureOf(end: AttemptEnd, after: AfterAttempt): ErrorData | undefined {
  const message = failureMessage(after);
  if (message === undefined) return undefined;
  if (end.kind === "threw" || end.kind === "unrepeatable") return errorDataOf(end.error);
  return { name: end.kind === "timeout" ? "TimeoutError" : "StepFailed", message };
}

function failureMessage(after: AfterAttempt): string | undefined {
  if (after.kind === "again") return after.counts ? after.message : undefined;
  const failed = after.kind === "facts" ? after.facts.find((fact) => fact.fact === "failed") : undefined;
  return failed?.failure.message;
}

/** Judges an attempt by the rules of retries and outcomes. `retries` were used up before it. */
export function judge(
  end: AttemptEnd,
  flight: Flight,
  policy: ActivityPolicy,
  attempt: number,
  retries: number,
  random: () => number,
): AfterAttempt {
  const ref = refOf(flight);
  switch (end.kind) {
    case "abandoned":
      return { kind: "abandoned" };
    case "waits":
      return { kind: "facts", facts: [{ fact: "waiting", ref, signal: end.signal, timeoutMs: end.timeoutMs }] };
    case "returned":
      return { kind: "facts", facts: [returned(ref, end.value, attempt)] };
    case "timeout":
      return retryOrFail(
        ref,
        policy,
        attempt,
        retries,
        random,
        `attempt ${attempt} took longer than ${policy.timeoutMs} ms`,
      );
    case "unrepeatable":
      return { kind: "facts", facts: [failed(ref, summaryOf(end.error), "unknown", attempt)] };
    case "threw":
      return threw(ref, end.error, policy, attempt, retries, random);
  }
}

function threw(
  ref: FlightRef,
  error: unknown,
  policy: ActivityPolicy,
  attempt: number,
  retries: number,
  random: () => number,
): AfterAttempt {
  const message = summaryOf(error);
  if (error instanceof PermanentError) return { kind: "facts", facts: [failed(ref, message, "never", attempt)] };
  if (error instanceof RescheduleError) {
    const delayMs = delayOf(error);
    if (typeof delayMs === "number") return { kind: "again", delayMs, counts: false, message };
    return { kind: "facts", facts: [failed(ref, `RescheduleError: ${delayMs}`, "unknown", attempt)] };
  }
  return retryOrFail(ref, policy, attempt, retries, random, message);
}

/** In milliseconds, or why not: the delay may come from another copy of this package, and be anything. */
function delayOf(error: RescheduleError): number | string {
  try {
    const delay: unknown = error.delay;
    if (typeof delay === "string" || typeof delay === "number") return parseDuration(delay);
    return `a ${typeof delay} is not a duration`;
  } catch (problem) {
    return reasonOf(problem);
  }
}

function retryOrFail(
  ref: FlightRef,
  policy: ActivityPolicy,
  attempt: number,
  retries: number,
  random: () => number,
  message: string,
): AfterAttempt {
  if (retries >= policy.retries) return { kind: "facts", facts: [failed(ref, message, "unknown", attempt)] };
  return { kind: "again", delayMs: backoffMs(policy.retryPolicy, retries, random), counts: true, message };
}

function returned(ref: FlightRef, value: unknown, attempt: number): Fact {
  // Nobody asks what an undo returned.
  if (ref.kind === "undo") return { fact: "done", ref, result: STORED_NULL, attempt };
  const taken = StoredValue.take(value, MAX_RESULT_LENGTH);
  switch (taken.kind) {
    case "taken":
      return { fact: "done", ref, result: taken.value, attempt };
    case "not_json": {
      const message = `the result is not JSON: ${taken.problem}; return plain objects, arrays, strings, finite numbers, booleans and null`;
      return failed(ref, message, "unknown", attempt);
    }
    case "too_long": {
      const message = `the result is more than ${MAX_RESULT_LENGTH} characters of JSON; store it elsewhere and return a reference`;
      return failed(ref, message, "unknown", attempt);
    }
  }
}

function failed(ref: FlightRef, message: string, outcome: "never" | "unknown", attempt: number): Fact {
  return { fact: "failed", ref, failure: { type: "StepFailed", message, outcome, attempt } };
}
