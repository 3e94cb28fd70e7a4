/** Puts the task that is due when a timer is. */
import { type EntryBase, type TimerState, timerState } from "../record/record.ts";
import { timerTick } from "../wakeups/timer.ts";
import { type EffectKind, makeReady } from "./effect.ts";

/** The outbox entry that puts the task of a timer. */
export interface TimerEntry extends EntryBase {
  readonly do: "timer";
  readonly timer: TimerState;
}

/** The entry for a timer. */
export function timerEntry(timer: TimerState): TimerEntry {
  const { timer: kind, step, generation, wake } = timer;
  return { id: `timer:${kind}:${step}:${generation}:${wake}`, do: "timer", timer };
}

/** The kind of effect that puts the task of a timer. */
export const timerEffect: EffectKind<TimerEntry> = {
  do: "timer",
  shape: { timer: timerState },
  outlivesTermination: false,
  stepOf: ({ timer }) => timer.step,
  dispatch: async ({ timer }, { context, record }) => {
    await makeReady(context, timerTick.task(record, { timer }));
    return [];
  },
};
