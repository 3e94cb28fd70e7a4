/** A run was started. */
import { computedId } from "../tasks.ts";
import { type TickKind, tickKind } from "./tick.ts";

/** The tick of a start. */
export const startTick: TickKind<object> = tickKind<object>({
  kind: "start",
  shape: {},
  id: (runId) => computedId(runId, "start", "", 0, 0),
  known: () => ({ facts: [{ fact: "begin" }], listens: false }),
});
