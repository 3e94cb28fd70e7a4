/** What can happen to a run next, and where each thing leads. The run's own machine is asked; nothing is written. */
import type { RunEvent } from "../../machines/events.ts";
import type { Projection, RunStatus } from "../../machines/snapshot.ts";
import { operate, projectRun, type RunOperation } from "./control.ts";
import { formatOpaque } from "../wire/instant.ts";
import type { Program } from "../programs/programs.ts";
import type { MachinePart, RunRecord, TimerState } from "./record/record.ts";

/** What an event or a command would lead to, without doing it. */
export interface Preview {
  /** The status that the run would have. */
  readonly status: RunStatus;
  /** The steps whose handlers would start. */
  readonly starts: readonly string[];
  /** The steps whose undos would start. */
  readonly undoes: readonly string[];
  /** The signals that would be waited for. */
  readonly waits: readonly string[];
  /** The steps whose delay would begin. */
  readonly delays: readonly string[];
}

/** An open wait. */
export interface NextSignal {
  /** The name under which a signal is sent. */
  readonly signal: string;
  /** The step that waits: a signal node, or a step whose handler waits. */
  readonly step: string;
  /** Where the signal leads. */
  readonly leads: Preview;
  /** When the wait times out, and where that leads; undefined when it does not. */
  readonly deadline?: { readonly at: string; readonly leads: Preview };
}

/** A delay that is not over. */
export interface NextTimer {
  /** The step that is delayed. */
  readonly step: string;
  /** When the delay is over. */
  readonly at: string;
  /** Where its end leads. */
  readonly leads: Preview;
}

/** A handler that has been asked for and has not ended. */
export interface NextStep {
  /** The step. */
  readonly step: string;
  /** `run` for the handler of the step, `undo` for its undo. */
  readonly kind: "run" | "undo";
  /** Where it leads when the handler completes. */
  readonly completed: Preview;
  /** Where it leads when the handler fails and is not retried any more. */
  readonly failed: Preview;
}

/** The commands of an operator. */
export type CommandName = "pause" | "resume" | "cancel" | "terminate" | "skip" | "retry";

/** A command that would change something. */
export interface NextCommand {
  /** The command. */
  readonly command: CommandName;
  /** The held step that `skip` passes; undefined for other commands. */
  readonly step?: string;
  /** Where the command leads. */
  readonly leads: Preview;
}

/** Everything that can happen next. Instants are texts with offset `+00:00`. */
export interface Next {
  /** Where its start leads; only while it is pending. */
  readonly start?: Preview;
  readonly signals: readonly NextSignal[];
  readonly timers: readonly NextTimer[];
  readonly steps: readonly NextStep[];
  readonly commands: readonly NextCommand[];
}

const SAYS_NOTHING: Next = { signals: [], timers: [], steps: [], commands: [] };

/** What can happen next. Nothing is known of a record without its machine. */
export function nextOf(record: RunRecord, program: Program): Next {
  const { machine } = record;
  if (machine === undefined) return SAYS_NOTHING;
  const view = projectRun(program, machine);
  const leads = (event: RunEvent): Preview => previewOf(program, machine, event) ?? staysAt(view);
  const start = previewOf(program, machine, { type: "start" });
  return {
    ...(start === undefined ? {} : { start }),
    signals: view.waits.map(({ signal, ...wait }): NextSignal => {
      const timer = machine.timers.find((other) => other.timer === "deadline" && other.step === wait.step);
      const deadline =
        timer === undefined ? {} : { deadline: { at: formatOpaque(timer.dueAt), leads: leads(due(timer)) } };
      return { signal, step: wait.step, leads: leads({ type: "signal.received", ...wait }), ...deadline };
    }),
    timers: machine.timers
      .filter(({ timer }) => timer === "delay")
      .map((timer) => ({ step: timer.step, at: formatOpaque(timer.dueAt), leads: leads(due(timer)) })),
    steps: machine.executions.map(({ kind, step, generation }): NextStep => ({
      step,
      kind,
      completed: leads({ type: kind === "run" ? "step.done" : "undo.done", step, generation }),
      failed: leads(
        kind === "run"
          ? { type: "step.failed", step, generation, outcome: "unknown" }
          : { type: "undo.failed", step, generation },
      ),
    })),
    commands: commandsOf(view, (event) => previewOf(program, machine, event)),
  };
}

/** Where one command would lead; undefined: it would change nothing. */
export function previewOfCommand(
  record: RunRecord,
  program: Program,
  command: Exclude<CommandName, "skip">,
  compensate = true,
): Preview | undefined {
  if (record.machine === undefined) return undefined;
  return previewOf(program, record.machine, command === "cancel" ? { type: command, compensate } : { type: command });
}

function previewOf(program: Program, machine: MachinePart, operation: RunOperation): Preview | undefined {
  const { run, commands, changed } = operate(program, machine, operation);
  if (!changed) return undefined;
  return {
    status: projectRun(program, run).status,
    starts: commands.flatMap((command) => (command.type === "step.start" ? [command.step] : [])),
    undoes: commands.flatMap((command) => (command.type === "undo.start" ? [command.step] : [])),
    waits: commands.flatMap((command) => (command.type === "signal.await" ? [command.signal] : [])),
    delays: commands.flatMap((command) =>
      command.type === "timer.start" && command.timer === "delay" ? [command.step] : [],
    ),
  };
}

/** Where that leads which is heard, but changes nothing. */
const staysAt = ({ status }: Projection): Preview => ({ status, starts: [], undoes: [], waits: [], delays: [] });

const due = ({ timer, step, generation, wake }: TimerState): RunEvent => ({
  type: "timer.due",
  timer,
  step,
  generation,
  wake,
});

function commandsOf(
  view: Projection,
  previewOfEvent: (event: RunOperation) => Preview | undefined,
): readonly NextCommand[] {
  const held = [...view.steps].filter(([, { phase }]) => phase === "held").map(([step]) => step);
  const events: readonly (RunOperation & { readonly type: CommandName })[] = [
    { type: "pause" },
    { type: "resume" },
    ...held.map((step) => ({ type: "skip" as const, step })),
    { type: "retry" },
    { type: "cancel", compensate: true },
    { type: "terminate" },
  ];
  return events.flatMap((event) => {
    const leads = previewOfEvent(event);
    return leads === undefined
      ? []
      : [{ command: event.type, ...(event.type === "skip" ? { step: event.step } : {}), leads }];
  });
}

/** Why a run can never take a signal of this name any more, for people; undefined: it may. */
export function whyNever(record: RunRecord, program: Program, signal: string): string | undefined {
  if (record.machine === undefined) return undefined;
  const view = projectRun(program, record.machine);
  if (view.outcome !== null) return `it is ${view.status} and starts no steps any more`;
  const isOpen = (name: string): boolean => {
    const { phase = "pending" } = view.steps.get(name) ?? {};
    return phase !== "completed" && phase !== "skipped" && phase !== "failed" && phase !== "cancelled";
  };
  if (program.waiters(signal).some(isOpen)) return undefined;
  const node = program.steps.find(({ kind, name }) => kind === "signal" && name === signal);
  if (node !== undefined) return `its node ${JSON.stringify(signal)} is ${view.steps.get(signal)?.phase ?? "over"}`;
  return "no step is left that could wait for it";
}
