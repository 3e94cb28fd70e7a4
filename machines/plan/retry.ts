/** What a retry of a failed run keeps. */
import { type ControlContext, type StepControl, wasAsked } from "./context.ts";

/**
 * The context of a failed run as that of one that has not started yet, but for what stays: completed steps that were not undone. Every other
 * step that was asked for before becomes a new generation.
 */
export function reopenedContext(before: ControlContext): ControlContext {
  const steps: Record<string, StepControl> = {};
  for (const [key, known] of Object.entries(before.steps)) {
    if (!wasAsked(known)) continue;
    const phase = known.phase ?? known.kept;
    const generation = known.generation ?? 1;
    const undone = known.undo === "done" || known.undo === "failed";
    // What was undone has not happened; what could not be undone may stand.
    const outcome = known.undo === "done" ? undefined : known.undo === "failed" ? "unknown" : known.outcome;
    const effects = outcome === undefined ? {} : { outcome };
    steps[key] =
      (phase === "completed" || phase === "skipped") && !undone
        ? { kept: phase, generation, ...(known.wake === undefined ? {} : { wake: known.wake }), ...effects }
        : { generation: generation + 1, ...effects };
  }
  return { ...before, steps, outcome: null };
}
