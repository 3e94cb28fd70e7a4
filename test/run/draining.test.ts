/** A run that stops waits for what is in flight, and lets none of it begin again. */
import { expect, test } from "vitest";
import { PlanProgram } from "../../machines/plan/program.ts";
import { EFFECTS } from "../../src/run/effects/effects.ts";
import { decide } from "../../src/run/decide/decide.ts";
import type { Fact } from "../../src/run/facts.ts";
import type { Program } from "../../src/programs/programs.ts";
import { type ExecutionRef, type RunRecord } from "../../src/run/record/record.ts";
import { entryKey } from "../../src/run/outbox.ts";
import { firstRecord } from "../../src/run/start.ts";
import { executionTaskId } from "../../src/run/tasks.ts";
import { planOf, task } from "../machines/build.ts";
import { stored } from "../stored.ts";

const NOW = 1_767_225_600_000;
const program: Program = new PlanProgram(planOf([task("a", { compensate: true })]), {
  planHash: "sha256:plan",
  definitionHash: "sha256:definition",
});
const a: ExecutionRef = { kind: "run", step: "a", generation: 1, wake: 0 };

function apply(record: RunRecord, facts: readonly Fact[]): RunRecord {
  return decide(record, program, [{ facts, takes: () => false }], { now: NOW, effects: EFFECTS, writeId: "w" });
}

test("the next claim ends a step of a run that stops, also when its fence was confirmed: it is undone, not run", () => {
  const begun = apply(firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0"), [{ fact: "begin" }]);
  const cancelled = apply(begun, [
    { fact: "command", id: "c", command: { type: "cancel", compensate: true }, at: NOW },
  ]);
  const fences = cancelled.machine?.outbox.filter((entry) => entry.do === "fence").map(entryKey) ?? [];
  expect(fences).toHaveLength(1);
  const claimed: Fact = { fact: "begun", task: executionTaskId("r", a), retries: 0 };
  // No write is made only to confirm: the fence write of the claim brings it along.
  const confirmed: Fact[] = [{ fact: "fence" }, { fact: "confirm", entries: fences }, claimed];
  for (const facts of [[claimed], confirmed]) {
    const record = apply(cancelled, facts);
    expect(record.machine?.executions).toMatchObject([{ kind: "undo", step: "a" }]);
    expect(record.status).toBe("compensating");
  }
});
