/** The workflows that fleets run: one for each shape of the protocol, with what may come of it. */
import { PermanentError } from "../../src/errors.ts";
import type { AnyWorkflow, UntypedWorkflow } from "../../src/define/workflow.ts";
import { untypedWorkflow, workflow } from "../../src/index.ts";
import type { RunStatus } from "../../machines/snapshot.ts";
import { Chance, mixSeed, type Process, type World } from "./world/index.ts";
import type { Observer, Watched } from "./observer.ts";

/** What a workflow of the fleet is made with. */
export interface Stage {
  readonly world: World;
  readonly process: Process;
  readonly observer: Observer;
  /** Whether a step may run longer than a third of its lease. */
  readonly long: boolean;
}

/** What the client does to the run after it was started. */
export type Script =
  | "nothing"
  | "approve"
  | "profile"
  | "signal"
  | "signals"
  | "answer"
  | "cancel"
  | "pause"
  | "resume-held"
  | "retry";

/** One workflow and what is expected of a run of it. */
export interface Shape {
  readonly name: string;
  /** Name of its workflow. @defaultValue `name` */
  readonly workflow?: string;
  readonly script: Script;
  readonly ends: readonly RunStatus[];
  /** Steps with an undo. */
  readonly undoable: readonly string[];
  /** Steps that vouch that nothing happened when they fail. */
  readonly vouching?: readonly string[];
  /** How often the run fails and is opened again. @defaultValue 0 */
  readonly retries?: number;
  make(stage: Stage): AnyWorkflow;
}

type Result = { step: string; by: string; at: number };
type Handler = (context: Watched) => Promise<Result>;

/** Handlers that last as long as the seed says, and are watched. */
export function handlersOf(stage: Stage): { run: Handler; undo: (context: Watched) => Promise<void> } {
  const { world, process, observer } = stage;
  const act = async (kind: "run" | "undo", context: Watched): Promise<void> => {
    const execution = await observer.begin(world, process, kind, context);
    const draw = new Chance(mixSeed(world.seed, "lasts", kind, context.step));
    const isLong = stage.long && draw.chance(0.3);
    const mostMs = draw.chance(0.7) ? 400 : 9_000;
    const lastsMs = isLong ? draw.between(11_000, 40_000) : draw.between(0, mostMs);
    await process.host.clock.sleep(lastsMs);
    execution.endedAt = world.nowMs;
  };
  return {
    run: async (context) => {
      await act("run", context);
      // Another execution gives another result: whichever is committed first must stay.
      return { step: context.step, by: process.name, at: world.nowMs };
    },
    undo: (context) => act("undo", context),
  };
}

const two: Shape = {
  name: "two",
  script: "nothing",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("two")
      .step("a", run)
      .step("b", { dependsOn: ["a"], run });
  },
};

const three: Shape = {
  name: "three",
  script: "nothing",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("three")
      .step("a", run)
      .step("b", { dependsOn: ["a"], run })
      .step("c", { dependsOn: ["b"], run });
  },
};

const fork: Shape = {
  name: "fork",
  script: "nothing",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("fork")
      .step("a", run)
      .step("b", { dependsOn: ["a"], run })
      .step("c", { dependsOn: ["a"], run })
      .step("d", { dependsOn: ["b", "c"], run });
  },
};

/** A handler that does its work once the signal `go` is there. */
const afterGo =
  (run: Handler) =>
  async (context: Watched & { waitForSignal(name: string): Promise<unknown> }): Promise<{ got: number }> => {
    const signal = await context.waitForSignal("go");
    await run(context);
    return { got: (signal as { n: number }).n };
  };

const wait: Shape = {
  name: "wait",
  script: "signal",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("wait", { foreign: true })
      .step("w", afterGo(run))
      .step("after", { dependsOn: ["w"], run });
  },
};

const parked: Shape = {
  ...wait,
  name: "parked",
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("parked")
      .step("w", afterGo(run))
      .step("after", { dependsOn: ["w"], run });
  },
};

/** Its signal and the wake-up that tells of it come while `w` has not begun to wait, in a task of its own. */
const early: Shape = {
  ...wait,
  name: "early",
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("early")
      .step("a", run)
      .step("w", async (context) => {
        await stage.process.host.clock.sleep(3_000);
        return afterGo(run)(context);
      });
  },
};

const twice: Shape = {
  name: "twice",
  script: "signals",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("twice").step("w", async (context) => {
      const first = await context.waitForSignal("go");
      const second = await context.waitForSignal("go", { timeout: "20m" });
      await run(context);
      return { got: [(first as { n: number }).n, (second as { n: number } | undefined)?.n ?? null] };
    });
  },
};

const gate: Shape = {
  name: "gate",
  script: "answer",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("gate")
      .step("ask", run)
      .signal("answer", { dependsOn: ["ask"], timeout: "90s", onTimeout: "continue" })
      .step("tell", { dependsOn: ["answer"], run });
  },
};

const fails = async (context: Watched, run: Handler): Promise<never> => {
  await run(context);
  throw new PermanentError("no");
};

const undone: Shape = {
  name: "undone",
  script: "nothing",
  ends: ["failed"],
  undoable: ["a"],
  vouching: ["b"],
  make: (stage) => {
    const { run, undo } = handlersOf(stage);
    return workflow("undone")
      .step("a", { run, compensate: undo })
      .step("b", { dependsOn: ["a"], run: (context) => fails(context, run) });
  },
};

const saga: Shape = {
  name: "saga",
  script: "nothing",
  ends: ["failed"],
  undoable: ["reserve", "charge"],
  vouching: ["ship"],
  make: (stage) => {
    const { run, undo } = handlersOf(stage);
    return workflow("saga")
      .step("reserve", { run, compensate: undo })
      .step("charge", { run, compensate: undo })
      .step("ship", { dependsOn: ["reserve", "charge"], run: (context) => fails(context, run) });
  },
};

const race: Shape = {
  name: "race",
  script: "nothing",
  ends: ["failed"],
  undoable: ["slow"],
  vouching: ["bad"],
  make: (stage) => {
    const { run, undo } = handlersOf(stage);
    return workflow("race")
      .step("bad", (context) => fails(context, run))
      .step("slow", { run, compensate: undo })
      .step("never", { dependsOn: ["bad", "slow"], run });
  },
};

/** Its first branch is handed off at once, and still runs when another one fails and stops the run. */
const halting = (name: string, failing: readonly string[]): Shape => ({
  name,
  script: "nothing",
  ends: ["failed"],
  undoable: ["slow"],
  vouching: failing,
  make: (stage) => {
    const { run, undo } = handlersOf(stage);
    const slow = async (context: Watched): Promise<Result> => {
      const done = await run(context);
      await stage.process.host.clock.sleep(5_000);
      return done;
    };
    let built: UntypedWorkflow = untypedWorkflow(name).step("slow", {
      run: (context) => slow(context as Watched),
      compensate: (context) => undo(context as Watched),
    });
    for (const step of failing) built = built.step(step, (context) => fails(context as Watched, run));
    return built;
  },
});

const halt = halting("halt", ["bad"]);
/** There are branches that nobody has begun. */
const halts = halting("halts", ["bad", "worse", "worst"]);

const cancel: Shape = {
  name: "cancel",
  script: "cancel",
  ends: ["completed", "cancelled"],
  undoable: ["first", "long", "last"],
  make: (stage) => {
    const { run, undo } = handlersOf(stage);
    return workflow("cancel")
      .step("first", { run, compensate: undo })
      .step("long", { dependsOn: ["first"], run, compensate: undo })
      .step("last", { dependsOn: ["long"], run, compensate: undo });
  },
};

const retry: Shape = {
  name: "retry",
  script: "nothing",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    const retryPolicy = { initialMs: 15_000, maxMs: 15_000, multiplier: 1, jitter: 0 };
    const flaky = async (context: Watched): Promise<Result> => {
      const done = await run(context);
      if (stage.observer.executions.filter((other) => other.step === context.step).length < 2) throw new Error("again");
      return done;
    };
    return workflow("retry")
      .step("a", { run: flaky, retryPolicy })
      .step("b", { run: flaky, retryPolicy })
      .step("c", { dependsOn: ["a", "b"], run });
  },
};

const hold: Shape = {
  name: "hold",
  script: "resume-held",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("hold")
      .step("a", run)
      .step("h", {
        dependsOn: ["a"],
        onFailure: "pause_workflow",
        run: (context) => (context.generation === 1 ? fails(context, run) : run(context)),
      })
      .step("c", { dependsOn: ["h"], run });
  },
};

const pause: Shape = {
  name: "pause",
  script: "pause",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("pause")
      .step("a", run)
      .step("b", { dependsOn: ["a"], run })
      .step("c", { dependsOn: ["a"], run })
      .step("d", { dependsOn: ["b", "c"], run });
  },
};

const remote: Shape = {
  name: "remote",
  script: "nothing",
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("remote", { foreign: true })
      .step("a", run)
      .step("r", { dependsOn: ["a"], remote: true })
      .step("b", { dependsOn: ["a"], run })
      .step("c", { dependsOn: ["r", "b"], run });
  },
};

const again: Shape = {
  name: "again",
  script: "retry",
  retries: 1,
  ends: ["completed"],
  undoable: ["reserve", "charge"],
  vouching: ["ship"],
  make: (stage) => {
    const { run, undo } = handlersOf(stage);
    return workflow("again")
      .step("look", run)
      .step("reserve", { dependsOn: ["look"], run, compensate: undo })
      .step("charge", { dependsOn: ["look"], run, compensate: undo })
      .step("ship", {
        dependsOn: ["reserve", "charge"],
        run: (context) => (context.generation === 1 ? fails(context, run) : run(context)),
      });
  },
};

const kept: Shape = {
  name: "kept",
  script: "retry",
  retries: 2,
  ends: ["completed"],
  undoable: [],
  make: (stage) => {
    const { run } = handlersOf(stage);
    return workflow("kept")
      .step("a", run)
      .step("bad", {
        dependsOn: ["a"],
        retries: 5,
        retryPolicy: { initialMs: 0, maxMs: 0, multiplier: 1, jitter: 0 },
        run: async (context) => {
          const done = await run(context);
          if (context.generation > 2) return done;
          throw new Error("it may have happened");
        },
      })
      .step("beside", { dependsOn: ["a"], run })
      .step("last", { dependsOn: ["bad", "beside"], run });
  },
};

const late: Shape = {
  name: "late",
  script: "retry",
  retries: 2,
  ends: ["completed"],
  undoable: ["first", "third"],
  vouching: ["bad"],
  make: (stage) => {
    const { run, undo } = handlersOf(stage);
    return workflow("late")
      .step("first", { run, compensate: undo })
      .step("second", { dependsOn: ["first"], run })
      .signal("asked", { dependsOn: ["first"], timeout: "5s", onTimeout: "continue" })
      .step("third", { dependsOn: ["second", "asked"], delay: "2s", run, compensate: undo })
      .step("bad", {
        dependsOn: ["second"],
        delay: "4s",
        run: (context) => (context.generation <= 2 ? fails(context, run) : run(context)),
      })
      .step("last", { dependsOn: ["third", "bad"], run });
  },
};

/** Shapes that fail, and are opened again. */
export const RETRIED: readonly Shape[] = [again, kept, late];

/** The shapes of the protocol. */
export const PROTOCOL: readonly Shape[] = [
  two,
  three,
  fork,
  wait,
  parked,
  early,
  twice,
  gate,
  undone,
  saga,
  race,
  halt,
  halts,
  cancel,
  retry,
  hold,
  pause,
  remote,
];
