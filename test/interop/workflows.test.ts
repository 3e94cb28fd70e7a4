/** Workflows whose steps and clients are partly the real Python package. The numbers are those of docs/interop.md. */
import { z } from "zod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { examineFleet } from "../../src/cli/fleet-checkup.ts";
import { stateKey, stepResultKey } from "../../src/keys.ts";
import { FOREIGN_TICK_TYPE } from "../../src/run/tasks.ts";
import { PermanentError, workflow } from "../../src/index.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { makeGate } from "../queue/fixtures.ts";
import { OurSide } from "./fleet.ts";
import { later, proxyBefore, reached, tasksOf, withStore } from "./helpers.ts";
import { Peer, PeerError, type PeerTask, type PeerWorkflow } from "./peer.ts";
import { type Bucket, type InteropServer, openServer, until, whyNoInterop } from "./server.ts";

let server: InteropServer;

interface PeerRun {
  readonly id: string;
  readonly status: string;
  readonly [member: string]: unknown;
}

/** Sixteen lists each time: workers that ask too often are what a server of tests is busy with. */
const SELDOM = { poll_interval_ms: 250 };

const waitFor30s = { timeout: { $timedelta: 30 }, poll_interval: 0.1 };

/** A run of a diamond with two sides here and one in Python, all of which are at work: ours until `ours` opens, Python's until "right". */
async function startDiamond(bucket: Bucket, python: Peer, store?: ObjectStore) {
  const ours = makeGate();
  const ran: string[] = [];
  const side = (name: string) => async (): Promise<string> => {
    ran.push(name);
    await ours.stand();
    return name;
  };
  const diamond = workflow("diamond", { foreign: true })
    .step("start", () => 0)
    .step("left", { dependsOn: ["start"], run: side("left") })
    .step("right", { dependsOn: ["start"], remote: true })
    .step("here", { dependsOn: ["start"], run: side("here") })
    .step("join", { dependsOn: ["left", "right", "here"], run: (ctx) => ctx.results });
  const steps = ["start", "left", "right", "here", "join"].map((name) => ({
    name,
    depends_on: name === "start" ? [] : name === "join" ? ["left", "right", "here"] : ["start"],
    script: [[{ gate: "right" }, { return: name }]],
  }));
  await python.define({ name: "diamond", steps });
  await python.work({ worker_id: "py", steps_only: ["diamond:right"], options: SELDOM });
  const here = new OurSide(bucket, diamond);
  const workers = [await here.work({}, store), await here.work({}, store)];
  const run = await here.client.start(diamond, null);
  await python.begun("right");
  await here.reached(run.id, ({ steps: now }) => ["left", "here"].every((name) => now.get(name)?.status === "running"));
  return { ours, ran, here, workers, run };
}

describe.skipIf(whyNoInterop() !== undefined)("workflows between Python and TypeScript", () => {
  beforeAll(async () => {
    server = await openServer();
  });
  afterAll(() => server.stop());

  test.concurrent("4: a run started here is driven to its end by Python's orchestrator, when it is handed its tick", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const theirs = workflow("theirs")
      .step("a", { remote: true })
      .step("b", { dependsOn: ["a"], remote: true });
    const hash = await python.define({
      name: "theirs",
      steps: [
        { name: "a", script: [[{ return: { n: 1 } }]] },
        { name: "b", depends_on: ["a"], script: [[{ echo: true }]] },
      ],
    });
    expect(hash).toBe(theirs.definitionHash);
    await using here = new OurSide(bucket, theirs);
    const run = await here.client.start("theirs", { order: 7, price: 1.5 });
    // Our own wake-ups are of a type that Python never claims: this is what its client would put.
    const key = `${run.id}:orchestrate:start`;
    await here.handle.submit(FOREIGN_TICK_TYPE, { workflow_id: run.id }, { idempotency: { key } });
    await python.work({ worker_id: "py", workflows: ["theirs"], options: SELDOM });
    expect(await python.client<PeerRun>("wait", [run.id], waitFor30s)).toMatchObject({ status: "completed" });
    expect(JSON.parse(await bucket.body(stepResultKey(run.id, "b")))).toEqual({ order: 7, price: 1.5 });
    // Our client reads what Python left, and a worker of ours that comes later has nothing to do.
    expect(await run.get()).toMatchObject({ status: "completed", steps: { a: { result: { n: 1 } } } });
  });

  test.concurrent("4: every step is Python's and the run is driven here; one worker, one bucket, no orchestrator", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const theirs = workflow("theirs")
      .step("a", { remote: true })
      .step("b", { dependsOn: ["a"], remote: true });
    const steps = [
      { name: "a", script: [[{ return: 1 }]] },
      { name: "b", depends_on: ["a"], script: [[{ return: [2] }]] },
    ];
    await python.define({ name: "theirs", steps });
    await python.work({ worker_id: "py", steps_only: ["theirs"], options: SELDOM });
    await using here = new OurSide(bucket, theirs);
    await here.work();
    const run = await here.client.start(theirs, null);
    expect(await run.result({ timeout: "60s" })).toEqual({ b: [2] });
    expect(await python.client<PeerRun>("wait", [run.id], waitFor30s)).toMatchObject({ status: "completed" });
    expect(await python.call("workflow", "get_workflow_state", {}, [run.id])).toBeTruthy();
  });

  test.concurrent("5: a run that Python's client starts is run here, and Python sees it completed", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const ours = workflow("ours")
      .step("double", (ctx) => ({ twice: 2 * (ctx.input as { n: number }).n }))
      .step("say", { dependsOn: ["double"], run: (ctx) => `it is ${ctx.results.double.twice}` });
    const steps = [{ name: "double" }, { name: "say", depends_on: ["double"] }];
    expect(await python.define({ name: "ours", steps })).toBe(ours.definitionHash);
    await using here = new OurSide(bucket, ours);
    await here.work();
    const started = await python.client<PeerRun>("start", [{ $workflow: "ours" }, { n: 21 }], { workflow_id: "wf-5" });
    expect(started.id).toBe("wf-5");
    expect(await python.client<PeerRun>("wait", ["wf-5"], waitFor30s)).toMatchObject({
      status: "completed",
      error: null,
    });
    expect(await here.client.result("wf-5")).toEqual({ say: "it is 42" });
    // The same once more is the same run.
    const again = await python.client<PeerRun>("start", [{ $workflow: "ours" }, { n: 1 }], { workflow_id: "wf-5" });
    expect(again).toMatchObject({ status: "completed", data: { n: 21 } });
  });

  describe.each([true, false])("on a bucket that keeps versions: %s", (versioned) => {
    test.concurrent("6: Python pauses, resumes and cancels a run here; what completed is undone, and the reason stays", async () => {
      const bucket = await server.bucket({ versioned });
      await using python = await Peer.start(bucket);
      const undone: string[] = [];
      const steered = workflow("steered", { foreign: true })
        .step("charge", { run: () => "charged", compensate: () => void undone.push("charge") })
        .signal("go", { dependsOn: ["charge"] })
        .step("ship", { dependsOn: ["go"], run: () => "shipped" });
      await using here = new OurSide(bucket, steered);
      await here.work();
      const [first, second] = [await here.client.start(steered, null), await here.client.start(steered, null)];
      for (const { id } of [first, second]) {
        await here.reached(id, "waiting_signal");
        await python.client("pause", [id], { reason: "stop" });
        const paused = await here.reached(id, "paused");
        expect(paused.error).toMatchObject({ type: "Paused", message: "stop" });
        await python.client("signal", [id, "go", { yes: true }]);
      }
      // The signal comes while they are paused: ours does not go on with it.
      await python.client("resume", [first.id]);
      expect(await first.result({ timeout: "60s" })).toEqual({ ship: "shipped" });
      await python.client("cancel", [second.id], { reason: "no need" });
      const cancelled = await here.reached(second.id, "cancelled");
      expect(cancelled).toMatchObject({ error: { type: "Cancelled", message: "no need" } });
      expect(undone).toEqual(["charge"]);
      expect(await python.client("get", [second.id])).toMatchObject({
        status: "cancelled",
        error: { type: "Cancelled", message: "no need" },
      });
      await expect(python.client("cancel", [second.id])).rejects.toThrow(PeerError);
    });

    test.concurrent("13: no member of ours survives a write of Python, and nothing of the run is lost by that", async () => {
      const bucket = await server.bucket({ versioned });
      await using python = await Peer.start(bucket);
      const ran: string[] = [];
      let hangs = true;
      const undo = (name: string) => async (): Promise<void> => {
        // The first attempt of it ends with its worker.
        if (name === "a" && hangs) await new Promise(() => {});
        ran.push(`undo ${name}`);
      };
      const timed = workflow("timed", { foreign: true })
        .step("a", () => void ran.push("a"))
        .step("later", { dependsOn: ["a"], delay: "50s", run: () => void ran.push("later") });
      const deadline = workflow("deadline", { foreign: true }).signal("never", { timeout: "50s" });
      const saga = workflow("saga", { foreign: true })
        .step("a", { run: () => 1, compensate: undo("a") })
        .step("b", { dependsOn: ["a"], run: () => 2, compensate: undo("b") })
        .step("c", {
          dependsOn: ["b"],
          run: () => {
            throw new PermanentError("no");
          },
        });
      await using here = new OurSide(bucket, timed, deadline, saga);
      const worker = await here.work();
      const [t, d, s] = [
        await here.client.start(timed, null),
        await here.client.start(deadline, null),
        await here.client.start(saga, null),
      ];
      await here.reached(t.id, ({ machine }) => machine?.timers.length === 1);
      await here.reached(d.id, "waiting_signal");
      await here.reached(s.id, ({ machine }) => machine?.write.events.includes("undo.done b") === true);
      await worker.stop();
      for (const { id } of [t, d]) {
        await python.client("pause", [id]);
        expect(JSON.parse(await bucket.body(stateKey(id)))).not.toHaveProperty("machine");
        await python.client("resume", [id]);
      }
      await python.client("cancel", [s.id], { reason: "twice" });
      expect(JSON.parse(await bucket.body(stateKey(s.id)))).not.toHaveProperty("machine");
      hangs = false;
      // A minute later, without waiting for it.
      await here.work({}, later(bucket.queue, 60_000).store);
      expect((await t.wait({ timeout: "100s" })).status).toBe("completed");
      expect(await d.wait({ timeout: "100s" })).toMatchObject({ status: "failed", error: { type: "SignalTimeout" } });
      // It was failing already: without versions nobody knows any more what came first.
      const ended = await here.reached(s.id, ({ status }) => status === "failed" || status === "cancelled");
      if (versioned) expect(ended.status).toBe("failed");
      expect(ran.toSorted()).toEqual(["a", "later", "undo a", "undo b"]);
    });

    test.concurrent("8: a step of Python between two of ours, driven here", async () => {
      const bucket = await server.bucket({ versioned });
      await using python = await Peer.start(bucket);
      const mixed = workflow("mixed")
        .step("before", () => ({ n: 1 }))
        .step("r", { dependsOn: ["before"], remote: true })
        .step("after", { dependsOn: ["r"], run: (ctx) => ({ got: ctx.results.r }) });
      const steps = [
        { name: "before" },
        { name: "r", depends_on: ["before"], script: [[{ return: { by: "python" } }]] },
        { name: "after", depends_on: ["r"] },
      ];
      await python.define({ name: "mixed", steps });
      await python.work({ worker_id: "py", steps_only: ["mixed:r"], options: SELDOM });
      await using here = new OurSide(bucket, mixed);
      await here.work();
      const run = await here.client.start(mixed, { order: 1 });
      expect(await run.result({ timeout: "60s" })).toEqual({ after: { got: { by: "python" } } });
      expect((await python.begun("r")).input).toEqual({ order: 1 });
      expect(JSON.parse(await bucket.body(stepResultKey(run.id, "after")))).toEqual({ got: { by: "python" } });
    });

    test.concurrent("22: a Python worker with another workflow takes a tick of our run; its pause is void and doctor says what to change", async () => {
      const bucket = await server.bucket({ versioned });
      await using python = await Peer.start(bucket);
      const ran: string[] = [];
      const mixed = workflow("mixed", { foreign: true })
        .step("r", { remote: true })
        .step("after", { dependsOn: ["r"], run: () => void ran.push("after") });
      const r = { name: "r", script: [[{ gate: "r" }, { return: 1 }]] };
      await python.define({ name: "mixed", steps: [r, { name: "after", depends_on: ["r"] }] });
      await python.define({ name: "other", steps: [{ name: "x" }] });
      await python.work({ worker_id: "steps", steps_only: ["mixed:r"], options: SELDOM });
      await using here = new OurSide(bucket, mixed);
      const worker = await here.work();
      const run = await here.client.start(mixed, null);
      await python.begun("r");
      // Nobody of ours is there when the tick comes.
      await worker.stop();
      await python.open("r");
      await using stranger = await Peer.start(bucket);
      await stranger.define({ name: "other", steps: [{ name: "x" }] });
      await stranger.work({ worker_id: "stranger", workflows: ["other"], options: SELDOM });
      const paused = await until("Python has paused it", async () => {
        const state = await python.client<PeerRun>("get", [run.id]);
        return state.status === "paused" ? state : undefined;
      });
      expect(paused["error"]).toMatchObject({
        type: "VersionMismatch",
        message: expect.stringContaining(`Expected ${mixed.definitionHash}, got `) as unknown,
      });
      await here.work();
      expect(await run.wait({ timeout: "100s" })).toMatchObject({ status: "completed" });
      expect(ran).toEqual(["after"]);
      const told = await until("it is noted", async () => {
        const fleet = await examineFleet(bucket.store);
        return fleet.some((line) => line.startsWith("change:")) ? fleet : undefined;
      });
      expect(told[0]).toMatch(/other programs.*steps.*stranger|other programs.*stranger.*steps/u);
      expect(told[1]).toContain(`run ${run.id} of mixed and paused the run`);
    });
  });

  test.concurrent("8: a Python worker that registers the whole workflow drives our run; it ends, each step once, and doctor says so", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const ran: string[] = [];
    const mixed = workflow("mixed", { foreign: true })
      .step("r", { remote: true })
      .step("after", { dependsOn: ["r"], run: () => void ran.push("after") });
    const steps = [
      { name: "r", script: [[{ gate: "r" }, { return: 1 }]] },
      { name: "after", depends_on: ["r"], script: [[{ gate: "after" }, { return: "in python" }]] },
    ];
    await python.define({ name: "mixed", steps });
    await python.work({ worker_id: "whole", workflows: ["mixed"], options: SELDOM });
    await using here = new OurSide(bucket, mixed);
    const worker = await here.work();
    const run = await here.client.start(mixed, null);
    await python.begun("r");
    await worker.stop();
    await python.open("r");
    // Python's orchestrator submits the next step, and its worker begins it.
    await python.begun("after");
    await here.work();
    await here.reached(run.id, ({ machine }) => machine?.executions.some(({ owner }) => owner === "unknown") === true);
    await python.open("after");
    expect(await run.wait({ timeout: "100s" })).toMatchObject({ status: "completed" });
    expect(ran).toEqual([]);
    expect(await examineFleet(bucket.store)).toContainEqual(expect.stringContaining("of mixed and drove the run"));
  });

  test.concurrent("7: a signal of Python reaches a handler and a node here, and Python finds nothing behind the cursor", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const asks = workflow("asks", { foreign: true, signals: { answer: z.object({ yes: z.boolean(), n: z.number() }) } })
      .step("ask", async (ctx) => ({ heard: (await ctx.waitForSignal("answer")) ?? null }))
      .signal("go+ahead: now", { dependsOn: ["ask"], schema: z.null() });
    await using here = new OurSide(bucket, asks);
    await here.work();
    const run = await here.client.start(asks, null);
    await here.reached(run.id, "waiting_signal");
    const id = await python.client<string>("signal", [run.id, "answer", { yes: true, n: 1.5 }]);
    await here.reached(run.id, ({ steps }) => steps.get("ask")?.status === "completed");
    await python.client("signal", [run.id, "go+ahead: now", null]);
    expect(await run.result({ timeout: "60s" })).toEqual({ "go+ahead: now": null });
    const record = await here.record(run.id);
    expect(record.steps.get("ask")?.result?.read()).toEqual({ heard: { yes: true, n: 1.5 } });
    const cursor = record.signals.get("answer")?.cursor ?? "";
    expect(cursor).toMatch(new RegExp(`_${id}\\.json$`, "u"));
    expect(await python.call("workflow", "count_signals", {}, [run.id, "answer", cursor])).toBe(0);
  });

  test.concurrent("7: without foreign: true a signal of Python is taken at the next wake-up", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const asks = workflow("asks").signal("go");
    await using here = new OurSide(bucket, asks);
    const worker = await here.work();
    const run = await here.client.start(asks, null);
    await here.reached(run.id, "waiting_signal");
    // The parking worker looks into the inbox once it has parked.
    await until("its task is finished", async () => ((await bucket.keys("leases/")).length === 0 ? true : undefined));
    await python.client("signal", [run.id, "go", 1]);
    for (let poll = 0; poll < 10; poll += 1) await worker.signals.next(({ signal }) => signal === "polled");
    expect((await run.get()).status).toBe("waiting_signal");
    // A resume is one of the few things of Python's client that wake somebody.
    await python.client("pause", [run.id]);
    await python.client("resume", [run.id]);
    expect(await run.result({ timeout: "60s" })).toEqual({ go: 1 });
  });

  test.concurrent("7: a signal of ours is what a step in Python waits for", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const asks = workflow("asks").step("ask", { remote: true });
    await python.define({ name: "asks", steps: [{ name: "ask", script: [[{ wait_signal: "answer", timeout: 60 }]] }] });
    await python.work({ worker_id: "py", steps_only: ["asks"], options: SELDOM });
    await using here = new OurSide(bucket, asks);
    await here.work();
    const run = await here.client.start(asks, null);
    await python.begun("ask");
    await run.signal("answer", { from: "typescript" });
    expect(await run.result({ timeout: "60s" })).toEqual({ ask: { from: "typescript" } });
  });

  describe("20: the sides of a diamond end at the same moment, two here and one in Python", () => {
    const whole = { join: { left: "left", right: "right", here: "here" } };

    test.concurrent("Python is second: its record is refused, its task fails, nobody is told; its result is taken here (W-2)", async () => {
      const bucket = await server.bucket();
      await using proxy = await proxyBefore(server);
      await using python = await Peer.start(bucket, { S3_ENDPOINT: proxy.endpoint });
      const { ours, ran, here, workers, run } = await startDiamond(bucket, python);
      await using _ended = here;
      const theirs = makeGate();
      proxy.reset(({ kind, path }) =>
        kind === "replace" && path.includes(stateKey(run.id)) ? { kind: "delay", until: theirs.stand() } : undefined,
      );
      await python.open("right");
      await theirs.reached;
      ours.open();
      await here.reached(run.id, ({ steps: now }) =>
        ["left", "here"].every((name) => now.get(name)?.status === "completed"),
      );
      // Nobody of ours is there to mend it at once.
      for (const worker of workers) await worker.stop();
      theirs.open();
      const { error, task_id = "" } = await python.event(({ event }) => event === "error");
      expect(error).toContain("state conflict");
      expect(await reached(bucket, task_id, "failed")).toMatchObject({
        attempt: 1,
        last_error: expect.stringContaining("state conflict") as unknown,
      });
      expect((await here.record(run.id)).steps.get("right")?.status).toBe("running");
      expect(await tasksOf(bucket, FOREIGN_TICK_TYPE)).toEqual([]);
      expect(JSON.parse(await bucket.body(stepResultKey(run.id, "right")))).toBe("right");
      await here.work();
      expect(await run.result({ timeout: "60s" })).toEqual(whole);
      expect(ran.toSorted()).toEqual(["here", "left"]);
      expect(python.events.filter(({ event }) => event === "begin")).toHaveLength(1);
    });

    test.concurrent("ours are second: what we decided is decided again on Python's record", async () => {
      const bucket = await server.bucket();
      await using python = await Peer.start(bucket);
      const gate = makeGate();
      const answers: string[] = [];
      let holds = false;
      const { store } = withStore(bucket.queue, {
        put: async (key, ...rest) => {
          const isHeld = holds && key.endsWith("/state.json");
          if (isHeld) await gate.stand();
          const answer = await bucket.store.put(key, ...rest);
          if (isHeld) answers.push(answer.kind);
          return answer;
        },
      });
      const { ours, ran, here, run } = await startDiamond(bucket, python, store);
      await using _ended = here;
      holds = true;
      ours.open();
      await gate.reached;
      await python.open("right");
      await python.event(({ event }) => event === "success");
      expect((await here.record(run.id)).steps.get("right")?.status).toBe("completed");
      gate.open();
      expect(await run.result({ timeout: "60s" })).toEqual(whole);
      expect(answers).toContain("conflict");
      expect(ran.toSorted()).toEqual(["here", "left"]);
      expect(python.events.filter(({ event }) => event === "begin")).toHaveLength(1);
    });
  });

  test.concurrent("21: a step that fails for good in Python tells nobody; its run ends, is held or goes on as onFailure says (W-1)", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const undone: string[] = [];
    const policies = ["fail_workflow", "pause_workflow", "continue", "compensate"] as const;
    const flows = policies.map((onFailure) =>
      workflow(`on_${onFailure}`, { foreign: true })
        .step("before", {
          run: () => 1,
          ...(onFailure === "compensate" ? { compensate: () => void undone.push("before") } : {}),
        })
        .step("r", { dependsOn: ["before"], remote: true, onFailure })
        .step("after", { dependsOn: ["r"], run: () => "went on" }),
    );
    for (const { name } of flows) {
      const r = { name: "r", depends_on: ["before"], script: [[{ raise: "ValueError", message: "no" }]] };
      await python.define({ name, steps: [{ name: "before" }, r, { name: "after", depends_on: ["r"] }] });
    }
    await using here = new OurSide(bucket, ...flows);
    const worker = await here.work();
    const runs = await Promise.all(flows.map((flow) => here.client.start(flow.name, null, { id: flow.name })));
    for (const { id } of runs) {
      await until("its step is there to be claimed", async () => (await tasksOf(bucket, `workflow.step:${id}:r`))[0]);
    }
    // Nobody of ours is there when they fail.
    await worker.stop();
    const options = { ...SELDOM, max_tasks: flows.length };
    await python.work({ worker_id: "py", steps_only: flows.map(({ name }) => `${name}:r`), options });
    await python.worked("py");
    for (const { id } of runs) {
      expect(await tasksOf(bucket, `workflow.step:${id}:r`)).toMatchObject([{ status: "failed", attempt: 1 }]);
      const record = await here.record(id);
      expect([record.status, record.steps.get("r")?.status]).toEqual(["running", "running"]);
    }
    expect(await tasksOf(bucket, FOREIGN_TICK_TYPE)).toEqual([]);
    await here.work();
    const [failed, held, passed, compensated] = await Promise.all(
      runs.map((run, index) => here.reached(run.id, ["failed", "paused", "completed", "failed"][index] ?? "")),
    );
    expect(failed?.error).toMatchObject({ step: "r", message: "ValueError: no" });
    expect(held?.steps.get("r")).toMatchObject({ status: "failed" });
    expect(passed?.steps.get("after")?.result?.read()).toBe("went on");
    expect(compensated?.error).toMatchObject({ step: "r" });
    expect(undone).toEqual(["before"]);
    await runs[1]?.skip("r");
    expect(await runs[1]?.result({ timeout: "60s" })).toEqual({ after: "went on" });
  });

  test.concurrent("29: names with +, :, spaces and letters beyond ASCII mean the same on both sides", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const odd = workflow("prüfung 2+2 😀")
      .step("prüfen + mehr: é", { remote: true })
      .signal("weiter: ja+nein", { dependsOn: ["prüfen + mehr: é"], schema: z.string() })
      .step("日本", { dependsOn: ["weiter: ja+nein"], run: (ctx) => ({ heard: ctx.results["weiter: ja+nein"] }) });
    const steps: PeerWorkflow["steps"] = [
      { name: "prüfen + mehr: é", script: [[{ echo: true }]] },
      { name: "weiter: ja+nein", depends_on: ["prüfen + mehr: é"] },
      { name: "日本", depends_on: ["weiter: ja+nein"] },
    ];
    expect(await python.define({ name: odd.name, steps })).toBe(odd.definitionHash);
    await python.call("queue", "now");
    await python.work({ worker_id: "py+1: é", steps_only: [odd.name], options: SELDOM });
    await using here = new OurSide(bucket, odd);
    await here.work();
    const run = await here.client.start(odd.name, { ключ: "значение" }, { id: "lauf+1: ü" });
    await here.reached(run.id, "waiting_signal");
    await run.signal("weiter: ja+nein", "ja");
    expect(await run.result({ timeout: "60s" })).toEqual({ 日本: { heard: "ja" } });
    expect(JSON.parse(await bucket.body(stepResultKey(run.id, "prüfen + mehr: é")))).toEqual({ ключ: "значение" });
    const cursor = (await here.record(run.id)).signals.get("weiter: ja+nein")?.cursor;
    expect(await python.call("workflow", "count_signals", {}, [run.id, "weiter: ja+nein", cursor])).toBe(0);
  });

  test.concurrent("Python's client reads our runs, their steps, their tasks and the history of these", async () => {
    const bucket = await server.bucket();
    await using python = await Peer.start(bucket);
    const told = workflow("told")
      .step("a", { run: () => ({ n: [1, null, "é"] }), compensate: () => {} })
      .step("b", {
        dependsOn: ["a"],
        retryPolicy: { initialMs: 10, maxMs: 10 },
        retries: 1,
        run: () => {
          throw new Error("no");
        },
      });
    await using here = new OurSide(bucket, told);
    await here.work();
    const run = await here.client.start(told, { by: "typescript" });
    await run.wait({ timeout: "60s" });
    expect(await python.client("exists", [run.id])).toBe(true);
    expect(await python.client("list", [])).toEqual([run.id]);
    expect(await python.client("get", [run.id])).toMatchObject({
      id: run.id,
      type: "told",
      status: "failed",
      data: { by: "typescript" },
      error: { type: "StepFailed", message: "Error: no", step: "b", attempt: 2 },
    });
    const state = (await python.call("workflow", "get_workflow_state", {}, [run.id])) as [{ steps: unknown }, string];
    expect(state[0].steps).toMatchObject({
      a: { status: "completed", result: { n: [1, null, "é"] } },
      b: { status: "failed" },
    });
    const tasks = await Promise.all(
      (await bucket.keys("tasks/")).map((key) => python.get(key.slice("tasks/0/".length, -".json".length))),
    );
    const types = tasks.map((task) => [task?.["task_type"], task?.status]).toSorted();
    expect(types).toEqual([
      ["workflow.step:told:a", "completed"],
      ["workflow.step:told:b", "failed"],
      ["workflow.tick:told", "completed"],
      ["workflow.undo:told:a", "completed"],
    ]);
    const listed = await python.call<PeerTask[]>("queue", "list", { shard: tasks[0]?.id.slice(0, 1) });
    expect(listed.map(({ id }) => id)).toContain(tasks[0]?.id);
  });
});
