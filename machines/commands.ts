/** What has to be done: the closed set of commands that come out of a machine. They are data; whoever commits the snapshot carries them out. */
export type Command =
  /** Run the handler of the step. `wake` > 0: again from its top, after a signal or deadline. */
  | { readonly type: "step.start"; readonly step: string; readonly generation: number; readonly wake: number }
  /** Make sure that the forward task of the step can never start again, then answer `step.fenced`, `step.done` or `step.failed`. */
  | { readonly type: "step.fence"; readonly step: string; readonly generation: number; readonly wake: number }
  /** Run the undo of the step. `generation` is the one that it undoes. */
  | { readonly type: "undo.start"; readonly step: string; readonly generation: number }
  /** Answer `timer.due` when `ms` have passed. */
  | {
      readonly type: "timer.start";
      readonly timer: "delay" | "deadline";
      readonly step: string;
      readonly generation: number;
      readonly wake: number;
      readonly ms: number;
    }
  /** A wait has opened: look into the inbox of this signal. */
  | {
      readonly type: "signal.await";
      readonly signal: string;
      readonly step: string;
      readonly generation: number;
      readonly wake: number;
    };
