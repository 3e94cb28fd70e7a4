import { describe, expect, test } from "vitest";
import { foreignKey, readyKey, signalKey, signalsPrefix, stateKey, stepResultKey, taskKey } from "../../src/keys.ts";
import { FOREIGN_TICK_TYPE, executionTaskId } from "../../src/run/tasks.ts";
import { PermanentError, type Run, workflow } from "../../src/index.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";

async function keysOf(kit: TestKit, prefix: string): Promise<readonly string[]> {
  return (await kit.store.list(prefix)).objects.map(({ key }) => key);
}

test("a run that waits long for its next attempt is looked at every ten minutes, not every minute", async () => {
  const patient = workflow("patient").step("a", {
    retryPolicy: { initialMs: 7_200_000, maxMs: 7_200_000, jitter: 0 },
    run: () => {
      throw new Error("not yet");
    },
  });
  await using kit = await createTestKit({ workflows: [patient] });
  const run = await kit.client.start(patient);
  await kit.idle();
  const tasks = async (): Promise<number> => (await kit.store.list("tasks/")).objects.length;
  // The third attempt: its claim writes the record and plans a look of its own.
  await kit.clock.advance("255m");
  const before = await tasks();
  await kit.clock.advance("60m");
  expect((await run.get()).status).toBe("running");
  expect((await tasks()) - before).toBeLessThanOrEqual(12);
  expect((await kit.store.list("x-workflow/active/")).objects.length).toBeLessThanOrEqual(2);
});

describe("a remote step whose task somebody ended who told nobody", () => {
  const output = { success: true, result: { by: "python" }, step: "r" };
  const failed = (message: string) => ({ status: "failed", error: { message, step: "r" } });
  const ends = [
    [
      { status: "completed", output },
      { status: "completed", steps: { after: { result: { got: { by: "python" } } } } },
    ],
    [{ status: "failed", last_error: "ValueError: no" }, failed("ValueError: no")],
    [{ status: "expired", attempt: 0 }, failed("its task was ended as expired by somebody else")],
    [{ status: "cancelled", attempt: 0, last_error: "enough", cancelled_by: "user:bob" }, failed("enough")],
  ] as const;

  async function startWith(kit: TestKit): Promise<Run> {
    const run = await kit.client.start("told");
    await kit.until(run, "running");
    await kit.idle();
    return run;
  }

  const told = (foreign: boolean) =>
    workflow("told", { foreign })
      .step("r", { remote: true })
      .step("after", { dependsOn: ["r"], run: (ctx) => ({ got: ctx.results.r }) });

  test.each(ends)("as $status is found within ten seconds with foreign: true", async (end, view) => {
    await using kit = await createTestKit({ workflows: [told(true)] });
    const run = await startWith(kit);
    await endTask(kit, run.id, end);
    await kit.clock.advance("10s");
    expect(await run.get()).toMatchObject(view);
  });

  test.each(ends)("as $status is found by a look without it, eleven minutes after the last one", async (end, view) => {
    await using kit = await createTestKit({ workflows: [told(false)] });
    const run = await startWith(kit);
    // Just after a look, so that the next one is as far away as it can be.
    const before = (await keysOf(kit, "tasks/")).length;
    while ((await keysOf(kit, "tasks/")).length === before) await kit.clock.advance("5s");
    await endTask(kit, run.id, end);
    await kit.clock.advance("9m");
    expect((await run.get()).status).toBe("running");
    await kit.clock.advance("2m");
    expect(await run.get()).toMatchObject(view);
  });
});

test.each([
  [true, "10s"],
  [false, "11m"],
] as const)(
  "a remote step that is given back after it was asked to stop is found, with foreign: %s in %s",
  async (foreign, within) => {
    const stopped = workflow("stopped", { foreign }).step("r", { remote: true });
    await using kit = await createTestKit({ workflows: [stopped] });
    const run = await kit.client.start(stopped);
    await kit.until(run, "running");
    await kit.idle();
    const lease = { lease_id: "python", lease_expires_at: new Date(kit.clock.now() + 86_400_000).toISOString() };
    await changeTask(kit, run.id, { status: "running", attempt: 1, worker_id: "python", ...lease });
    await run.cancel();
    await kit.clock.advance("1s");
    expect((await run.get()).status).toBe("running");
    const later = new Date(kit.clock.now() + 3_600_000).toISOString();
    const given = { lease_id: null, lease_expires_at: null, worker_id: null, available_at: later };
    await changeTask(kit, run.id, { status: "pending", reschedule_count: 1, ...given });
    await kit.clock.advance(within);
    expect((await run.get()).status).toBe("cancelled");
  },
);

test("a run that waits for a signal is looked at once a day, also after its first day", async () => {
  const waiting = workflow("waiting").signal("answer");
  await using kit = await createTestKit({ workflows: [waiting] });
  const run = await kit.client.start(waiting);
  await kit.clock.advance("80h");
  expect((await run.get()).status).toBe("waiting_signal");
  // The start, and a look at the end of each of three days.
  expect((await kit.store.list("tasks/")).objects).toHaveLength(4);
});

describe("a run that ends leaves no entry in the active index", () => {
  const waiting = workflow("waiting")
    .signal("answer")
    .step("after", () => 1);

  test.each(["1h", "1439m", "24h", "1441m", "30h", "80h"] as const)(
    "after a signal that came after %s",
    async (after) => {
      await using kit = await createTestKit({ workflows: [waiting] });
      const run = await kit.client.start(waiting);
      await kit.clock.advance(after);
      await run.signal("answer", null);
      // In the minute of a look the entry is the sweeper's.
      await kit.clock.advance("61s");
      expect((await run.get()).status).toBe("completed");
      expect(await keysOf(kit, "x-workflow/active/")).toEqual([]);
    },
  );

  test("after a step that ran over several looks", async () => {
    const failing = workflow("failing").step("a", {
      retries: 1,
      retryPolicy: { initialMs: 45 * 60_000, maxMs: 45 * 60_000, jitter: 0 },
      run: () => {
        throw new Error("no");
      },
    });
    await using kit = await createTestKit({ workflows: [failing] });
    const run = await kit.client.start(failing);
    await kit.clock.advance("47m");
    expect((await run.get()).status).toBe("failed");
    expect(await keysOf(kit, "x-workflow/active/")).toEqual([]);
  });

  test("after a cancel of a pause of a run whose first look has passed", async () => {
    const patient = workflow("patient").signal("never");
    await using kit = await createTestKit({ workflows: [patient] });
    const run = await kit.client.start(patient);
    await kit.clock.advance("25h");
    await run.pause();
    await kit.clock.advance("30m");
    await run.cancel();
    await kit.clock.advance("5s");
    expect((await run.get()).status).toBe("cancelled");
    expect(await keysOf(kit, "x-workflow/active/")).toEqual([]);
  });
});

/** A signal as a real client puts it: one object, no wake-up. */
async function putForeignSignal(kit: TestKit, runId: string, name: string): Promise<void> {
  const at = new Date(kit.clock.now()).toISOString().replace("Z", "000+00:00");
  const sent = { id: "s", name, payload: { yes: true }, created_at: at };
  await kit.store.put(signalKey(runId, name, `${at}_s.json`), JSON.stringify(sent), "always");
}

/** Rewrites a record as a real client does, without the members that it does not know. */
async function rewrite(kit: TestKit, runId: string, change: Readonly<Record<string, unknown>>): Promise<void> {
  const read = await kit.store.get(stateKey(runId));
  if (read.kind === "missing") throw new Error(`run ${runId} is missing`);
  const { machine: _unknown, error: _gone, ...plain } = JSON.parse(read.object.body) as Record<string, unknown>;
  const put = await kit.store.put(stateKey(runId), JSON.stringify({ ...plain, ...change }), {
    match: read.object.etag,
  });
  expect(put.kind).toBe("stored");
}

/** Ends the task of the step `r` as another program does, which tells nobody. */
async function endTask(kit: TestKit, runId: string, end: Readonly<Record<string, unknown>>): Promise<void> {
  const id = executionTaskId(runId, { kind: "run", step: "r", generation: 1, wake: 0 });
  const read = await kit.store.get(taskKey(id));
  if (read.kind === "missing") throw new Error("the remote step has no task");
  const task = JSON.parse(read.object.body) as Record<string, unknown>;
  const now = new Date(kit.clock.now()).toISOString();
  const at =
    end["status"] === "completed" || end["status"] === "failed" ? "completed_at" : `${String(end["status"])}_at`;
  const ended = { ...task, attempt: 1, ...end, updated_at: now, [at]: now };
  await kit.store.put(taskKey(id), JSON.stringify(ended), "always");
  await kit.store.delete(readyKey(id, Date.parse(String(task["available_at"]))));
}

/** Changes the task of the step `r` as another program does. */
async function changeTask(kit: TestKit, runId: string, change: Readonly<Record<string, unknown>>): Promise<void> {
  const key = taskKey(executionTaskId(runId, { kind: "run", step: "r", generation: 1, wake: 0 }));
  const read = await kit.store.get(key);
  if (read.kind === "missing") throw new Error("the remote step has no task");
  const task = JSON.parse(read.object.body) as Record<string, unknown>;
  await kit.store.put(key, JSON.stringify({ ...task, ...change }), "always");
}

describe("a run of a workflow with foreign: true", () => {
  const waiting = workflow("waiting", { foreign: true }).signal("answer");

  test("takes a signal that nobody announced within ten seconds, however long it has waited", async () => {
    await using kit = await createTestKit({ workflows: [waiting] });
    const run = await kit.client.start(waiting);
    await kit.clock.advance("113m");
    await putForeignSignal(kit, run.id, "answer");
    await kit.clock.advance("10s");
    expect((await run.get()).status).toBe("completed");
    expect(await keysOf(kit, "x-workflow/foreign/")).toEqual([]);
  });

  test("hears of a pause, a resume and a cancel that nobody announced, each within the period that its worker was given", async () => {
    await using kit = await createTestKit({ workflows: [waiting], worker: { foreignPoll: "2s" } });
    const run = await kit.client.start(waiting);
    await kit.until(run, "waiting_signal");
    const machine = async (): Promise<unknown> => {
      await kit.clock.advance("2s");
      const read = await kit.store.get(stateKey(run.id));
      return read.kind === "found" && (JSON.parse(read.object.body) as { machine?: unknown }).machine !== undefined;
    };
    await rewrite(kit, run.id, { status: "paused", error: { type: "Paused", message: "by python" } });
    expect([await machine(), (await run.get()).status]).toEqual([true, "paused"]);
    await rewrite(kit, run.id, { status: "running" });
    expect([await machine(), (await run.get()).status]).toEqual([true, "waiting_signal"]);
    await rewrite(kit, run.id, { status: "cancelled", error: { type: "Cancelled", message: "by python" } });
    expect([await machine(), (await run.get()).status]).toEqual([true, "cancelled"]);
  });

  test("costs a GET and a LIST each time, and a GET for each remote step in flight", async () => {
    const both = workflow("both", { foreign: true }).step("r", { remote: true }).signal("answer");
    await using kit = await createTestKit({ workflows: [both] });
    const run = await kit.client.start(both);
    await kit.clock.advance("1m");
    const asked: string[] = [];
    const { get, list, put } = kit.store;
    Object.assign(kit.store, {
      get: (key: string) => (asked.push(`get ${key}`), get.call(kit.store, key)),
      list: (prefix: string, options?: object) => (asked.push(`list ${prefix}`), list.call(kit.store, prefix, options)),
      put: (...what: Parameters<typeof put>) => (asked.push(`put ${what[0]}`), put.call(kit.store, ...what)),
    });
    await kit.clock.advance("10s");
    const step = taskKey(executionTaskId(run.id, { kind: "run", step: "r", generation: 1, wake: 0 }));
    const rounds = /^list (?:ready|leases|x-workflow\/active|x-workflow\/due)/u;
    expect(asked.filter((request) => !rounds.test(request))).toEqual([
      "list x-workflow/foreign/",
      `get ${stateKey(run.id)}`,
      `get ${step}`,
      `list ${signalsPrefix(run.id, "answer")}`,
    ]);
  });

  test("is asked for again after it was opened again, and after its entry was lost", async () => {
    let fails = true;
    const risky = workflow("risky", { foreign: true })
      .step("a", {
        retries: 0,
        run: () => {
          if (fails) throw new PermanentError("no");
        },
      })
      .signal("answer", { dependsOn: ["a"] });
    await using kit = await createTestKit({ workflows: [risky] });
    const run = await kit.client.start(risky);
    await expect(run.result()).rejects.toThrow("no");
    await kit.idle();
    expect(await keysOf(kit, "x-workflow/foreign/")).toEqual([]);
    fails = false;
    await run.retry({ applied: true });
    await kit.until(run, "waiting_signal");
    await kit.idle();
    expect(await keysOf(kit, "x-workflow/foreign/")).toEqual([foreignKey(run.id)]);
    await kit.store.delete(foreignKey(run.id));
    // Its daily look.
    await kit.clock.advance("25h");
    expect(await keysOf(kit, "x-workflow/foreign/")).toEqual([foreignKey(run.id)]);
    await putForeignSignal(kit, run.id, "answer");
    await kit.clock.advance("10s");
    expect((await run.get()).status).toBe("completed");
  });

  test("takes the result that a Python worker left when it lost the race for the record and failed its task (W-2)", async () => {
    const told = workflow("told", { foreign: true }).step("r", { remote: true });
    await using kit = await createTestKit({ workflows: [told] });
    const run = await kit.client.start(told);
    await kit.until(run, "running");
    await kit.idle();
    await kit.store.put(stepResultKey(run.id, "r"), '{"by":"python"}', "absent");
    const last_error = "RuntimeError: state conflict: workflow was modified";
    await endTask(kit, run.id, { status: "failed", last_error });
    await kit.clock.advance("10s");
    expect(await run.result()).toEqual({ r: { by: "python" } });
  });

  test("whose record nobody here can make whole is told of more and more seldom", async () => {
    await using kit = await createTestKit({ workflows: [waiting] });
    const run = await kit.client.start(waiting);
    await kit.until(run, "waiting_signal");
    Object.assign(kit.store.capabilities, { versions: false });
    await rewrite(kit, run.id, { definition_hash: "sha256:0000000000000000", status: "paused" });
    await kit.clock.advance("2h");
    const looks = (await keysOf(kit, "tasks/")).length;
    await kit.clock.advance("2h");
    // Every ten minutes by the poll, and as often by the sweeper.
    expect((await keysOf(kit, "tasks/")).length - looks).toBeLessThan(30);
  });
});

test("without foreign: true such a signal is taken at the next wake-up, or at the next check", async () => {
  const waiting = workflow("waiting").signal("answer");
  await using kit = await createTestKit({ workflows: [waiting] });
  const [woken, left] = [await kit.client.start(waiting), await kit.client.start(waiting)];
  await kit.clock.advance("10m");
  for (const run of [woken, left]) await putForeignSignal(kit, run.id, "answer");
  await kit.clock.advance("1h");
  expect([(await woken.get()).status, (await left.get()).status]).toEqual(["waiting_signal", "waiting_signal"]);
  // Any wake-up does: this one says nothing.
  await kit.queue.submit(FOREIGN_TICK_TYPE, { workflow_id: woken.id });
  // A poll of the kit.
  await kit.clock.advance("1m");
  expect((await woken.get()).status).toBe("completed");
  await kit.clock.advance("24h");
  expect((await left.get()).status).toBe("completed");
});

test("a delay goes on where it was when another program rewrote the record of a bucket without versions", async () => {
  const timed = workflow("timed", { foreign: true })
    .step("a", () => 1)
    .step("later", { dependsOn: ["a"], delay: "50s", run: () => 2 });
  await using kit = await createTestKit({ workflows: [timed] });
  Object.assign(kit.store.capabilities, { versions: false });
  const run = await kit.client.start(timed);
  await kit.clock.advance("25s");
  await rewrite(kit, run.id, {});
  await kit.clock.advance("26s");
  expect(await run.get()).toMatchObject({ status: "completed" });
});
