/** The rules R1 to R9 that stand at the top of `src/run/commit.ts`, each by its number. */
import { describe, expect, test } from "vitest";
import { PlanProgram } from "../../machines/plan/program.ts";
import { EFFECTS } from "../../src/run/effects/effects.ts";
import { decide } from "../../src/run/decide/decide.ts";
import type { FactBatch, Fact } from "../../src/run/facts.ts";
import type { Program } from "../../src/programs/programs.ts";
import { type Actor, type ExecutionRef, type RunRecord } from "../../src/run/record/record.ts";
import { entryKey } from "../../src/run/outbox.ts";
import { firstRecord } from "../../src/run/start.ts";
import { executionTaskId } from "../../src/run/tasks.ts";
import type { TraceEntry, World } from "../simulation/world/index.ts";
import { planOf, task } from "../machines/build.ts";
import { play, type Setting } from "../simulation/play.ts";
import { WHOLE } from "../setting.ts";
import { stored } from "../stored.ts";

const NOW = 1_767_225_600_000;
const STATE = "workflow/run/state.json";

const program: Program = new PlanProgram(
  planOf([task("a"), task("b", { dependsOn: ["a"] }), task("c", { dependsOn: ["a"] })]),
  { planHash: "sha256:plan", definitionHash: "sha256:definition" },
);

const run = (name: string): ExecutionRef => ({ kind: "run", step: name, generation: 1, wake: 0 });
const done = (name: string, result: unknown): Fact => ({
  fact: "done",
  ref: run(name),
  result: stored(result),
  attempt: 1,
});

function apply(record: RunRecord, facts: readonly Fact[], actor?: Actor): RunRecord {
  const batch: FactBatch = { facts, takes: () => true, ...(actor === undefined ? {} : { actor }) };
  return decide(record, program, [batch], { now: NOW, effects: EFFECTS, writeId: "w" });
}

const driver: Actor = { task: "11111111-0000-4000-8000-000000000000", attempt: 1 };
const other: Actor = { task: "22222222-0000-4000-8000-000000000000", attempt: 1 };
const begun = (): RunRecord =>
  apply(firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0"), [{ fact: "begin" }], driver);
const keysOf = (record: RunRecord): string[] => (record.machine?.outbox ?? []).map(entryKey);
const outboxOf = (record: RunRecord): string[] => record.machine?.outbox.map((entry) => entry.id) ?? [];

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value) && !(value instanceof Map)) {
    Object.freeze(value);
    for (const member of Object.values(value)) freeze(member);
  }
  return value;
}

/** Histories with every kind of fault. */
async function histories(setting: Setting, count: number, look: (world: World, trace: readonly TraceEntry[]) => void) {
  for (let index = 0; index < count; index += 1) {
    const { world, problems } = await play(`rules-${index}`, setting);
    expect(problems).toEqual([]);
    look(world, world.trace);
  }
}

/** How many histories with faults of a kind that few of them meet. */
const FAULTY = WHOLE ? 25 : 8;

const ROUGH: Setting = { shapes: ["fork", "saga", "cancel", "pause"], crash: 1, unknown: 2 };

describe("the rules of a run", () => {
  test("R1: the record is changed only by a conditional put", async () => {
    let puts = 0;
    await histories(ROUGH, FAULTY, (_world, trace) => {
      for (const entry of trace.filter(({ kind, key }) => kind === "put" && key === STATE)) {
        puts += 1;
        expect(entry.condition === "absent" || typeof entry.condition === "object").toBe(true);
      }
      expect(trace.some(({ kind, key }) => kind === "delete" && key === STATE)).toBe(false);
    });
    expect(puts).toBeGreaterThan(3 * FAULTY);
  });

  test("R2: a decision is a pure function of record and facts", () => {
    const record = freeze(begun());
    const first = apply(record, [done("a", 1)], driver);
    expect(apply(record, [done("a", 1)], driver)).toEqual(first);
    expect(first).not.toBe(record);
  });

  test("R3: commands are committed with the decision, and only who carried one out drops it", () => {
    const record = apply(begun(), [done("a", 1)], driver);
    // One branch is handed off, the other becomes a task; both are in the same write as the completion.
    expect(record.machine?.executions).toMatchObject([{ step: "b", owner: driver }, { step: "c" }]);
    expect(outboxOf(record)).toContain("create:run:c:1:0");
    expect(outboxOf(record)).not.toContain("create:run:b:1:0");
    const next = apply(record, [done("b", 2)], other);
    expect(outboxOf(next)).toEqual(expect.arrayContaining(outboxOf(record)));
    const confirmed = apply(record, [done("b", 2), { fact: "confirm", entries: keysOf(record) }], driver);
    expect(outboxOf(confirmed)).not.toContain("create:run:c:1:0");
  });

  test("R3: no write is made only to confirm", () => {
    const record = apply(begun(), [done("a", 1)], driver);
    expect(apply(record, [{ fact: "confirm", entries: keysOf(record) }], driver)).toBe(record);
  });

  test("R3: nothing is carried out before the record that asks for it is acknowledged", async () => {
    await histories({ shapes: ["fork"] }, 5, (_world, trace) => {
      const writes = trace.filter(({ kind, key, process }) => kind === "put" && key === STATE && process !== "client");
      const results = trace.filter(({ kind, key }) => kind === "put" && key.startsWith("workflow/run/steps/"));
      expect(results.length).toBeGreaterThan(3);
      for (const result of results)
        expect(writes.some((write) => (write.answeredAt ?? Number.POSITIVE_INFINITY) <= result.sentAt)).toBe(true);
    });
  });

  test("R4: ids are computed, and differ by run, step, kind, generation and wake, never by attempt", () => {
    const id = executionTaskId("r", run("a"));
    expect(executionTaskId("r", run("a"))).toBe(id);
    const others = [
      executionTaskId("s", run("a")),
      executionTaskId("r", run("b")),
      executionTaskId("r", { ...run("a"), kind: "undo" }),
      executionTaskId("r", { ...run("a"), generation: 2 }),
      executionTaskId("r", { ...run("a"), wake: 1 }),
    ];
    expect(new Set([id, ...others]).size).toBe(6);
  });

  test("R5: a fact reported twice is the same as once, and the first committed result stays", () => {
    const record = apply(begun(), [done("a", "first")], driver);
    expect(apply(record, [done("a", "first")], driver)).toBe(record);
    expect(apply(record, [done("a", "second")], other)).toBe(record);
    expect(record.steps.get("a")?.result).toEqual(stored("first"));
  });

  test("R6: a decision that changes nothing writes nothing, but for the fence write", () => {
    const record = begun();
    expect(apply(record, [])).toBe(record);
    expect(apply(record, [{ fact: "begin" }], other)).toBe(record);
    expect(apply(record, [{ fact: "fence" }], other)).not.toBe(record);
  });

  test("R7: at every instant of a history something durable moves a run that is not over", async () => {
    let looks = 0;
    const problems: string[] = [];
    for (let index = 0; index < 6; index += 1) {
      await play(`token-${index}`, { ...ROUGH, sweeper: true }, undefined, async (world) => {
        const found = await world.store.get(STATE);
        if (found.kind === "missing") return;
        const { status } = JSON.parse(found.object.body) as { status: string };
        if (["completed", "failed", "cancelled"].includes(status)) return;
        looks += 1;
        const pages = await Promise.all(
          ["ready/", "leases/", "x-workflow/due/"].map((prefix) => world.store.list(prefix)),
        );
        const moving = pages.some((page) => page.objects.length > 0);
        const active = (await world.store.list("x-workflow/active/")).objects.some(({ key }) => key.endsWith("/run"));
        if (!active)
          problems.push(`${world.seed} at ${world.nowMs}: no active entry, ${moving ? "other keys" : "nothing"}`);
      });
    }
    expect(problems).toEqual([]);
    expect(looks).toBeGreaterThan(500);
  });

  test("R8: after a conflict or an unknown reply the record is read before anything is decided again", async () => {
    let told = 0;
    await histories({ ...ROUGH, unknown: 3 }, FAULTY, (_world, trace) => {
      for (const entry of trace) {
        if (entry.kind !== "put" || entry.key !== STATE || entry.process === "client") continue;
        if (entry.outcome !== "conflict" && entry.outcome !== "unknown") continue;
        const after = trace.find(
          ({ process, key, sentAt }) => process === entry.process && key === STATE && sentAt >= (entry.answeredAt ?? 0),
        );
        if (after === undefined) continue;
        told += 1;
        expect(after.kind, `${entry.process} after ${entry.outcome}`).toBe("get");
      }
    });
    expect(told).toBeGreaterThan(3);
  });

  test("R9: no handler starts that is not recorded, and a later attempt only after its fence write", async () => {
    let later = 0;
    for (let index = 0; index < FAULTY; index += 1) {
      const { world, problems, executions } = await play(`fence-${index}`, {
        shapes: ["two", "fork"],
        crash: 1,
        freeze: 1,
      });
      expect(problems).toEqual([]);
      for (const { process, begunAt, attempt, step: name, kind } of executions) {
        if (attempt < 2) continue;
        later += 1;
        const before = executions.find((one) => one.step === name && one.kind === kind && one.attempt < attempt);
        const write = world.trace.some(
          (entry) =>
            entry.process === process.name &&
            entry.kind === "put" &&
            entry.key === STATE &&
            entry.effect.startsWith("stored") &&
            (entry.answeredAt ?? Number.POSITIVE_INFINITY) <= begunAt &&
            entry.sentAt >= (before?.begunAt ?? 0),
        );
        expect(write, `attempt ${attempt} of ${name} in history ${index}`).toBe(true);
      }
    }
    expect(later).toBeGreaterThan(3);
  });
});
