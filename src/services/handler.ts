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
import type { Fact, Failure } from "../run/facts.ts";
import { callTraced } from "../host/stray-errors.ts";
import { type Execution, type ExecutionRef, type GivenSignals, type RunRecord } from "../run/record/record.ts";
import { lazyMembers, STORED_NULL, StoredValue } from "../wire/value.ts";
import { type ChecksOf, duration, readSettings } from "../settings.ts";

/** Largest result of a step in UTF-16 units of its JSON. */
export const MAX_RESULT_LENGTH: number = 256 * 1024;

/** How an attempt ended, judged by the rules of retries and outcomes. */
export type AttemptEnd =
  | { readonly kind: "completed"; readonly result: StoredValue }
  /** For good: `error` is why, with its stack and causes; `message` is that in one line. */
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly outcome: Failure["outcome"];
      readonly error: ErrorData;
    }
  /** It waits for a signal inside itself. */
  | { readonly kind: "waits"; readonly signal: string; readonly timeoutMs: number }
  /** Again, after a delay. Without an `error` it did not fail: its handler asked for it, and it uses up no retry. */
  | { readonly kind: "again"; readonly delayMs: number; readonly message: string; readonly error?: ErrorData }
  /** The lease is lost or the process stops: the end is not known. */
  | { readonly kind: "abandoned" };

/** Everything that a handler is given. The typed view of it is `StepContext` in `src/define/context.ts`. */
export interface HandlerEnvironment {
  readonly host: Host;
  readonly record: RunRecord;
  readonly execution: Execution;
  readonly policy: ActivityPolicy;
  readonly attempt: number;
  /** Whether the workflow takes signals of this name. */
  isSignal(name: string): boolean;
  readonly heartbeat: () => Promise<void>;
  /** Aborts when the run does not want the step any more; the handler may still end as it likes. */
  readonly cancelRequested: AbortSignal;
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

function givenOf(record: RunRecord, execution: ExecutionRef): GivenSignals["given"] {
  const entry = record.machine?.given.find(
    (given) => given.step === execution.step && given.generation === execution.generation,
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

/** Runs the handler once, and judges how that ended. Never rejects. */
export async function runAttempt(environment: HandlerEnvironment, stop: AbortSignal): Promise<AttemptEnd> {
  const { host, record, execution, policy, attempt } = environment;
  const judge = new Judge(execution, policy, attempt, () => host.random.next());
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
  const given = givenOf(record, execution);
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
        `step ${JSON.stringify(execution.step)} waits for signal ${JSON.stringify(name)} where it waited for ${JSON.stringify(known.signal)} when it ran before; a handler waits in the same order each time, also after a deploy`,
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
    step: execution.step,
    attempt: environment.attempt,
    generation: execution.generation,
    signal: abort.signal,
    idempotencyKey: idempotencyKeyOf(record, execution.step),
    heartbeat: environment.heartbeat,
    isCancelled: () => environment.cancelRequested.aborted,
    waitForSignal,
    log: withFields(environment.log, { run: record.id, step: execution.step, attempt: environment.attempt }),
    queue: { submit },
    outcome: hasCompleted(record, execution.step) ? "completed" : "unknown",
    results: resultsOf(record, policy.dependsOn),
  };
  const context = lazyMembers(known, [["input", () => record.data.read()]]);
  const cancel = (): void => abort.abort(new WorkflowError("closed", "the run does not want this step any more"));
  if (environment.cancelRequested.aborted) cancel();
  else environment.cancelRequested.addEventListener("abort", cancel, { once: true });
  let abandon = (): void => {};
  const stopped = new Promise<Verdict>((resolve) => {
    abandon = () => resolve(() => ({ kind: "abandoned" }));
    if (stop.aborted) abandon();
    else stop.addEventListener("abort", abandon, { once: true });
  });
  const timedOut = host.clock
    .sleep(policy.timeoutMs, { signal: timer.signal })
    .then((): Verdict => () => judge.timedOut());
  let failStray: (error: unknown) => void = () => {};
  const strayed = new Promise<Verdict>((resolve) => {
    failStray = (error) => resolve(() => judge.threw(error));
  });
  const fields = { run: record.id, step: execution.step, attempt: environment.attempt };
  const called = environment.catchesStrays
    ? callTraced({ fields, fail: failStray }, () => callHandler(environment, context))
    : callHandler(environment, context);
  let isOpen = true;
  const handled = called.then((answer): Verdict => {
    isOpen = false;
    const open = waits;
    // It asked in another order than before: it cannot run again from its top.
    if (disorder !== undefined) return () => judge.unrepeatable(disorder as WorkflowError);
    if (open === undefined) return () => ("error" in answer ? judge.threw(answer.error) : judge.returned(answer.value));
    if ("error" in answer && suspensions.has(answer.error)) return () => ({ kind: "waits", ...open });
    const caught = `step ${JSON.stringify(execution.step)} caught the suspension that ctx.waitForSignal throws; let it pass`;
    return () => judge.unrepeatable(new WorkflowError("invalid", caught));
  });
  // Only the first is judged: a delay of a retry is drawn by chance, and nobody draws for what came too late.
  const verdict = await Promise.race([handled, timedOut, stopped, strayed]);
  const end = verdict();
  timer.abort();
  stop.removeEventListener("abort", abandon);
  environment.cancelRequested.removeEventListener("abort", cancel);
  // A handler that still runs is told, and puts nothing on the queue any more.
  if (isOpen) {
    const reason = new WorkflowError("closed", `the attempt is over: ${end.kind}`);
    over.abort(reason);
    abort.abort(reason);
  }
  return end;
}

/** Judges an attempt that has ended. */
type Verdict = () => AttemptEnd;

/** What the handler answered. */
type Answer = { readonly value: unknown } | { readonly error: unknown };

async function callHandler(environment: HandlerEnvironment, context: unknown): Promise<Answer> {
  try {
    const { execution, record, handler } = environment;
    const state = record.steps.get(execution.step);
    const value =
      execution.kind === "run"
        ? await handler(context)
        : await handler(
            context,
            hasCompleted(record, execution.step) ? (state?.result ?? STORED_NULL).read() : undefined,
          );
    return { value };
  } catch (error) {
    return { error };
  }
}

/** A step that was skipped has the result null and no attempt: it did not complete. */
function hasCompleted(record: RunRecord, step: string): boolean {
  const state = record.steps.get(step);
  return state?.status === "completed" && state.attempt > 0;
}

/** The rules of retries and outcomes, for one attempt. */
export class Judge {
  readonly #execution: Pick<ExecutionRef, "kind">;
  readonly #policy: Pick<ActivityPolicy, "retries" | "retryPolicy" | "timeoutMs">;
  readonly #attempt: number;
  readonly #random: () => number;

  constructor(
    execution: Pick<ExecutionRef, "kind">,
    policy: Pick<ActivityPolicy, "retries" | "retryPolicy" | "timeoutMs">,
    attempt: number,
    random: () => number,
  ) {
    this.#execution = execution;
    this.#policy = policy;
    this.#attempt = attempt;
    this.#random = random;
  }

  /** The handler returned this. What is no JSON, or too long, cannot be kept, and fails the step. */
  returned(value: unknown): AttemptEnd {
    // Nobody asks what an undo returned.
    if (this.#execution.kind === "undo") return { kind: "completed", result: STORED_NULL };
    const taken = StoredValue.take(value, MAX_RESULT_LENGTH);
    switch (taken.kind) {
      case "taken":
        return { kind: "completed", result: taken.value };
      case "not_json":
        return refused(
          `the result is not JSON: ${taken.problem}; return plain objects, arrays, strings, finite numbers, booleans and null`,
        );
      case "too_long":
        return refused(
          `the result is more than ${MAX_RESULT_LENGTH} characters of JSON; store it elsewhere and return a reference`,
        );
    }
  }

  /** The handler threw this. Its class says whether it is tried again, not its words (C-23). */
  threw(error: unknown): AttemptEnd {
    const message = summaryOf(error);
    if (error instanceof PermanentError)
      return { kind: "failed", message, outcome: "never", error: errorDataOf(error) };
    if (error instanceof RescheduleError) {
      const delayMs = delayOf(error);
      if (typeof delayMs === "number") return { kind: "again", delayMs, message };
      return {
        kind: "failed",
        message: `RescheduleError: ${delayMs}`,
        outcome: "unknown",
        error: errorDataOf(error),
      };
    }
    return this.#retryOrFail(message, errorDataOf(error));
  }

  /** The attempt took longer than it may. */
  timedOut(): AttemptEnd {
    const message = `attempt ${this.#attempt} took longer than ${this.#policy.timeoutMs} ms`;
    return this.#retryOrFail(message, { name: "TimeoutError", message });
  }

  /** It cannot run again from its top: it would be given the payload of another signal. */
  unrepeatable(error: WorkflowError): AttemptEnd {
    return { kind: "failed", message: summaryOf(error), outcome: "unknown", error: errorDataOf(error) };
  }

  #retryOrFail(message: string, error: ErrorData): AttemptEnd {
    const retries = this.#attempt - 1;
    if (retries >= this.#policy.retries) return { kind: "failed", message, outcome: "unknown", error };
    return { kind: "again", delayMs: backoffMs(this.#policy.retryPolicy, retries, this.#random), message, error };
  }
}

/** The handler ran, and what it returned cannot be kept. */
function refused(message: string): AttemptEnd {
  return { kind: "failed", message, outcome: "unknown", error: { name: "StepFailed", message } };
}

/** What the end of an attempt says of its execution. */
export function factOf(
  end: Extract<AttemptEnd, { kind: "completed" | "failed" | "waits" }>,
  ref: ExecutionRef,
  attempt: number,
): Fact {
  switch (end.kind) {
    case "completed":
      return { fact: "done", ref, result: end.result, attempt };
    case "failed": {
      const { message, outcome } = end;
      return { fact: "failed", ref, failure: { type: "StepFailed", message, outcome, attempt } };
    }
    case "waits":
      return { fact: "waiting", ref, signal: end.signal, timeoutMs: end.timeoutMs };
  }
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
