import { createActor } from "xstate";
import { expect, test } from "vitest";
import { advance, buildMachine, initial, project, type RunMachine } from "../../machines/advance.ts";
import type { Command } from "../../machines/commands.ts";
import type { RunEvent } from "../../machines/events.ts";
import type { PersistedSnapshot, RunStatus } from "../../machines/snapshot.ts";
import { validatePlan } from "../../machines/validate.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { randomPlan } from "./plans.ts";

const PLANS = Number(process.env["PLANS"] ?? 2_000);
const SEED = Number(process.env["SEED"] ?? 20_261_124);

/** The transitions of the specification, and those that we add to it. */
const ALLOWED: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  pending: ["running", "cancelled", "waiting_signal", "paused"],
  running: ["completed", "failed", "cancelled", "paused", "waiting_signal", "compensating"],
  waiting_signal: ["running", "cancelled", "failed", "completed", "compensating", "paused"],
  compensating: ["failed", "cancelled", "paused"],
  paused: ["running", "cancelled", "compensating", "completed", "failed", "waiting_signal"],
  completed: [],
  failed: [],
  cancelled: [],
};

const reload = (snapshot: PersistedSnapshot): PersistedSnapshot =>
  JSON.parse(JSON.stringify(snapshot)) as PersistedSnapshot;

/** What the world may answer to a command. */
function answersTo(command: Command, random: () => number): RunEvent[] {
  const { step, generation } = command;
  switch (command.type) {
    case "step.start": {
      const draw = random();
      if (draw < 0.12 && command.wake < 2)
        return [
          {
            type: "step.waiting",
            step,
            generation,
            wake: command.wake,
            signal: "go",
            timeoutMs: random() < 0.5 ? 100 : 0,
          },
        ];
      if (draw < 0.3) return [{ type: "step.failed", step, generation, outcome: random() < 0.5 ? "never" : "unknown" }];
      return [{ type: "step.done", step, generation }];
    }
    case "step.fence":
      return [{ type: "step.fenced", step, generation, outcome: random() < 0.5 ? "never" : "unknown" }];
    case "undo.start":
      return [{ type: random() < 0.1 ? "undo.failed" : "undo.done", step, generation }];
    case "timer.start":
      return [{ type: "timer.due", timer: command.timer, step, generation, wake: command.wake }];
    case "signal.await":
      return [{ type: "signal.received", step, generation, wake: command.wake }];
  }
}

interface Played {
  readonly machine: RunMachine;
  readonly snapshot: PersistedSnapshot;
  readonly seen: readonly PersistedSnapshot[];
}

function play(index: number, histogram: Map<string, number>, most: number): Played {
  const { next: random } = seededRandom(SEED + index);
  const plan = randomPlan(random, most);
  expect(validatePlan(plan)).toEqual([]);
  const machine = buildMachine(plan);
  let snapshot = initial(machine);
  const seen = [snapshot];
  const waiting: RunEvent[] = [{ type: "start" }];
  const done: RunEvent[] = [];
  const count = (what: string): void => void histogram.set(what, (histogram.get(what) ?? 0) + 1);
  const started = new Set<string>();
  const undone = new Set<string>();
  for (const step of plan.steps) count(step.kind === "signal" ? `signal ${step.onTimeout}` : `step ${step.onFailure}`);
  const apply = (event: RunEvent): boolean => {
    const before = project(machine, snapshot);
    const decision = advance(machine, reload(snapshot), [event]);
    const straight = advance(machine, snapshot, [event]);
    expect(straight.commands, "a reload changes nothing").toEqual(decision.commands);
    if (!decision.changed) return false;
    count(event.type);
    snapshot = reload(decision.snapshot);
    seen.push(snapshot);
    const after = project(machine, snapshot);
    if (after.status !== before.status)
      expect(ALLOWED[before.status], `${before.status} → ${after.status} by ${event.type}`).toContain(after.status);
    for (const command of decision.commands) {
      const id = `${command.type} ${command.step} ${command.generation} ${"wake" in command ? command.wake : 0} ${"timer" in command ? command.timer : ""}`;
      if (command.type === "step.start") {
        expect(started.has(id), `${id} twice`).toBe(false);
        expect(undone.has(command.step), `${command.step} started after its undo`).toBe(false);
        started.add(id);
      }
      if (command.type === "undo.start") {
        expect(undone.has(command.step), `${command.step} undone twice`).toBe(false);
        undone.add(command.step);
      }
      waiting.push(...answersTo(command, random));
    }
    return true;
  };
  for (let turn = 0; turn < 2_000; turn += 1) {
    const { status, steps } = project(machine, snapshot);
    if (["completed", "failed", "cancelled"].includes(status)) break;
    const draw = random();
    if (draw < 0.01) apply({ type: "cancel", compensate: random() < 0.7 });
    else if (draw < 0.02) apply({ type: "pause" });
    else if (draw < 0.022) apply({ type: "terminate" });
    else if (draw < 0.1 && done.length > 0) {
      const again = done[Math.floor(random() * done.length)] as RunEvent;
      expect(apply(again), `${JSON.stringify(again)} twice`).toBe(false);
    } else if (waiting.length > 0 && draw < 0.9) {
      const [event] = waiting.splice(Math.floor(random() * waiting.length), 1);
      if (event !== undefined && apply(event)) done.push(event);
    } else if (status === "paused") {
      const held = [...steps].find(([, view]) => view.phase === "held");
      if (held !== undefined && random() < 0.5) apply({ type: "skip", step: held[0] });
      else apply({ type: "resume" });
    }
  }
  const end = project(machine, snapshot);
  expect(["completed", "failed", "cancelled"], `plan ${index} ends`).toContain(end.status);
  for (const step of plan.steps) {
    const view = end.steps.get(step.name);
    const undoable = step.kind === "task" && step.compensate;
    if (end.status === "completed") expect(view?.undo).toBe("none");
    if (view?.undo !== "none")
      expect(undoable && (view?.phase === "completed" || view?.outcome === "unknown")).toBe(true);
    expect(view?.phase).not.toBe("running");
  }
  return { machine, snapshot, seen };
}

test(
  `${PLANS} random plans end as their rules say, in any order, repeated and reloaded (seed ${SEED})`,
  { timeout: 600_000 },
  () => {
    const histogram = new Map<string, number>();
    for (let index = 0; index < PLANS; index += 1) play(index, histogram, index % 10 === 0 ? 30 : 8);
    console.log(
      [...histogram]
        .toSorted()
        .map(([what, count]) => `${what} ${count}`)
        .join(" · "),
    );
    for (const what of [
      "cancel",
      "pause",
      "resume",
      "skip",
      "terminate",
      "step.fenced",
      "undo.failed",
      "signal.received",
      "timer.due",
    ]) {
      expect(histogram.get(what), what).toBeGreaterThan(10);
    }
  },
);

test("stock createActor loads every snapshot with the same value, context, tags and status", () => {
  for (let index = 0; index < 100; index += 1) {
    const { machine, seen } = play(index, new Map(), 8);
    for (const snapshot of seen) {
      const loaded = createActor(machine.machine, { snapshot: snapshot as never }).getSnapshot() as unknown as {
        value: unknown;
        context: unknown;
        status: string;
      };
      expect({ value: loaded.value, context: loaded.context, status: loaded.status }).toEqual({
        value: snapshot["value"],
        context: snapshot["context"],
        status: snapshot["status"],
      });
    }
  }
});

test("an event that the machine raises itself is refused from outside", () => {
  const { machine } = play(0, new Map(), 8);
  const running = advance(machine, initial(machine), [{ type: "start" }]).snapshot;
  for (const type of ["xstate.done.state.random.active.flow", "unpark", "undo.none", "release"]) {
    expect(advance(machine, running, [{ type, step: "x" } as unknown as RunEvent]).changed).toBe(false);
  }
});
