/** Senders whose clocks disagree by twenty minutes: what was acknowledged is given, in the order of sending where that can be known. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { FileStore, handleOf, type ObjectStore, workflow, WorkflowClient } from "../../src/index.ts";
import { signalsPrefix, stateKey } from "../../src/keys.ts";
import { claimTask } from "../../src/queue/claim.ts";
import { ReadyLister } from "../../src/queue/poll.ts";
import { submitTask } from "../../src/queue/submit.ts";
import type { QueueContext } from "../../src/queue/task.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";

const BACK = 20 * 60_000;

const takesThree = workflow("takes-three").step("take", async (ctx) => {
  const taken: string[] = [];
  for (let count = 0; count < 3; count += 1) taken.push(String(await ctx.waitForSignal("go")));
  return taken;
});

/** A client of the kit's bucket whose clock is behind. `localClock`: as in a folder, where nobody tells the time. */
function clientBehind(kit: TestKit, localClock: boolean, byMs = BACK): WorkflowClient {
  const { store } = kit;
  const behind: ObjectStore = {
    url: store.url,
    capabilities: { ...store.capabilities, localClock },
    get: (key) => store.get(key),
    put: (key, body, condition) => store.put(key, body, condition),
    delete: (key) => store.delete(key),
    list: (prefix, options) => store.list(prefix, options),
    versions: (key) => store.versions(key),
    getVersion: (key, id) => store.getVersion(key, id),
    time: () => {
      const { earliest, latest } = store.time();
      return { earliest: earliest - byMs, latest: latest - byMs };
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return new WorkflowClient(handleOf(behind, nodeHost()), { workflows: [takesThree] });
}

const cursorOf = async (kit: TestKit): Promise<string | undefined> =>
  (await kit.client.get("r")).record.signals.get("go")?.cursor;

test.each([true, false])(
  "a signal of a sender that is behind is given after one was taken (local clock: %s)",
  async (localClock) => {
    await using kit = await createTestKit({ workflows: [takesThree] });
    const run = await kit.client.start(takesThree, null, { id: "r" });
    await kit.until(run, "waiting_signal");
    await run.signal("go", "first");
    await kit.until(run, ({ record }) => record.signals.get("go")?.cursor !== undefined);
    const first = await cursorOf(kit);
    await clientBehind(kit, localClock).signal("r", "go", "second");
    // Else the third could have the same millisecond, and either be the second one.
    await kit.until(run, ({ record }) => record.signals.get("go")?.cursor !== first);
    await run.signal("go", "third");
    expect(await run.result()).toEqual({ take: ["first", "second", "third"] });
  },
);

test("what a sender that is behind put before the cursor is given by the next check, however old it says that it is", async () => {
  await using kit = await createTestKit({ workflows: [takesThree] });
  const run = await kit.client.start(takesThree, null, { id: "r" });
  await kit.until(run, "waiting_signal");
  await run.signal("go", "first");
  await kit.until(run, ({ record }) => record.signals.get("go")?.cursor !== undefined);
  const cursor = (await cursorOf(kit)) ?? "";
  // As a program of buquet does it, by its own clock; it wakes nobody.
  const id = "00000000-0000-4000-8000-000000000001";
  const body = JSON.stringify({ id, name: "go", payload: "second", created_at: "2020-01-01T00:00:00+00:00" });
  const key = `${signalsPrefix("r", "go")}2020-01-01T00:00:00+00:00_${id}.json`;
  expect(key < signalsPrefix("r", "go") + cursor).toBe(true);
  await kit.store.put(key, body, "always");
  await run.signal("go", "third");
  expect(await run.result()).toEqual({ take: ["first", "second", "third"] });
});

test("where nobody tells the time, a signal is never older than what stands in the inbox", async () => {
  await using kit = await createTestKit({ workflows: [takesThree], workers: 0 });
  await kit.client.start(takesThree, null, { id: "r" });
  const behind = clientBehind(kit, true);
  await kit.client.signal("r", "go", 1);
  await behind.signal("r", "go", 2);
  await behind.signal("r", "go", 3);
  const payloads = [];
  for (const { key } of (await kit.store.list(signalsPrefix("r", "go"))).objects) {
    const read = await kit.store.get(key);
    payloads.push(read.kind === "found" ? (JSON.parse(read.object.body) as { payload: unknown }).payload : undefined);
  }
  expect(payloads).toEqual([1, 2, 3]);
});

test("an inbox that a fast clock filled does not make the commands of its sender newer than they are", async () => {
  await using kit = await createTestKit({ workflows: [takesThree], workers: 0 });
  await kit.client.start(takesThree, null, { id: "r" });
  await clientBehind(kit, true, -BACK).signal("r", "go", 1);
  const behind = clientBehind(kit, true, 0);
  await behind.signal("r", "go", 2);
  await behind.pause("r");
  const commands = [];
  for (const { key } of (await kit.store.list("tasks/")).objects) {
    const read = await kit.store.get(key);
    const { input } = JSON.parse(read.kind === "found" ? read.object.body : "{}") as {
      input?: { cause?: { kind: string; at?: number } };
    };
    if (input?.cause?.kind === "command") commands.push(input.cause.at);
  }
  expect(commands).toEqual([Math.round(kit.store.time().latest)]);
});

/** Two processes on one folder, the clock of the second one behind. */
async function onOneFolder(check: (ahead: Process, behind: Process) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "two-clocks-"));
  try {
    const host = nodeHost();
    const { clock } = host;
    const late: Host = {
      ...host,
      clock: {
        ...clock,
        now: () => clock.now() - BACK,
        monotonic: () => clock.monotonic(),
        sleep: (ms, options) => clock.sleep(ms, options),
      },
    };
    const [ahead, behind] = await Promise.all(
      [host, late].map(async (one): Promise<Process> => {
        const store = await FileStore.open(folder, { host: one, durability: "none" });
        const handle = handleOf(store, one);
        return { store, queue: handle.context, client: new WorkflowClient(handle, { workflows: [takesThree] }) };
      }),
    );
    if (ahead === undefined || behind === undefined) return expect.unreachable();
    await check(ahead, behind);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Process {
  readonly store: FileStore;
  readonly queue: QueueContext;
  readonly client: WorkflowClient;
}

test("two processes on one folder whose clocks disagree keep the order of sending", async () => {
  await onOneFolder(async (ahead, late) => {
    expect(ahead.store.capabilities.localClock).toBe(true);
    await ahead.client.start(takesThree, null, { id: "r" });
    for (const [index, { client }] of [ahead, late, ahead, late, late].entries()) await client.signal("r", "go", index);
    const keys = (await ahead.store.list(signalsPrefix("r", "go"))).objects.map(({ key }) => key);
    const payloads = [];
    for (const key of keys) {
      const read = await ahead.store.get(key);
      payloads.push(read.kind === "found" ? (JSON.parse(read.object.body) as { payload: number }).payload : -1);
    }
    expect(payloads).toEqual([0, 1, 2, 3, 4]);
    expect((await late.store.get(stateKey("r"))).kind).toBe("found");
  });
});

test("a worker whose clock is behind takes at once what a process that is ahead starts, sends and steers", async () => {
  await onOneFolder(async (ahead, { queue }) => {
    const take = async (): Promise<number> => {
      const outcomes = [];
      for (const { id, foundAt } of await new ReadyLister().list(queue))
        outcomes.push(
          (await claimTask(queue, id, { workerId: "w", leaseMs: 30_000, foundAt, accepts: () => true })).kind,
        );
      expect(outcomes).toEqual(outcomes.map(() => "claimed"));
      return outcomes.length;
    };
    await ahead.client.start(takesThree, null, { id: "r" });
    expect(await take()).toBe(1);
    await ahead.client.signal("r", "go", 1);
    expect(await take()).toBe(1);
    await ahead.client.pause("r");
    expect(await take()).toBe(1);
    expect(await take()).toBe(0);
    expect((await ahead.store.list("ready/")).objects).toEqual([]);
  });
});

test("a task that is to wait is not taken early because the clock of its maker is ahead", async () => {
  await onOneFolder(async (ahead, { queue }) => {
    const availableAt = ahead.store.time().latest + 10;
    const { id } = await submitTask(ahead.queue, "email", null, { availableAt });
    expect((await new ReadyLister().list(queue)).map((task) => task.id)).toEqual([id]);
    const outcome = await claimTask(queue, id, { workerId: "w", leaseMs: 30_000, accepts: () => true });
    expect(outcome.kind).toBe("not_due");
  });
});
