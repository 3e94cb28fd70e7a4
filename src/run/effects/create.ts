/** Creates the task of an execution that no driver owns, so that another worker finds it. */
import { endedWithoutUs } from "../ended-task.ts";
import { type EntryBase, type FlightRef, flightRef } from "../record/record.ts";
import { flightTask, flightTaskId } from "../tasks.ts";
import { type EffectKind, entryId, flightIn, makeReady } from "./effect.ts";

/** The outbox entry that creates the task of an execution. */
export interface CreateEntry extends EntryBase {
  readonly do: "create";
  readonly ref: FlightRef;
}

/** The entry for an execution. */
export function createEntry(ref: FlightRef): CreateEntry {
  return { id: entryId("create", ref), do: "create", ref };
}

/** The kind of effect that creates the task of an execution. */
export const createEffect: EffectKind<CreateEntry> = {
  do: "create",
  shape: { ref: flightRef },
  outlivesTermination: false,
  stepOf: ({ ref }) => ref.step,
  // The creation of an owned step belongs to its owner, who runs the step instead.
  isFree: ({ ref }, record) => flightIn(record, ref)?.owner === undefined,
  dispatch: async ({ ref }, { context, record, program, dispatcher }) => {
    const flight = flightIn(record, ref);
    // Who holds the task knows that it was made, and its lease key stands.
    if (flight === undefined || flightTaskId(record.id, flight) === dispatcher.actor.task) return [];
    const existing = await makeReady(context, flightTask(record, program, flight));
    return existing === undefined ? [] : endedWithoutUs(context.queue, record.id, flight, existing);
  },
};
