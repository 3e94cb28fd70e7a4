/** Workers of buquet that register a whole workflow claim `workflow.orchestrate` tasks of runs that are driven here (W-3, W-4). */
import { describe, expect, test } from "vitest";
import { examineFleet } from "../../src/cli/fleet-checkup.ts";
import { leaseKey, interferenceKey, stateKey, taskKey, workerKey } from "../../src/keys.ts";
import { newTask, taskCodec } from "../../src/queue/task.ts";
import { FOREIGN_TICK_TYPE, executionTaskId, stepTaskType } from "../../src/run/tasks.ts";
import { workflow } from "../../src/index.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";
import type { Duration } from "../../src/wire/duration.ts";

type Plain = Record<string, unknown>;

/** Rewrites a record as a program that does not know our members. */
async function rewrite(kit: TestKit, runId: string, change: (plain: Plain) => Plain): Promise<void> {
  const read = await kit.store.get(stateKey(runId));
  if (read.kind === "missing") throw new Error(`run ${runId} is missing`);
  const { machine: _unknown, ...plain } = JSON.parse(read.object.body) as Plain;
  const put = await kit.store.put(stateKey(runId), JSON.stringify(change(plain)), { match: read.object.etag });
  expect(put.kind).toBe("stored");
}

const step = (plain: Plain, name: string, state: Plain): Plain => ({
  ...plain,
  steps: { ...(plain["steps"] as Plain), [name]: { attempt: 1, ...state } },
});

const completed = (plain: Plain, name: string, result: unknown): Plain =>
  step(plain, name, { status: "completed", result });

const OTHERS = "00000000-0000-4000-8000-00000000000a";

describe.each([true, false])("on a bucket that keeps versions: %s", (versions) => {
  const ran: string[] = [];
  const mixed = workflow("mixed", { foreign: true })
    .step("r", { remote: true })
    .step("after", { dependsOn: ["r"], run: () => void ran.push("after") });

  async function started(foreignPoll: Duration = "10s"): Promise<TestKit & { readonly runId: string }> {
    ran.length = 0;
    const kit = await createTestKit({ workflows: [mixed], worker: { foreignPoll } });
    Object.assign(kit.store.capabilities, { versions });
    const run = await kit.client.start(mixed, null);
    await kit.until(run, "running");
    await kit.idle();
    return Object.assign(kit, { runId: run.id });
  }

  const paused = (plain: Plain, message: string): Plain => ({
    ...plain,
    status: "paused",
    error: { type: "VersionMismatch", message },
  });

  test("a pause whose mismatch names the definition that is served here is void, and doctor says what to change", async () => {
    await using kit = await started();
    const message = `Workflow definition changed. Expected ${mixed.definitionHash}, got sha256:0123456789abcdef`;
    await rewrite(kit, kit.runId, (plain) => paused(completed(plain, "r", { by: "python" }), message));
    // On a bucket without versions nobody knows who holds what, until a look has found that nobody does.
    await kit.clock.advance(versions ? "10s" : "3m");
    expect(await kit.client.get(kit.runId)).toMatchObject({ status: "completed" });
    expect(ran).toEqual(["after"]);
    expect(
      kit.log.filter(({ message: line }) => line.includes("claimed a tick of this run and paused it")),
    ).toHaveLength(1);
    await kit.store.put(workerKey("python-1"), "{}", "always");
    const fleet = await examineFleet(kit.store);
    expect(fleet[0]).toContain("python-1");
    expect(fleet[1]).toMatch(
      new RegExp(
        `^change: .*workflow.orchestrate task of run ${kit.runId} of mixed and paused the run .*step types alone`,
        "u",
      ),
    );
    await kit.clock.advance("8d");
    expect(await examineFleet(kit.store)).not.toContainEqual(expect.stringMatching(/^change/u));
  });

  test.each([
    [
      "a mismatch with another definition",
      (plain: Plain) => paused(plain, "Workflow definition changed. Expected sha256:0123456789abcdef, got sha256:1"),
    ],
    ["a person", (plain: Plain) => ({ ...plain, status: "paused", error: { type: "Paused", message: "stop" } })],
  ])("a pause of %s stands", async (_what, change) => {
    await using kit = await started();
    await rewrite(kit, kit.runId, change);
    await kit.clock.advance("5m");
    expect(await kit.client.get(kit.runId)).toMatchObject({ status: "paused" });
    const noted = await kit.store.get(interferenceKey("mixed"));
    expect(noted.kind).toBe("missing");
  });

  /** What buquet's orchestrator leaves when it has claimed the tick after `r`: the next step, under a task of its own. */
  async function drive(kit: TestKit & { readonly runId: string }): Promise<void> {
    const now = kit.clock.now();
    const spec = {
      id: OTHERS,
      taskType: stepTaskType("mixed", "after"),
      input: { workflow_id: kit.runId, step: "after", data: null },
      timeoutMs: 300_000,
      maxRetries: 3,
    };
    const lease = { lease_id: OTHERS, lease_expires_at: new Date(now + 300_000).toISOString(), worker_id: "python-1" };
    const task = { ...newTask(spec, now), status: "running" as const, attempt: 1, ...lease };
    await kit.store.put(leaseKey(OTHERS, now + 300_000), "", "always");
    await kit.store.put(taskKey(OTHERS), taskCodec.encode(task), "always");
    await rewrite(kit, kit.runId, (plain) =>
      step(completed(plain, "r", { by: "python" }), "after", { status: "running", task_id: OTHERS }),
    );
  }

  test("a step that Python completed is followed at once, while the task of its worker still runs", async () => {
    await using kit = await started("1d");
    const id = executionTaskId(kit.runId, { kind: "run", step: "r", generation: 1, wake: 0 });
    const read = await kit.store.get(taskKey(id));
    if (read.kind === "missing") return expect.fail("the remote step has no task");
    const until = kit.clock.now() + 300_000;
    const lease = { lease_id: OTHERS, lease_expires_at: new Date(until).toISOString(), worker_id: "python-1" };
    const task = {
      ...taskCodec.decode(read.object.body, taskKey(id)),
      status: "running" as const,
      attempt: 1,
      ...lease,
    };
    await kit.store.put(leaseKey(id, until), "", "always");
    await kit.store.put(taskKey(id), taskCodec.encode(task), "always");
    await rewrite(kit, kit.runId, (plain) => completed(plain, "r", { by: "python" }));
    await kit.queue.submit(FOREIGN_TICK_TYPE, { workflow_id: kit.runId });
    // A poll of the kit, and no look.
    await kit.clock.advance("60s");
    expect(await kit.client.get(kit.runId)).toMatchObject({ status: "completed" });
    expect(ran).toEqual(["after"]);
  });

  test("a step that another orchestrator submitted is left to who runs it, and its end is taken", async () => {
    await using kit = await started();
    await drive(kit);
    await kit.clock.advance("100s");
    expect(await kit.client.get(kit.runId)).toMatchObject({
      status: "running",
      steps: { after: { status: "running" } },
    });
    await rewrite(kit, kit.runId, (plain) => completed(plain, "after", null));
    await kit.clock.advance("70s");
    expect(await kit.client.get(kit.runId)).toMatchObject({ status: "completed" });
    expect(ran).toEqual([]);
    expect(await examineFleet(kit.store)).toContainEqual(expect.stringContaining("of mixed and drove the run"));
  });

  test("a step that another orchestrator submitted is run here once nobody holds it", async () => {
    await using kit = await started();
    await drive(kit);
    await kit.clock.advance("20s");
    await kit.store.delete(leaseKey(OTHERS, kit.clock.now() + 280_000));
    await kit.clock.advance("5m");
    expect(await kit.client.get(kit.runId)).toMatchObject({ status: "completed" });
    expect(ran).toEqual(["after"]);
  });
});
