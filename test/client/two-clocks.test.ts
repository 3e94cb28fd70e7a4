/** Senders whose clocks disagree by twenty minutes: what was acknowledged is given, in the order of sending where that can be known. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { FileStore, handleOf, type ObjectStore, workflow, WorkflowClient } from "../../src/index.ts";
import { signalsPrefix, stateKey } from "../../src/keys.ts";
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
    await clientBehind(kit, localClock).signal("r", "go", "second");
    await kit.idle();
    await run.signal("go", "third");
    expect(await run.result()).toEqual({ take: ["first", "second", "third"] });
  },
);

test("what a sender that is behind put before the cursor is given by the next look, however old it says that it is", async () => {
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

test("two processes on one folder whose clocks disagree keep the order of sending", async () => {
  const folder = await mkdtemp(join(tmpdir(), "two-clocks-"));
  try {
    const host = nodeHost();
    const { clock } = host;
    const behind: Host = {
      ...host,
      clock: {
        ...clock,
        now: () => clock.now() - BACK,
        monotonic: () => clock.monotonic(),
        sleep: (ms, options) => clock.sleep(ms, options),
      },
    };
    const [ahead, late] = await Promise.all(
      [host, behind].map(async (one) => {
        const store = await FileStore.open(folder, { host: one, durability: "none" });
        return { store, client: new WorkflowClient(handleOf(store, one), { workflows: [takesThree] }) };
      }),
    );
    if (ahead === undefined || late === undefined) return expect.unreachable();
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
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
