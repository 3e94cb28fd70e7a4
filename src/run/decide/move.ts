/** Does something to a run, and turns the commands that come out into executions, timers and outbox entries of the same record (R3). */
import type { Command } from "../../../machines/commands.ts";
import { operate, type RunOperation } from "../control.ts";
import type { ExecutionRef, GivenSignals, TimerState } from "../record/record.ts";
import { entryId } from "../effects/effect.ts";
import { fenceEntry } from "../effects/fence.ts";
import { timerEntry } from "../effects/timer.ts";
import { addEntry, removeEntry } from "../outbox.ts";
import type { Draft } from "./draft.ts";

/** Applies an operation. Returns false when the run did not move: then nothing else may change either. */
export function move(draft: Draft, operation: RunOperation, label: string): boolean {
  const { run, commands, changed } = operate(draft.program, draft.machine, operation);
  if (!changed) return false;
  draft.applied.push(label);
  const { snapshot: _before, paused: _paused, parked: _parked, terminated: _terminated, ...machine } = draft.machine;
  draft.machine = { ...machine, ...run };
  for (const command of commands) applyEmitted(draft, command);
  return true;
}

function applyEmitted(draft: Draft, command: Command): void {
  switch (command.type) {
    case "step.start":
      return startExecution(draft, {
        kind: "run",
        step: command.step,
        generation: command.generation,
        wake: command.wake,
      });
    case "undo.start":
      return startExecution(draft, { kind: "undo", step: command.step, generation: command.generation, wake: 0 });
    case "step.fence": {
      const ref: ExecutionRef = { kind: "run", step: command.step, generation: command.generation, wake: command.wake };
      removeEntry(draft, entryId("create", ref));
      return addEntry(draft, fenceEntry(ref));
    }
    case "timer.start": {
      const { timer, step: name, generation, wake } = command;
      const started: TimerState = { timer, step: name, generation, wake, dueAt: draft.nowMs + command.ms };
      draft.machine = { ...draft.machine, timers: [...draft.machine.timers, started] };
      return addEntry(draft, timerEntry(started));
    }
    case "signal.await":
      return openWait(draft, command.step, command.generation, command.signal);
  }
}

function startExecution(draft: Draft, ref: ExecutionRef): void {
  const before = draft.machine.executions.filter(
    (execution) => !(execution.kind === ref.kind && execution.step === ref.step),
  );
  const retries = ref.wake > 0 ? retriesBefore(draft, ref) : 0;
  draft.machine = { ...draft.machine, executions: [...before, { ...ref, begun: false, retries }] };
  draft.fresh.push(ref);
}

/** A wake is no retry: what was used up before the wait is carried over in the waiting step's plain attempt count. */
function retriesBefore(draft: Draft, ref: ExecutionRef): number {
  const attempt = draft.record.steps.get(ref.step)?.attempt ?? 1;
  return Math.max(0, attempt - 1);
}

function openWait(draft: Draft, name: string, generation: number, signal: string): void {
  const known = draft.machine.given.find((entry) => entry.step === name && entry.generation === generation);
  const others = draft.machine.given.filter((entry) => entry.step !== name);
  const opened: GivenSignals = { step: name, generation, given: known?.given ?? [], signal };
  draft.machine = { ...draft.machine, given: [...others, opened] };
}
