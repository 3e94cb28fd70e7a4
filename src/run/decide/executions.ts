/** Facts about handler executions: how they ended, who holds them, and whether they may have begun. */
import type { Outcome, RunEvent } from "../../../machines/events.ts";
import type { AttemptFailure, Fact } from "../facts.ts";
import { formatOpaque } from "../../wire/instant.ts";
import { errorOfText } from "../../host/error-data.ts";
import { type Execution, type ExecutionRef, ownerOf, refOf } from "../record/record.ts";
import { createEntry } from "../effects/create.ts";
import { entryId } from "../effects/effect.ts";
import { fenceEntry } from "../effects/fence.ts";
import { type SettleEntry, settleEntry } from "../effects/settle.ts";
import { addEntry, removeEntry } from "../outbox.ts";
import { executionTaskId } from "../tasks.ts";
import { type Draft, findExecution, executionOfTask, isDraining, mapExecution, setStep } from "./draft.ts";
import { keepFailures } from "./failures.ts";
import { move } from "./move.ts";
import { completeStep, failStep } from "./steps.ts";

/** The handler returned. */
export function applyDone(draft: Draft, fact: Extract<Fact, { fact: "done" }>): void {
  const { ref, result, attempt } = fact;
  const execution = findExecution(draft, ref);
  if (execution === undefined) return;
  if (ref.kind === "undo") {
    if (move(draft, { type: "undo.done", step: ref.step, generation: ref.generation }, `undo.done ${ref.step}`)) {
      endExecution(draft, execution, "completed");
      keepFailures(draft, ref, fact.failures);
    }
    return;
  }
  if (!move(draft, { type: "step.done", step: ref.step, generation: ref.generation }, `step.done ${ref.step}`)) return;
  endExecution(draft, execution, "completed");
  keepFailures(draft, ref, fact.failures);
  noteBegin(draft, ref, fact.beganAt);
  completeStep(draft, ref, result, attempt);
}

/** The handler failed for good. */
export function applyFailed(draft: Draft, fact: Omit<Extract<Fact, { fact: "failed" }>, "fact">): void {
  const { ref, failure } = fact;
  const execution = findExecution(draft, ref);
  if (execution === undefined) return;
  if (ref.kind === "undo") {
    if (!move(draft, { type: "undo.failed", step: ref.step, generation: ref.generation }, `undo.failed ${ref.step}`))
      return;
    endExecution(draft, execution, "failed", failure.message);
    keepFailures(draft, ref, allFailures(fact));
    const failed = { step: ref.step, message: failure.message };
    draft.machine = { ...draft.machine, compensation_errors: [...draft.machine.compensation_errors, failed] };
    return;
  }
  const event: RunEvent = { type: "step.failed", step: ref.step, generation: ref.generation, outcome: failure.outcome };
  if (!move(draft, event, `step.failed ${ref.step}`)) return;
  endExecution(draft, execution, "failed", failure.message);
  keepFailures(draft, ref, allFailures(fact));
  noteBegin(draft, ref, fact.beganAt);
  failStep(draft, ref, failure);
}

/** The last of them is what made the step fail; nobody may have told it as one, such as a program of buquet that failed a step. */
function allFailures({
  failure,
  failures = [],
}: Omit<Extract<Fact, { fact: "failed" }>, "fact">): readonly AttemptFailure[] {
  const { attempt, type, message } = failure;
  if (failures.at(-1)?.attempt === attempt) return failures;
  return [...failures, { attempt, error: type === "StepFailed" ? errorOfText(message) : { name: type, message } }];
}

/** The handler waits for a signal: its task is over, the next one comes with the wake. */
export function applyWaiting(draft: Draft, fact: Extract<Fact, { fact: "waiting" }>): void {
  const { ref, signal, timeoutMs } = fact;
  const execution = findExecution(draft, ref);
  if (execution === undefined) return;
  const { step: name, generation, wake } = ref;
  if (!move(draft, { type: "step.waiting", step: name, generation, wake, signal, timeoutMs }, `step.waiting ${name}`))
    return;
  endExecution(draft, execution, "completed");
  keepFailures(draft, ref, fact.failures);
  noteBegin(draft, ref, fact.beganAt);
  const before = draft.record.steps.get(name);
  setStep(draft, name, { ...(before ?? { status: "running" as const }), attempt: execution.retries + 1 });
}

/** The next attempt comes from the queue; while the run stops there is none, and whether the last one had effects is not known. */
export function applyBackoff(draft: Draft, fact: Extract<Fact, { fact: "backoff" }>): void {
  const { ref, availableAt, retries } = fact;
  const execution = findExecution(draft, ref);
  if (execution === undefined) return;
  if (isDraining(draft, ref)) return applyFenced(draft, { ...fact, outcome: "unknown" });
  const { owner: _gone, ...rest } = execution;
  mapExecution(draft, ref, () => ({ ...rest, begun: true, retries, availableAt }));
  leaveToTask(draft, ref);
  keepFailures(draft, ref, fact.failures);
  noteBegin(draft, ref, fact.beganAt);
  draft.applied.push(`${fact.asked === true ? "rescheduled" : "backoff"} ${ref.step}`);
}

/** What a holder that is gone owned becomes a task of its own. */
export function applyRelease(draft: Draft, task: string, before: number): void {
  for (const execution of draft.machine.executions) {
    const owner = ownerOf(execution);
    if (owner !== undefined && owner.task === task && owner.attempt < before) setFree(draft, execution);
  }
}

/** Nobody holds an execution of unknown owner. */
export function applyDisown(draft: Draft): void {
  for (const execution of draft.machine.executions) if (execution.owner === "unknown") setFree(draft, execution);
}

/** Its handler may have begun; from now on its own task stands for it. */
function setFree(draft: Draft, execution: Execution): void {
  const { owner: _gone, ...rest } = execution;
  const ref = refOf(execution);
  const attempt = execution.retries + 1;
  mapExecution(draft, ref, () => ({ ...rest, begun: true, retries: attempt }));
  keepFailures(draft, ref, [{ attempt, error: { name: "WorkerLost", message: "its worker was lost" } }]);
  draft.applied.push(`release ${execution.step}`);
  leaveToTask(draft, ref);
}

/**
 * Nobody holds the execution any more: its task is created, or fenced while the run stops. A fence that was asked for before may have been
 * dispatched already, and found an owner who would end the execution: the new one has a stamp of its own, so that it is dispatched again.
 */
function leaveToTask(draft: Draft, ref: ExecutionRef): void {
  addEntry(draft, isDraining(draft, ref) ? fenceEntry(ref) : createEntry(ref));
}

/**
 * A claim of attempt 2 or more: the handler may have begun. Whoever takes over the task of a long step that was handed off holds the
 * step: its owner has lost that lease too. While the run drains it is not run again: its outcome is unknown.
 */
export function applyBegun(draft: Draft, { task, retries, failures }: Extract<Fact, { fact: "begun" }>): void {
  const execution = executionOfTask(draft, task);
  if (execution === undefined) return;
  const { owner, ...rest } = execution;
  const isStopping = isDraining(draft, execution);
  keepFailures(draft, execution, unknownOf(execution, failures));
  // When the first one began is not known any more.
  if (!execution.begun) noteBegin(draft, execution, draft.nowMs);
  // One that used up no retry did not fail: its handler asked for the next, or it was left to another worker.
  draft.applied.push(`${retries > execution.retries ? "again" : "rerun"} ${execution.step}`);
  if (owner === undefined && execution.begun && execution.retries === retries && !isStopping) return;
  mapExecution(draft, execution, () => ({ ...rest, begun: true, retries }));
  if (isStopping) applyFenced(draft, { ref: refOf(execution), outcome: "unknown" });
}

/** The workers of this step died more often than it has retries. */
export function applyLost(draft: Draft, { task, attempt, failures }: Extract<Fact, { fact: "lost" }>): void {
  const execution = executionOfTask(draft, task);
  if (execution === undefined) return;
  const message = `given up after ${attempt} attempts: its last worker was lost`;
  applyFailed(draft, {
    ref: refOf(execution),
    failure: { type: "WorkerLost", message, outcome: "unknown", attempt },
    failures: unknownOf(execution, failures).filter((one) => one.attempt < attempt),
  });
}

/** A task keeps its text over later claims: of what it says, the attempts that used up retries of which the record does not know yet. */
function unknownOf({ retries }: Execution, failures: readonly AttemptFailure[] = []): readonly AttemptFailure[] {
  return failures.filter(({ attempt }) => attempt > retries);
}

/** The forward task can never start again. */
export function applyFenced(draft: Draft, fact: Omit<Extract<Fact, { fact: "fenced" }>, "fact">): void {
  const { ref, outcome } = fact;
  const execution = findExecution(draft, ref);
  if (execution === undefined) return removeEntry(draft, entryId("fence", ref));
  const known: Outcome = execution.begun || ref.wake > 0 ? "unknown" : outcome;
  if (
    !move(
      draft,
      { type: "step.fenced", step: ref.step, generation: ref.generation, outcome: known },
      `fenced ${ref.step}`,
    )
  )
    return;
  land(draft, execution);
  keepFailures(draft, ref, fact.failures);
  noteBegin(draft, ref, fact.beganAt);
}

/**
 * On the wire a step has begun when it was asked for, as a program of buquet says it. Who ran the handler knows when that was. A handler
 * that was woken began before it waited.
 */
function noteBegin(draft: Draft, ref: ExecutionRef, beganAt: number | undefined): void {
  const state = draft.record.steps.get(ref.step);
  if (beganAt === undefined || ref.kind === "undo" || ref.wake > 0 || state === undefined) return;
  setStep(draft, ref.step, { ...state, started_at: formatOpaque(beganAt) });
}

/** Takes an execution out, with what was still to be done about it. */
function land(draft: Draft, execution: Execution): void {
  draft.machine = { ...draft.machine, executions: draft.machine.executions.filter((other) => other !== execution) };
  removeEntry(draft, entryId("create", execution));
  removeEntry(draft, entryId("fence", execution));
}

/** Ends an execution. Its task object is settled in the outbox, unless it is the task of the one who says so, which is finished last. */
function endExecution(draft: Draft, execution: Execution, status: SettleEntry["status"], error?: string): void {
  land(draft, execution);
  const ref = refOf(execution);
  if (executionTaskId(draft.record.id, ref) === draft.by?.task) return;
  addEntry(draft, settleEntry(ref, status, error));
}
