/** The ways that people ask about: everything goes well, each step fails for good, each deadline passes, cancel, retries. */
import type { Plan, PlanStep } from "../../machines/plan/plan.ts";
import type { HandlerBehaviour, CostPath } from "./path.ts";

/** What is the same on every path. */
export interface Habits {
  /** How long handlers and undos take, by step. */
  readonly durationMs: (step: string) => number;
  /** Signals that handlers wait for inside, by step. */
  readonly waits: ReadonlyMap<string, NonNullable<HandlerBehaviour["waits"]>>;
  /** How long after a wait has begun its signal is sent. */
  readonly answerMs: number;
  /** How often the worker polls: nothing tells it of a command sooner. */
  readonly pollMs: number;
}

/** A handler that is to be stopped goes on for so long after the worker has found the command. */
const LINGER_MS = 1_000;

/** The typical paths of a plan, the good one first. */
export function typicalPaths(plan: Plan, habits: Habits): readonly CostPath[] {
  const tasks = plan.steps.filter((step) => step.kind === "task");
  const nodes = plan.steps.filter((step) => step.kind === "signal");
  const inner = [...habits.waits.values()].flat();
  const names = new Set([...nodes.map((node) => node.name), ...inner.map((wait) => wait.signal)]);
  const answers = new Map([...names].map((name) => [name, habits.answerMs]));
  const path = (name: string, changes: ReadonlyMap<string, Partial<HandlerBehaviour>> = new Map()): CostPath => ({
    name,
    steps: coursesOf(plan, habits, changes),
    undos: new Map(tasks.map((step) => [step.name, { durationMs: habits.durationMs(step.name) }])),
    answers,
  });
  const signals = [...names];
  const last = lastOf(tasks);
  return [
    path(signals.length === 0 ? "all goes well" : `all goes well, ${signals.join(", ")} sent`),
    ...tasks.map((step) => path(`${step.name} fails for good`, new Map([[step.name, { ends: "fails" as const }]]))),
    ...withDeadline(nodes, inner).map((name) => ({
      ...path(`${name} never comes`),
      answers: new Map([...answers].filter(([other]) => other !== name)),
    })),
    ...tasks
      .filter((step) => step.retries > 0)
      .map((step) =>
        path(
          `${step.name} succeeds after ${step.retries} ${step.retries === 1 ? "retry" : "retries"}`,
          new Map([[step.name, { failures: step.retries }]]),
        ),
      ),
    ...(last === undefined
      ? []
      : [
          {
            // It runs until the worker has found the command.
            ...path(
              `cancelled while ${last.name} runs`,
              new Map([[last.name, { durationMs: habits.durationMs(last.name) + habits.pollMs + LINGER_MS }]]),
            ),
            commands: [
              {
                command: { type: "cancel" as const, compensate: true },
                after: { step: last.name, ms: habits.durationMs(last.name) / 2 },
              },
            ],
          },
        ]),
  ];
}

function coursesOf(
  plan: Plan,
  habits: Habits,
  changes: ReadonlyMap<string, Partial<HandlerBehaviour>>,
): ReadonlyMap<string, HandlerBehaviour> {
  return new Map(
    plan.steps.map(({ name }) => {
      const waits = habits.waits.get(name) ?? [];
      return [name, { durationMs: habits.durationMs(name), waits, ...changes.get(name) }];
    }),
  );
}

function withDeadline(
  nodes: readonly PlanStep[],
  inner: readonly { readonly signal: string; readonly timeoutMs?: number }[],
): readonly string[] {
  const open = nodes.filter((node) => node.timeoutMs > 0).map((node) => node.name);
  return [...new Set([...open, ...inner.filter((wait) => (wait.timeoutMs ?? 0) > 0).map((wait) => wait.signal)])];
}

/** The step that most others come before. */
function lastOf<S extends PlanStep>(steps: readonly S[]): S | undefined {
  const needed = new Set(steps.flatMap((step) => step.dependsOn));
  return steps.findLast((step) => !needed.has(step.name));
}
