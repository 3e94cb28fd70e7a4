/** The workflows of the examples, with handlers that are watched in place of theirs. */
import { flightDelays, onboarding, orderFulfilment } from "../examples/workflows.ts";
import { PermanentError } from "../../src/errors.ts";
import type { AnyWorkflow, ErasedHandlers } from "../../src/define/workflow.ts";
import type { Watched } from "./observer.ts";
import { handlersOf, type Shape, type Stage } from "./shapes.ts";

interface Waiting extends Watched {
  waitForSignal(name: string, options?: { timeout?: string | number }): Promise<unknown>;
}

/** What steps of an example do beside being watched. */
interface Acts {
  /** Steps that wait for this signal first. */
  readonly waits?: Readonly<Record<string, { readonly signal: string; readonly timeout: string }>>;
  /** A step that vouches that nothing happened and fails. */
  readonly fails?: string;
}

/** The same plan, other handlers. */
function watched(definition: AnyWorkflow, acts: Acts, stage: Stage): AnyWorkflow {
  const { run, undo } = handlersOf(stage);
  const handlers = new Map<string, ErasedHandlers>();
  for (const { name } of definition.plan.steps) {
    const theirs = definition.handlers.get(name);
    if (theirs === undefined) continue;
    const forward = async (context: unknown): Promise<unknown> => {
      const wait = acts.waits?.[name];
      if (wait !== undefined) await (context as Waiting).waitForSignal(wait.signal, { timeout: wait.timeout });
      const result = await run(context as Watched);
      if (acts.fails === name) throw new PermanentError("no");
      return result;
    };
    handlers.set(name, {
      run: forward,
      ...(theirs.compensate === undefined ? {} : { compensate: (context: unknown) => undo(context as Watched) }),
    });
  }
  return { ...definition, inputSchema: undefined, handlers };
}

const approve = { approve: { signal: "approval", timeout: "7d" } };
const letters = onboarding(async () => {}, { finishWithin: "90s", askAfter: "40s" });

/** Examples as shapes. Both samples of the seed page are shapes of their own: three in a row, and a wait. */
export const EXAMPLES: readonly Shape[] = [
  {
    name: "order_fulfilment",
    script: "approve",
    ends: ["completed"],
    undoable: ["reserve", "charge"],
    make: (stage) => watched(orderFulfilment, { waits: approve }, stage),
  },
  {
    name: "order that cannot be shipped",
    workflow: "order_fulfilment",
    script: "approve",
    ends: ["failed"],
    undoable: ["reserve", "charge"],
    vouching: ["ship"],
    make: (stage) => watched(orderFulfilment, { waits: approve, fails: "ship" }, stage),
  },
  {
    name: "onboarding",
    script: "profile",
    ends: ["completed"],
    undoable: [],
    make: (stage) => watched(letters, { waits: { profile: { signal: "profile_finished", timeout: "90s" } } }, stage),
  },
  {
    name: "flight_delays",
    script: "nothing",
    ends: ["completed"],
    undoable: [],
    make: (stage) => watched(flightDelays, {}, stage),
  },
];
