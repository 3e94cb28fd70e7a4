/** A signal was put into the inbox. Its claimer looks there: the tick itself brings nothing. */
import { z } from "zod";
import { computedId } from "../tasks.ts";
import { type TickKind, tickKind } from "./tick.ts";

/** What the tick says of the signal: its name, and the last part of its key. */
export interface SignalCause {
  readonly name: string;
  readonly segment: string;
}

/** The tick of a signal. */
export const signalTick: TickKind<SignalCause> = tickKind<SignalCause>({
  kind: "signal",
  shape: { name: z.string(), segment: z.string() },
  id: (runId, { name, segment }) => computedId(runId, "signal", `${name}/${segment}`, 0, 0),
  known: () => ({ facts: [], listens: true }),
});
