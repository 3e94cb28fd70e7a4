/** A whole fleet in one process: clients, workers that crash and come back, and checks of what must hold after every history. */
import { WorkflowClient } from "../../src/client/client.ts";
import { handleOf } from "../../src/queue/handle.ts";
import type { AnyWorkflow } from "../../src/define/workflow.ts";
import { PermanentError } from "../../src/errors.ts";
import { workflow } from "../../src/index.ts";
import { ACTIVE_PREFIX, minuteOf, stateKey, stepResultKey } from "../../src/keys.ts";
import { isOver, type RunRecord } from "../../src/run/record/record.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { Worker } from "../../src/services/worker.ts";
import { type FaultPlan, World, type WorldOptions } from "./world/index.ts";
import { stringifyJson } from "../../src/wire/json.ts";

/** What the handlers did, seen from outside the bucket. */
export interface Effect {
  readonly run: string;
  readonly step: string;
  readonly kind: "run" | "undo";
  readonly key: string;
  readonly atMs: number;
}

/** What is expected of one run. */
export interface Expectation {
  readonly id: string;
  readonly allowed: readonly RunRecord["status"][];
  /** Steps with an undo. */
  readonly undoable: readonly string[];
}

/** Everything about one history. */
export interface History {
  readonly seed: string;
  readonly problems: readonly string[];
  readonly struck: readonly FaultPlan[];
  readonly requests: number;
  readonly world: World;
}

function makeWorkflows(effects: Effect[], now: () => number): AnyWorkflow[] {
  const did = (kind: "run" | "undo") => (context: { runId: string; step: string; idempotencyKey: string }) => {
    effects.push({ run: context.runId, step: context.step, kind, key: context.idempotencyKey, atMs: now() });
  };
  const run = did("run");
  const undo = did("undo");
  const linear = workflow("linear")
    .step("a", (context) => {
      run(context);
      return { n: effects.length };
    })
    .step("b", {
      dependsOn: ["a"],
      run: (context) => {
        run(context);
        return { n: effects.length, a: context.results.a.n };
      },
    })
    .step("c", {
      dependsOn: ["b"],
      run: (context) => {
        run(context);
        return { b: context.results.b.n };
      },
    });
  const saga = workflow("saga")
    .step("reserve", { run: (context) => run(context), compensate: (context) => undo(context) })
    .step("charge", { run: (context) => run(context), compensate: (context) => undo(context) })
    .step("ship", {
      dependsOn: ["reserve", "charge"],
      run: (context) => {
        run(context);
        throw new PermanentError("no truck");
      },
    });
  const approval = workflow("approval").step("wait", async (context) => {
    const signal = await context.waitForSignal("go");
    run(context);
    return { got: String((signal as { by?: unknown } | undefined)?.by) };
  });
  const gate = workflow("gate")
    .step("ask", (context) => run(context))
    .signal("answer", { dependsOn: ["ask"], timeout: "90s", onTimeout: "continue" })
    .step("tell", { dependsOn: ["answer"], run: (context) => run(context) });
  const slow = workflow("slow")
    .step("first", { run: (context) => run(context), compensate: (context) => undo(context) })
    .step("long", {
      dependsOn: ["first"],
      run: async (context) => {
        await sleeper.sleep(25_000);
        run(context);
      },
      compensate: (context) => undo(context),
    })
    .step("last", { dependsOn: ["long"], run: (context) => run(context) });
  const sleeper = { sleep: (ms: number): Promise<void> => sleeping.sleep(ms) };
  return [linear, saga, approval, gate, slow];
}

/** Where long handlers sleep: on the virtual clock of whoever runs them. */
const sleeping: { sleep: (ms: number) => Promise<void> } = { sleep: async () => {} };

/** Retries of the steps of the fleet: the default. */
const RETRIES = 3;

/** Faults at work until the world calms down. */
export const ROUGH: NonNullable<WorldOptions["rates"]> = {
  "crash-before": 0.004,
  "crash-after": 0.004,
  "reply-lost": 0.01,
  "request-lost": 0.01,
  late: 0.005,
  unavailable: 0.01,
  freeze: 0.002,
};

/** Plays one history. */
export async function playHistory(
  seed: string,
  options: Pick<WorldOptions, "rates" | "faults"> = { rates: ROUGH },
): Promise<History> {
  const effects: Effect[] = [];
  const world: World = new World(seed, {
    ...options,
    latency: { minMs: 5, maxMs: 60 },
    calmAtMs: 240_000,
    keepTrace: true,
    onCrash: (process) => {
      if (process.name.startsWith("worker")) world.after(3_000, () => startWorker(process.name));
    },
  });
  const workflows = makeWorkflows(effects, () => world.nowMs);
  const startWorker = (name: string): void => {
    const process = world.spawn(name, { clockOffsetMs: name === "worker-1" ? 900 : -700 });
    sleeping.sleep = (ms) => process.host.clock.sleep(ms);
    void new Worker(handleOf(process.store, process.host), { workflows, id: name })
      .start()
      .catch(() => process.crash());
  };
  startWorker("worker-1");
  startWorker("worker-2");
  const expected: Expectation[] = [
    { id: "run-linear", allowed: ["completed"], undoable: [] },
    { id: "run-saga", allowed: ["failed"], undoable: ["reserve", "charge"] },
    { id: "run-approval", allowed: ["completed"], undoable: [] },
    { id: "run-gate", allowed: ["completed"], undoable: [] },
    { id: "run-slow", allowed: ["completed", "cancelled"], undoable: ["first", "long"] },
  ];
  const client = world.spawn("client", { rates: {} });
  const remote = new WorkflowClient(handleOf(client.store, client.host), { workflows });
  let asked = false;
  void (async () => {
    for (const { id } of expected) await remote.start(id.slice("run-".length), {}, { id });
    await client.host.clock.sleep(world.nowMs % 7_000);
    await remote.signal("run-approval", "go", { by: "me" });
    await client.host.clock.sleep(1_000 + ((seed.length * 977) % 20_000));
    await remote.cancel("run-slow");
    asked = true;
  })().catch((error: unknown) => problems.push(`client: ${String(error)}`));
  const problems: string[] = [];
  const read = async (id: string): Promise<RunRecord | undefined> => {
    const found = await world.store.get(stateKey(id));
    return found.kind === "found" ? decodeRecord(found.object.body, stateKey(id)) : undefined;
  };
  const allOver = async (): Promise<boolean> => {
    if (!asked) return false;
    for (const { id } of expected) {
      const record = await read(id);
      if (record === undefined || !isOver(record.status)) return false;
    }
    return true;
  };
  let looks = 0;
  const end = await world.run({
    until: () => {
      looks += 1;
      return looks % 50 === 0 ? allOver() : false;
    },
    maxVirtualMs: 3_600_000,
    maxActions: 400_000,
  });
  if (end.kind !== "done") problems.push(`the fleet did not finish: ${end.kind}`);
  world.calm();
  // Everything that was left behind is found by a monitor or at the next check.
  await world.advance(1_500_000);
  for (const expectation of expected)
    problems.push(...(await checkRun(world, expectation, await read(expectation.id), effects)));
  problems.push(...(await checkIndexes(world)));
  return { seed, problems, struck: world.struck, requests: world.counters.total, world };
}

async function checkRun(
  world: World,
  expectation: Expectation,
  record: RunRecord | undefined,
  effects: readonly Effect[],
): Promise<string[]> {
  const { id } = expectation;
  if (record === undefined) return [`${id}: no record`];
  const problems: string[] = [];
  // A step that lost its worker more often than it has retries fails, and the run says so (protocol 1.2).
  // It takes a fault for each loss, and one loss more than there are retries: with fewer faults it is a mistake of the engine.
  const canHaveRunOut = world.struck.length > RETRIES;
  const lostTooOften = canHaveRunOut && record.status === "failed" && record.error?.type === "WorkerLost";
  if (!lostTooOften && !expectation.allowed.includes(record.status)) {
    problems.push(
      `${id}: ended ${record.status}, not ${expectation.allowed.join(" or ")} (${JSON.stringify(record.error)})`,
    );
  }
  const mine = effects.filter((effect) => effect.run === id);
  for (const step of new Set(mine.map((effect) => effect.step))) {
    const keys = new Set(mine.filter((effect) => effect.step === step).map((effect) => effect.key));
    if (keys.size !== 1) problems.push(`${id}: step ${step} saw the idempotency keys ${[...keys].join(", ")}`);
  }
  for (const [name, state] of record.steps) {
    const stored = await world.store.get(stepResultKey(id, name));
    if (state.status === "completed") {
      if (stored.kind === "missing") problems.push(`${id}: no steps/${name}.json`);
      else if (stored.object.body !== stringifyJson(state.result ?? null))
        problems.push(`${id}: steps/${name}.json differs from the record`);
    }
  }
  const undone = record.status !== "completed";
  // An undo whose workers died too often is collected, and the run says so (P61).
  const givenUp = new Set(canHaveRunOut ? record.machine?.compensation_errors.map((error) => error.step) : []);
  for (const step of expectation.undoable.filter((name) => !givenUp.has(name))) {
    const undos = mine.filter((effect) => effect.step === step && effect.kind === "undo");
    const runs = mine.filter((effect) => effect.step === step && effect.kind === "run");
    const completed = record.steps.get(step)?.status === "completed";
    if (undone && completed && undos.length === 0) problems.push(`${id}: ${step} completed and was not undone`);
    if (!undone && undos.length > 0) problems.push(`${id}: ${step} was undone in a run that ${record.status}`);
    const firstUndo = Math.min(...undos.map((effect) => effect.atMs));
    if (completed && runs.some((effect) => effect.atMs > firstUndo)) problems.push(`${id}: ${step} ran after its undo`);
    if (undone && runs.length > 0 && undos.length === 0)
      problems.push(`${id}: ${step} may have happened and was not undone`);
  }
  return problems;
}

/** Index keys of tasks that are over must not stay. */
async function checkIndexes(world: World): Promise<string[]> {
  const problems: string[] = [];
  for (const prefix of ["ready/", "leases/", ACTIVE_PREFIX]) {
    const page = await world.store.list(prefix);
    for (const { key } of page.objects) {
      const minute = key.split("/")[2] ?? "";
      // A lease key that is still in its time is looked at when it runs out. A run that is over is not to be looked at any more; only
      // where a request was late or a worker died may an entry be left, and it is deleted when its minute comes.
      const isExcused = prefix !== ACTIVE_PREFIX || world.struck.length > 0;
      const later = isExcused && minute > minuteOf(world.store.time().latest - 120_000);
      if (!later) problems.push(`index key left behind: ${key}`);
    }
  }
  return problems;
}
