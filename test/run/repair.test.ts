/** Records from which a foreign writer dropped the machine: rebuilt from versions, or from the plain fields. */
import { describe, expect, test } from "vitest";
import type { Plan } from "../../machines/plan/plan.ts";
import { PlanProgram } from "../../machines/plan/program.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { EFFECTS } from "../../src/run/effects/effects.ts";
import { decide } from "../../src/run/decide/decide.ts";
import type { Fact } from "../../src/run/facts.ts";
import { repairRecord, type Repaired } from "../../src/run/foreign/repair.ts";
import type { Program, Programs } from "../../src/programs/programs.ts";
import { isOver, refOf, type RunRecord } from "../../src/run/record/record.ts";
import { encodeRecord } from "../../src/run/record/codec.ts";
import { firstRecord } from "../../src/run/start.ts";
import { stateKey } from "../../src/keys.ts";
import { nodeHost } from "../../src/host/node.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { planOf, task } from "../machines/build.ts";
import { randomPlan } from "../machines/plans.ts";
import { setting } from "../setting.ts";
import { stored } from "../stored.ts";

const PLANS = setting("PLANS", 150);
const SEED = setting("SEED", 20_261_124);
const NOW = 1_767_225_600_000;

function programOf(plan: Plan): Program {
  return new PlanProgram(plan, { planHash: "sha256:plan", definitionHash: "sha256:definition" });
}

function apply(record: RunRecord, program: Program, facts: readonly Fact[], now = NOW): RunRecord {
  return decide(record, program, [{ takes: () => false, facts }], { now, effects: EFFECTS, writeId: "w" });
}

const programsOf = (program: Program): Programs => ({ current: () => program, byHash: async () => program });

function withoutMachine(record: RunRecord): RunRecord {
  const { machine: _dropped, ...plain } = record;
  return plain;
}

let serial = 0;

/** What the world may say next about a run. */
function nextFacts(record: RunRecord, program: Program, random: () => number): Fact[] {
  const { machine } = record;
  if (machine === undefined) return [];
  const facts: Fact[] = machine.executions.map((execution): Fact => {
    const ref = refOf(execution);
    const { draining } = program.project(machine.snapshot);
    if (execution.kind === "run" && draining.includes(execution.step) && random() < 0.5)
      return { fact: "fenced", ref, outcome: "unknown" };
    if (random() < 0.85) return { fact: "done", ref, result: stored(execution.step), attempt: 1 };
    return { fact: "failed", ref, failure: { type: "StepFailed", message: "no", outcome: "unknown", attempt: 1 } };
  });
  for (const timer of machine.timers) facts.push({ fact: "due", ...timer });
  for (const wait of program.project(machine.snapshot).waits) {
    serial += 1;
    const segment = `2026-01-01T00:00:00+00:00_${serial}.json`;
    facts.push({ fact: "signals", found: [{ name: wait.signal, segment, id: segment, payload: stored(1) }] });
  }
  return facts;
}

const COMMANDS = [{ type: "pause" }, { type: "resume" }, { type: "cancel", compensate: true }] as const;

/** A record somewhere on its way. */
function wander(seed: number): { record: RunRecord; program: Program; random: () => number } {
  const { next: random } = seededRandom(seed);
  const program = programOf(randomPlan(random, 12));
  let record = firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0");
  record = apply(record, program, [{ fact: "begin" }]);
  const turns = Math.floor(random() * 30);
  for (let turn = 0; turn < turns && !isOver(record.status); turn += 1) {
    const facts = nextFacts(record, program, random);
    const command = COMMANDS[Math.floor(random() * 30)];
    if (command !== undefined) facts.unshift({ fact: "command", id: `c${turn}`, command, at: turn });
    const fact = facts[command === undefined ? Math.floor(random() * facts.length) : 0];
    if (fact !== undefined) record = apply(record, program, [fact]);
  }
  return { record, program, random };
}

/** Lets everything succeed until the run is over; a paused one is resumed. */
function finish(start: RunRecord, program: Program): RunRecord {
  let record = start;
  for (let turn = 0; turn < 500 && !isOver(record.status); turn += 1) {
    const facts: Fact[] =
      record.status === "paused"
        ? [{ fact: "command", id: `resume${turn}`, command: { type: "resume" }, at: 1_000 + turn }]
        : nextFacts(record, program, () => 0.6).filter((fact) => fact.fact !== "due" || fact.timer === "delay");
    record = apply(record, program, [{ fact: "disown" }, ...facts]);
  }
  return record;
}

const statuses = (record: RunRecord): Record<string, string> =>
  Object.fromEntries([...record.steps].map(([name, { status }]) => [`step ${name}`, status]));

describe("a record that a foreign writer rewrote without its machine", () => {
  test(`says the same after it was rebuilt from ${PLANS} plain records, and ends the same (seed ${SEED})`, async () => {
    const reached = new Map<string, number>();
    let same = 0;
    let tried = 0;
    let ambiguous = 0;
    const store = new MemoryStore({ clock: nodeHost().clock });
    const bare = Object.assign(Object.create(store) as MemoryStore, { capabilities: { versions: false } });
    for (let index = 0; index < PLANS; index += 1) {
      const { record, program } = wander(SEED + index);
      reached.set(record.status, (reached.get(record.status) ?? 0) + 1);
      if (isOver(record.status)) continue;
      tried += 1;
      const repaired = await repairRecord(
        { store: bare, programs: programsOf(program), effects: EFFECTS },
        withoutMachine(record),
      );
      expect(repaired).not.toHaveProperty("reason");
      const { record: base, facts } = repaired as Repaired;
      const rebuilt = apply(base, program, facts);
      const hint = `seed ${SEED + index}`;
      if (rebuilt.status !== record.status) {
        // Where the last step drains, plain fields do not say what came first, a pause, a cancel or a failure.
        expect(isOver(rebuilt.status), hint).toBe(false);
        ambiguous += 1;
        continue;
      }
      // Plain fields cannot say what a pause holds back: what is ready starts (docs/status.md).
      const started = Object.entries(statuses(rebuilt)).filter(
        ([name, status]) => record.status === "paused" && status === "running" && !(name in statuses(record)),
      );
      expect(statuses(rebuilt), hint).toEqual({ ...statuses(record), ...Object.fromEntries(started) });
      expect(rebuilt.error, hint).toEqual(record.error);
      const ended = finish(record, program);
      const endedToo = finish(rebuilt, program);
      expect(isOver(ended.status), hint).toBe(true);
      // A run that stops does not always say in its plain fields whether a failure or a cancel came first.
      if (ended.status === "completed") expect(endedToo.status, hint).toBe("completed");
      else expect(["failed", "cancelled"], hint).toContain(endedToo.status);
      if (ended.status === endedToo.status) same += 1;
    }
    expect(ambiguous / tried).toBeLessThan(0.005);
    expect(same / tried).toBeGreaterThan(0.95);
    console.log(
      `rebuilt, ${same} of ${tried} with the same end: ${[...reached].map(([status, count]) => `${count} ${status}`).join(", ")}`,
    );
    for (const status of ["running", "paused", "compensating", "waiting_signal"])
      expect(reached.get(status) ?? 0, status).toBeGreaterThan(0);
  });
});

const undoable = { onFailure: "compensate", compensate: true } as const;
const twoSteps = planOf([task("a", undoable), task("b", { ...undoable, dependsOn: ["a"] })], { foreign: true });

describe("without versions", () => {
  test("a run that another program cancelled is undone; one that it ended otherwise is over", async () => {
    const program = programOf(twoSteps);
    const store = new MemoryStore({ clock: nodeHost().clock });
    const begun = apply(firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0"), program, [{ fact: "begin" }]);
    const done = new Map([["a", { status: "completed" as const, attempt: 1, result: stored(1) }]]);
    const plain: RunRecord = { ...withoutMachine(begun), steps: done };
    const cancelled = { ...plain, status: "cancelled", error: { type: "Cancelled", message: "no" } } as const;
    const repaired = (await repairRecord(
      { store, programs: programsOf(program), effects: EFFECTS },
      cancelled,
    )) as Repaired;
    const record = apply(repaired.record, program, repaired.facts);
    expect(record).toMatchObject({ status: "compensating", error: { type: "Cancelled" } });
    expect(record.machine?.executions).toMatchObject([{ kind: "undo", step: "a", owner: "unknown" }]);
    const failed: RunRecord = { ...plain, status: "failed" };
    const left = (await repairRecord({ store, programs: programsOf(program), effects: EFFECTS }, failed)) as Repaired;
    expect(apply(left.record, program, left.facts)).toBe(failed);
  });
});

describe("with versions", () => {
  async function mended(
    change: (plain: RunRecord) => readonly RunRecord[],
    before?: (record: RunRecord, program: Program) => RunRecord,
  ): Promise<RunRecord> {
    const program = programOf(twoSteps);
    const store = new MemoryStore({ clock: nodeHost().clock });
    let record = apply(firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0"), program, [{ fact: "begin" }]);
    record = before?.(record, program) ?? record;
    await store.put(stateKey("r"), encodeRecord(record), "always");
    const versions = change(withoutMachine(record));
    for (const version of versions) await store.put(stateKey("r"), encodeRecord(version), "always");
    const read = versions.at(-1) as RunRecord;
    const repaired = (await repairRecord({ store, programs: programsOf(program), effects: EFFECTS }, read)) as Repaired;
    return apply(repaired.record, program, repaired.facts);
  }

  const done = (plain: RunRecord, step: string, result: unknown): RunRecord => ({
    ...plain,
    steps: new Map(plain.steps).set(step, { status: "completed", attempt: 1, result: stored(result) }),
  });

  test("a pause pauses, and keeps what was in flight", async () => {
    const record = await mended((plain) => [
      { ...plain, status: "paused", error: { type: "Paused", message: "stop" } },
    ]);
    expect(record).toMatchObject({ status: "paused", error: { type: "Paused", message: "stop" } });
    expect(record.machine?.executions.map((execution) => execution.step)).toEqual(["a"]);
  });

  test("a pause and a resume in between are played one after the other", async () => {
    const record = await mended(
      (plain) => [
        { ...plain, status: "running" },
        { ...plain, status: "paused" },
      ],
      (start, program) => apply(start, program, [{ fact: "command", id: "p", command: { type: "pause" }, at: 1 }]),
    );
    expect(record.status).toBe("paused");
    expect(record.machine?.write.events).toEqual(["resumed by another program", "paused by another program"]);
  });

  test("a completed step is a completion: its dependents start", async () => {
    const record = await mended((plain) => [done(plain, "a", { by: "python" })]);
    expect(record.steps.get("a")).toMatchObject({ status: "completed", result: stored({ by: "python" }) });
    expect(record.machine?.executions.map((execution) => execution.step)).toEqual(["b"]);
    expect(record.machine?.outbox.map((entry) => entry.id)).toContain("result:a:1");
  });

  test("a cancel undoes what completed, with the reason that was given", async () => {
    const record = await mended((plain) => [
      { ...done(plain, "a", 1), status: "cancelled", error: { type: "Cancelled", message: "no need" } },
    ]);
    expect(record.status).toBe("compensating");
    expect(record.error).toMatchObject({ type: "Cancelled", message: "no need" });
  });

  test("a failed step fails, and may have happened", async () => {
    const record = await mended((plain) => [
      { ...plain, steps: new Map(plain.steps).set("a", { status: "failed", attempt: 2, error: "boom" }) },
    ]);
    expect(record.error).toMatchObject({ type: "StepFailed", message: "boom", step: "a", attempt: 2 });
    expect(record.machine?.executions).toMatchObject([{ kind: "undo", step: "a" }]);
  });

  test("a signal that a foreign consumer read is not given again", async () => {
    const cursor = "2026-01-01T00:00:00+00:00_x.json";
    const record = await mended((plain) => [{ ...plain, signals: new Map([["go", { cursor }]]) }]);
    expect(record.machine?.consumed).toEqual([{ name: "go", ids: [cursor], since: cursor }]);
    expect(record.signals.get("go")).toEqual({ cursor });
  });

  test("plain fields that were changed beside a machine that stayed are an event too", async () => {
    const record = await mended((plain) => [plain]);
    const edited: RunRecord = { ...record, status: "paused" };
    const { steps } = record;
    const program = programOf(twoSteps);
    const store = new MemoryStore({ clock: nodeHost().clock });
    const repaired = (await repairRecord(
      { store, programs: programsOf(program), effects: EFFECTS },
      edited,
    )) as Repaired;
    expect(apply(repaired.record, program, repaired.facts)).toMatchObject({ status: "paused", steps });
    const same = (await repairRecord({ store, programs: programsOf(program), effects: EFFECTS }, record)) as Repaired;
    expect(same.facts).toEqual([]);
  });
});
