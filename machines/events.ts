/** What has happened: the closed set of facts that go into a machine. Every answer to a command carries the generation that it answers. */

/** Whether a step that did not complete may have had effects: `never` or `unknown`. */
export type Outcome = "never" | "unknown";

/** One fact that a machine is told. */
export type RunEvent =
  | { readonly type: "start" }
  /** The step's handler returned; the first one of a generation wins. */
  | { readonly type: "step.done"; readonly step: string; readonly generation: number }
  /** The step failed for good. `outcome` says whether its effects may have happened (never: `PermanentError`). */
  | { readonly type: "step.failed"; readonly step: string; readonly generation: number; readonly outcome: Outcome }
  /** The handler waits for a signal inside itself; `wake` counts how often it was woken before. */
  | {
      readonly type: "step.waiting";
      readonly step: string;
      readonly generation: number;
      readonly wake: number;
      readonly signal: string;
      readonly timeoutMs: number;
    }
  /** A signal was given to the open wait of exactly this step, generation and wake. */
  | { readonly type: "signal.received"; readonly step: string; readonly generation: number; readonly wake: number }
  /** A durable timer is due. It counts only for the step, generation and wake that started it. */
  | {
      readonly type: "timer.due";
      readonly timer: "delay" | "deadline";
      readonly step: string;
      readonly generation: number;
      readonly wake: number;
    }
  /** The answer to a `fence` command: the forward task can never start again; `outcome` says whether it had begun. */
  | { readonly type: "step.fenced"; readonly step: string; readonly generation: number; readonly outcome: Outcome }
  | { readonly type: "undo.done"; readonly step: string; readonly generation: number }
  | { readonly type: "undo.failed"; readonly step: string; readonly generation: number }
  /** Somebody wants the run to go on: held steps are tried again as a new generation. */
  | { readonly type: "resume" }
  /** Stops the run. Completed steps are undone unless `compensate` is false. */
  | { readonly type: "cancel"; readonly compensate: boolean }
  /** Goes on past a held step as if it had completed with the result null. */
  | { readonly type: "skip"; readonly step: string };
