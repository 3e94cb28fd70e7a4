/** The runs whose records are kept as golden ones. Their plans stay as they are: a new layout gets files of its own. */
import { z } from "zod";
import { type AnyWorkflow, PermanentError, type Run, workflow } from "../../src/index.ts";
import type { TestKit } from "../../src/testing/index.ts";

/** A run, and how it is led to its end. */
export interface GoldenRun {
  readonly name: string;
  readonly workflow: AnyWorkflow;
  /** Calls `keep` where the whole bucket is kept; others must be able to lead the run on from there. */
  lead(kit: TestKit, run: Run, keep: () => Promise<void>): Promise<void>;
  /** What is still to be done from a kept bucket on. */
  finish(kit: TestKit, run: Run): Promise<void>;
}

const trip = workflow("trip", { signals: { answer: z.object({ yes: z.boolean() }) } })
  .step("quote", () => ({ price: 10.5 }))
  .step("book flight", { dependsOn: ["quote"], run: () => ({ seat: "1A" }), compensate: () => {} })
  .step("__proto__", { dependsOn: ["quote"], run: () => ({ room: 7 }), compensate: () => {} })
  .step("confirm", {
    dependsOn: ["book flight", "__proto__"],
    run: async (ctx) => await ctx.waitForSignal("answer", { timeout: "1h" }),
  })
  .step("pay", {
    dependsOn: ["confirm"],
    onFailure: "compensate",
    run: () => {
      throw new PermanentError("the card is empty");
    },
  });

const slow = workflow("slow")
  .step("first", { delay: "5m", run: () => 1 })
  .signal("go", { dependsOn: ["first"], timeout: "2h" })
  .step("last", { dependsOn: ["go"], run: () => "done" });

/** A knot that no sequence and no fork can draw, one of whose steps is held. */
const knot = workflow("knot")
  .step("a", () => "a")
  .step("b", () => "b")
  .step("c", {
    dependsOn: ["a"],
    retries: 0,
    onFailure: "pause_workflow",
    run: () => {
      throw new Error("not today");
    },
  })
  .step("d", { dependsOn: ["a", "b"], run: () => "d", compensate: () => {} })
  .step("e", { dependsOn: ["b"], run: () => "e" })
  .step("end", { dependsOn: ["c", "d", "e"], run: () => "end" });

/** A chain of undos, cancelled while paused. */
const chain = workflow("chain", { compensation: "chain" })
  .step("one", { run: () => 1, compensate: () => {} })
  .step("two", { dependsOn: ["one"], run: () => 2, compensate: () => {} })
  .signal("never", { dependsOn: ["two"] });

const answer = async (kit: TestKit, run: Run): Promise<void> => {
  await kit.until(run, "waiting_signal");
  await run.signal("answer", { yes: true });
};

export const RUNS: readonly GoldenRun[] = [
  {
    name: "trip",
    workflow: trip,
    lead: async (kit, run, keep) => {
      await kit.until(run, "waiting_signal");
      await keep();
      await answer(kit, run);
      await run.wait();
    },
    finish: answer,
  },
  {
    name: "slow",
    workflow: slow,
    lead: async (kit, run, keep) => {
      await kit.idle();
      await keep();
      await kit.until(run, "waiting_signal");
      await keep();
      await run.signal("go", { from: "somebody" });
      await run.wait();
    },
    finish: async (kit, run) => {
      await kit.until(run, "waiting_signal");
      await run.signal("go", { from: "somebody" });
    },
  },
  {
    name: "knot",
    workflow: knot,
    lead: async (kit, run, keep) => {
      await kit.idle();
      await keep();
      await run.skip("c");
      await run.wait();
    },
    finish: (_kit, run) => run.skip("c"),
  },
  {
    name: "chain",
    workflow: chain,
    lead: async (kit, run, keep) => {
      await kit.until(run, "waiting_signal");
      await run.pause({ reason: "lunch" });
      await kit.until(run, "paused");
      await keep();
      await run.cancel({ reason: "not wanted" });
      await run.wait();
    },
    finish: (_kit, run) => run.cancel({ reason: "not wanted" }),
  },
];
