/** Faults of the original that show in a running fleet: `docs/faults.md` names a test for each. */
import { expect, test } from "vitest";
import { PermanentError, RetryableError, untypedWorkflow, workflow, WorkflowError } from "../../src/index.ts";
import type { AnyWorkflow } from "../../src/define/workflow.ts";
import { readyKey, signalsPrefix, stateKey, stepResultKey, taskKey } from "../../src/keys.ts";
import { createTask } from "../../src/queue/submit.ts";
import { newTask, taskCodec, type TaskRecord } from "../../src/queue/task.ts";
import { encodeRecord } from "../../src/run/record/codec.ts";
import { FOREIGN_TICK_TYPE, executionTaskId } from "../../src/run/tasks.ts";
import { startTick } from "../../src/run/wakeups/start.ts";
import { Judge } from "../../src/services/handler.ts";
import { parseInstant } from "../../src/wire/instant.ts";
import { type Define, makeFleet } from "./fleet.ts";

const POISON = "00000000-0000-4000-8000-000000000001";

test("a step that fails ends its run, with no other step to wake it (W-1)", async () => {
  const fleet = makeFleet(() => [
    workflow("fails").step("a", () => {
      throw new PermanentError("no");
    }),
  ]);
  fleet.worker("worker-1");
  const { client } = fleet.client();
  const ended = await fleet.play(async () => (await client.start("fails", null, { id: "r" })).wait());
  expect(ended).toMatchObject({ status: "failed", error: { type: "StepFailed", step: "a" } });
});

test("six workers that finish six steps at the same moment lose none of them (W-2, W-6)", async () => {
  for (const seed of ["w2-a", "w2-b", "w2-c", "w2-d"]) {
    const ran: string[] = [];
    const fleet = makeFleet(
      (process) => {
        let wide = untypedWorkflow("wide");
        for (let n = 0; n < 6; n += 1) {
          wide = wide.step(`s${n}`, {
            run: async () => {
              ran.push(`s${n}`);
              await process.host.clock.sleep(60_000 - fleet.world.nowMs);
              return n;
            },
          });
        }
        return [wide.step("join", { dependsOn: ["s0", "s1", "s2", "s3", "s4", "s5"], run: () => "joined" })];
      },
      seed,
      { latency: { minMs: 5, maxMs: 60 } },
    );
    for (let n = 1; n <= 6; n += 1) fleet.worker(`worker-${n}`, { concurrency: 1 });
    const { client } = fleet.client();
    const ended = await fleet.play(async () => (await client.start("wide", null, { id: "r" })).wait());
    expect(ended.status, seed).toBe("completed");
    expect(ran.toSorted(), seed).toEqual(["s0", "s1", "s2", "s3", "s4", "s5"]);
    const conflicts = fleet.world.trace.filter(({ key, outcome }) => key === stateKey("r") && outcome === "conflict");
    expect(conflicts.length, "they did meet").toBeGreaterThan(0);
  }
});

test("two workflows of the same shape run side by side, in one worker or in two (W-3)", async () => {
  const ran: string[] = [];
  const one = (name: string) => workflow(name).step("a", () => void ran.push(name));
  const fleet = makeFleet(() => [one("first"), one("second")]);
  fleet.worker("both");
  const { client } = fleet.client();
  const names = ["first", "second"];
  await fleet.play(() => Promise.all(names.map(async (name) => (await client.start(name, null, { id: name })).wait())));
  expect(ran.toSorted()).toEqual(names);
  for (const name of names) expect((await fleet.record(name)).status).toBe("completed");
});

test("a worker leaves the ticks of workflows that it does not have as they are (W-3)", async () => {
  const fleet = makeFleet(({ name }) => [workflow(name === "stranger" ? "theirs" : "ours").step("a", () => 1)]);
  const { client } = fleet.client();
  await fleet.play(() => client.start("ours", null, { id: "r" }));
  const [tick = ""] = await fleet.keys("tasks/");
  const before = await fleet.world.store.get(tick);
  fleet.worker("stranger");
  await fleet.world.advance(60_000);
  expect(fleet.world.trace.some((request) => request.process === "stranger" && request.key === tick)).toBe(true);
  expect(await fleet.world.store.get(tick)).toEqual(before);
  expect(await fleet.keys("leases/")).toEqual([]);
  fleet.worker("worker-1");
  expect((await fleet.play(() => client.wait("r"))).status).toBe("completed");
});

test("a tick of buquet's own kind is left to buquet when its run is one of a workflow that buquet's workers drive (W-3, W-4)", async () => {
  const fleet = makeFleet(() => [workflow("ours").step("a", () => 1)]);
  const { handle } = fleet.client();
  const at = "2026-01-01T00:00:00+00:00";
  const head = { definition_hash: "sha256:72808dbb20881c00", status: "running", created_at: at, updated_at: at };
  const theirs = JSON.stringify({ id: "p", type: "theirs", data: {}, ...head });
  await fleet.world.store.put(stateKey("p"), theirs, "always");
  const id = await fleet.play(() => handle.submit(FOREIGN_TICK_TYPE, { workflow_id: "p" }));
  const before = await fleet.world.store.get(taskKey(id));
  fleet.worker("worker-1");
  await fleet.world.advance(60_000);
  expect(fleet.world.trace.some((request) => request.process === "worker-1" && request.key === taskKey(id))).toBe(true);
  expect(await fleet.world.store.get(taskKey(id))).toEqual(before);
  expect(await fleet.keys("leases/")).toEqual([]);
});

test("a run makes no task that an orchestrator of buquet would claim, and no record of its keys (W-4, W-6, W-14)", async () => {
  const fleet = makeFleet(() => [
    workflow("quiet")
      .step("a", () => 1)
      .signal("go", { dependsOn: ["a"] })
      .step("b", { dependsOn: ["go"], run: () => 2 }),
  ]);
  fleet.worker("worker-1");
  const { client } = fleet.client();
  await fleet.play(async () => {
    const run = await client.start("quiet", null, { id: "r" });
    await run.signal("go", 1);
    await run.wait();
  });
  const types = new Set<string>();
  for (const key of await fleet.keys("tasks/")) {
    const read = await fleet.world.store.get(key);
    if (read.kind === "found") types.add(taskCodec.decode(read.object.body, key).task_type);
  }
  expect([...types].toSorted()).toEqual(["workflow.step:quiet:a", "workflow.step:quiet:b", "workflow.tick:quiet"]);
  expect(await fleet.keys("idempotency/")).toEqual([]);
});

test("a client that dies anywhere in a start leaves a run that ends, or none (W-5)", { timeout: 600_000 }, async () => {
  const define: Define = () => [workflow("start").step("a", () => 1)];
  const calm = makeFleet(define);
  const first = calm.client();
  await calm.play(() => first.client.start("start", null, { id: "r" }));
  const calls = calm.world.callCount("client");
  expect(calls).toBeGreaterThanOrEqual(4);
  for (let call = 1; call <= calls; call += 1) {
    for (const when of ["before", "after"] as const) {
      const fleet = makeFleet(define, `start-${call}`);
      fleet.world.crashAt("client", call, when);
      fleet.worker("worker-1");
      void fleet.client().client.start("start", null, { id: "r" });
      // The net looks at a run at latest ten minutes after its start.
      await fleet.world.advance(12 * 60_000);
      const exists = (await fleet.keys("workflow/r/state.json")).length > 0;
      if (exists) expect((await fleet.record("r")).status, `crash ${when} call ${call}`).toBe("completed");
      const again = fleet.client("again");
      const ended = await fleet.play(async () => (await again.client.start("start", null, { id: "r" })).wait(), 30_000);
      expect(ended.status, `started again after a crash ${when} call ${call}`).toBe("completed");
    }
  }
});

test("what a frozen worker does when it thaws changes nothing (W-7)", async () => {
  const ran: string[] = [];
  const fleet = makeFleet((process) => [
    workflow("zombie")
      .step("a", async () => {
        ran.push(process.name);
        await process.host.clock.sleep(5_000);
        return process.name;
      })
      .step("b", { dependsOn: ["a"], run: (ctx) => ctx.results.a }),
  ]);
  const frozen = fleet.worker("worker-1");
  const { client } = fleet.client();
  await fleet.play(() => client.start("zombie", null, { id: "r" }));
  await fleet.world.run({ until: () => ran.length > 0 });
  frozen.freeze();
  fleet.worker("worker-2");
  await fleet.play(() => client.wait("r"));
  const before = await fleet.world.store.get(stateKey("r"));
  expect(ran).toEqual(["worker-1", "worker-2"]);
  frozen.thaw();
  await fleet.world.advance(120_000);
  expect(await fleet.world.store.get(stateKey("r"))).toEqual(before);
  expect(await fleet.world.store.get(stepResultKey("r", "a"))).toMatchObject({ object: { body: '"worker-2"' } });
  expect(await fleet.keys("leases/")).toEqual([]);
});

test("a completed step is not run again by whoever takes its task over (W-7)", async () => {
  const ran: string[] = [];
  const fleet = makeFleet(({ name, host }) => [
    workflow("late")
      .step("long", () => host.clock.sleep(20_000))
      .step("a", () => void ran.push(name)),
  ]);
  const first = fleet.worker("worker-1");
  const { client } = fleet.client();
  await fleet.play(() => client.start("late", null, { id: "r" }));
  const own = taskKey(executionTaskId("r", { kind: "run", step: "a", generation: 1, wake: 0 }));
  const task = async (): Promise<TaskRecord | undefined> => {
    const read = await fleet.world.store.get(own);
    return read.kind === "found" ? taskCodec.decode(read.object.body, own) : undefined;
  };
  // It dies between the record that says so and the end of the task of the step.
  await fleet.world.run({
    until: async () =>
      (await fleet.keys(stateKey("r"))).length > 0 && (await fleet.record("r")).steps.get("a")?.status === "completed",
  });
  first.crash();
  expect(await task()).toMatchObject({ status: "running", attempt: 1 });
  fleet.worker("worker-2");
  await fleet.play(() => client.wait("r"));
  await fleet.world.advance(120_000);
  expect(ran).toEqual(["worker-1"]);
  expect(await task()).toMatchObject({ status: "completed" });
});

/** A step that waits for so many signals and returns their payloads. */
const waiting = (name: string, times: number): AnyWorkflow =>
  workflow(name).step("wait", async (ctx) => {
    const got: unknown[] = [];
    for (let n = 0; n < times; n += 1) got.push(await ctx.waitForSignal("go"));
    return got as string[];
  });

test("signals that two senders put in the same moment both wake the run (W-6, W-9)", async () => {
  const fleet = makeFleet(() => [waiting("two", 2)]);
  fleet.worker("worker-1");
  const near = fleet.client("near");
  const far = fleet.client("far", { latency: 15_000 });
  await fleet.play(() => near.client.start("two", null, { id: "r" }));
  // Both look at the run first and take the time then; the far one's signal and wake-up come when the first were long served.
  await fleet.play(() =>
    Promise.all([
      far.client.signal("r", "go", "far"),
      near.process.host.clock.sleep(15_000 - 20).then(() => near.client.signal("r", "go", "near")),
    ]),
  );
  const times = (await fleet.keys(signalsPrefix("r", "go"))).map((key) => key.split("/").at(-1)?.split("_")[0]);
  expect(times).toHaveLength(2);
  expect(new Set(times).size, "one moment").toBe(1);
  const ended = await fleet.play(() => near.client.wait("r"));
  expect(ended.steps["wait"]?.result).toEqual(["near", "far"]);
});

test("a signal whose key sorts before one that was consumed is still given (W-9)", async () => {
  const fleet = makeFleet(() => [waiting("late", 2)]);
  fleet.worker("worker-1");
  const { client, process } = fleet.client();
  await fleet.play(() => client.start("late", null, { id: "r" }));
  await fleet.play(() => client.signal("r", "go", "first"));
  await fleet.world.run({
    until: async () => (await fleet.record("r")).signals.get("go")?.cursor !== undefined,
    maxVirtualMs: 60_000,
  });
  const cursor = (await fleet.record("r")).signals.get("go")?.cursor ?? "";
  const at = (parseInstant(cursor.split("_")[0] ?? "")?.ms ?? 0) - 3_000;
  const id = "00000000-0000-4000-8000-000000000009";
  const segment = `${new Date(at).toISOString().replace("Z", "+00:00")}_${id}.json`;
  expect(segment < cursor).toBe(true);
  const body = JSON.stringify({ id, name: "go", payload: "second", created_at: segment.split("_")[0] });
  // As a client of buquet does it: one put, and nobody is told. A later signal wakes the run, or the next check.
  await fleet.play(() => process.store.put(`${signalsPrefix("r", "go")}${segment}`, body, "always"));
  await fleet.play(() => client.signal("r", "go", "third"));
  const ended = await fleet.play(() => client.wait("r"));
  expect(ended.steps["wait"]?.result).toEqual(["first", "second"]);
});

test("a step that is tried again gets the signals again that it had consumed (W-10)", async () => {
  const seen: unknown[] = [];
  const fleet = makeFleet(() => [
    workflow("again").step("wait", {
      retryPolicy: { initialMs: 10, maxMs: 10 },
      run: async (ctx) => {
        const payload = await ctx.waitForSignal("go");
        seen.push(payload);
        if (seen.length === 1) throw new Error("not yet");
        return payload as string;
      },
    }),
  ]);
  fleet.worker("worker-1");
  const { client } = fleet.client();
  const ended = await fleet.play(async () => {
    const run = await client.start("again", null, { id: "r" });
    await run.signal("go", "once");
    return run.wait();
  });
  expect(seen).toEqual(["once", "once"]);
  expect(ended.steps["wait"]?.result).toBe("once");
});

test("a run that waits for a signal holds no worker and no lease, however long it waits (W-11)", async () => {
  const fleet = makeFleet(() => [waiting("patient", 1), workflow("quick").step("a", () => 1)]);
  fleet.worker("worker-1", { concurrency: 1 });
  const { client } = fleet.client();
  await fleet.play(() => client.start("patient", null, { id: "r" }));
  await fleet.world.advance(3_600_000);
  expect((await fleet.record("r")).status).toBe("waiting_signal");
  expect(await fleet.keys("leases/")).toEqual([]);
  const ended = await fleet.play(async () => (await client.start("quick", null, { id: "q" })).wait(), 60_000);
  expect(ended.status).toBe("completed");
  await fleet.play(async () => {
    await client.signal("r", "go", "at last");
    await client.wait("r");
  });
});

test("the result of a step that is only known from its task is taken out of its wrapper (W-13)", async () => {
  const ran: string[] = [];
  const define: Define = ({ name, host }) => [
    workflow("bare").step("a", async () => {
      ran.push(name);
      await host.clock.sleep(60_000);
      return { n: 0 };
    }),
  ];
  // Without versions a record that another program rewrote is rebuilt from what is plain.
  const fleet = makeFleet(define, "w13", { versions: false });
  const first = fleet.worker("worker-1");
  const { client } = fleet.client();
  await fleet.play(() => client.start("bare", null, { id: "r" }));
  await fleet.world.run({ until: () => ran.length > 0 });
  first.crash();
  const id = executionTaskId("r", { kind: "run", step: "a", generation: 1, wake: 0 });
  const now = fleet.world.store.time().latest;
  const task: TaskRecord = {
    ...newTask({ id, taskType: "workflow.step:bare:a", input: {}, timeoutMs: 1_000, maxRetries: 3 }, now),
    status: "completed",
    attempt: 1,
    output: { success: true, result: { n: 1 }, step: "a" },
  };
  await fleet.world.store.put(taskKey(id), taskCodec.encode(task), "always");
  const { machine: _dropped, ...plain } = await fleet.record("r");
  await fleet.world.store.put(stateKey("r"), encodeRecord(plain), "always");
  fleet.worker("worker-2");
  const ended = await fleet.play(() => client.wait("r"), 20 * 60_000);
  expect(ended.steps["a"]).toMatchObject({ status: "completed", result: { n: 1 } });
  expect(await fleet.world.store.get(stepResultKey("r", "a"))).toMatchObject({ object: { body: '{"n":1}' } });
  expect(ran).toEqual(["worker-1"]);
});

test("a handler that outlives many leases runs once, and its worker goes on saying that it lives (C-11)", async () => {
  const ran: string[] = [];
  const fleet = makeFleet((process) => [
    workflow("long").step("a", {
      timeout: "1h",
      run: async () => {
        ran.push(process.name);
        // Longer than fifty leases, and than the time after which a run is looked at.
        await process.host.clock.sleep(1_500_000);
        return process.name;
      },
    }),
  ]);
  fleet.worker("worker-1");
  fleet.worker("worker-2");
  const { client } = fleet.client();
  await fleet.play(() => client.start("long", null, { id: "r" }));
  await fleet.world.run({ until: () => ran.length > 0 });
  await fleet.world.advance(200_000);
  const read = await fleet.world.store.get(`workers/${ran[0] ?? ""}.json`);
  const seen = read.kind === "found" ? (JSON.parse(read.object.body) as { last_heartbeat: string }).last_heartbeat : "";
  const now = fleet.world.store.time().latest;
  expect(now - (parseInstant(seen)?.ms ?? 0)).toBeLessThanOrEqual(61_000);
  await fleet.play(() => client.wait("r"));
  expect(ran).toHaveLength(1);
});

test("an attempt that takes longer than its timeout is aborted and tried again (C-11)", async () => {
  const attempts: boolean[] = [];
  const fleet = makeFleet((process) => [
    workflow("slow").step("a", {
      timeout: "5s",
      retryPolicy: { initialMs: 10, maxMs: 10 },
      run: async (ctx) => {
        if (ctx.attempt === 1) {
          await process.host.clock.sleep(60_000, { signal: ctx.signal });
          attempts.push(ctx.signal.aborted);
          return 0;
        }
        return ctx.attempt;
      },
    }),
  ]);
  fleet.worker("worker-1");
  const { client } = fleet.client();
  const ended = await fleet.play(async () => (await client.start("slow", null, { id: "r" })).wait());
  expect(ended.steps["a"]?.result).toBe(2);
  expect(attempts).toEqual([true]);
});

test("a handler that runs hears of a cancel, from another process too (C-13, W-15)", async () => {
  const heard: boolean[] = [];
  const fleet = makeFleet((process) => [
    workflow("stop").step("a", {
      timeout: "10m",
      run: async (ctx) => {
        while (!ctx.isCancelled() && heard.length < 500) {
          await process.host.clock.sleep(1_000);
          heard.push(ctx.isCancelled());
        }
        return 1;
      },
    }),
  ]);
  fleet.worker("worker-1");
  fleet.worker("worker-2");
  const { client } = fleet.client();
  await fleet.play(() => client.start("stop", null, { id: "r" }));
  await fleet.world.run({ until: () => heard.length > 2 });
  const ended = await fleet.play(async () => {
    await client.cancel("r");
    return client.wait("r");
  });
  expect(ended.status).toBe("cancelled");
  expect(heard.at(-1)).toBe(true);
  expect(heard.length).toBeLessThan(60);
});

test("a cancel that meets other writers is not lost (W-15)", async () => {
  const fleet = makeFleet((process) => [
    untypedWorkflow("busy")
      .step("a", {
        run: async () => {
          await process.host.clock.sleep(20_000 - (fleet.world.nowMs % 20_000));
          return 1;
        },
      })
      .signal("never", { dependsOn: ["a"] }),
  ]);
  for (let n = 1; n <= 3; n += 1) fleet.worker(`worker-${n}`);
  const { client } = fleet.client();
  await fleet.play(() => client.start("busy", null, { id: "r" }));
  const ended = await fleet.play(async () => {
    await Promise.all([client.cancel("r"), client.pause("r"), client.resume("r"), client.cancel("r")]);
    return client.wait("r");
  });
  expect(ended.status).toBe("cancelled");
});

test("a task that cannot be read, or whose reading fails, keeps nobody from the others (C-8, C-19)", async () => {
  const fleet = makeFleet(() => [workflow("fine").step("a", () => 1)]);
  const now = fleet.world.store.time().earliest;
  await fleet.world.store.put(taskKey(POISON), '{"id":"poison"}', "always");
  await fleet.world.store.put(readyKey(POISON, now - 3_600_000), "", "always");
  const process = fleet.worker("worker-1");
  const { client } = fleet.client();
  const ended = await fleet.play(async () => (await client.start("fine", null, { id: "r" })).wait(), 60_000);
  expect(ended.status).toBe("completed");
  expect(process.log.some((line) => line.level === "warn" && line.message === "task could not be claimed")).toBe(true);
  // It may be of a newer version: nothing of it is deleted.
  expect(await fleet.keys("ready/")).toEqual([readyKey(POISON, now - 3_600_000)]);
});

test("errors are told apart by class and not by their words (C-23)", () => {
  const step = workflow("x").step("a", () => 1).plan.steps[0];
  if (step?.kind !== "task") throw new Error("no step");
  const after = (error: unknown): string => new Judge({ kind: "run" }, step, 1, () => 0.5).threw(error).kind;
  expect(after(new PermanentError("RetryableError: ConnectionError, RescheduleError after 7 seconds"))).toBe("failed");
  expect(after(new Error("PermanentError"))).toBe("again");
  expect(after(new Error("Connection error"))).toBe("again");
  expect(after(new RetryableError("PermanentError"))).toBe("again");
  expect(after("PermanentError")).toBe("again");
});

test("a run whose ready key a foreign sweeper deleted goes on at the next check (C-5)", async () => {
  const fleet = makeFleet(() => [
    workflow("remote")
      .step("a", () => 1)
      .step("b", { dependsOn: ["a"], delay: "2m", run: () => 2 }),
  ]);
  const first = fleet.worker("worker-1");
  const { client } = fleet.client();
  await fleet.play(() => client.start("remote", null, { id: "r" }));
  await fleet.world.run({
    until: async () =>
      (await fleet.keys(stateKey("r"))).length > 0 && (await fleet.record("r")).machine?.timers.length === 1,
  });
  await fleet.world.advance(10_000);
  first.crash();
  for (const prefix of ["x-workflow/due/", "ready/"])
    for (const key of await fleet.keys(prefix)) await fleet.world.store.delete(key);
  fleet.worker("worker-2");
  const ended = await fleet.play(() => client.wait("r"), 30 * 60_000);
  expect(ended.status).toBe("completed");
});

test("a step whose ready key a foreign sweeper deleted is found at the next check (C-4, C-5)", async () => {
  const fleet = makeFleet(({ host }) => [
    workflow("wide")
      .step("a", () => host.clock.sleep(5_000))
      .step("b", () => host.clock.sleep(5_000)),
  ]);
  const worker = fleet.worker("worker-1", { concurrency: 1 });
  const { client } = fleet.client();
  await fleet.play(() => client.start("wide", null, { id: "r" }));
  // One branch is handed off; the other waits with a ready key. The worker dies when the first is done and its chain is finished.
  const chain = taskKey(startTick.id("r", {}));
  await fleet.world.run({
    until: async () => {
      const read = await fleet.world.store.get(chain);
      return read.kind === "found" && taskCodec.decode(read.object.body, chain).status === "completed";
    },
  });
  worker.crash();
  const ready = await fleet.keys("ready/");
  expect(ready).toHaveLength(1);
  for (const key of ready) await fleet.world.store.delete(key);
  fleet.worker("worker-2");
  const ended = await fleet.play(() => client.wait("r"), 30 * 60_000);
  expect(ended.status).toBe("completed");
});

test("a list counts runs and not their objects, and a record that cannot be read is not a run that is missing (W-16)", async () => {
  const fleet = makeFleet(() => [waiting("crowded", 1)]);
  const { client } = fleet.client();
  for (const id of ["a", "b", "c"]) await fleet.play(() => client.start("crowded", null, { id }));
  for (let n = 0; n < 1_500; n += 1) {
    const key = `${signalsPrefix("a", "go")}2026-01-01T00:00:00.${String(n).padStart(9, "0")}+00:00_x.json`;
    await fleet.world.store.put(key, "{}", "always");
  }
  const list = async (limit: number): Promise<string[]> => {
    const ids: string[] = [];
    for await (const run of client.list({ limit })) ids.push(run.id);
    return ids;
  };
  expect(await fleet.play(() => list(2))).toEqual(["a", "b"]);
  expect(await fleet.play(() => list(10))).toEqual(["a", "b", "c"]);
  await fleet.world.store.put(stateKey("b"), "{", "always");
  await expect(fleet.play(() => client.get("b"))).rejects.toMatchObject({ code: "data" });
  await expect(fleet.play(() => client.get("nobody"))).rejects.toThrow(/does not exist/);
});

test("a run is driven on whatever its orchestrator_task_id says (W-17)", async () => {
  const fleet = makeFleet(() => [workflow("plain").step("a", () => 1)]);
  const { client } = fleet.client();
  await fleet.play(() => client.start("plain", null, { id: "r" }));
  const { orchestrator_task_id: _gone, ...rest } = await fleet.record("r");
  await fleet.world.store.put(stateKey("r"), encodeRecord({ ...rest, orchestrator_task_id: "nothing" }), "always");
  fleet.worker("worker-1");
  expect((await fleet.play(() => client.wait("r"))).status).toBe("completed");
});

test("names with a slash are refused everywhere (W-18)", async () => {
  const fleet = makeFleet(() => [workflow("w").step("a", () => 1)]);
  const { client } = fleet.client();
  await expect(client.start("w", null, { id: "a/b" })).rejects.toThrow(/slash/);
  await expect(client.signal("r", "a/b", 1)).rejects.toThrow(/slash/);
  expect(() => workflow("a/b").step("a", () => 1).plan).toThrow(WorkflowError);
  expect(() => workflow("w").step("a/b", () => 1).plan).toThrow(WorkflowError);
  expect(await fleet.keys("")).toEqual([]);
});

test("nobody writes a clock object (C-10, C-22)", async () => {
  const fleet = makeFleet(() => [workflow("plain").step("a", () => 1)]);
  fleet.worker("worker-1");
  const { client, handle } = fleet.client();
  await fleet.play(async () => (await client.start("plain", null, { id: "r" })).wait());
  await fleet.play(() =>
    createTask(handle.context, { id: POISON, taskType: "t", input: 1, timeoutMs: 1, maxRetries: 0 }),
  );
  expect(fleet.world.trace.filter(({ key }) => key.startsWith("clock/"))).toEqual([]);
});
