/** What is read of a snapshot without its plan. */
import type { PersistedSnapshot, SnapshotMarks } from "../snapshot.ts";
import { contextProblem } from "./check-snapshot.ts";
import { type ControlContext, control, freshContext } from "./context.ts";

/**
 * What a snapshot says without its plan. A damaged one says nothing: who lists runs shows what their records say plainly, and who asks the
 * machine is told of the damage.
 */
export function marksOf(snapshot: PersistedSnapshot): SnapshotMarks {
  const written = snapshot["context"];
  const context = contextProblem(written) === undefined ? (written as ControlContext) : freshContext();
  return {
    outcome: context.outcome,
    of: (step) => {
      const { phase: settled, kept, undo } = control(context, step);
      const phase = kept ?? settled;
      return {
        ...(phase === undefined ? {} : { phase }),
        undo: undo === undefined || undo === "needless" ? "none" : undo,
        isWaiting: context.waits.some((wait) => wait.step === step),
        isDraining: context.draining.includes(step),
      };
    },
  };
}
