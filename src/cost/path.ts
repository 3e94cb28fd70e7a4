/** One way that a run can go, as far as requests depend on it. */
import type { RunCommand } from "../run/wakeups/command.ts";

/** What the handler of a step (or of its undo) does each time it is called. */
export interface HandlerBehaviour {
  /** Milliseconds that a call takes. @defaultValue 100 */
  readonly durationMs?: number;
  /** So many calls throw an ordinary error before one does not. @defaultValue 0 */
  readonly failures?: number;
  /** How it ends then: it returns, or throws a `PermanentError`. @defaultValue "completes" */
  readonly ends?: "completes" | "fails";
  /** Signals that it waits for inside (`ctx.waitForSignal`), in the order of its calls. `timeoutMs` 0: for ever. */
  readonly waits?: readonly { readonly signal: string; readonly timeoutMs?: number }[];
}

/** A command of an operator, and when it is given. */
export interface ScheduledCommand {
  /** The command. */
  readonly command: RunCommand;
  /** Counted from the start of the run, or from the first call of the handler of this step. */
  readonly after: { readonly step?: string; readonly ms: number };
}

/** One way that a run can go. Maps, because `__proto__` is a legal name of a step. */
export interface CostPath {
  /** A name for the report. */
  readonly name: string;
  /** What the handlers of steps do, by step; a step that is not named completes after 100 ms. */
  readonly steps?: ReadonlyMap<string, HandlerBehaviour>;
  /** What undos do, by step; one that is not named completes after 100 ms. */
  readonly undos?: ReadonlyMap<string, HandlerBehaviour>;
  /** Signals that are sent, so many milliseconds after each wait for them has begun; absent: never. */
  readonly answers?: ReadonlyMap<string, number>;
  /** Commands that are given to the run. @defaultValue none */
  readonly commands?: readonly ScheduledCommand[];
}

/** How long a handler takes of which nothing is said. */
export const DEFAULT_DURATION_MS = 100;
