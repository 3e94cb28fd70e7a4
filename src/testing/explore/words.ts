/** Moves and commands in the words of the field. */
import type { Command } from "../../../machines/commands.ts";
import type { RunOperation } from "../../run/control.ts";
import type { FaultKind } from "../oracle/setting.ts";

/** What happens, as a sentence. */
export function sentenceOf(event: RunOperation, fault: FaultKind | undefined): string {
  const unknown = "outcome" in event && event.outcome === "unknown";
  switch (event.type) {
    case "start":
      return "the run starts";
    case "step.done":
      return fault === "late" ? `${event.step} completes all the same, before its fence` : `${event.step} completes`;
    case "step.failed":
      return unknown
        ? `${event.step} fails for good; it may have happened (timeout, lost worker, retries used up)`
        : `${event.step} fails for good; nothing happened (PermanentError)`;
    case "step.waiting":
      return `${event.step} waits for signal ${event.signal}${event.timeoutMs > 0 ? " with a deadline" : ""}`;
    case "signal.received":
      return `${event.step} is given its signal`;
    case "timer.due":
      return `the ${event.timer} of ${event.step} is over`;
    case "step.fenced":
      return unknown
        ? `${event.step} is fenced; its worker was lost, so it may have happened`
        : `${event.step} is fenced before it began`;
    case "undo.done":
      return `${event.step} is undone`;
    case "undo.failed":
      return `the undo of ${event.step} fails for good`;
    case "pause":
      return "somebody pauses the run";
    case "resume":
      return "somebody resumes the run";
    case "cancel":
      return event.compensate ? "somebody cancels the run" : "somebody cancels the run and wants nothing undone";
    case "terminate":
      return "an operator terminates the run";
    case "skip":
      return `somebody skips ${event.step}`;
    case "retry":
      return "an operator opens the run again";
  }
}

/** What is asked for, as a phrase. */
export function phraseOf(command: Command): string {
  const generation = command.generation === 1 ? "" : ` (generation ${command.generation})`;
  switch (command.type) {
    case "step.start":
      return `start ${command.step}${command.wake > 0 ? " again from its top" : ""}${generation}`;
    case "step.fence":
      return `fence ${command.step}${generation}`;
    case "undo.start":
      return `undo ${command.step}${generation}`;
    case "timer.start":
      return `start the ${command.timer} of ${command.step}${generation}`;
    case "signal.await":
      return `look for signal ${command.signal} for ${command.step}${generation}`;
  }
}
