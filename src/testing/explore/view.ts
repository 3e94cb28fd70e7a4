/** What checks of users see of a state. */
import type { RunStatus, StepView } from "../../../machines/snapshot.ts";
import type { RunProjection } from "../../run/control.ts";
import { WorkflowError } from "../../errors.ts";
import type { Setting } from "../oracle/setting.ts";
import type { World } from "../oracle/world.ts";
import { reasonOf } from "../../host/error-data.ts";

/** What stands in the world after the moves of a path. */
export interface Effects<Step extends string = string> {
  /** How often the effect of a step stands: 0 or 1. One whose outcome is unknown counts as having happened. */
  count(step: Step): number;
  /** Whether the effect of a step happened and was undone. */
  undone(step: Step): boolean;
  /** Steps whose effects stand, in plan order. */
  readonly standing: readonly Step[];
}

/** A run in one state, as `always` and `finally` see it. */
export interface ExploredRun<Step extends string = string> {
  /** The status of the run. */
  readonly status: RunStatus;
  /** Whether an operator's pause stands, also where the status says something else. */
  readonly paused: boolean;
  /** How far each step is, by its name. */
  readonly steps: { readonly [Name in Step]: StepView };
  /** What the handlers did and the undos took back. */
  readonly effects: Effects<Step>;
  /** What completed steps returned, out of the `outputs` of the options; undefined for the others. */
  readonly outputs: { readonly [Name in Step]: unknown };
}

/** A check: throws, or returns a sentence or false, when something must not be so. It answers at once, never with a promise. */
export type Check<Step extends string = string> = (run: ExploredRun<Step>) => CheckAnswer;

// Not only `undefined`: a check that throws mostly returns what an assertion returns.
/** What a check says; only a sentence and `false` are an objection. */
export type CheckAnswer = void | boolean | string | undefined;

/** Makes the view of a state. */
export function exploredRunOf(
  setting: Setting,
  world: World,
  projection: RunProjection,
  outputs: Readonly<Record<string, readonly unknown[] | undefined>>,
): ExploredRun {
  const worldOf = (name: string): World["steps"][number] | undefined => world.steps[setting.position.get(name) ?? -1];
  const stands = (name: string): boolean => {
    const effect = worldOf(name)?.effect;
    return effect === "stands" || effect === "stuck";
  };
  return {
    status: projection.status,
    paused: projection.paused,
    steps: record(projection.steps),
    effects: {
      count: (name) => (stands(name) ? 1 : 0),
      undone: (name) => worldOf(name)?.effect === "undone",
      standing: setting.steps.map(({ name }) => name).filter(stands),
    },
    outputs: record(
      setting.steps.map(({ name }) => {
        const step = worldOf(name);
        return [name, step?.result === "completed" ? outputs[name]?.[step.output] : undefined] as const;
      }),
    ),
  };
}

/** Without a prototype: `__proto__` is a legal step name. */
function record<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const made = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) made[name] = value;
  return made;
}

/**
 * What a check of a user says against a state; undefined: nothing.
 * @throws {WorkflowError} `invalid` when it returns a promise: the walk would go on before it has said anything.
 */
export function objection(rule: "always" | "finally", check: Check, run: ExploredRun): string | undefined {
  let answer: unknown;
  try {
    answer = check(run);
  } catch (error) {
    return reasonOf(error);
  }
  if (isThenable(answer)) {
    // Nobody waits for it any more, and a rejection that nobody hears of ends the process.
    void Promise.resolve(answer).catch(() => {});
    throw new WorkflowError(
      "invalid",
      `the rule ${rule} returned a promise; it must answer at once, with a sentence or false or by throwing, because checks are synchronous`,
    );
  }
  if (answer === false) return "the check says no";
  return typeof answer === "string" ? answer : undefined;
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { readonly then?: unknown } | null | undefined)?.then === "function";
