/**
 * Programs on the bucket that do not know us: real buquet clients, workers, monitors and sweepers, as far as their requests go. They
 * rewrite a record without the members that they do not know.
 */
import type { QueueContext } from "../../src/queue/task.ts";
import { submitTask } from "../../src/queue/submit.ts";
import {
  LEASES_PREFIX,
  leaseKey,
  parseIndexKey,
  READY_PREFIX,
  readyKey,
  signalKey,
  stateKey,
  stepResultKey,
  taskKey,
} from "../../src/keys.ts";
import { FOREIGN_TICK_TYPE, executionTaskId } from "../../src/run/tasks.ts";
import { Chance, mixSeed, type World } from "./world/index.ts";

/** What an outsider does to one run. */
export type Outsider = "completer" | "sender" | "pauser" | "canceller" | "python" | "monitor" | "sweeper";

type Plain = Record<string, unknown>;

/** Lets an outsider act on a run, each at instants that the seed says. */
export function letAct(world: World, outsider: Outsider, runId: string): void {
  const process = world.spawn(outsider, { rates: {} });
  const queue: QueueContext = { store: process.store, host: process.host, skewMarginMs: 0 };
  const chance = new Chance(mixSeed(world.seed, "outsider", outsider));
  const sleep = (leastMs: number, mostMs: number): Promise<void> =>
    process.host.clock.sleep(chance.between(leastMs, mostMs));
  void ACTS[outsider]({ queue, runId, sleep, now: () => queue.store.time().latest });
}

interface Act {
  readonly queue: QueueContext;
  readonly runId: string;
  readonly sleep: (leastMs: number, mostMs: number) => Promise<void>;
  readonly now: () => number;
}

const ACTS: Readonly<Record<Outsider, (act: Act) => Promise<void>>> = {
  sender: async ({ queue, runId, sleep, now }) => {
    await sleep(500, 60_000);
    await exists(queue, runId, sleep);
    await putSignal(queue, runId, "go", { n: 1 }, now());
  },
  completer: async (act) => {
    await exists(act.queue, act.runId, act.sleep);
    for (let look = 0; look < 8; look += 1) {
      await act.sleep(100, 4_000);
      if (await completeSomeStep(act)) return;
    }
  },
  pauser: async (act) => {
    await act.sleep(0, 20_000);
    await exists(act.queue, act.runId, act.sleep);
    const paused = await rewrite(act, (plain) =>
      plain["status"] === "running" || plain["status"] === "waiting_signal"
        ? { ...plain, status: "paused", error: { type: "Paused", message: "by python" } }
        : undefined,
    );
    if (!paused) return;
    await act.sleep(1_000, 60_000);
    const resumed = await rewrite(act, (plain) => {
      const { error: _gone, ...rest } = plain;
      return plain["status"] === "paused" ? { ...rest, status: "running" } : undefined;
    });
    if (resumed) await submitTask(act.queue, FOREIGN_TICK_TYPE, { workflow_id: act.runId });
  },
  canceller: async (act) => {
    await act.sleep(0, 40_000);
    await exists(act.queue, act.runId, act.sleep);
    await rewrite(act, (plain) =>
      isOver(plain) ? undefined : { ...plain, status: "cancelled", error: { type: "Cancelled", message: "by python" } },
    );
  },
  python: (act) => runRemoteStep(act),
  monitor: async (act) => {
    for (;;) {
      await act.sleep(20_000, 40_000);
      await failExpired(act);
    }
  },
  sweeper: async (act) => {
    // At any moment, as long as something happens.
    for (const until = act.now() + 120_000; act.now() < until;) {
      await act.sleep(5, 100);
      await sweepReady(act);
    }
  },
};

const isOver = (plain: Plain): boolean => ["completed", "failed", "cancelled"].includes(String(plain["status"]));

async function exists(queue: QueueContext, runId: string, sleep: Act["sleep"]): Promise<void> {
  while ((await queue.store.get(stateKey(runId))).kind === "missing") await sleep(100, 200);
}

/** GET, change, PUT if it matches; every member that buquet does not know is gone. */
async function rewrite({ queue, runId, sleep }: Act, change: (plain: Plain) => Plain | undefined): Promise<boolean> {
  for (;;) {
    const read = await queue.store.get(stateKey(runId));
    if (read.kind === "missing") return false;
    const { machine: _unknown, ...plain } = JSON.parse(read.object.body) as Plain;
    const next = change(plain);
    if (next === undefined) return false;
    const put = await queue.store.put(stateKey(runId), JSON.stringify(next), { match: read.object.etag });
    if (put.kind === "stored") return true;
    await sleep(50, 150);
  }
}

/** Puts a signal into the inbox as a real client does: one object, no wake-up. */
export async function putSignal(
  queue: QueueContext,
  runId: string,
  name: string,
  payload: unknown,
  now: number,
): Promise<void> {
  const id = queue.host.random.uuid();
  const createdAt = new Date(now).toISOString().replace("Z", "+00:00");
  const segment = `${createdAt}_${id}.json`;
  const body = JSON.stringify({ id, name, payload, created_at: createdAt });
  await queue.store.put(signalKey(runId, name, segment), body, "absent");
}

/** A Python worker that claims the step `r`, completes it in the record and asks for a look. */
async function runRemoteStep(act: Act): Promise<void> {
  const { queue, runId, sleep } = act;
  const id = executionTaskId(runId, { kind: "run", step: "r", generation: 1, wake: 0 });
  for (;;) {
    await sleep(500, 3_000);
    const read = await queue.store.get(taskKey(id));
    if (read.kind === "missing") continue;
    const task = JSON.parse(read.object.body) as Plain;
    if (task["status"] !== "pending") return;
    const lease = { lease_id: queue.host.random.uuid(), lease_expires_at: new Date(act.now() + 300_000).toISOString() };
    const claimed = { ...task, status: "running", attempt: Number(task["attempt"]) + 1, ...lease, worker_id: "python" };
    const put = await queue.store.put(taskKey(id), JSON.stringify(claimed), { match: read.object.etag });
    if (put.kind !== "stored") continue;
    await queue.store.put(leaseKey(id, act.now() + 300_000), "", "always");
    await queue.store.delete(readyKey(id, Date.parse(String(task["available_at"]))));
    await sleep(10, 5_000);
    await completeRemoteStep(act);
    const ended = { ...claimed, status: "completed", output: { success: true, result: { by: "python" }, step: "r" } };
    await queue.store.put(taskKey(id), JSON.stringify({ ...ended, lease_id: null, lease_expires_at: null }), "always");
    await queue.store.delete(leaseKey(id, act.now() + 300_000));
    return;
  }
}

async function completeRemoteStep(act: Act): Promise<void> {
  const { queue, runId } = act;
  await queue.store.put(stepResultKey(runId, "r"), JSON.stringify({ by: "python" }), "absent");
  await rewrite(act, (plain) => {
    const steps = plain["steps"] as Record<string, Plain>;
    const state = { ...steps["r"], status: "completed", result: { by: "python" }, attempt: 1 };
    return { ...plain, steps: { ...steps, r: state } };
  });
  await submitTask(queue, FOREIGN_TICK_TYPE, { workflow_id: runId });
}

/** Completes a step that one of us may be running just now. */
async function completeSomeStep(act: Act): Promise<boolean> {
  const completed = await rewrite(act, (plain) => {
    const steps = plain["steps"] as Record<string, Plain>;
    const [running] = Object.entries(steps).findLast(([, step]) => step["status"] === "running") ?? [];
    if (running === undefined) return undefined;
    const state = { ...steps[running], status: "completed", result: { by: "python" }, attempt: 1 };
    return { ...plain, steps: { ...steps, [running]: state } };
  });
  if (completed) await submitTask(act.queue, FOREIGN_TICK_TYPE, { workflow_id: act.runId });
  return completed;
}

/** buquet's monitor: what ran out of time is ready again, or failed when its retries are used up. Its DELETE comes before its PUT. */
async function failExpired({ queue, now }: Act): Promise<void> {
  const page = await queue.store.list(LEASES_PREFIX);
  for (const { key } of page.objects) {
    const id = parseIndexKey(key)?.id;
    const read = id === undefined ? undefined : await queue.store.get(taskKey(id));
    if (id === undefined || read?.kind !== "found") continue;
    const task = JSON.parse(read.object.body) as Plain;
    if (task["status"] !== "running" || Date.parse(String(task["lease_expires_at"])) > now()) continue;
    const exhausted = Number(task["retry_count"]) >= Number(task["max_retries"]);
    const at = new Date(now()).toISOString();
    const next = {
      ...task,
      ...(exhausted
        ? { status: "failed", completed_at: at, last_error: "Timeout after max retries" }
        : { status: "pending", retry_count: Number(task["retry_count"]) + 1, available_at: at, last_error: "Timeout" }),
      lease_id: null,
      lease_expires_at: null,
    };
    const put = await queue.store.put(taskKey(id), JSON.stringify(next), { match: read.object.etag });
    if (put.kind !== "stored") continue;
    await queue.store.delete(key);
    if (!exhausted) await queue.store.put(readyKey(id, Date.parse(at)), "", "always");
  }
}

/** buquet's sweeper, phase 0: a ready key whose task is not pending is deleted. */
async function sweepReady({ queue }: Act): Promise<void> {
  const page = await queue.store.list(READY_PREFIX);
  for (const { key } of page.objects) {
    const id = parseIndexKey(key)?.id;
    const read = id === undefined ? undefined : await queue.store.get(taskKey(id));
    if (read?.kind !== "found") continue;
    if ((JSON.parse(read.object.body) as Plain)["status"] !== "pending") await queue.store.delete(key);
  }
}
