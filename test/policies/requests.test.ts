/** What each program asks a bucket for, in everything that it does, against what docs/policies.md allows it: no less and no more. */
import { beforeAll, describe, expect, test } from "vitest";
import { WorkflowClient } from "../../src/client/client.ts";
import { examineStore } from "../../src/cli/doctor.ts";
import { examineFleet } from "../../src/cli/fleet-checkup.ts";
import { type AnyWorkflow, workflow } from "../../src/define/workflow.ts";
import type { Host } from "../../src/host/host.ts";
import { readTimeline } from "../../src/inspect/history.ts";
import { activeKey, PROBE_PREFIX, readyKey, stateKey, taskKey } from "../../src/keys.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { StoredPrograms } from "../../src/programs/stored-programs.ts";
import { startTick } from "../../src/run/wakeups/start.ts";
import { sweepOnce } from "../services/sweep.ts";
import { Worker } from "../../src/services/worker.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { type Process, type RequestKind, World } from "../simulation/world/index.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { ask, play, SHAPES } from "../simulation/play.ts";
import { SETTINGS } from "../simulation/settings.ts";
import { WHOLE } from "../setting.ts";
import { fits, type Permission, permissionsOf, policyOf, type Role, ROLES, tableOf } from "./page.ts";

const ACTIONS: Readonly<Record<RequestKind, string>> = {
  get: "s3:GetObject",
  put: "s3:PutObject",
  delete: "s3:DeleteObject",
  list: "s3:ListBucket",
  versions: "s3:ListBucketVersions",
  getVersion: "s3:GetObjectVersion",
};
const LETTERS = { G: "s3:GetObject", V: "s3:GetObjectVersion", P: "s3:PutObject", D: "s3:DeleteObject" } as const;

/** One request; several of one form count once. */
interface Asked {
  readonly action: string;
  readonly key: string;
  /** Of a put. */
  readonly isCreate: boolean;
}

const asked: Record<Role, Map<string, Asked>> = { client: new Map(), worker: new Map(), operator: new Map() };

/** Takes down what the processes of a world asked for; the role of each is the first word of its name. */
function note(world: World): void {
  for (const { process, kind, key, condition } of world.trace) {
    const role = process.split("-")[0] as Role;
    if (!ROLES.includes(role)) continue;
    const onBucket = kind === "list" || kind === "versions";
    const one = { action: ACTIONS[kind], key: onBucket ? "" : key, isCreate: kind !== "put" || condition === "absent" };
    asked[role].set(`${one.action} ${one.isCreate} ${one.key.replaceAll(/[0-9a-f-]{8,}/g, "#")}`, one);
  }
}

/** What the worker of this world serves: its first step takes five seconds, then it waits. */
const waiting = (host: Host): AnyWorkflow =>
  workflow("wait")
    .step("first", () => host.clock.sleep(5_000))
    .signal("go", { dependsOn: ["first"] })
    .signal("again", { dependsOn: ["go"] });

/** Its only step is run by another program. */
const mixed = workflow("mixed", { foreign: true }).step("theirs", { remote: true });

/** Another definition of it, which leaves runs of the first one alone. */
const changed = workflow("wait").signal("go");

/** Plays a script against one worker until it is through. */
async function playScript(seed: string, script: (world: World, worker: Process) => Promise<void>): Promise<void> {
  const world = new World(seed, { latency: 10, rates: {} });
  const worker = world.spawn("worker-1");
  const problems: unknown[] = [];
  let over = false;
  void script(world, worker)
    .catch((error: unknown) => problems.push(error))
    .finally(() => {
      over = true;
    });
  await world.run({ until: () => over, maxVirtualMs: 7 * DAY_MS });
  expect([over, problems]).toEqual([true, []]);
  note(world);
}

const DAY_MS = 24 * 60 * 60_000;

/** Everything that a client can be asked to do, over a line that loses requests and replies. */
async function playClient(role: "client" | "operator", seed: string): Promise<void> {
  await playScript(seed, async (world, process) => {
    const worker = new Worker(handleOf(process.store, process.host), { workflows: [waiting(process.host)], id: "w" });
    await worker.start();
    const caller = world.spawn(role, { rates: { "reply-lost": 0.2, "request-lost": 0.05 } });
    const { clock } = caller.host;
    const handle = handleOf(caller.store, caller.host);
    const client = new WorkflowClient(handle, { workflows: [waiting(caller.host), mixed] });
    await ask(() => client.start("wait", {}, { id: "run" }));
    await clock.sleep(6_000);
    await ask(() => client.signal("run", "go", 1));
    await ask(() => client.start("wait", {}, { id: "twice" }));
    // Its first task runs by now.
    await clock.sleep(4_000);
    await ask(() => client.start("wait", {}, { id: "twice" }));
    await postpone(world.store, startTick.id("twice", {}));
    await ask(() => client.start("wait", {}, { id: "twice" }));
    await ask(() => new WorkflowClient(handle).start("wait", {}, { id: "by-name" }));
    await ask(() => client.get("run"));
    await ask(() => client.explain("run"));
    await ask(() => client.next("run"));
    await ask(() => client.pause("run"));
    await ask(() => client.resume("run"));
    await ask(() => client.signal("run", "again", 2));
    await ask(() => client.cancel("by-name"));
    await ask(() => client.start("mixed", {}, { id: "mixed" }));
    await ask(() => client.send("twice", { type: "go" }));
    await ask(() => client.terminate("twice"));
    await ask(async () => {
      for await (const _run of client.bulk({ type: "cancel" }, { type: "mixed" }));
    });
    await ask(async () => {
      for await (const view of client.list()) await client.get(view.id);
    });
    for (const key of ["one", "one"]) await ask(() => handle.submit("other", {}, { idempotency: { key } }));
    await ask(() => handle.submit("other", {}, { idempotency: { key: "short", ttlMs: 1 } }));
    await clock.sleep(60_000);
    await ask(() => handle.submit("other", {}, { idempotency: { key: "short", ttlMs: 1 } }));
    await worker.stop();
  });
}

/** As a monitor leaves a task whose workers were lost again and again. */
async function postpone(store: ObjectStore, taskId: string): Promise<void> {
  const read = await store.get(taskKey(taskId));
  const task = JSON.parse(read.kind === "found" ? read.object.body : "") as Record<string, unknown>;
  const available_at = formatInstant(store.time().latest + 75_000);
  const body = JSON.stringify({
    ...task,
    status: "pending",
    lease_id: null,
    lease_expires_at: null,
    worker_id: null,
    available_at,
  });
  await store.put(taskKey(taskId), body, "always");
}

/** What only an operator does. */
async function playOperator(): Promise<void> {
  await playScript("operator", async (world) => {
    const { store, host } = world.spawn("operator-1");
    const handle = handleOf(store, host);
    const client = new WorkflowClient(handle, { workflows: [changed] });
    await client.start("wait", {}, { id: "run" });
    await readTimeline(store, "run", { programs: new StoredPrograms(store, host, []) });
    const at = store.time().latest;
    await handle.cancelTask(await handle.submit("other", {}, { availableAt: at + DAY_MS }));
    await world.store.put(activeKey("gone", at), "", "always");
    const lost = await handle.submit("other", {});
    await world.store.delete(readyKey(lost, at));
    await host.clock.sleep(DAY_MS);
    expect((await handle.repairTasks()).repaired).toContain(lost);
    expect((await sweepOnce(handle.context)).map(({ action }) => action)).toContain("forgotten");
    expect((await examineStore(store, host)).safe).toBe(true);
  });
}

/** A worker with another definition than that of a run asks who serves it. */
async function playChanged(): Promise<void> {
  await playScript("changed", async (world, process) => {
    const old = waiting(process.host);
    const gone = world.spawn("worker-2");
    await new Worker(handleOf(gone.store, gone.host), { workflows: [old], id: "old" }).start();
    gone.crash();
    const { store, host } = world.spawn("client");
    await new WorkflowClient(handleOf(store, host), { workflows: [old] }).start("wait", {}, { id: "run" });
    const worker = new Worker(handleOf(process.store, process.host), { workflows: [changed], id: "new" });
    await worker.start();
    await host.clock.sleep(30_000);
    await worker.stop();
  });
}

/** A worker of buquet that registers a whole workflow pauses a run of another definition; `doctor` tells an operator of it. */
async function playInterfered(): Promise<void> {
  await playScript("interfered", async (world, process) => {
    const worker = new Worker(handleOf(process.store, process.host), { workflows: [mixed], id: "w" });
    await worker.start();
    const { store, host } = world.spawn("client");
    await new WorkflowClient(handleOf(store, host), { workflows: [mixed] }).start("mixed", {}, { id: "run" });
    await host.clock.sleep(30_000);
    const read = await world.store.get(stateKey("run"));
    const { machine: _unknown, ...plain } = JSON.parse(read.kind === "found" ? read.object.body : "") as {
      readonly machine?: unknown;
    };
    const message = `Workflow definition changed. Expected ${mixed.definitionHash}, got sha256:0123456789abcdef`;
    const paused = { ...plain, status: "paused", error: { type: "VersionMismatch", message } };
    await world.store.put(stateKey("run"), JSON.stringify(paused), "always");
    await host.clock.sleep(60_000);
    await worker.stop();
    const said = await examineFleet(world.spawn("operator-1").store);
    expect(said).toEqual([expect.stringMatching(/^change: .* of mixed and paused the run/u)]);
  });
}

const grantedTo = (role: Role): readonly Permission[] => permissionsOf(policyOf(role, "BUCKET"));

const permits = (permission: Permission, { action, key }: Asked): boolean =>
  permission.action === action && fits(permission, key);

beforeAll(async () => {
  for (const shape of Object.keys(SHAPES)) {
    // A remote step needs a program that is not ours.
    const outsiders = shape === "remote" ? (["python", "pauser"] as const) : [];
    for (const seed of WHOLE ? ["a", "b"] : ["a"])
      note((await play(seed, { shapes: [shape], crash: 2, unknown: 3, freeze: 1, outsiders })).world);
  }
  for (const [name, setting] of Object.entries(SETTINGS))
    if (setting.limits === undefined) note((await play(name, setting)).world);
  for (const seed of WHOLE ? ["a", "b", "c", "d", "e", "f"] : ["a", "b", "c"]) {
    await playClient("client", seed);
    await playClient("operator", seed);
  }
  await playOperator();
  await playChanged();
  await playInterfered();
}, 600_000);

describe.each(ROLES)("the policy of a %s", (role) => {
  test("allows all that it asks for", () => {
    const granted = grantedTo(role);
    const refused = [...asked[role].values()].filter((one) => !granted.some((permission) => permits(permission, one)));
    expect(refused).toEqual([]);
  });

  test("allows nothing that it never asks for", () => {
    const idle = grantedTo(role).filter(
      (permission) =>
        // Asked once, when the store is opened: test/store/s3-open.test.ts, test/store/probe.test.ts.
        permission.action !== "s3:GetBucketVersioning" &&
        permission.keys !== `${PROBE_PREFIX}*` &&
        ![...asked[role].values()].some((one) => permits(permission, one)),
    );
    expect(idle).toEqual([]);
  });

  test("is what the table says", () => {
    const granted = grantedTo(role);
    const table = [...tableOf()].flatMap(([keys, letters]) =>
      Object.entries(LETTERS).flatMap(([letter, action]) =>
        letters[role].includes(letter) ? [`${action} ${keys}`] : [],
      ),
    );
    const onObjects = granted.filter(({ keys }) => keys !== "").map(({ action, keys }) => `${action} ${keys}`);
    expect(onObjects.toSorted()).toEqual(table.toSorted());
  });
});

test("a client overwrites nothing of what the guard keeps", () => {
  const guarded = permissionsOf(policyOf("guard", "BUCKET"));
  const puts = [...asked.client.values()].filter((one) => guarded.some((permission) => permits(permission, one)));
  expect(puts.length).toBeGreaterThan(0);
  expect(puts.filter(({ isCreate }) => !isCreate)).toEqual([]);
});
