/** What operators ask for, and the pause of a run whose definition does not fit. */
import type { RunOperation } from "../control.ts";
import { STORED_NULL } from "../../wire/value.ts";
import type { Fact } from "../facts.ts";
import { removeMoot } from "../outbox.ts";
import { isOver } from "../record/record.ts";
import { blame, type Draft, heal, hold, projectionOf } from "./draft.ts";
import { move } from "./move.ts";
import { applyRetry } from "./retry.ts";
import { completeStep } from "./steps.ts";

/** Operator commands remembered, so that one that is repeated counts once. */
const APPLIED_KEPT = 64;

/** An operator command, applied once however often it is delivered. */
export function applyCommand(draft: Draft, fact: Extract<Fact, { fact: "command" }>): void {
  if (draft.machine.applied.includes(fact.id)) return;
  const { command } = fact;
  const before = projectionOf(draft);
  // R6: what is over does not hear of it any more, and nothing is written. Only what failed can be opened again.
  if (isOver(before.status) && !(command.type === "retry" && before.status === "failed")) return;
  const applied = [...draft.machine.applied, fact.id].slice(-APPLIED_KEPT);
  draft.machine = { ...draft.machine, applied };
  // Commands are tasks of their own, and one may be held up by a crash until the run has failed and was opened again.
  if (fact.at < (draft.machine.reopened?.at ?? 0)) return;
  if (command.type === "retry") return applyRetry(draft, command.nth, fact.at);
  if (command.type === "pause" || command.type === "resume") {
    if (fact.at < (draft.machine.steered_at ?? 0)) return;
    draft.machine = { ...draft.machine, steered_at: fact.at };
  }
  const operation: RunOperation =
    command.type === "cancel"
      ? { type: "cancel", compensate: command.compensate }
      : command.type === "skip"
        ? command
        : { type: command.type };
  if (!move(draft, operation, command.type)) return;
  if (command.type === "skip") {
    const { step } = command;
    completeStep(draft, { step, generation: before.steps.get(step)?.generation ?? 1 }, STORED_NULL, 0);
  }
  explainCommand(draft, command.type, "reason" in command ? command.reason : undefined);
}

function explainCommand(draft: Draft, type: string, reason: string | undefined): void {
  if (type === "resume" || type === "skip") return heal(draft);
  const word =
    type === "cancel" ? "Cancelled" : type === "terminate" ? "Terminated" : type === "pause" ? "Paused" : undefined;
  if (word === undefined) return;
  const error = { type: word, message: reason ?? `${type} was asked for`, at: draft.now };
  if (type === "pause") hold(draft, error);
  else blame(draft, error);
  if (type === "terminate") {
    removeMoot(draft);
    draft.machine = { ...draft.machine, executions: [], timers: [] };
  }
}

/** P76: a definition that does not fit pauses the run, it never fails it. */
export function applyMismatch(draft: Draft, message: string): void {
  if (draft.record.error?.type === "VersionMismatch" || isOver(draft.record.status)) return;
  if (!move(draft, { type: "pause" }, "mismatch")) return;
  hold(draft, { type: "VersionMismatch", message, at: draft.now });
}
