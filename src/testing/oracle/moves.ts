/** What may happen next: answers to what was really asked, and people. */
import type { RunOperation } from "../../run/control.ts";
import type { RunStatus } from "../../../machines/snapshot.ts";
import type { FaultKind, Setting, StepSetting } from "./setting.ts";
import { AWAIT, DEADLINE, DELAY, FENCE, START, type StepWorld, UNDO, undoes, type World } from "./world.ts";

/** One thing that happens. */
export interface Move {
  readonly event: RunOperation;
  /** What it counts as against the budget; absent: it costs nothing. */
  readonly fault?: FaultKind;
  /** Which of its possible results a completing step has. @defaultValue 0 */
  readonly output?: number;
  /** Whether the run would be stuck without it: people are not reckoned with, but for those that a held or paused run waits for. */
  readonly expected: boolean;
}

/** How long a handler's wait takes until its deadline; the walk has no clock, so any length is as good. */
const DEADLINE_MS = 1;

/**
 * Everything that may happen now. `oneOrder`: while a run stops, answers to fences and undos do not influence each other (each changes
 * only its own step), so that one order of them leads to every state that counts; the first open one is answered.
 */
export function movesOf(setting: Setting, world: World, status: RunStatus, oneOrder: boolean): readonly Move[] {
  const allowed = (move: Move): boolean => move.fault === undefined || setting.kinds.has(move.fault);
  if (status === "completed" || status === "cancelled") return [];
  if (status === "failed")
    return [{ event: { type: "retry" as const }, fault: "retry" as const, expected: false }].filter(allowed);
  const moves: Move[] = world.started ? [] : [{ event: { type: "start" }, expected: true }];
  const first = oneOrder ? firstOf(world) : undefined;
  for (const [index, step] of world.steps.entries()) {
    if (first !== undefined && index !== first) continue;
    if (step.open !== 0) answers(setting, setting.steps[index] as StepSetting, step, moves);
    if (step.result === "held") moves.push({ event: { type: "skip", step: nameOf(setting, index) }, expected: true });
  }
  // Answers to all but the last fence do not ask who paused the run, so it is enough that people come before the last.
  const fences = oneOrder ? world.steps.filter((step) => (step.open & FENCE) !== 0).length : 0;
  people(world, moves, fences > 1);
  return moves.filter(allowed);
}

const nameOf = (setting: Setting, index: number): string => setting.steps[index]?.name ?? "";

function firstOf(world: World): number | undefined {
  if (world.cause === undefined) return undefined;
  for (const bit of [FENCE, UNDO]) {
    const index = world.steps.findIndex((step) => (step.open & bit) !== 0);
    if (index >= 0) return index;
  }
  return undefined;
}

function people(world: World, moves: Move[], later: boolean): void {
  const { cause } = world;
  moves.push({ event: { type: "terminate" }, fault: "terminate", expected: false });
  if (later) return;
  if (world.paused && (cause === undefined || undoes(cause))) moves.push({ event: { type: "resume" }, expected: true });
  else if (world.steps.some((step) => step.result === "held"))
    moves.push({ event: { type: "resume" }, expected: true });
  if (!world.paused && (cause === undefined || undoes(cause)))
    moves.push({ event: { type: "pause" }, fault: "pause", expected: false });
  if (cause === undefined)
    moves.push(
      { event: { type: "cancel", compensate: true }, fault: "cancel", expected: false },
      { event: { type: "cancel", compensate: false }, fault: "abandon", expected: false },
    );
}

function answers(setting: Setting, own: StepSetting, step: StepWorld, moves: Move[]): void {
  const { name } = own;
  const { generation, wake, open } = step;
  const at = { step: name, generation };
  if ((open & START) !== 0) {
    const fenced = (open & FENCE) !== 0;
    if (fenced)
      moves.push(
        { event: { type: "step.fenced", ...at, outcome: "never" }, expected: true },
        { event: { type: "step.fenced", ...at, outcome: "unknown" }, fault: "lost", expected: false },
      );
    for (let output = 0; output < own.results; output += 1)
      moves.push({
        event: { type: "step.done", ...at },
        output,
        expected: !fenced,
        ...(fenced ? { fault: "late" as const } : {}),
      });
    moves.push(
      { event: { type: "step.failed", ...at, outcome: "never" }, fault: fenced ? "late" : "failure", expected: false },
      {
        event: { type: "step.failed", ...at, outcome: "unknown" },
        fault: fenced ? "late" : "timeout",
        expected: false,
      },
    );
    if (!fenced)
      for (const signal of own.waits[wake] ?? [])
        moves.push({
          event: {
            type: "step.waiting",
            ...at,
            wake,
            signal,
            timeoutMs: setting.hasDeadline(signal) ? DEADLINE_MS : 0,
          },
          expected: true,
        });
  }
  if ((open & UNDO) !== 0)
    moves.push(
      { event: { type: "undo.done", ...at }, expected: true },
      { event: { type: "undo.failed", ...at }, fault: "undo", expected: false },
    );
  if ((open & DELAY) !== 0) moves.push({ event: { type: "timer.due", timer: "delay", ...at, wake }, expected: true });
  if ((open & DEADLINE) !== 0)
    moves.push({ event: { type: "timer.due", timer: "deadline", ...at, wake }, expected: true });
  if ((open & AWAIT) !== 0 && setting.comes(step.signal))
    moves.push({ event: { type: "signal.received", ...at, wake }, expected: true });
}

/** What nobody asked for: answers that are late, repeated, or for a generation that is past. A run must not move by them. */
export function strays(own: StepSetting, step: StepWorld): readonly RunOperation[] {
  const { generation, wake, open } = step;
  if (generation === 0) return [];
  const lacks = (bit: number): boolean => (open & bit) === 0;
  const events: RunOperation[] = [];
  const late = (past: { readonly generation: number; readonly wake: number }, isPast: boolean): void => {
    const at = { step: own.name, generation: past.generation };
    const timed = { ...at, wake: past.wake };
    if (lacks(START) || past.generation !== generation)
      events.push(
        { type: "step.done", ...at },
        { type: "step.failed", ...at, outcome: "never" },
        { type: "step.failed", ...at, outcome: "unknown" },
      );
    if (lacks(START) || isPast) events.push({ type: "step.waiting", ...timed, signal: "late", timeoutMs: DEADLINE_MS });
    if (lacks(FENCE) || past.generation !== generation) events.push({ type: "step.fenced", ...at, outcome: "unknown" });
    if (lacks(AWAIT) || isPast) events.push({ type: "signal.received", ...timed });
    if (lacks(DELAY) || isPast) events.push({ type: "timer.due", timer: "delay", ...timed });
    // A wait that has no deadline cannot miss it.
    if (isPast || (lacks(DEADLINE) && (open & AWAIT) === 0))
      events.push({ type: "timer.due", timer: "deadline", ...timed });
    if (lacks(UNDO) || past.generation !== generation)
      events.push({ type: "undo.done", ...at }, { type: "undo.failed", ...at });
  };
  late({ generation, wake }, false);
  if (wake > 0) late({ generation, wake: wake - 1 }, true);
  if (generation > 1) late({ generation: generation - 1, wake: 0 }, true);
  if (step.result !== "held") events.push({ type: "skip", step: own.name });
  return events;
}

/** Commands of people that mean nothing now. */
export function needless(world: World): readonly RunOperation[] {
  const events: RunOperation[] = [];
  if (world.started) events.push({ type: "start" });
  if (world.cause !== undefined)
    events.push({ type: "cancel", compensate: true }, { type: "cancel", compensate: false });
  if (world.paused) events.push({ type: "pause" });
  else if (!world.steps.some((step) => step.result === "held")) events.push({ type: "resume" });
  return events;
}
