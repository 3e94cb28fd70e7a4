/** A snapshot from outside: those of real runs pass, and what is damaged is named before XState believes it. */
import { expect, test } from "vitest";
import { advance, buildMachine, checkSnapshot, initial, project } from "../../machines/plan/advance.ts";
import { SnapshotError, snapshotProblem } from "../../machines/plan/check-snapshot.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import type { PersistedSnapshot } from "../../machines/snapshot.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { stateKey } from "../../src/keys.ts";
import { goldenLayouts } from "../layout/golden-layout.ts";

test.each(goldenLayouts())("every snapshot of the recorded run %s passes", (_name, { plan, versions }) => {
  const { config } = buildMachine(plan);
  for (const { body } of versions) {
    const { id } = JSON.parse(body) as { id: string };
    const { machine } = decodeRecord(body, stateKey(id));
    expect(snapshotProblem(plan, config, machine?.snapshot)).toBeUndefined();
  }
});

const task = (name: string, dependsOn: readonly string[] = []): Plan["steps"][number] => ({
  kind: "task",
  name,
  dependsOn,
  retries: 0,
  retryPolicy: { initialMs: 1, maxMs: 1, multiplier: 1, jitter: 0 },
  timeoutMs: 1,
  delayMs: 0,
  onFailure: "fail_workflow",
  compensate: false,
  remote: false,
});
const plan: Plan = {
  name: "two",
  steps: [task("a"), task("b")],
  compensation: "mirror",
  foreign: false,
};
const machine = buildMachine(plan);
const begun = JSON.parse(JSON.stringify(advance(machine, initial(machine), [{ type: "start" }]).snapshot)) as Record<
  string,
  unknown
>;
const context = begun["context"] as Record<string, unknown>;
const value = { active: { all: { a: "running", b: "running" } } };

test("the snapshot that is damaged below is whole", () => {
  expect(begun["value"]).toEqual(value);
  expect(snapshotProblem(plan, machine.config, begun)).toBeUndefined();
});

const flow = (all: unknown): unknown => ({ active: { all } });
test.each<[unknown, string]>([
  [null, "it is null"],
  [[], "it is []"],
  ["x", 'it is "x"'],
  [{ ...begun, status: "error", error: "x" }, 'its status is "error"'],
  [{ ...begun, status: "stopped" }, 'its status is "stopped"'],
  [{ ...begun, status: "done" }, 'its status is "done" in the state'],
  [{ ...begun, value: "completed" }, 'its status is "active" in the state "completed"'],
  [{ ...begun, error: { message: "x" } }, "it holds an error"],
  [{ ...begun, historyValue: { x: [{ id: "two" }] } }, "its history is"],
  [{ ...begun, historyValue: undefined }, "its history is nothing"],
  [{ ...begun, children: { x: {} } }, "its actors are"],
  [{ ...begun, children: null }, "its actors are null"],
  [{ ...begun, value: null }, "value is null"],
  [{ ...begun, value: {} }, "value is {}"],
  [{ ...begun, value: 1 }, "value is 1"],
  [{ ...begun, value: "nowhere" }, 'value is "nowhere"'],
  [{ ...begun, value: "active" }, 'value is "active"'],
  [{ ...begun, value: "__proto__" }, 'value is "__proto__"'],
  [{ ...begun, value: { pending: "x" } }, 'value has no "pending"'],
  [{ ...begun, value: { constructor: "x" } }, 'value has no "constructor"'],
  [{ ...begun, value: { active: "running" } }, 'value.active is "running"'],
  [{ ...begun, value: { active: {} } }, "value.active is {}"],
  [{ ...begun, value: flow({ a: "running" }) }, 'value.active.all is {"a":"running"}'],
  [{ ...begun, value: flow("x") }, 'value.active.all is "x"'],
  [{ ...begun, value: flow({ a: "running", c: "running" }) }, 'has no "b"'],
  [{ ...begun, value: flow({ a: "running", b: 1 }) }, "value.active.all.b is 1"],
  [{ ...begun, context: undefined }, "context is nothing"],
  [{ ...begun, context: { ...context, outcome: "completed" } }, 'context.outcome is "completed"'],
  [{ ...begun, context: { ...context, steps: [] } }, "context.steps is []"],
  [{ ...begun, context: { ...context, steps: { "s:c": {} } } }, 'context.steps names "s:c"'],
  [{ ...begun, context: { ...context, steps: { "s:a": 1 } } }, 'context.steps of "s:a" is 1'],
  [{ ...begun, context: { ...context, steps: { "s:a": { phase: "over" } } } }, 'context.steps of "s:a" is'],
  [{ ...begun, context: { ...context, steps: { "s:a": { generation: 0 } } } }, 'context.steps of "s:a" is'],
  [{ ...begun, context: { ...context, steps: { "s:a": { wake: 0.5 } } } }, 'context.steps of "s:a" is'],
  [{ ...begun, context: { ...context, draining: "a" } }, 'context.draining is "a"'],
  [{ ...begun, context: { ...context, draining: ["c"] } }, 'context.draining[0] is "c"'],
  [{ ...begun, context: { ...context, waits: [null] } }, "context.waits[0] is null"],
  [{ ...begun, context: { ...context, waits: [{ step: "a" }] } }, "context.waits[0] is"],
])("%j is refused: %s", (snapshot, problem) => {
  expect(snapshotProblem(plan, machine.config, snapshot)).toContain(problem);
  const damaged = snapshot as PersistedSnapshot;
  if (typeof snapshot !== "object" || snapshot === null) return;
  for (const ask of [
    () => checkSnapshot(machine, damaged),
    () => project(machine, damaged),
    () => advance(machine, damaged, [{ type: "resume" }]),
  ])
    expect(ask).toThrow(SnapshotError);
});
