/** What can happen next: the machine is asked what each event would do, and really does it then. */
import { describe, expect, test } from "vitest";
import { PlanProgram } from "../../machines/plan/program.ts";
import { EFFECTS } from "../../src/run/effects/effects.ts";
import { decide } from "../../src/run/decide/decide.ts";
import type { Fact } from "../../src/run/facts.ts";
import { previewOfCommand, nextOf } from "../../src/run/next.ts";
import type { Program } from "../../src/programs/programs.ts";
import type { ExecutionRef, RunRecord } from "../../src/run/record/record.ts";
import { firstRecord } from "../../src/run/start.ts";
import type { RunCommand } from "../../src/run/wakeups/command.ts";
import { planOf, signal, task } from "../machines/build.ts";
import { stored } from "../stored.ts";

const NOW = 1_767_225_600_000;
const program: Program = new PlanProgram(
  planOf([
    task("reserve", { compensate: true }),
    signal("approval", { dependsOn: ["reserve"], timeoutMs: 60_000 }),
    task("pack", { dependsOn: ["reserve"], onFailure: "pause_workflow" }),
    task("ship", { dependsOn: ["approval", "pack"], delayMs: 5_000, onFailure: "compensate" }),
  ]),
  { planHash: "sha256:plan", definitionHash: "sha256:definition" },
);
const none = { starts: [], undoes: [], waits: [], delays: [] };
const ref = (step: string, kind: "run" | "undo" = "run"): ExecutionRef => ({ kind, step, generation: 1, wake: 0 });
const done = (step: string): Fact => ({ fact: "done", ref: ref(step), result: stored(1), attempt: 1 });
const fails = (step: string): Fact => ({
  fact: "failed",
  ref: ref(step),
  failure: { type: "StepFailed", message: "no", outcome: "unknown", attempt: 1 },
});
const asked = (command: RunCommand): Fact => ({ fact: "command", id: command.type, command, at: NOW });
const apply = (record: RunRecord, ...facts: Fact[]): RunRecord =>
  decide(record, program, [{ facts, takes: () => false }], { now: NOW, effects: EFFECTS, writeId: "w" });
const first = firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0");
const names = (record: RunRecord): string[] => nextOf(record, program).commands.map(({ command }) => command);

describe("what comes next", () => {
  test("of a run that has not begun is its start", () => {
    expect(nextOf(first, program)).toMatchObject({
      start: { ...none, status: "running", starts: ["reserve"] },
      signals: [],
      steps: [],
    });
    expect(names(first)).toEqual(["pause", "cancel", "terminate"]);
  });

  test("of a running step is that it completes or fails", () => {
    const record = apply(first, { fact: "begin" });
    expect(nextOf(record, program)).toEqual({
      signals: [],
      timers: [],
      steps: [
        {
          step: "reserve",
          kind: "run",
          completed: { ...none, status: "running", starts: ["pack"], waits: ["approval"] },
          failed: { ...none, status: "failed" },
        },
      ],
      commands: expect.any(Array),
    });
  });

  test("of an open wait are its signal and its deadline, of a delay its end", () => {
    const waits = apply(first, { fact: "begin" }, done("reserve"), done("pack"));
    expect(nextOf(waits, program)).toMatchObject({
      signals: [
        {
          signal: "approval",
          step: "approval",
          leads: { ...none, status: "running", delays: ["ship"] },
          deadline: { at: "2026-01-01T00:01:00+00:00", leads: { ...none, status: "failed" } },
        },
      ],
      steps: [],
    });
    const found = { name: "approval", segment: "s", id: "i", payload: stored(1) };
    const delays = apply(waits, { fact: "signals", found: [found] });
    expect(nextOf(delays, program)).toMatchObject({
      signals: [],
      timers: [
        { step: "ship", at: "2026-01-01T00:00:05+00:00", leads: { ...none, status: "running", starts: ["ship"] } },
      ],
    });
  });

  test("of a held step are a resume and a skip", () => {
    const held = apply(first, { fact: "begin" }, done("reserve"), fails("pack"));
    const { commands } = nextOf(held, program);
    expect(commands).toMatchObject([
      { command: "pause" },
      { command: "resume", leads: { starts: ["pack"] } },
      { command: "skip", step: "pack" },
      { command: "cancel", leads: { status: "compensating", undoes: ["reserve"] } },
      { command: "terminate", leads: { status: "cancelled" } },
    ]);
  });

  test("of a run that is undone are its undos, and of a failed one a retry", () => {
    const signals: Fact = { fact: "signals", found: [{ name: "approval", segment: "s", id: "i", payload: stored(1) }] };
    const due: Fact = { fact: "due", timer: "delay", step: "ship", generation: 1, wake: 0 };
    const undoing = apply(first, { fact: "begin" }, done("reserve"), done("pack"), signals, due, fails("ship"));
    expect(nextOf(undoing, program).steps).toEqual([
      {
        step: "reserve",
        kind: "undo",
        completed: { ...none, status: "failed" },
        failed: { ...none, status: "failed" },
      },
    ]);
    const failed = apply(undoing, { fact: "done", ref: ref("reserve", "undo"), result: stored(null), attempt: 1 });
    expect(nextOf(failed, program)).toEqual({
      signals: [],
      timers: [],
      steps: [],
      commands: [{ command: "retry", leads: { ...none, status: "running", starts: ["reserve"] } }],
    });
    expect(previewOfCommand(failed, program, "cancel")).toBeUndefined();
    expect(previewOfCommand(undoing, program, "terminate")).toEqual({ ...none, status: "cancelled" });
  });

  test("is what then happens, for every command and every step", () => {
    const records = [
      first,
      apply(first, { fact: "begin" }),
      apply(first, { fact: "begin" }, done("reserve"), fails("pack")),
    ];
    let looked = 0;
    for (const record of records) {
      const next = nextOf(record, program);
      for (const { command, step, leads } of next.commands) {
        const given = { type: command, ...(step === undefined ? {} : { step }), compensate: true } as RunCommand;
        expect(apply(record, asked(given)).status, command).toBe(leads.status);
        looked += 1;
      }
      for (const { step, completed, failed } of next.steps) {
        const after = apply(record, done(step));
        expect(after.status).toBe(completed.status);
        expect(after.machine?.executions.map((execution) => execution.step)).toEqual(
          expect.arrayContaining([...completed.starts]),
        );
        expect(apply(record, fails(step)).status).toBe(failed.status);
        looked += 1;
      }
      // Nothing was written.
      expect(nextOf(record, program)).toEqual(next);
    }
    expect(looked).toBeGreaterThan(10);
  });

  test("is not known of a record without its machine", () => {
    const { machine: _dropped, ...plain } = first;
    expect(nextOf(plain, program)).toEqual({ signals: [], timers: [], steps: [], commands: [] });
  });
});
