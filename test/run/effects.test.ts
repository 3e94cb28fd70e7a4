/** Entries of the outbox: who stamps them, who may drop them, and what stands for an execution that nobody holds. */
import { describe, expect, test } from "vitest";
import { PlanProgram } from "../../machines/plan/program.ts";
import { EFFECTS } from "../../src/run/effects/effects.ts";
import { decide } from "../../src/run/decide/decide.ts";
import type { FactBatch, Fact } from "../../src/run/facts.ts";
import type { Program } from "../../src/programs/programs.ts";
import type { Actor, ExecutionRef, RunRecord } from "../../src/run/record/record.ts";
import type { OutboxEntry } from "../../src/run/effects/effects.ts";
import { entryKey } from "../../src/run/outbox.ts";
import { firstRecord } from "../../src/run/start.ts";
import { executionTaskId } from "../../src/run/tasks.ts";
import { planOf, task } from "../machines/build.ts";
import { stored } from "../stored.ts";

const NOW = 1_767_225_600_000;
const LATER = NOW + 3_600_000;
const program: Program = new PlanProgram(planOf([task("x", { compensate: true }), task("y"), task("z")]), {
  planHash: "sha256:plan",
  definitionHash: "sha256:definition",
});
const run = (step: string): ExecutionRef => ({ kind: "run", step, generation: 1, wake: 0 });
const owner: Actor = { task: "11111111-0000-4000-8000-000000000000", attempt: 1 };
const asker: Actor = { task: "22222222-0000-4000-8000-000000000000", attempt: 3 };
const releaser: Actor = { task: owner.task, attempt: 2 };

function decided(record: RunRecord, batches: readonly FactBatch[], now = NOW): RunRecord {
  return decide(record, program, batches, { now, effects: EFFECTS, writeId: "w" });
}
const by = (actor: Actor | undefined, ...facts: Fact[]): FactBatch => ({
  facts,
  takes: ({ step }) => step === "x",
  ...(actor === undefined ? {} : { actor }),
});
const entryOf = (record: RunRecord, id: string): OutboxEntry | undefined =>
  record.machine?.outbox.find((entry) => entry.id === id);
const confirmed = (...entries: (OutboxEntry | undefined)[]): Fact => ({
  fact: "confirm",
  entries: entries.flatMap((entry) => (entry === undefined ? [] : [entryKey(entry)])),
});

/** x is owned, y and z have tasks of their own. */
const begun = (): RunRecord =>
  decided(firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0"), [by(owner, { fact: "begin" })]);
const cancel: Fact = { fact: "command", id: "c", command: { type: "cancel", compensate: true }, at: NOW };
const stopped = (): RunRecord => decided(begun(), [by(asker, cancel)]);
const FENCE = "fence:run:x:1:0";
const CREATE = "create:run:x:1:0";
const fencedY: Fact = { fact: "fenced", ref: run("y"), outcome: "never" };
const fencedZ: Fact = { fact: "fenced", ref: run("z"), outcome: "never" };

test("an entry is stamped with the claim that added it: its task and its attempt", () => {
  expect(entryOf(stopped(), FENCE)).toEqual({ id: FENCE, by: asker, do: "fence", ref: run("x") });
  expect(entryOf(begun(), "create:run:y:1:0")?.by).toEqual(owner);
});

test("what a program without a claim changed is stamped with the claim that writes it", () => {
  const before = begun();
  const after: RunRecord = { ...before, status: "cancelled" };
  const record = decided(before, [by(undefined, { fact: "foreign", before, after }), by(asker)]);
  expect(entryOf(record, FENCE)?.by).toEqual(asker);
});

describe("R3: who dispatched an entry drops that one, and no other that stands under its id by now", () => {
  test("a fence, released meanwhile by somebody who dies", () => {
    const record = stopped();
    const dispatched = entryOf(record, FENCE);
    const released = decided(record, [by(releaser, { fact: "release", task: owner.task, before: 2 })]);
    expect(entryOf(released, FENCE)?.by).toEqual(releaser);
    const next = decided(released, [by(asker, fencedY, confirmed(dispatched))]);
    expect(entryOf(next, FENCE)?.by).toEqual(releaser);
    const last = decided(released, [by(releaser, fencedY, confirmed(entryOf(released, FENCE)))]);
    expect(entryOf(last, FENCE)).toBeUndefined();
  });

  test("an entry of the active index, moved meanwhile by the same claim", () => {
    const record = begun();
    const first = entryOf(record, "index");
    const fence: Fact = { fact: "fence" };
    const moved = decided(record, [by(owner, fence)], LATER);
    expect(entryOf(moved, "index")).toMatchObject({ by: owner });
    expect(entryOf(moved, "index")).not.toEqual(first);
    // The put of that write had no answer; the same facts are decided again on it, beside somebody's fence write.
    const again = decided(moved, [by(asker, fence), by(owner, confirmed(first))], LATER);
    expect(entryOf(again, "index")).toEqual(entryOf(moved, "index"));
  });
});

describe("what a run leaves behind in the active index is named until it is known to be gone", () => {
  const look = (record: RunRecord): Extract<OutboxEntry, { do: "index" }> => {
    const entry = entryOf(record, "index");
    if (entry?.do !== "index") throw new Error("no entry moves the look");
    return entry;
  };
  const end: Fact = { fact: "command", id: "t", command: { type: "terminate" }, at: NOW };
  const first = begun().machine?.next_check_at ?? 0;
  const MINUTE = 60_000;

  test("the look that its record names, while it is to come", () => {
    expect(look(decided(begun(), [by(asker, end)], first - MINUTE))).toMatchObject({ at: null, was: [first] });
  });

  test("the look that follows those that were made since its record was written", () => {
    for (const [after, next] of [
      [0, 10],
      [9, 10],
      [10, 20],
      [47, 50],
    ] as const) {
      const ended = decided(begun(), [by(asker, end)], first + after * MINUTE);
      expect(look(ended)).toMatchObject({ at: null, was: [first + next * MINUTE] });
    }
  });

  test("and what a move takes away that nobody has dispatched yet", () => {
    // Five minutes after its first look, at which the sweeper put the next one; then the one who wrote that dies.
    const moved = decided(begun(), [by(releaser, { fact: "fence" })], first + 5 * MINUTE);
    expect(look(moved)).toMatchObject({ at: first + 15 * MINUTE, was: [first + 10 * MINUTE] });
    const ends = (facts: readonly Fact[], after: number): readonly number[] =>
      look(decided(moved, [by(asker, end, ...facts)], first + after * MINUTE)).was;
    expect(ends([], 6)).toEqual([first + 10 * MINUTE, first + 15 * MINUTE]);
    expect(ends([confirmed(look(moved))], 6)).toEqual([first + 15 * MINUTE]);
    // What is due is taken away by the sweeper.
    expect(ends([], 11)).toEqual([first + 15 * MINUTE]);
  });
});

describe("while a run stops, the task of a step that nobody holds is fenced, never created", () => {
  /** The fence of x was answered by its owner, and dropped. */
  const asked = (): RunRecord => {
    const record = stopped();
    return decided(record, [by(asker, fencedY, confirmed(entryOf(record, FENCE)))]);
  };

  test("its owner is gone", () => {
    expect(entryOf(asked(), FENCE)).toBeUndefined();
    const gone: Fact = { fact: "release", task: owner.task, before: 2 };
    for (const record of [asked(), stopped()]) {
      const next = decided(record, [by(releaser, gone)]);
      expect(entryOf(next, FENCE)).toMatchObject({ by: releaser });
      expect(entryOf(next, CREATE)).toBeUndefined();
      // It may have begun.
      const over = decided(next, [by(releaser, { fact: "fenced", ref: run("x"), outcome: "never" }, fencedY, fencedZ)]);
      expect(over.machine?.executions).toMatchObject([{ kind: "undo", step: "x" }]);
    }
  });

  test("its owner gives it back: then it is over, and may have had effects", () => {
    const failures = [{ attempt: 1, error: { name: "Error", message: "not now" } }];
    const back: Fact = { fact: "backoff", ref: run("x"), availableAt: LATER, retries: 1, claim: owner, failures };
    for (const record of [asked(), stopped()]) {
      const over = decided(record, [by(owner, back), by(asker, fencedY, fencedZ)]);
      expect([entryOf(over, FENCE), entryOf(over, CREATE)]).toEqual([undefined, undefined]);
      expect(over.machine?.executions).toMatchObject([{ kind: "undo", step: "x" }]);
      expect(over.machine?.failures).toMatchObject([{ step: "x", error: { message: "not now" } }]);
    }
  });

  test("nobody holds a step whose holder was not known", () => {
    const record = asked();
    const { machine } = record;
    if (machine === undefined) expect.fail("it has a machine");
    const executions = machine.executions.map((execution) => ({ ...execution, owner: "unknown" as const }));
    const next = decided({ ...record, machine: { ...machine, executions } }, [by(releaser, { fact: "disown" })]);
    expect(entryOf(next, FENCE)).toMatchObject({ by: releaser });
    expect(entryOf(next, CREATE)).toBeUndefined();
  });
});

describe("what a runner says of an execution counts only while its claim holds it", () => {
  const claim = owner;
  const says: readonly [string, Fact][] = [
    ["done", { fact: "done", ref: run("x"), result: stored(1), attempt: 1, claim }],
    [
      "failed",
      {
        fact: "failed",
        ref: run("x"),
        failure: { type: "StepFailed", message: "no", outcome: "never", attempt: 1 },
        claim,
      },
    ],
    ["backoff", { fact: "backoff", ref: run("x"), availableAt: LATER, retries: 3, claim }],
    ["fenced", { fact: "fenced", ref: run("x"), outcome: "never", claim }],
  ];
  const taken: Fact = { fact: "begun", task: executionTaskId("r", run("x")), retries: 1 };

  test.for(says)("%s, of one that was taken over", ([, fact]) => {
    const record = decided(fact.fact === "fenced" ? stopped() : begun(), [by(undefined, { fact: "fence" })]);
    expect(decided(record, [by(owner, fact)])).not.toBe(record);
    const released = decided(record, [by(releaser, { fact: "release", task: owner.task, before: 2 })]);
    expect(decided(released, [by(owner, fact)])).toBe(released);
    if (fact.fact === "fenced") return;
    const held = decided(record, [by({ task: executionTaskId("r", run("x")), attempt: 2 }, taken)]);
    expect(decided(held, [by(owner, fact)])).toBe(held);
  });

  test("who looked at its task, or another program, need not hold it", () => {
    const record = decided(begun(), [by(releaser, { fact: "release", task: owner.task, before: 2 })]);
    const done: Fact = { fact: "done", ref: run("x"), result: stored(1), attempt: 1 };
    expect(decided(record, [by(asker, done)]).steps.get("x")?.status).toBe("completed");
  });

  test("of an unknown holder anybody may be the one", () => {
    const record = begun();
    const { machine } = record;
    if (machine === undefined) expect.fail("it has a machine");
    const executions = machine.executions.map((execution) => ({ ...execution, owner: "unknown" as const }));
    const next = decided({ ...record, machine: { ...machine, executions } }, [
      by(asker, { ...says[0]?.[1], claim } as Fact),
    ]);
    expect(next.steps.get("x")?.status).toBe("completed");
  });
});

test("a run that is terminated still puts the results that it has, and ends the tasks of its steps", () => {
  const record = decided(begun(), [by(owner, { fact: "done", ref: run("x"), result: stored(1), attempt: 1 })]);
  const terminate: Fact = { fact: "command", id: "t", command: { type: "terminate" }, at: NOW };
  const { machine, status } = decided(record, [by(asker, terminate)]);
  expect(status).toBe("cancelled");
  expect(machine?.outbox.map(({ id }) => id).toSorted()).toEqual(["index", "result:x:1", "settle:run:x:1:0"]);
});
