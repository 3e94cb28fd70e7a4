/** A world around a run: it answers the commands that the oracle owes, late, twice, out of order, and an operator interferes. */
import type { Command } from "../../machines/commands.ts";
import type { RunOperation } from "../../src/run/control.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { applyToModel, type Model, newModel } from "./oracle.ts";

/** How often each thing was met. */
export type Histogram = Map<string, number>;

export const count = (histogram: Histogram, what: string): void =>
  void histogram.set(what, (histogram.get(what) ?? 0) + 1);

/** What the world answers to a command. */
function answerTo(command: Command, failures: number, random: () => number): RunOperation {
  const { step, generation } = command;
  switch (command.type) {
    case "step.start": {
      const draw = random();
      if (draw < 0.12 && command.wake < 2) {
        const timeoutMs = random() < 0.5 ? 100 : 0;
        return { type: "step.waiting", step, generation, wake: command.wake, signal: "go", timeoutMs };
      }
      if (draw < 0.12 + failures)
        return { type: "step.failed", step, generation, outcome: random() < 0.5 ? "never" : "unknown" };
      return { type: "step.done", step, generation };
    }
    case "step.fence":
      return { type: "step.fenced", step, generation, outcome: random() < 0.5 ? "never" : "unknown" };
    case "undo.start":
      return { type: random() < 0.15 ? "undo.failed" : "undo.done", step, generation };
    case "timer.start":
      return { type: "timer.due", timer: command.timer, step, generation, wake: command.wake };
    case "signal.await":
      return { type: "signal.received", step, generation, wake: command.wake };
  }
}

/** Something that nobody asked for: an answer to a command that was never given, or is long over. */
function strayEvent(plan: Plan, random: () => number): RunOperation {
  const step = random() < 0.05 ? "no such step" : (plan.steps[Math.floor(random() * plan.steps.length)]?.name ?? "");
  // An answer to a command of a later generation or wake than any that was asked for.
  const generation = 9;
  const wake = 9;
  const strays: readonly RunOperation[] = [
    { type: "step.done", step, generation },
    { type: "step.failed", step, generation, outcome: "unknown" },
    { type: "step.fenced", step, generation: 1, outcome: "unknown" },
    { type: "step.fenced", step, generation, outcome: "never" },
    { type: "step.waiting", step, generation: 1, wake, signal: "go", timeoutMs: 1 },
    { type: "signal.received", step, generation: 1, wake },
    { type: "timer.due", timer: "delay", step, generation, wake: 0 },
    { type: "timer.due", timer: "deadline", step, generation: 1, wake },
    { type: "undo.done", step, generation },
    { type: "undo.failed", step, generation: 0 },
    { type: "skip", step },
    { type: "start" },
  ];
  return strays[Math.floor(random() * strays.length)] as RunOperation;
}

/** An operator, who may do anything at any time. */
function operatorEvent(model: Model, random: () => number): RunOperation {
  const draw = random();
  if (draw < 0.3) return { type: "cancel", compensate: random() < 0.7 };
  if (draw < 0.55) return { type: "pause" };
  if (draw < 0.85) return { type: "resume" };
  return draw < 0.95 || model.stage === "pending" ? { type: "retry" } : { type: "terminate" };
}

/** Everything that happens to one run until it is over, accepted or not. */
export function randomHistory(plan: Plan, random: () => number, histogram: Histogram): RunOperation[] {
  let model = newModel(plan);
  const events: RunOperation[] = [];
  const owed: RunOperation[] = [];
  const past: RunOperation[] = [];
  let retries = 0;
  const failures = random() < 0.5 ? 0.03 : 0.2;
  const send = (event: RunOperation): void => {
    events.push(event);
    const next = applyToModel(plan, model, event);
    count(histogram, `${next === undefined ? "refused" : "accepted"} ${event.type}`);
    if (next === undefined) return;
    if (next.model.stage !== model.stage) count(histogram, `${model.stage} → ${next.model.stage}`);
    model = next.model;
    owed.push(...next.commands.map((command) => answerTo(command, failures, random)));
    for (const command of next.commands) count(histogram, `command ${command.type}`);
  };
  const restless = random() < 0.5 ? 0.02 : 0.15;
  if (random() < 0.1) send(operatorEvent(model, random));
  send({ type: "start" });
  for (let turn = 0; turn < 3_000; turn += 1) {
    if (model.stage === "completed" || model.stage === "cancelled") break;
    if (model.stage === "failed" && (retries >= 2 || random() < 0.7)) break;
    const draw = random();
    if (model.stage === "failed") {
      retries += 1;
      send({ type: "retry" });
    } else if (draw < restless) send(operatorEvent(model, random));
    else if (draw < restless + 0.05) send(strayEvent(plan, random));
    else if (draw < restless + 0.15 && past.length > 0) {
      count(histogram, "repeated");
      send(past[Math.floor(random() * past.length)] as RunOperation);
    } else if (owed.length > 0) {
      const [event] = owed.splice(Math.floor(random() * owed.length), 1) as [RunOperation];
      if (random() < 0.1) {
        // Lost on its way, and therefore sent again later.
        count(histogram, "lost");
        owed.push(event);
        continue;
      }
      past.push(event);
      send(event);
    } else if (model.paused) send({ type: "resume" });
    else {
      const held = plan.steps[model.steps.findIndex((step) => step.phase === "held")];
      if (held === undefined) break;
      send(random() < 0.5 ? { type: "skip", step: held.name } : { type: "resume" });
    }
  }
  count(histogram, `ends ${model.stage}`);
  if (random() < 0.2) for (const event of past.slice(0, 5)) send(event);
  if (model.stage !== "failed") for (const type of ["pause", "terminate", "resume", "retry"] as const) send({ type });
  return events;
}
