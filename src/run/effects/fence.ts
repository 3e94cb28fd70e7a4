/** Makes sure that a step which the run does not want any more never starts again. */
import { requestCancellation } from "../../queue/cancel.ts";
import { fenceTask } from "../../queue/settle.ts";
import type { QueueContext, TaskSpec } from "../../queue/task.ts";
import type { Fact } from "../facts.ts";
import { type EntryBase, type FlightRef, flightRef } from "../record/record.ts";
import { flightTask } from "../tasks.ts";
import { type EffectKind, entryId, flightIn } from "./effect.ts";

/** The outbox entry that fences an execution. */
export interface FenceEntry extends EntryBase {
  readonly do: "fence";
  readonly ref: FlightRef;
}

/** The entry for an execution. */
export function fenceEntry(ref: FlightRef): FenceEntry {
  return { id: entryId("fence", ref), do: "fence", ref };
}

/** The kind of effect that fences an execution. */
export const fenceEffect: EffectKind<FenceEntry> = {
  do: "fence",
  shape: { ref: flightRef },
  outlivesTermination: false,
  stepOf: ({ ref }) => ref.step,
  dispatch: async ({ ref }, { context, record, program, dispatcher }) => {
    const flight = flightIn(record, ref);
    if (flight === undefined) return [{ fact: "fenced", ref, outcome: "never" }];
    const spec = flightTask(record, program, flight);
    if (flight.owner !== undefined) {
      // Its holder completes the step and drives on. Its handler hears of it at once in this process, else by the next heartbeat
      // (protocol 1.13). An unknown holder is found by a reconcile.
      if (flight.owner === "unknown") return [];
      const { task } = flight.owner;
      if (!context.requestCancel(task) && task !== dispatcher.actor.task)
        await requestCancellation(context.queue, task);
      return [];
    }
    // Its holder is in this process: it ends the step, or its lease runs out and the next claimer does (its fence write).
    if (context.requestCancel(spec.id)) return [];
    return fenceFlight(context.queue, spec, ref);
  },
};

/** Makes sure that the task of an execution that nobody owns never starts again; no fact: its holder says how it ended. */
export async function fenceFlight(queue: QueueContext, spec: TaskSpec, ref: FlightRef): Promise<readonly Fact[]> {
  const answer = await fenceTask(queue, spec);
  switch (answer.kind) {
    case "absent":
      return [{ fact: "fenced", ref, outcome: "never" }];
    case "running":
      return [];
    case "pending":
    case "over":
      return [{ fact: "fenced", ref, outcome: answer.attempt > 0 ? "unknown" : "never" }];
  }
}
