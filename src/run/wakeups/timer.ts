/** A durable timer is due. */
import { type TimerState, timerState } from "../record/record.ts";
import type { Fact } from "../facts.ts";
import { lookIntoInbox } from "../inbox.ts";
import { computedId } from "../tasks.ts";
import { openWaits } from "../view.ts";
import { type TickKind, tickKind } from "./tick.ts";

/** What the tick says of the timer. */
export interface TimerCause {
  readonly timer: TimerState;
}

/** The tick of a timer. */
export const timerTick: TickKind<TimerCause> = tickKind<TimerCause>({
  kind: "timer",
  shape: { timer: timerState },
  id: (runId, { timer }) => computedId(runId, `timer:${timer.timer}`, timer.step, timer.generation, timer.wake),
  dueAt: ({ timer }) => timer.dueAt,
  known: ({ timer }) => {
    const due = dueFact(timer);
    if (timer.timer === "delay") return { facts: [due], listens: false };
    return {
      facts: [],
      listens: true,
      // A signal that was put before the deadline wins: the claimer looks into the inbox first.
      lookUp: async (queue, record, program) => {
        if (record.machine === undefined) return [];
        const waits = openWaits(record, program).filter((wait) => wait.step === timer.step);
        const found = await lookIntoInbox(queue, record, waits);
        return [...(found.length === 0 ? [] : [{ fact: "signals" as const, found }]), due];
      },
    };
  },
});

/** The fact that a timer is due. */
export function dueFact({ timer, step, generation, wake }: TimerState): Fact {
  return { fact: "due", timer, step, generation, wake };
}
