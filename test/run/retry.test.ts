/** What an operator's retry does to a record, fact by fact. */
import { describe, expect, test } from "vitest";
import { PlanProgram } from "../../machines/plan/program.ts";
import { minuteOf } from "../../src/keys.ts";
import { EFFECTS } from "../../src/run/effects/effects.ts";
import { decide } from "../../src/run/decide/decide.ts";
import type { Fact } from "../../src/run/facts.ts";
import type { Program } from "../../src/programs/programs.ts";
import type { ExecutionRef, RunRecord } from "../../src/run/record/record.ts";
import { decodeRecord, encodeRecord } from "../../src/run/record/codec.ts";
import { firstRecord } from "../../src/run/start.ts";
import type { RunCommand } from "../../src/run/wakeups/command.ts";
import { planOf, signal, task } from "../machines/build.ts";
import { stored } from "../stored.ts";

const NOW = 1_767_225_600_000;
const program: Program = new PlanProgram(
  planOf([
    task("a", { compensate: true }),
    task("b", { dependsOn: ["a"] }),
    task("c", { dependsOn: ["b"], onFailure: "compensate" }),
    signal("d", { dependsOn: ["c"] }),
  ]),
  { planHash: "sha256:plan", definitionHash: "sha256:definition" },
);

const execution = (kind: "run" | "undo", step: string, generation = 1): ExecutionRef => ({
  kind,
  step,
  generation,
  wake: 0,
});
const done = (step: string, result: unknown, generation = 1): Fact => ({
  fact: "done",
  ref: execution("run", step, generation),
  result: stored(result),
  attempt: 3,
});
const fails = (step: string, generation = 1): Fact => ({
  fact: "failed",
  ref: execution("run", step, generation),
  failure: { type: "StepFailed", message: "no", outcome: "never", attempt: 3 },
});
const undone = (step: string, generation = 1): Fact => ({
  fact: "done",
  ref: execution("undo", step, generation),
  result: stored(null),
  attempt: 1,
});
const asked = (id: string, command: RunCommand, at = NOW): Fact => ({ fact: "command", id, command, at });
const retry = (nth?: number): RunCommand => ({ type: "retry", ...(nth === undefined ? {} : { nth }) });

/** Every write goes through the bucket, so that what is kept can be read. */
function apply(record: RunRecord, facts: readonly Fact[], now = NOW): RunRecord {
  const next = decide(record, program, [{ facts, takes: () => false }], { now, effects: EFFECTS, writeId: "w" });
  return next === record ? record : decodeRecord(encodeRecord(next), "workflow/r/state.json");
}
const failed = (): RunRecord =>
  apply(firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0"), [
    { fact: "begin" },
    done("a", { n: 1 }),
    done("b", 2),
    fails("c"),
    undone("a"),
  ]);

describe("a record that is opened again", () => {
  test("forgets why it failed and keeps what stands", () => {
    const before = failed();
    expect(before).toMatchObject({
      status: "failed",
      error: { step: "c" },
      machine: { cause: { step: "c" }, next_check_at: null },
    });
    const { error, status, steps, machine, current_steps } = apply(before, [asked("1", retry(1))], NOW + 5_000);
    expect({ error, cause: machine?.cause, status, current_steps }).toEqual({
      error: undefined,
      cause: undefined,
      status: "running",
      current_steps: ["a"],
    });
    expect(steps.get("b")).toEqual(before.steps.get("b"));
    expect(steps.get("c")).toEqual({ status: "pending", attempt: 0 });
    // A generation of its own: it began now, and this is its first attempt.
    expect(steps.get("a")).toEqual({ status: "running", started_at: "2026-01-01T00:00:05+00:00", attempt: 1 });
    expect(machine?.executions).toMatchObject([{ step: "a", generation: 2, retries: 0 }]);
  });

  test("puts the first result of a step that was undone into its file, also if that has yet to be done [10]", () => {
    const opened = apply(failed(), [asked("1", retry(1))]);
    expect(opened.machine?.outbox.find(({ id }) => id === "result:a:1")).toEqual({
      id: "result:a:1",
      do: "result",
      step: "a",
      result: stored({ n: 1 }),
    });
    // Nor does its task forget what it came to.
    expect(opened.machine?.outbox.find(({ id }) => id === "settle:run:a:1:0")).toMatchObject({
      status: "completed",
      result: stored({ n: 1 }),
    });
    expect(opened.machine?.outbox.find(({ id }) => id === "result:b:1")).toEqual({
      id: "result:b:1",
      do: "result",
      step: "b",
    });
    const again = apply(opened, [done("a", { n: 2 }, 2), fails("c", 2), undone("a", 2), asked("2", retry(2))]);
    const entries = again.machine?.outbox.filter((entry) => entry.do === "result" && entry.step === "a");
    expect(entries).toMatchObject([
      { id: "result:a:1", result: stored({ n: 1 }) },
      { id: "result:a:2", generation: 2, result: stored({ n: 2 }) },
    ]);
  });

  test("keeps the results of a step and of one whose name is that of the first one's second result", () => {
    const program: Program = new PlanProgram(
      planOf([
        task("a", { compensate: true }),
        task("c", { dependsOn: ["a"], onFailure: "compensate" }),
        task("a:2", { dependsOn: ["c"] }),
      ]),
      { planHash: "sha256:plan", definitionHash: "sha256:definition" },
    );
    const facts: Fact[] = [
      { fact: "begin" },
      done("a", 1),
      fails("c"),
      undone("a"),
      asked("1", retry(1)),
      done("a", 2, 2),
      done("c", 3, 2),
      done("a:2", 4),
    ];
    const first = firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0");
    const { machine } = decide(first, program, [{ facts, takes: () => false }], {
      now: NOW,
      effects: EFFECTS,
      writeId: "w",
    });
    const results = machine?.outbox.filter((entry) => entry.do === "result");
    expect(results).toMatchObject([{ step: "a" }, { step: "a", generation: 2 }, { step: "c" }, { step: "a:2" }]);
  });

  test("gets a minute of the active index that a late delete of its last entry cannot hit", () => {
    const before = failed();
    const leaving = before.machine?.outbox.find((entry) => entry.do === "index");
    expect(leaving).toMatchObject({ at: null, was: [expect.any(Number)] });
    const { machine } = apply(before, [asked("1", retry(1))]);
    const entry = machine?.outbox.find((other) => other.do === "index");
    expect(entry).toMatchObject({ at: machine?.next_check_at, was: leaving?.was });
    expect((entry?.was ?? []).map(minuteOf)).not.toContain(minuteOf(entry?.at ?? 0));
    // Later the minutes differ by themselves.
    const later = apply(before, [asked("1", retry(1))], NOW + 90_000);
    expect(later.machine?.next_check_at).toBe(NOW + 90_000 + 600_000);
  });

  test("counts a retry that was given twice for one failure once", () => {
    const again = [done("a", 1, 2), fails("c", 2), undone("a", 2)];
    const twice = apply(apply(failed(), [asked("1", retry(1))]), again);
    expect(twice.status).toBe("failed");
    const held = apply(twice, [asked("2", retry(1))]);
    expect(held.status).toBe("failed");
    expect(held.machine?.applied).toEqual(["1", "2"]);
    expect(apply(held, [asked("3", retry(2))])).toMatchObject({
      status: "running",
      machine: { reopened: { count: 2 } },
    });
    // The same command delivered again, and one that does not know how many there were.
    expect(apply(twice, [asked("1", retry(1))])).toBe(twice);
    expect(apply(twice, [asked("4", retry())]).status).toBe("running");
  });

  test("is not stopped by what was asked for before, and is by what comes after", () => {
    const opened = apply(failed(), [asked("1", retry(1), 100)]);
    const cancel: RunCommand = { type: "cancel", compensate: true };
    const late = apply(opened, [asked("2", cancel, 99)]);
    expect(late).toMatchObject({ status: "running", machine: { applied: ["1", "2"] } });
    expect(apply(opened, [asked("3", cancel, 100)])).toMatchObject({
      status: "compensating",
      error: { type: "Cancelled" },
    });
    // Both in one write.
    expect(apply(failed(), [asked("1", retry(1), 100), asked("4", { type: "terminate" }, 101)]).status).toBe(
      "cancelled",
    );
  });

  test.each(["completed", "cancelled", "running"] as const)("stays as it is when it is %s", (wanted) => {
    const running = apply(firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0"), [{ fact: "begin" }]);
    const record =
      wanted === "running"
        ? running
        : wanted === "cancelled"
          ? apply(running, [asked("0", { type: "terminate" })])
          : apply(running, [
              done("a", 1),
              done("b", 2),
              done("c", 3),
              { fact: "signals", found: [{ name: "d", segment: "s", id: "i", payload: stored(1) }] },
            ]);
    expect(record.status).toBe(wanted);
    const after = apply(record, [asked("1", retry(1))]);
    expect({ ...after, machine: { ...after.machine, applied: [], write: {} }, updated_at: "" }).toEqual({
      ...record,
      machine: { ...record.machine, applied: [], write: {} },
      updated_at: "",
    });
    expect(after === record).toBe(wanted !== "running");
  });

  test("asks anew for what handlers had been given by signals", () => {
    let record = apply(firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0"), [
      { fact: "begin" },
      { fact: "waiting", ref: execution("run", "a"), signal: "go", timeoutMs: 0 },
      { fact: "signals", found: [{ name: "go", segment: "s", id: "i", payload: stored(1) }] },
    ]);
    expect(record.machine?.given).toMatchObject([{ step: "a", given: [{ id: "i" }] }]);
    record = apply(record, [asked("1", { type: "cancel", compensate: true })]);
    expect(record.machine?.given).toHaveLength(1);
    const ended = apply(failed(), []);
    const opened = apply({ ...ended, machine: { ...ended.machine, given: record.machine?.given ?? [] } as never }, [
      asked("2", retry(1)),
    ]);
    expect(opened.machine?.given).toEqual([]);
  });
});
