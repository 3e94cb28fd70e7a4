/**
 * (record, facts) → record. Pure: a lost race is repaired by deciding again on the winner's record (R2).
 *
 * Commands that the machine emits are put into the outbox of the same record (R3); a decision that changes nothing returns the same
 * object (R6); the first result of a step stays for ever, because the machine accepts one completion a generation (R5).
 */
import type { Projection } from "../../../machines/snapshot.ts";
import { formatOpaque } from "../../wire/instant.ts";
import type { FactBatch, Fact } from "../facts.ts";
import type { Program } from "../../programs/programs.ts";
import { createEntry } from "../effects/create.ts";
import type { EffectKind } from "../effects/effect.ts";
import { type Actor, type ExecutionRef, isHeldBy, isOver, type RunError, type RunRecord } from "../record/record.ts";
import { addEntry, confirmEntries } from "../outbox.ts";
import { executionTaskId } from "../tasks.ts";
import { applyCommand, applyMismatch } from "./commands.ts";
import { type Draft, findExecution, mapExecution, projectionOf } from "./draft.ts";
import {
  applyBackoff,
  applyBegun,
  applyDisown,
  applyDone,
  applyFailed,
  applyFenced,
  applyLost,
  applyRelease,
  applyWaiting,
} from "./executions.ts";
import { applyForeign } from "../foreign/changes.ts";
import { moveNextCheck } from "./next-check.ts";
import { move } from "./move.ts";
import { applyRestore } from "../foreign/restore.ts";
import { syncSteps } from "./steps.ts";
import { applyDue, applySignal } from "./waits.ts";

/** What deciding needs beside the record, its program and the facts: clock and chance among it, so that it asks neither. */
export interface DecideInput {
  /** Server time in milliseconds since 1970. */
  readonly now: number;
  /** The kinds of effects that the outbox of the record may hold. */
  readonly effects: readonly EffectKind[];
  /** Id of the write, for people. */
  readonly writeId: string;
}

/** Applies facts to a record. Returns the same object when nothing changed. */
export function decide(
  record: RunRecord,
  program: Program,
  batches: readonly FactBatch[],
  input: DecideInput,
): RunRecord {
  if (record.machine === undefined) return record;
  const draft: Draft = {
    record,
    machine: record.machine,
    program,
    effects: input.effects,
    now: formatOpaque(input.now),
    nowMs: input.now,
    applied: [],
    fresh: [],
    by: undefined,
    force: false,
  };
  // What comes without a claim is dispatched by who writes it.
  const writer = batches.find((batch) => batch.actor !== undefined)?.actor;
  for (const batch of batches) {
    draft.by = batch.actor ?? writer;
    for (const fact of batch.facts) applyFact(draft, fact);
  }
  if (draft.record === record && draft.machine === record.machine && !draft.force) return record;
  assignOwners(draft, batches);
  return finishDraft(draft, record, writer?.task, input.writeId);
}

function applyFact(draft: Draft, fact: Fact): void {
  if ("claim" in fact && !isHeld(draft, fact.ref, fact.claim)) return;
  switch (fact.fact) {
    case "begin":
      move(draft, { type: "start" }, "start");
      return;
    case "done":
      return applyDone(draft, fact);
    case "failed":
      return applyFailed(draft, fact);
    case "waiting":
      return applyWaiting(draft, fact);
    case "backoff":
      return applyBackoff(draft, fact);
    case "release":
      return applyRelease(draft, fact.task, fact.before);
    case "begun":
      return applyBegun(draft, fact);
    case "lost":
      return applyLost(draft, fact);
    case "signals":
      for (const signal of fact.found) applySignal(draft, signal);
      return;
    case "due":
      return applyDue(draft, fact);
    case "fenced":
      return applyFenced(draft, fact);
    case "command":
      return applyCommand(draft, fact);
    case "mismatch":
      return applyMismatch(draft, fact.message);
    case "foreign":
      return applyForeign(draft, fact.before, fact.after);
    case "restore":
      return applyRestore(draft, fact.plain);
    case "disown":
      return applyDisown(draft);
    case "confirm":
      return confirmEntries(draft, fact.entries);
    case "fence":
      draft.force = true;
  }
}

/** What a runner says of an execution counts only while its claim holds the execution; of an unknown holder anybody may be the one. */
function isHeld(draft: Draft, ref: ExecutionRef, claim: Actor | undefined): boolean {
  const execution = findExecution(draft, ref);
  if (execution === undefined || claim === undefined || execution.owner === "unknown") return true;
  return isHeldBy(execution, executionTaskId(draft.record.id, execution), claim);
}

/** Hand-off: each source of facts that can go on gets one of the executions that its facts started; the others become tasks. */
function assignOwners(draft: Draft, batches: readonly FactBatch[]): void {
  const free = batches.filter((batch) => batch.actor !== undefined && !ownsSomething(draft, batch));
  for (const ref of draft.fresh) {
    if (findExecution(draft, ref) === undefined) continue;
    const index = free.findIndex((batch) => batch.takes(ref));
    const actor = free[index]?.actor;
    if (actor === undefined) {
      addEntry(draft, createEntry(ref));
      continue;
    }
    free.splice(index, 1);
    mapExecution(draft, ref, (execution) => ({ ...execution, owner: { task: actor.task, attempt: actor.attempt } }));
  }
}

function ownsSomething(draft: Draft, batch: FactBatch): boolean {
  const { actor } = batch;
  if (actor === undefined) return false;
  return draft.machine.executions.some((execution) =>
    isHeldBy(execution, executionTaskId(draft.record.id, execution), actor),
  );
}

function finishDraft(draft: Draft, before: RunRecord, by: string | undefined, writeId: string): RunRecord {
  const view = projectionOf(draft);
  syncSteps(draft, view);
  const over = isOver(view.status);
  if (over) draft.machine = { ...draft.machine, timers: [], executions: [] };
  moveNextCheck(draft, view, { before, over });
  const { error, ...rest } = draft.record;
  const settled = finalError(draft, view, error);
  return {
    ...rest,
    status: view.status,
    current_steps: [...view.currentSteps],
    ...(settled === undefined ? {} : { error: settled }),
    updated_at: draft.now,
    ...(by === undefined ? {} : { orchestrator_task_id: by }),
    machine: { ...draft.machine, write: { id: writeId, ...(by === undefined ? {} : { by }), events: draft.applied } },
  };
}

function finalError(draft: Draft, view: Projection, error: RunError | undefined): RunError | undefined {
  if (view.status === "completed") return undefined;
  const failed = draft.machine.compensation_errors;
  if (view.status === "failed" && failed.length > 0 && error?.type !== "CompensationFailed") {
    const names = failed.map((entry) => entry.step).join(", ");
    const first = error === undefined ? "" : ` (after ${error.type}: ${error.message})`;
    return { type: "CompensationFailed", message: `could not undo ${names}${first}`, at: draft.now };
  }
  if (view.status === "failed" && error === undefined) return draft.machine.cause;
  if (view.status === "paused" && error === undefined)
    return { type: "Paused", message: "the run is paused", at: draft.now };
  return error;
}
