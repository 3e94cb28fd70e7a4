/** Describes where the engine differs from the model. */
import { isDeepStrictEqual } from "node:util";
import type { Projection, StepView } from "../../../machines/snapshot.ts";
import type { RunRecord } from "../../run/record/record.ts";

/** A line for each difference; none when they agree. `actual` is what the machine in the record says. */
export function differences(record: RunRecord, actual: Projection, expected: Projection): readonly string[] {
  const lines: string[] = [];
  const compare = (what: string, own: unknown, wanted: unknown): void => {
    if (!isDeepStrictEqual(own, wanted))
      lines.push(`${what}: the engine says ${shown(own)}, the model ${shown(wanted)}`);
  };
  compare("status", record.status, expected.status);
  compare("current steps", record.current_steps, expected.currentSteps);
  compare("outcome", actual.outcome, expected.outcome);
  compare("draining", actual.draining.toSorted(), expected.draining.toSorted());
  compare("open waits", actual.waits, expected.waits);
  for (const [name, view] of expected.steps) {
    const own = actual.steps.get(name);
    compare(`step ${JSON.stringify(name)}`, own === undefined ? "nothing" : words(own), words(view));
  }
  return lines;
}

/** The phase of a step, and what there is beside it: generation, wakes, outcome, undo. */
function words({ phase, generation, wake, outcome, undo }: StepView): string {
  const parts = [
    phase,
    generation > 1 ? `generation ${generation}` : "",
    wake > 0 ? `wake ${wake}` : "",
    outcome === undefined ? "" : `outcome ${outcome}`,
    undo === "none" ? "" : `undo ${undo}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
