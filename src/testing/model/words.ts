/** Events in words. */
import type { RunEvent } from "../../../machines/events.ts";

/** An event in a few words: `charge fails`, `approve is signalled`. */
export function eventWords(event: RunEvent): string {
  const nth = "generation" in event && event.generation > 1 ? ` (generation ${event.generation})` : "";
  const who = "step" in event ? `${event.step}${nth}` : "";
  switch (event.type) {
    case "start":
    case "resume":
      return event.type;
    case "cancel":
      return event.compensate ? "cancel" : "cancel without undo";
    case "skip":
      return `skip ${who}`;
    case "step.done":
      return `${who} completes`;
    case "step.failed":
      return event.outcome === "never" ? `${who} fails` : `${who} fails, perhaps after it happened`;
    case "step.waiting":
      return `${who} waits for ${event.signal}`;
    case "step.fenced":
      return event.outcome === "never" ? `${who} never began` : `${who} is left half done`;
    case "signal.received":
      return `${who} is signalled`;
    case "timer.due":
      return event.timer === "delay" ? `the delay of ${who} is over` : `${who} has waited long enough`;
    case "undo.done":
      return `${who} is undone`;
    case "undo.failed":
      return `the undo of ${who} fails`;
  }
}
