/** Twenty paths that people ask about, stops of parallel branches among them, and what may be counted as the run's. */
import type { CostPath, ScheduledCommand } from "../../src/cost/path.ts";
import type { Requests } from "../../src/cost/requests.ts";
import { type AnyWorkflow, untypedWorkflow } from "../../src/define/workflow.ts";

/** A workflow, with what its handlers do, and one way that its run goes. */
export interface Case {
  readonly path: CostPath;
  readonly define: (act?: Act) => AnyWorkflow;
}

/** What a handler does when it is called: `undo.` before the name of a step whose undo it is. */
type Act = (what: string, context: HandlerContext) => Promise<null>;

/** What handlers of cases use of their context. */
export interface HandlerContext {
  waitForSignal(name: string, options?: { timeout?: number }): Promise<unknown>;
}

interface Step {
  readonly name: string;
  readonly dependsOn: readonly string[];
  readonly compensate?: boolean;
  readonly signalTimeout?: number;
  readonly options?: object;
}

const define =
  (steps: readonly Step[]): Case["define"] =>
  (act = async () => null) => {
    let workflow = untypedWorkflow("counted");
    for (const { name, dependsOn, compensate, signalTimeout, options } of steps) {
      workflow =
        signalTimeout === undefined
          ? workflow.step(name, {
              dependsOn,
              ...options,
              run: (context) => act(name, context as HandlerContext),
              ...(compensate === true
                ? { compensate: (context) => act(`undo.${name}`, context as unknown as HandlerContext) }
                : {}),
            })
          : workflow.signal(name, { dependsOn, timeout: signalTimeout });
    }
    return workflow;
  };

const STEADY = { retryPolicy: { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0 } };
const SLOW = { retries: 5, retryPolicy: { initialMs: 16_000, maxMs: 60_000, multiplier: 2, jitter: 0 } };

const chain = (length: number, step: Partial<Step> = {}): readonly Step[] =>
  [...Array(length).keys()].map((index) => ({
    name: `s${index}`,
    dependsOn: index === 0 ? [] : [`s${index - 1}`],
    options: STEADY,
    ...step,
  }));

const fork = (width: number): readonly Step[] => [
  { name: "root", dependsOn: [] },
  ...[...Array(width).keys()].map((index) => ({ name: `b${index}`, dependsOn: ["root"], compensate: true })),
  { name: "join", dependsOn: [...Array(width).keys()].map((index) => `b${index}`) },
];

/** Branches that end well apart from each other, and long after a command has been found. */
const apart = (width: number): Map<string, { durationMs: number; ends?: "fails" }> =>
  new Map([...Array(width).keys()].map((index) => [`b${index}`, { durationMs: 6_000 + 370 * index }]));

const approval = (timeout: number): readonly Step[] => [
  ...chain(1, { compensate: true }),
  { name: "approval", dependsOn: ["s0"], signalTimeout: timeout },
];

const after = (ms: number, command: ScheduledCommand["command"], step?: string): ScheduledCommand => ({
  command,
  after: { ms, ...(step === undefined ? {} : { step }) },
});
const CANCEL = { type: "cancel", compensate: true } as const;

const at = (steps: readonly Step[], name: string, way: Omit<CostPath, "name"> = {}): Case => ({
  define: define(steps),
  path: { name, ...way },
});

/** The paths. */
export const CASES: readonly Case[] = [
  at(chain(1), "one step"),
  at(chain(10), "ten steps in a row"),
  at(fork(5), "five branches", { steps: apart(5) }),
  at(chain(3, { compensate: true }), "the third step fails, two are undone", {
    steps: new Map([["s2", { ends: "fails" }]]),
  }),
  at(chain(3, { compensate: true }), "an undo fails for good too", {
    steps: new Map([["s2", { ends: "fails" }]]),
    undos: new Map([["s1", { failures: 9 }]]),
  }),
  at(chain(2), "three retries in place", { steps: new Map([["s1", { failures: 3 }]]) }),
  at(chain(2, { options: SLOW }), "retries from the queue, of the first step and of one that was handed off", {
    steps: new Map([
      ["s0", { failures: 2 }],
      ["s1", { failures: 2 }],
    ]),
  }),
  at(chain(3), "a step of 45 s", { steps: new Map([["s1", { durationMs: 45_000 }]]) }),
  at(chain(2, { options: { ...STEADY, timeout: 3_000, retries: 1 } }), "a step takes longer than its timeout", {
    steps: new Map([["s1", { durationMs: 3_500 }]]),
  }),
  at(approval(3_600_000), "a signal comes before its deadline", { answers: new Map([["approval", 300_000]]) }),
  at(approval(1_800_000), "a deadline passes"),
  at(chain(1), "a handler waits for two signals", {
    steps: new Map([["s0", { waits: [{ signal: "a" }, { signal: "b", timeoutMs: 600_000 }] }]]),
    answers: new Map([
      ["a", 60_000],
      ["b", 120_000],
    ]),
  }),
  at(chain(3, { compensate: true }), "cancelled while the second step runs", {
    steps: new Map([["s1", { durationMs: 7_000 }]]),
    commands: [after(50, CANCEL, "s1")],
  }),
  at(fork(3), "cancelled while three branches run", { steps: apart(3), commands: [after(500, CANCEL, "b0")] }),
  at(fork(5), "one of five branches fails while the others run", {
    steps: new Map([...apart(5), ["b0", { durationMs: 2_000, ends: "fails" }]]),
  }),
  at(fork(3), "terminated while three branches run", {
    steps: apart(3),
    commands: [after(500, { type: "terminate" }, "b0")],
  }),
  at(chain(3), "paused and resumed", {
    steps: new Map([["s1", { durationMs: 7_000 }]]),
    commands: [after(50, { type: "pause" }, "s1"), after(20_000, { type: "resume" }, "s1")],
  }),
  at(chain(2, { options: { onFailure: "pause_workflow" } }), "held, then skipped", {
    steps: new Map([["s0", { ends: "fails" }]]),
    commands: [after(9_000, { type: "skip", step: "s0" })],
  }),
  at(chain(1, { options: { ...STEADY, delay: 30_000 } }), "a delay of 30 s"),
  at(chain(1, { options: { ...STEADY, delay: 600_000 } }), "a delay of ten minutes"),
];

/** What a worker says of itself and of its workflows. */
const OF_WORKERS = /^(workers|x-workflow\/(serving|types|plans))\//u;

/** Requests of a run among all that were sent, but for LIST: who lists an index asks for all runs. */
export function countByKey(requests: Iterable<{ readonly kind: keyof Requests; readonly key: string }>): Requests {
  const counts = { put: 0, get: 0, list: 0, delete: 0, head: 0 };
  for (const { kind, key } of requests) if (kind !== "list" && !OF_WORKERS.test(key)) counts[kind] += 1;
  return counts;
}
