/** The events that may happen next to a run: finitely many, and only those that an engine can bring about. */
import { hasCompensation } from "../../../machines/plan/compile.ts";
import type { RunEvent } from "../../../machines/events.ts";
import type { Plan } from "../../../machines/plan/plan.ts";
import type { Projection, StepView } from "../../../machines/snapshot.ts";
import { type Duration, parseDuration } from "../../wire/duration.ts";
import { isOver } from "../../run/record/record.ts";

/** A signal that a handler waits for. */
export interface HandlerWait {
  /** The name of the signal. */
  readonly signal: string;
  /** The timeout that is passed to `ctx.waitForSignal`: `"7d"` or milliseconds. @defaultValue no limit */
  readonly timeout?: Duration;
}

/** Which events a model has. */
export interface EventOptions {
  /**
   * What the handlers of steps wait for, by step, in the order of their calls of `ctx.waitForSignal`: a plan cannot tell. The handler may
   * end before each of them. @defaultValue no handler waits
   */
  readonly waits?: Readonly<Record<string, readonly HandlerWait[]>>;
  /** Most failures of steps and undos on one path. @defaultValue no limit */
  readonly failures?: number;
  /** Whether a run may be cancelled, with its undos and (where there are any) without. @defaultValue true */
  readonly cancel?: boolean;
  /** How often a held step may begin, the first time included. @defaultValue 2 */
  readonly generations?: number;
}

/** Events by what a run looks like. */
export type EventSource = (view: Projection) => readonly RunEvent[];

const DEFAULT_GENERATIONS = 2;

/** The waits of the handler of a step; names may be `__proto__`. */
export function waitsOf(options: EventOptions, step: string): readonly HandlerWait[] {
  const { waits = {} } = options;
  return Object.hasOwn(waits, step) ? (waits[step] ?? []) : [];
}

/** Makes the list of what may happen next. Before the start that is only the start, after the end nothing. */
export function eventsFor(plan: Plan, options: EventOptions = {}): EventSource {
  return (view) => {
    if (view.status === "pending") return [{ type: "start" }];
    if (isOver(view.status)) return [];
    const mayFail = failuresIn(view) < (options.failures ?? Number.POSITIVE_INFINITY);
    const answers = plan.steps.flatMap(({ name }) => answersOf(plan, options, view, name, mayFail));
    return [...answers, ...operatorEvents(plan, options, view)];
  };
}

/** Every generation but the first follows a failure; so does a skip. */
function failuresIn(view: Projection): number {
  let failures = 0;
  for (const { phase, generation, undo } of view.steps.values()) {
    failures += Math.max(0, generation - 1);
    if (phase === "failed" || phase === "held" || phase === "skipped") failures += 1;
    if (undo === "failed") failures += 1;
  }
  return failures;
}

function answersOf(
  plan: Plan,
  options: EventOptions,
  view: Projection,
  step: string,
  mayFail: boolean,
): readonly RunEvent[] {
  const { phase, generation, wake, undo } = view.steps.get(step) as StepView;
  if (undo === "running")
    return [{ type: "undo.done", step, generation }, ...failed(mayFail, { type: "undo.failed", step, generation })];
  switch (phase) {
    case "running": {
      const answers: readonly RunEvent[] = [
        { type: "step.done", step, generation },
        ...failed(mayFail, { type: "step.failed", step, generation, outcome: "never" }),
        ...failed(mayFail, { type: "step.failed", step, generation, outcome: "unknown" }),
      ];
      // An engine that holds the handler learns at its end that it may or may not have happened, never that it did not begin.
      if (view.draining.includes(step))
        return [...answers, { type: "step.fenced", step, generation, outcome: "unknown" }];
      const wait = waitsOf(options, step)[wake];
      if (wait === undefined) return answers;
      const timeoutMs = timeoutOf(wait);
      return [...answers, { type: "step.waiting", step, generation, wake, signal: wait.signal, timeoutMs }];
    }
    case "delaying":
      return [{ type: "timer.due", timer: "delay", step, generation: Math.max(1, generation), wake }];
    case "waiting":
      return waitEvents(plan, options, view, step, mayFail);
    case "held":
      return [{ type: "skip", step }];
    case "pending":
    case "parked":
    case "completed":
    case "skipped":
    case "failed":
    case "cancelled":
      return [];
  }
}

const failed = (mayFail: boolean, event: RunEvent): readonly RunEvent[] => (mayFail ? [event] : []);

const timeoutOf = (wait: HandlerWait | undefined): number =>
  wait?.timeout === undefined ? 0 : parseDuration(wait.timeout);

/** A signal goes to the oldest open wait of its name. */
function waitEvents(
  plan: Plan,
  options: EventOptions,
  view: Projection,
  step: string,
  mayFail: boolean,
): readonly RunEvent[] {
  const wait = view.waits.find((open) => open.step === step);
  if (wait === undefined) return [];
  const { generation, wake } = wait;
  const isOldest = view.waits.find((open) => open.signal === wait.signal) === wait;
  const node = plan.steps.find(({ name }) => name === step);
  const isNode = node?.kind === "signal";
  const timeoutMs = isNode ? node.timeoutMs : timeoutOf(waitsOf(options, step)[wake]);
  const mayEnd = timeoutMs > 0 && (mayFail || !isNode || node.onTimeout === "continue");
  return [
    ...(isOldest ? [{ type: "signal.received", step, generation, wake } as const] : []),
    ...(mayEnd ? [{ type: "timer.due", timer: "deadline", step, generation, wake } as const] : []),
  ];
}

function operatorEvents(plan: Plan, options: EventOptions, view: Projection): readonly RunEvent[] {
  const { cancel = true, generations = DEFAULT_GENERATIONS } = options;
  const events: RunEvent[] = [];
  if (cancel && view.outcome === null) {
    events.push({ type: "cancel", compensate: true });
    if (hasCompensation(plan)) events.push({ type: "cancel", compensate: false });
  }
  const held = [...view.steps.values()].filter(({ phase }) => phase === "held");
  if (held.length > 0 && held.every(({ generation }) => generation < generations)) events.push({ type: "resume" });
  return events;
}
