/** What can happen to a run next, and where each thing leads. The run's own machine is asked; nothing is written. */
import type { RunEvent, RunOperation } from "../../machines/events.ts";
import type { Projection, RunStatus } from "../../machines/snapshot.ts";
import { formatOpaque } from "../wire/instant.ts";
import type { Program } from "../programs/programs.ts";
import type { MachinePart, RunRecord, TimerState } from "./record/record.ts";

/** Where something leads. Names are those of steps, of signals for `waits`, in the order in which they come. */
export interface Lead {
  readonly status: RunStatus;
  /** Steps whose handlers start. */
  readonly starts: readonly string[];
  /** Steps whose undos start. */
  readonly undoes: readonly string[];
  /** Signals that are waited for then. */
  readonly waits: readonly string[];
  /** Steps whose delay begins. */
  readonly delays: readonly string[];
}

/** A wait that is open. */
export interface NextSignal {
  readonly signal: string;
  /** The step that waits for it: a node of that name, or a step whose handler waits. */
  readonly step: string;
  readonly leads: Lead;
  /** When it gives up; absent: never. */
  readonly deadline?: { readonly at: string; readonly leads: Lead };
}

/** A delay that is not over. */
export interface NextTimer {
  readonly step: string;
  readonly at: string;
  readonly leads: Lead;
}

/** A handler that was asked for and has not ended. */
export interface NextStep {
  readonly step: string;
  readonly kind: "run" | "undo";
  readonly completed: Lead;
  /** It failed for good: its retries are used up, or it said that none will help. */
  readonly failed: Lead;
}

/** Commands of an operator. */
export type CommandName = "pause" | "resume" | "cancel" | "terminate" | "skip" | "retry";

/** A command that would change something. */
export interface NextCommand {
  readonly command: CommandName;
  /** The held step that a skip goes past. */
  readonly step?: string;
  readonly leads: Lead;
}

/** Everything that can happen next. Instants are texts with offset `+00:00`. */
export interface Next {
  /** Where its start leads; only while it is pending. */
  readonly start?: Lead;
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
  const view = program.project(machine.snapshot);
  const leads = (event: RunEvent): Lead => leadOf(program, machine, event) ?? staysAt(view);
  const start = leadOf(program, machine, { type: "start" });
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
    steps: machine.flights.map(({ kind, step, generation }): NextStep => ({
      step,
      kind,
      completed: leads({ type: kind === "run" ? "step.done" : "undo.done", step, generation }),
      failed: leads(
        kind === "run"
          ? { type: "step.failed", step, generation, outcome: "unknown" }
          : { type: "undo.failed", step, generation },
      ),
    })),
    commands: commandsOf(view, (event) => leadOf(program, machine, event)),
  };
}

/** Where one command would lead; undefined: it would change nothing. */
export function leadOfCommand(
  record: RunRecord,
  program: Program,
  command: Exclude<CommandName, "skip">,
  compensate = true,
): Lead | undefined {
  if (record.machine === undefined) return undefined;
  return leadOf(program, record.machine, command === "cancel" ? { type: command, compensate } : { type: command });
}

function leadOf(program: Program, machine: MachinePart, operation: RunOperation): Lead | undefined {
  const decision =
    operation.type === "retry" ? program.reopen(machine.snapshot) : program.advance(machine.snapshot, [operation]);
  if (decision?.changed !== true) return undefined;
  const { snapshot, commands } = decision;
  return {
    status: program.project(snapshot).status,
    starts: commands.flatMap((command) => (command.type === "step.start" ? [command.step] : [])),
    undoes: commands.flatMap((command) => (command.type === "undo.start" ? [command.step] : [])),
    waits: commands.flatMap((command) => (command.type === "signal.await" ? [command.signal] : [])),
    delays: commands.flatMap((command) =>
      command.type === "timer.start" && command.timer === "delay" ? [command.step] : [],
    ),
  };
}

/** Where that leads which is heard, but changes nothing. */
const staysAt = ({ status }: Projection): Lead => ({ status, starts: [], undoes: [], waits: [], delays: [] });

const due = ({ timer, step, generation, wake }: TimerState): RunEvent => ({
  type: "timer.due",
  timer,
  step,
  generation,
  wake,
});

function commandsOf(view: Projection, leadOfEvent: (event: RunOperation) => Lead | undefined): readonly NextCommand[] {
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
    const leads = leadOfEvent(event);
    return leads === undefined
      ? []
      : [{ command: event.type, ...(event.type === "skip" ? { step: event.step } : {}), leads }];
  });
}

/** Why a run can never take a signal of this name any more, for people; undefined: it may. */
export function whyNever(record: RunRecord, program: Program, signal: string): string | undefined {
  if (record.machine === undefined) return undefined;
  const view = program.project(record.machine.snapshot);
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
