/** Runs whose histories are looked at, and how they are read. */
import { z } from "zod";
import { type AnyWorkflow, type ObjectStore, PermanentError, workflow } from "../../src/index.ts";
import { registeredDefinition } from "../../src/define/registered.ts";
import type { Frame, Timeline } from "../../src/draw/timeline.ts";
import type { RunDetails } from "../../src/inspect/details.ts";
import { followTimeline, readTimeline } from "../../src/inspect/history.ts";
import { nodeHost } from "../../src/host/node.ts";
import { StoredPrograms } from "../../src/programs/stored-programs.ts";

/** A saga: two steps side by side, a handler that waits for a signal, a last step that fails and has everything undone. */
export const trip = workflow("trip", { signals: { answer: z.object({ yes: z.boolean() }) } })
  .step("quote", () => ({ price: 10 }))
  .step("book flight", { dependsOn: ["quote"], run: () => ({ seat: "1A" }), compensate: () => {} })
  .step("book_hotel", { dependsOn: ["quote"], run: () => ({ room: 7 }), compensate: () => {} })
  .step("confirm", {
    dependsOn: ["book flight", "book_hotel"],
    run: async (ctx) => await ctx.waitForSignal("answer", { timeout: "1h" }),
  })
  .step("pay", {
    dependsOn: ["confirm"],
    onFailure: "compensate",
    run: () => {
      throw new PermanentError("the card is empty");
    },
  });

/** A delay, and a node that waits for a signal. */
export const slow = workflow("slow")
  .step("first", { delay: "5m", run: () => 1 })
  .signal("go", { dependsOn: ["first"], timeout: "2h" });

export const programsOf = (store: ObjectStore, workflows: readonly AnyWorkflow[] = []): StoredPrograms =>
  new StoredPrograms(store, nodeHost(), workflows.map(registeredDefinition));

export const read = (store: ObjectStore, id: string, workflows?: readonly AnyWorkflow[]): Promise<Timeline> =>
  readTimeline(store, id, { programs: programsOf(store, workflows) });

export const follow = (store: ObjectStore, id: string): (() => Promise<Timeline>) =>
  followTimeline(store, id, { programs: programsOf(store) });

export const detailsOf = (frame: Frame | undefined): RunDetails => frame?.details as RunDetails;
