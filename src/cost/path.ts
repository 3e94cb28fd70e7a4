/** One way that a run can go, as far as requests depend on it. */
import type { RunCommand } from "../run/wakeups/command.ts";

/** What the handler of a step, or its undo, does. */
export interface HandlerBehaviour {
  /** How long each call takes, in milliseconds. @defaultValue 100 */
  readonly durationMs?: number;
  /** How many calls throw an ordinary error first. @defaultValue 0 */
  readonly failures?: number;
  /** How the next call ends: it returns, or it throws a `PermanentError`. @defaultValue "completes" */
  readonly ends?: "completes" | "fails";
  /** The signals for which it calls `ctx.waitForSignal`, in order. `timeoutMs` 0 means no limit. @defaultValue none */
  readonly waits?: readonly { readonly signal: string; readonly timeoutMs?: number }[];
}

/** A command of an operator at an instant. */
export interface ScheduledCommand {
  /** The command. */
  readonly command: RunCommand;
  /** When it is given, in milliseconds after the start of the run or, with `step`, after the first call of the handler of that step. */
  readonly after: { readonly step?: string; readonly ms: number };
}

/** One way that a run can go. It uses Maps, because `__proto__` is a valid name of a step. */
export interface CostPath {
  /** A name for the report. */
  readonly name: string;
  /** What the handlers of steps do, by step; a step that is not named completes after 100 ms. */
  readonly steps?: ReadonlyMap<string, HandlerBehaviour>;
  /** What undos do, by step; one that is not named completes after 100 ms. */
  readonly undos?: ReadonlyMap<string, HandlerBehaviour>;
  /** The signals that are sent, with the milliseconds after the beginning of each wait; a signal that is not named is not sent. */
  readonly answers?: ReadonlyMap<string, number>;
  /** Commands that are given to the run. @defaultValue none */
  readonly commands?: readonly ScheduledCommand[];
}

/** How long a handler takes of which nothing is said. */
export const DEFAULT_DURATION_MS = 100;
