/**
 * Has the real package write one object of every kind and says what stands in the bucket then. `npm run record:golden` puts the objects
 * into `test/golden`; a test compares their shape with what is stored there.
 *
 * What is in `test/golden` and not here was written by buquet's command line or its Rust library, which the Python package does not hold.
 */
import { LosslessNumber } from "lossless-json";
import { stateKey, taskKey, workerKey } from "../../src/keys.ts";
import { parseJson } from "../../src/wire/json.ts";
import { reached } from "./helpers.ts";
import { type Instruction, Peer, type PeerTask, type PeerWorker, type PeerWorkflow } from "./peer.ts";
import { type Bucket, type InteropServer, until } from "./server.ts";

/** One object as it stood in the bucket. */
export interface Recording {
  readonly folder: string;
  readonly name: string;
  readonly key: string;
  readonly body: string;
  /** How it came about. */
  readonly note: string;
}

/** Takes down objects of one bucket. */
class Recorder {
  readonly recordings: Recording[] = [];
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /** An object as it stands now. */
  async keep(folder: string, name: string, key: string, note: string): Promise<void> {
    this.recordings.push({ folder, name, key, body: await this.#bucket.body(key), note });
  }

  /** A task as it stands now. */
  task(name: string, id: string, note: string): Promise<void> {
    return this.keep("tasks", name, taskKey(id), note);
  }

  /** The only key under a prefix that ends so. */
  async index(name: string, prefix: string, id: string, note: string): Promise<void> {
    const key = (await this.#bucket.keys(prefix)).find((candidate) => candidate.endsWith(id));
    if (key === undefined) throw new Error(`there is no key of ${id} under ${prefix}`);
    await this.keep("index", name, key, note);
  }

  /** The successive contents of the record of a run. */
  async writes(tag: string, runId: string, note: string): Promise<void> {
    const key = stateKey(runId);
    const versions = (await this.#bucket.store.versions(key)).toReversed();
    for (const [index, { versionId }] of versions.entries()) {
      const read = await this.#bucket.store.getVersion(key, versionId);
      if (read.kind === "missing") throw new Error(`a version of ${key} is missing`);
      const { body } = read.object;
      const { status } = JSON.parse(body) as { status: string };
      const name = `${tag}-${String(index).padStart(2, "0")}-${status}`;
      this.recordings.push({ folder: "workflow-state", name, key, body, note: `${note}; write number ${index}` });
    }
  }
}

const OFFSET = "2031-01-15T10:30:00.500+02:00";

async function recordSubmissions(python: Peer, recorder: Recorder): Promise<void> {
  const mail = { to: "x", b: 1, a: { z: 1, y: [1, 2.5, null, true] } };
  const plain = await python.submit("mail", mail);
  await recorder.task("pending-plain", plain.id, "submit of an input whose members are not sorted");
  await recorder.index("ready-pending-plain", "ready/", plain.id, "ready key of tasks/pending-plain");
  await recorder.keep("clock", "now", "clock/now", "clock probe");
  const all = await python.submit(
    "all_opts",
    { n: 1 },
    {
      timeout_seconds: 77,
      max_retries: 0,
      retry_policy: {
        $retry_policy: { initial_interval_ms: 500, max_interval_ms: 8_000, multiplier: 1.5, jitter_percent: 0.1 },
      },
      schedule_at: { $datetime: "2031-01-15T10:30:00.123456+00:00" },
      max_reschedules: 4,
      expires_at: { $datetime: "2032-01-01T00:00:00+00:00" },
    },
  );
  await recorder.task("pending-all-options", all.id, "submit with every option");
  await recorder.index("ready-scheduled", "ready/", all.id, "ready key of tasks/pending-all-options");
  const floats = ["0.1", "100.0", "1e-05", "1e-06", "1e-07", "1000000000000000.0", "1e+16", "1.5e+300", "-0.0"];
  const integers = ["9223372036854775807", "-9223372036854775808", "18446744073709551615", "0"];
  const more = ["1.2345678901234568e+17", "5e-324", "1e+21", "0.30000000000000004"];
  const numbers = {
    ä: 'é\u2028😀\u007f\u0001"\\/',
    "\uffff": 1,
    "😀": 2,
    f: [...floats, ...more].map((text) => new LosslessNumber(text)),
    i: integers.map((text) => new LosslessNumber(text)),
    "10": 1,
    "9": 2,
    "": 0,
  };
  const nums = await python.submit("nums", numbers);
  await recorder.task("pending-numbers-strings", nums.id, "submit of floats, integers and texts of every kind");
  const scheduled = await python.submit("sched", "x", { schedule_at: { $datetime: OFFSET } });
  await recorder.task("pending-scheduled-offset", scheduled.id, `submit with schedule_at ${OFFSET}`);
  const many = await python.call<PeerTask[]>("queue", "submit_many", {
    tasks: [{ $tuple: ["bulk", { i: 0 }] }, { $tuple: ["bulk", { i: 1 }] }],
    max_retries: 1,
  });
  await recorder.task("pending-submit-many", many[0]?.id ?? "", "submit_many of two tasks");
  const offloaded = { use_payload_refs: true, payload_ref_threshold_bytes: 10 };
  const ref = await python.submit("pref", { b: "yyyyyyyyyyyyyyyyyyyy", a: 1 }, offloaded);
  await recorder.task("pending-input-ref", ref.id, "submit with payload refs above ten bytes");
  await recorder.keep("payloads", "input", `payloads/${ref.id}/input.json`, "payload of tasks/pending-input-ref");
  const ttl = await python.submit("ttl", null, { ttl_seconds: 3_600 });
  await recorder.task("pending-ttl-null-input", ttl.id, "submit of None with ttl_seconds");
}

async function recordIdempotency(python: Peer, bucket: Bucket, recorder: Recorder): Promise<void> {
  const scopes: readonly (readonly [name: string, scope: string | null, days?: number])[] = [
    ["task-type", null],
    ["queue", "queue"],
    ["queue2", "Queue"],
    ["custom", "my ns/1", 7],
  ];
  for (const [name, scope, days] of scopes) {
    const before = new Set(await bucket.keys("idempotency/"));
    const task = await python.submit(
      "charge_customer",
      { order_id: "ORD-123" },
      {
        idempotency_key: `k-${name}`,
        idempotency_scope: scope,
        ...(days === undefined ? {} : { idempotency_ttl_days: days }),
      },
    );
    const key = (await bucket.keys("idempotency/")).find((candidate) => !before.has(candidate)) ?? "";
    await recorder.keep("idempotency", name, key, `submit with a key in scope ${scope}`);
    if (name === "task-type") await recorder.task("pending-idempotent", task.id, "task of idempotency/task-type");
  }
}

async function recordSchedulesAndSchemas(python: Peer, recorder: Recorder): Promise<void> {
  const input = { b: 1, a: new LosslessNumber("2.0") };
  await python.call("queue", "create_schedule", {}, ["daily-report", "generate_report", input, "0 9 * * *"]);
  await recorder.keep("schedules", "plain", "schedules/daily-report.json", "create_schedule");
  const triggered = await python.call<PeerTask>("queue", "trigger_schedule", {}, ["daily-report"]);
  await recorder.task("pending-triggered-schedule", triggered.id, "trigger_schedule");
  const options = { timeout_seconds: 5, max_retries: 0 };
  await python.call("queue", "create_schedule", options, ["opts", "t", null, "*/5 * * * mon-fri"]);
  await recorder.keep("schedules", "options", "schedules/opts.json", "create_schedule with options");
  await python.call("queue", "disable_schedule", {}, ["opts"]);
  await recorder.keep("schedules", "disabled", "schedules/opts.json", "disable_schedule");
  const both = { output: { type: "null" }, input: { type: "object", properties: { z: {}, a: {} } } };
  const schemas: readonly (readonly [name: string, type: string, schema: unknown])[] = [
    ["both", "both", both],
    ["input-only", "inonly", { input: { type: "string" } }],
    ["empty", "empty", {}],
    ["null-and-unknown", "extra", { input: null, foo: 1 }],
  ];
  for (const [name, type, schema] of schemas) {
    await python.call("queue", "publish_schema", {}, [type, schema]);
    await recorder.keep("schemas", name, `schemas/${type}.json`, "publish_schema");
  }
}

/** What a handler raises, with which options of the task. */
const ENDS: readonly (readonly [name: string, instruction: Instruction, options?: Record<string, unknown>])[] = [
  ["failed-permanent", { raise: "PermanentError", message: "bad card" }],
  ["failed-valueerror", { raise: "ValueError", message: "nope" }],
  ["failed-retries-exhausted", { raise: "RetryableError", message: "again" }, { max_retries: 0 }],
  ["pending-after-retry", { raise: "RetryableError", message: "again" }],
  ["pending-after-connectionerror", { raise: "ConnectionError", message: "boom" }],
  ["pending-rescheduled", { reschedule: 90 }],
  ["failed-max-reschedules", { reschedule: 5 }, { max_reschedules: 0 }],
  ["fail-timeouterror", { raise: "TimeoutError", message: "t" }],
  ["fail-text-Connection-error", { raise: "Exception", message: "Connection error x" }],
  ["retry-by-substring", { raise: "ValueError", message: "blah ConnectionError blah" }],
  ["failed-custom-class", { raise: "ConnectionErrorX", message: "q" }],
];

async function recordWork(python: Peer, bucket: Bucket, recorder: Recorder): Promise<void> {
  const typeOf = (name: string): string => `f_${name.replaceAll("-", "_")}`;
  const output = { ok: true, b: 1, a: new LosslessNumber("100.0") };
  const run = await python.submit("hrun", { x: 1 });
  const flagged = await python.submit("hcr", {});
  const nothing = await python.submit("hnone", {});
  const expired = await python.submit("e2", {}, { expires_at: { $datetime: "2026-01-01T00:00:00+00:00" } });
  const ends = await Promise.all(
    ENDS.map(async ([name, instruction, options]) => {
      const { id } = await python.submit(typeOf(name), {}, options);
      return { name, id, note: `a handler did ${JSON.stringify(instruction)}` };
    }),
  );
  await python.work({
    worker_id: "worker-golden",
    handlers: {
      hrun: [[{ gate: "running" }, { extend: 600 }, { gate: "extended" }, { return: output }]],
      hcr: [[{ gate: "flagged" }, { return: 1 }]],
      hnone: [[{ return: null }]],
      ...Object.fromEntries(ENDS.map(([name, instruction]) => [typeOf(name), [[instruction]]])),
    },
    // Some of them are ready again within a second, and are not to be run again: the worker ends before, by this number.
    options: { max_tasks: ENDS.length + 3 },
  });
  const holding = async (): Promise<void> => {
    await python.begun("hrun");
    await recorder.task("running", run.id, "read inside the handler");
    await recorder.index("lease-running", "leases/", run.id, "lease key of tasks/running");
    await python.open("running");
    await python.event(({ event }) => event === "extended");
    await recorder.task("running-extended", run.id, "after extend_lease(600)");
    await recorder.index("lease-extended", "leases/", run.id, "lease key of tasks/running-extended");
    await python.open("extended");
  };
  const flagging = async (): Promise<void> => {
    await python.begun("hcr");
    await python.call("queue", "request_cancellation", { task_id: flagged.id });
    await recorder.task("running-cancel-requested", flagged.id, "request_cancellation during the handler");
    await python.open("flagged");
  };
  await Promise.all([holding(), flagging()]);
  await python.worked("worker-golden");
  await recorder.task("completed", run.id, "completed after its lease was extended");
  await recorder.task("completed-cancel-requested", flagged.id, "completed though its cancellation was requested");
  await recorder.task("completed-null-output", nothing.id, "a handler returned None");
  await python.work({ worker_id: "worker-late", handlers: { e2: [[{ return: 1 }]] } });
  await reached(bucket, expired.id, "expired");
  await recorder.task("expired-at-claim", expired.id, "its expires_at had passed when a worker came to claim it");
  for (const { name, id, note } of ends) await recorder.task(name, id, note);
  const again = ends.find(({ name }) => name === "pending-after-retry")?.id ?? "";
  await recorder.index("ready-after-retry", "ready/", again, "ready key of tasks/pending-after-retry");
}

async function recordCancels(python: Peer, recorder: Recorder): Promise<void> {
  const [c1, c2, e1] = [
    await python.submit("c1", {}),
    await python.submit("c2", {}),
    await python.submit("e1", {}, { ttl_seconds: 1 }),
  ];
  const why = { reason: "no longer needed", cancelled_by: "user:bob" };
  await python.call("queue", "cancel", { task_id: c1.id, ...why });
  await recorder.task("cancelled-reason-by", c1.id, "cancel with reason and cancelled_by");
  await python.call("queue", "cancel", { task_id: c2.id });
  await recorder.task("cancelled-plain", c2.id, "cancel without either");
  await python.call("queue", "mark_expired", { task_id: e1.id });
  await recorder.task("expired-marked", e1.id, "mark_expired");
}

async function recordWorkers(bucket: Bucket, recorder: Recorder): Promise<void> {
  const key = workerKey("worker-golden");
  await using python = await Peer.start(bucket);
  // Ids are made until they fall into the shards of this worker.
  const shards = ["0", "1", "a"];
  const inShards = async (type: string): Promise<PeerTask> => {
    for (;;) {
      const task = await python.submit(type, {});
      if (shards.includes(String(task["shard"]))) return task;
    }
  };
  await python.work({
    worker_id: "worker-golden",
    shards,
    handlers: { good: [[{ gate: "first" }, { return: 1 }], [{ return: 1 }]], bad: [[{ raise: "PermanentError" }]] },
    options: { heartbeat_interval_s: 1 },
  });
  await recorder.keep("workers", "registered", key, "after its start");
  await inShards("good");
  await python.begun("good");
  await recorder.keep("workers", "during-task", key, "read while its first handler runs");
  await inShards("good");
  await inShards("bad");
  await python.open("first");
  await until("a heartbeat that counts three tasks", async () => {
    const body = await bucket.body(key);
    return /"tasks_completed":2,"tasks_failed":1/u.test(body) || undefined;
  });
  await recorder.keep("workers", "after-tasks", key, "a heartbeat after two tasks that went well and one that did not");
}

/** A worker is killed in the midst of two handlers; another one's monitor takes their tasks back. */
async function recordCrash(bucket: Bucket, recorder: Recorder): Promise<void> {
  await using monitor = await Peer.start(bucket);
  const crash = async (type: string, options: Record<string, unknown>): Promise<string> => {
    const dying = await Peer.start(bucket);
    const task = await dying.submit(type, {}, { timeout_seconds: 2, ...options });
    await dying.work({
      worker_id: "worker-crashed",
      shards: [String(task["shard"])],
      handlers: { [type]: [[{ kill: true }]] },
    });
    await dying.event(({ event }) => event === "begin");
    await dying[Symbol.asyncDispose]();
    return task.id;
  };
  const [retried, exhausted] = [await crash("crash_retry", {}), await crash("crash_exhausted", { max_retries: 0 })];
  await recorder.task("running-orphaned", retried, "its worker was killed inside the handler");
  await recorder.keep("workers", "orphaned", workerKey("worker-crashed"), "registration of a worker that was killed");
  await monitor.work({ worker_id: "monitor", options: { with_monitor: true, monitor_check_interval_s: 1 } });
  await reached(bucket, retried, "pending");
  await recorder.task("pending-after-lease-timeout", retried, "taken back by the monitor");
  await reached(bucket, exhausted, "failed");
  await recorder.task("failed-after-lease-timeout", exhausted, "failed by the monitor, no retry left");
}

const LINEAR: PeerWorkflow = {
  name: "linear",
  steps: [
    { name: "a", script: [[{ return: { z: 1, a: [new LosslessNumber("1.0"), null] } }]] },
    { name: "b", depends_on: ["a"], retries: 1, timeout: 60, script: [[{ return: null }]] },
    { name: "c", depends_on: ["b"], script: [[{ return: "text" }]] },
  ],
};

async function recordLinear(python: Peer, bucket: Bucket, recorder: Recorder): Promise<void> {
  await python.define(LINEAR);
  const data = { order: "ORD-1", amount: 99.5, n: { z: 1, a: 2 } };
  await python.client("start", [{ $workflow: "linear" }, data], { workflow_id: "wf-linear" });
  await recorder.keep("workflow-state", "started", stateKey("wf-linear"), "WorkflowClient.start, no worker running");
  const key = (await bucket.keys("idempotency/workflow.orchestrate/"))[0] ?? "";
  await recorder.keep("idempotency", "workflow-start", key, "record of the first tick");
  const { task_id } = JSON.parse(await bucket.body(key)) as { task_id: string };
  await recorder.task("workflow-orchestrate-start", task_id, "tick submitted by WorkflowClient.start");
  await python.work({ worker_id: "worker-wf", workflows: ["linear"], options: { max_tasks: 7 } });
  await python.worked("worker-wf");
  await recorder.writes("linear3", "wf-linear", "linear a, b, c");
  for (const step of ["a", "b", "c"])
    await recorder.keep("step-results", `linear-${step}`, `workflow/wf-linear/steps/${step}.json`, `result of ${step}`);
  const tasks = await Promise.all(
    (await bucket.keys("tasks/")).map(async (task) => ({ task, body: await bucket.body(task) })),
  );
  const named = new Map<string, { task: string; output: string }>();
  for (const { task, body } of tasks) {
    const { task_type, output } = JSON.parse(body) as { task_type: string; output: object };
    const members = Object.keys(output).filter((name) => name !== "workflow_id");
    const name =
      task_type === "workflow.orchestrate"
        ? `wf-completed-orchestrate-${members.toSorted().join("-")}`
        : `wf-completed-${task_type.replaceAll(":", "_")}`;
    const text = JSON.stringify(output);
    // Of the ticks that submitted a step the one that submitted the last.
    if (text > (named.get(name)?.output ?? "")) named.set(name, { task, output: text });
  }
  for (const [name, { task }] of named) await recorder.keep("tasks", name, task, "task of a run that went through");
}

async function recordClient(python: Peer, bucket: Bucket, recorder: Recorder): Promise<void> {
  const start = (id: string): Promise<unknown> =>
    python.client("start", [{ $workflow: "linear" }, { k: 1 }], { workflow_id: id });
  const keep = (name: string, id: string, note: string): Promise<void> =>
    recorder.keep("workflow-state", name, stateKey(id), note);
  await start("wf-cli-cancel");
  await python.client("cancel", ["wf-cli-cancel"], { reason: "stop it" });
  await keep("client-cancel", "wf-cli-cancel", "WorkflowClient.cancel");
  await start("wf-cli-pause");
  await python.client("pause", ["wf-cli-pause"]);
  await keep("client-pause", "wf-cli-pause", "WorkflowClient.pause");
  await python.client("cancel", ["wf-cli-pause"]);
  await keep("client-cancel-paused", "wf-cli-pause", "WorkflowClient.cancel of a paused run, without reason");
  await start("wf-cli-resume");
  await python.client("pause", ["wf-cli-resume"]);
  await python.client("resume", ["wf-cli-resume"]);
  await keep("client-resume", "wf-cli-resume", "WorkflowClient.resume");
  const signals: readonly (readonly [name: string, run: string, signal: string, payload: unknown])[] = [
    ["client-signal", "wf-cli-signal", "approval", { ok: true, by: "x" }],
    ["null-payload-no-workflow", "does-not-exist", "s", null],
  ];
  for (const [name, run, signal, payload] of signals) {
    await python.client("signal", [run, signal, payload]);
    const key = (await bucket.keys(`workflow/${run}/signals/`))[0] ?? "";
    await recorder.keep("signals", name, key, "WorkflowClient.signal");
  }
}

/** Starts a run on a bucket of its own, with whatever is to happen to it; its record is kept at every write. */
async function recordRun(
  server: InteropServer,
  tag: string,
  definition: PeerWorkflow,
  play: (python: Peer, id: string, bucket: Bucket) => Promise<void>,
  note: string,
): Promise<readonly Recording[]> {
  const bucket = await server.bucket({ versioned: true });
  const recorder = new Recorder(bucket);
  await using python = await Peer.start(bucket);
  await python.define(definition);
  const id = `wf-${definition.name}`;
  await python.client("start", [{ $workflow: definition.name }, {}], { workflow_id: id });
  await play(python, id, bucket);
  await recorder.writes(tag, id, note);
  return recorder.recordings;
}

const OK: readonly Instruction[] = [{ return: { ok: true } }];
const tick = (python: Peer, id: string): Promise<unknown> => python.submit("workflow.orchestrate", { workflow_id: id });

/** Waits until a worker has gone through so many tasks. */
async function passed(python: Peer, worker: PeerWorker, tasks: number): Promise<void> {
  await python.work({ ...worker, options: { max_tasks: tasks } });
  await python.worked(worker.worker_id);
}

function recordRuns(server: InteropServer): readonly Promise<readonly Recording[]>[] {
  const gated: readonly Instruction[] = [{ gate: "a" }, { return: 1 }];
  const two = (name: string, first: readonly Instruction[]): PeerWorkflow => ({
    name,
    steps: [
      { name: "a", script: [first] },
      { name: "b", depends_on: ["a"], script: [OK] },
    ],
  });
  const sig: PeerWorkflow = {
    name: "sig",
    steps: [
      { name: "ask", script: [[{ wait_signal: "approval", as: "got" }]] },
      { name: "act", depends_on: ["ask"], script: [OK] },
    ],
  };
  const sideBySide = (name: string): PeerWorkflow => ({
    name,
    steps: [
      { name: "a", script: [OK] },
      { name: "b", script: [OK] },
    ],
  });
  const one = (name: string): PeerWorkflow => ({ name, steps: [{ name: "a", script: [OK] }] });
  return [
    recordRun(
      server,
      "signal",
      sig,
      async (python, id) => {
        await python.client("signal", [id, "approval", { ok: true }]);
        await passed(python, { worker_id: "w", workflows: ["sig"] }, 5);
      },
      "ask waits for the signal approval; act",
    ),
    recordRun(
      server,
      "cancel-during-step",
      two("can", gated),
      async (python, id) => {
        await python.work({ worker_id: "w", workflows: ["can"], options: { max_tasks: 3 } });
        await python.begun("a");
        await python.client("cancel", [id], { reason: "enough" });
        await python.open("a");
        await python.worked("w");
      },
      "cancelled while step a was running",
    ),
    recordRun(
      server,
      "pause-resume",
      two("pau", gated),
      async (python, id) => {
        await python.work({ worker_id: "w", workflows: ["pau"], options: { max_tasks: 3 } });
        await python.begun("a");
        await python.client("pause", [id], { reason: "hold" });
        await python.open("a");
        await python.worked("w");
        await python.client("resume", [id]);
        await passed(python, { worker_id: "w2", workflows: ["pau"] }, 3);
      },
      "paused while step a was running, then resumed",
    ),
    recordRun(
      server,
      "version-mismatch",
      one("ver"),
      async (python) => {
        await python.define(sideBySide("ver"));
        await passed(python, { worker_id: "w", workflows: ["ver"] }, 1);
      },
      "a worker runs another definition of the same workflow",
    ),
    recordRun(
      server,
      "step-task-cancelled",
      sideBySide("stepcan"),
      async (python, id, bucket) => {
        await passed(python, { worker_id: "w", orchestrates: ["stepcan"] }, 1);
        const state = JSON.parse(await bucket.body(stateKey(id))) as { steps: Record<string, { task_id: string }> };
        await python.call("queue", "cancel", { task_id: state.steps["a"]?.task_id, reason: "task gone" });
        await tick(python, id);
        await passed(python, { worker_id: "w2", orchestrates: ["stepcan"] }, 1);
      },
      "the task of step a was cancelled, then a tick by hand",
    ),
    recordRun(
      server,
      "step-failure-manual-tick",
      two("failsolo", [{ raise: "PermanentError", message: "boom" }]),
      async (python, id) => {
        await passed(python, { worker_id: "w", workflows: ["failsolo"] }, 2);
        await tick(python, id);
        await passed(python, { worker_id: "w2", workflows: ["failsolo"] }, 1);
      },
      "the only step that could run fails; a tick by hand",
    ),
    recordRun(
      server,
      "reconciled",
      one("rec"),
      async (python, id) => {
        const bare = { success: true, result: { r: 1 }, step: "a" };
        await passed(
          python,
          { worker_id: "w", orchestrates: ["rec"], handlers: { "workflow.step:rec:a": [[{ return: bare }]] } },
          2,
        );
        await tick(python, id);
        await passed(python, { worker_id: "w2", orchestrates: ["rec"] }, 1);
      },
      "the task of the step is completed by a bare handler; the next tick takes its result over",
    ),
  ];
}

/** Every object that can be had from the Python package. */
export async function recordGolden(server: InteropServer): Promise<readonly Recording[]> {
  const plain = async (
    versioned: boolean,
    ...acts: ((python: Peer, bucket: Bucket, recorder: Recorder) => Promise<void>)[]
  ) => {
    const bucket = await server.bucket({ versioned });
    const recorder = new Recorder(bucket);
    await using python = await Peer.start(bucket);
    for (const act of acts) await act(python, bucket, recorder);
    return recorder.recordings;
  };
  const recordings = await Promise.all([
    plain(
      false,
      (python, _bucket, recorder) => recordSubmissions(python, recorder),
      recordIdempotency,
      (python, _bucket, recorder) => recordSchedulesAndSchemas(python, recorder),
      (python, _bucket, recorder) => recordCancels(python, recorder),
    ),
    plain(false, recordWork),
    plain(false, (_python, bucket, recorder) => recordWorkers(bucket, recorder)),
    plain(false, (_python, bucket, recorder) => recordCrash(bucket, recorder)),
    plain(true, recordLinear, recordClient),
    ...recordRuns(server),
  ]);
  return recordings.flat();
}

const sortedSteps = (names: string): string =>
  `"current_steps":${JSON.stringify((parseJson(names) as string[]).toSorted())}`;

/** Key and body with what differs from one recording to the next blanked. */
export function shapeOf({ key, body }: { readonly key: string; readonly body: string }): string {
  return `${key} ${body}`
    .replaceAll(/[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}/gu, "<uuid>")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:]{8}(?:\.\d+)?(Z|\+00:00)/gu, "<instant>$1")
    .replaceAll(/"shard":"[\da-f]"/gu, '"shard":"<digit>"')
    .replaceAll(/(tasks|ready|leases)\/[\da-f]\//gu, "$1/<digit>/")
    .replaceAll(/\/\d{10}\//gu, "/<minute>/")
    .replaceAll(
      /("worker_id":"worker-[^"]*","started_at":"[^"]*","last_heartbeat":"[^"]*","shards":)\[[^\]]*\]/gu,
      "$1[]",
    )
    .replace(/"current_steps":(\[[^\]]*\])/u, (_all, names: string) => sortedSteps(names));
}
