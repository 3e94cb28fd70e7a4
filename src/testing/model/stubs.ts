/** The plan of the user with handlers that only wait for what a path answers. */
import type { ExecutionRef } from "../../run/record/record.ts";
import { hashPlan } from "../../define/definition.ts";
import type { AnyWorkflow, ErasedHandlers } from "../../define/workflow.ts";
import { PermanentError, RescheduleError } from "../../errors.ts";
import { parseDuration } from "../../wire/duration.ts";
import type { HandlerWait } from "./events.ts";

/** How a handler ends, or that it waits for its next signal first. */
export type Answer =
  | { readonly kind: "returns"; readonly value: unknown }
  /** `PermanentError`: nothing happened. */
  | { readonly kind: "fails" }
  /** An ordinary error, which fails the step for good: stubs have no retries. */
  | { readonly kind: "breaks" }
  /** It does not end now, and is to be asked again later. */
  | { readonly kind: "leaves" }
  | { readonly kind: "waits" };

/** What a stub sees of its context. */
interface StubContext {
  readonly step: string;
  readonly generation: number;
  waitForSignal(name: string, options: { timeout?: string | number }): Promise<unknown>;
}

/** Lets a handler wait for the test, `kit.hold`. */
type Hold = <T>(promise: Promise<T>) => Promise<T>;

/** No timer of a run may go off by itself. */
const SLOW_MS = 86_400_000;
const slow = (ms: number): number => (ms === 0 ? 0 : Math.max(ms, SLOW_MS));

/** Answers that handlers wait for, each given once and read by every attempt. */
export class Answers {
  readonly #known = new Map<string, { readonly promise: Promise<Answer>; readonly give: (answer: Answer) => void }>();

  /** Answers a handler execution, also one that has not begun. */
  give(ref: ExecutionRef, answer: Answer): void {
    this.#of(ref).give(answer);
  }

  /** The answer for a handler execution, when it comes. */
  wanted(ref: ExecutionRef): Promise<Answer> {
    return this.#of(ref).promise;
  }

  #of({ kind, step, generation, wake }: ExecutionRef): {
    readonly promise: Promise<Answer>;
    readonly give: (answer: Answer) => void;
  } {
    const key = JSON.stringify([kind, step, generation, wake]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    let give: (answer: Answer) => void = () => {};
    const promise = new Promise<Answer>((resolve) => {
      give = resolve;
    });
    const made = { promise, give };
    this.#known.set(key, made);
    return made;
  }
}

/**
 * The workflow with stubs for handlers. Its chart is the same: there are no retries, so that an error is a failure also while the run
 * stops, where nothing is tried again, and timers are slow. `checked`: names of signals whose schemas are kept.
 */
export function stubbed(
  workflow: AnyWorkflow,
  answers: Answers,
  hold: Hold,
  waits: (step: string) => readonly HandlerWait[],
  checked: ReadonlySet<string>,
): AnyWorkflow {
  const steps = workflow.plan.steps.map((step) =>
    step.kind === "task"
      ? { ...step, delayMs: slow(step.delayMs), timeoutMs: slow(step.timeoutMs), retries: 0 }
      : { ...step, timeoutMs: slow(step.timeoutMs) },
  );
  const plan = { ...workflow.plan, steps };
  const run = async (context: unknown): Promise<unknown> => {
    const { step, generation, waitForSignal } = context as StubContext;
    for (let wake = 0; ; wake += 1) {
      const answer = await hold(answers.wanted({ kind: "run", step, generation, wake }));
      if (answer.kind !== "waits") return endAs(answer);
      const { signal, timeout } = waits(step)[wake] ?? { signal: "" };
      await waitForSignal(signal, timeout === undefined ? {} : { timeout: slow(parseDuration(timeout)) });
    }
  };
  const compensate = async (context: unknown): Promise<void> => {
    const { step, generation } = context as StubContext;
    endAs(await hold(answers.wanted({ kind: "undo", step, generation, wake: 0 })));
  };
  const handlers = steps.flatMap((step): [string, ErasedHandlers][] =>
    step.kind === "task" ? [[step.name, step.compensate ? { run, compensate } : { run }]] : [],
  );
  return {
    name: workflow.name,
    plan,
    planHash: hashPlan(plan),
    definitionHash: workflow.definitionHash,
    inputSchema: undefined,
    signalSchemas: new Map([...workflow.signalSchemas].filter(([name]) => checked.has(name))),
    handlers: new Map(handlers),
    makeOutput: undefined,
  };
}

function endAs(answer: Answer): unknown {
  switch (answer.kind) {
    case "returns":
      return answer.value;
    case "fails":
      throw new PermanentError("the path says so");
    case "breaks":
      throw new Error("the path says so");
    case "leaves":
      throw new RescheduleError(0, "the path says so");
    case "waits":
      throw new Error("an undo cannot wait for signals");
  }
}
