/** A cause for which runs are woken that the source does not know. A definition, here in this file, and a place in a list are all that it takes. */
import { expect, test } from "vitest";
import { z } from "zod";
import { workflow } from "../../src/define/workflow.ts";
import { connect } from "../../src/client/connect.ts";
import { createTask, getTask } from "../../src/queue/submit.ts";
import { computedId } from "../../src/run/tasks.ts";
import { type TickKind, tickKind } from "../../src/run/wakeups/tick.ts";
import { wakeUpOf, WAKE_UPS } from "../../src/run/wakeups/wake-ups.ts";
import { startTick } from "../../src/run/wakeups/start.ts";
import { Registry } from "../../src/services/registry.ts";

/** A parent tells its child to stop. */
interface OrphanedCause {
  readonly parent: string;
}

const orphanedTick: TickKind<OrphanedCause> = tickKind<OrphanedCause>({
  kind: "orphaned",
  shape: { parent: z.string() },
  id: (runId, { parent }) => computedId(runId, "orphaned", parent, 0, 0),
  known: ({ parent }) => ({
    facts: [{ fact: "command", id: `orphaned by ${parent}`, command: { type: "cancel", compensate: true }, at: 0 }],
    listens: false,
  }),
});

test("its task is put, accepted by a worker that has it in its list, and read as what it brings", async () => {
  await using queue = await connect("memory:");
  const { context } = queue;
  const orders = workflow("orders").step("a", async () => null);
  const task = orphanedTick.task({ id: "r", type: "orders" }, { parent: "p" });
  await createTask(context, task);
  await createTask(context, orphanedTick.task({ id: "r", type: "orders" }, { parent: "p" }));
  const found = await getTask(context, orphanedTick.id("r", { parent: "p" }));
  if (found === undefined) throw new Error("no task");

  expect(wakeUpOf(found, WAKE_UPS), "others leave it alone").toBeUndefined();
  const served = new Registry(context, "worker", [orders], [...WAKE_UPS, orphanedTick]);
  expect(await served.canRun(found)).toBe(true);
  expect(served.wakeUpOf(found)).toEqual({
    runId: "r",
    workflow: "orders",
    facts: [{ fact: "command", id: "orphaned by p", command: { type: "cancel", compensate: true }, at: 0 }],
    listens: false,
  });
  expect(
    await new Registry(context, "worker", [workflow("other").step("a", async () => null)], [orphanedTick]).canRun(
      found,
    ),
  ).toBe(false);
});

test("an input that makes no sense is nobody's wake-up", () => {
  const spec = orphanedTick.task({ id: "r", type: "orders" }, { parent: "p" });
  for (const cause of [undefined, null, "orphaned", {}, { kind: "orphaned" }, { kind: "orphaned", parent: 1 }])
    expect(
      wakeUpOf({ ...spec, task_type: spec.taskType, input: { workflow_id: "r", cause } } as never, [orphanedTick]),
    ).toBeUndefined();
  const own = (task_type: string, step: unknown) =>
    wakeUpOf({ task_type, input: { workflow_id: "r", step } } as never, WAKE_UPS);
  expect(own("workflow.step:a:b:c:d", "c:d")).toMatchObject({
    workflow: "a:b",
    activity: { kind: "run", step: "c:d" },
  });
  expect(own("workflow.undo:a:b", "b")).toMatchObject({ workflow: "a", activity: { kind: "undo", step: "b" } });
  for (const [type, step] of [
    ["workflow.step:a:b", "c"],
    ["workflow.step:a:b", undefined],
    ["workflow.step:a", "step:a"],
    ["workflow.step:", ""],
    ["workflow.other:a:b", "b"],
  ] as const)
    expect(own(type, step), type).toBeUndefined();
  const start = startTick.task({ id: "r", type: "a:b" }, {});
  expect(wakeUpOf({ task_type: start.taskType, input: start.input } as never, WAKE_UPS)?.workflow).toBe("a:b");
});
