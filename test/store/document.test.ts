/** Read, change, put if it matches: what it does when races are lost and replies are. */
import { expect, test } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { silentLogger } from "../../src/host/logger.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { createDocumentBytes, readDocument, readDocuments, updateDocument, Codec } from "../../src/store/document.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { PutCondition, PutOutcome } from "../../src/store/object-store.ts";

/** What becomes of one put: sent as it is, refused without a trace, or carried out with the reply lost. */
type Fate = "sent" | "lost" | "reply lost";

interface Counter {
  readonly count: number;
  readonly by?: string;
}

const codec = new Codec<Counter>({
  what: "a counter",
  read: (json) => json as Counter,
  keyOf: (_counter, key) => key,
  write: (value) => JSON.stringify(value),
});

/** A store whose puts meet the fates given, then are sent; `between` runs before each put. */
class FatefulStore extends MemoryStore {
  readonly puts: { readonly body: string; readonly condition: PutCondition }[] = [];
  fates: Fate[] = [];
  between: (() => Promise<void>) | undefined;

  override async put(key: string, body: string, condition: PutCondition): Promise<PutOutcome> {
    this.puts.push({ body, condition });
    const { between } = this;
    this.between = undefined;
    await between?.();
    const fate = this.fates.shift() ?? "sent";
    if (fate === "lost") return { kind: "unknown", cause: new Error("never arrived") };
    const outcome = await super.put(key, body, condition);
    return fate === "sent" ? outcome : { kind: "unknown", cause: new Error("the reply was lost") };
  }
}

function setup(): { store: FatefulStore; host: Host; waits: number[] } {
  const waits: number[] = [];
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    sleep: async (ms: number) => {
      waits.push(ms);
    },
  };
  const host: Host = { clock, random: seededRandom(7), logger: silentLogger };
  return { store: new FatefulStore({ clock }), host, waits };
}

const increment = (value: Counter): Counter => ({ count: value.count + 1 });

async function startAt(store: FatefulStore, count: number): Promise<void> {
  await store.put("a", JSON.stringify({ count }), "always");
  store.puts.length = 0;
}

test("reads, and says missing for what is not there", async () => {
  const { store } = setup();
  expect(await readDocument(store, "a", codec)).toEqual({ kind: "missing" });
  await startAt(store, 1);
  expect(await readDocument(store, "a", codec)).toMatchObject({ kind: "found", value: { count: 1 } });
});

test("changes with one put on the etag it read", async () => {
  const { store, host, waits } = setup();
  await startAt(store, 1);
  const before = await readDocument(store, "a", codec);
  const updated = await updateDocument(store, host, "a", codec, increment);
  expect(updated).toMatchObject({ kind: "updated", value: { count: 2 } });
  expect(store.puts).toEqual([
    { body: '{"count":2}', condition: { match: before.kind === "found" ? before.etag : "" } },
  ]);
  const after = await readDocument(store, "a", codec);
  expect(after).toMatchObject({ etag: updated.kind === "missing" ? "" : updated.etag });
  expect(waits).toEqual([]);
});

test("puts nothing when nothing is to change, or nothing is there", async () => {
  const { store, host } = setup();
  expect(await updateDocument(store, host, "a", codec, increment)).toEqual({ kind: "missing" });
  await startAt(store, 1);
  expect(await updateDocument(store, host, "a", codec, () => undefined)).toMatchObject({
    kind: "unchanged",
    value: { count: 1 },
  });
  expect(store.puts).toEqual([]);
});

test("decides again on the winner's value after a lost race", async () => {
  const { store, host, waits } = setup();
  await startAt(store, 1);
  store.between = async () => {
    await MemoryStore.prototype.put.call(store, "a", '{"count":10}', "always");
  };
  expect(await updateDocument(store, host, "a", codec, increment)).toMatchObject({ value: { count: 11 } });
  expect(store.puts).toHaveLength(2);
  expect(waits).toHaveLength(1);
});

test("says missing when the object is deleted between the read and the put", async () => {
  const { store, host } = setup();
  await startAt(store, 1);
  store.between = () => store.delete("a");
  expect(await updateDocument(store, host, "a", codec, increment)).toEqual({ kind: "missing" });
});

test("lets what decide throws out, and puts nothing", async () => {
  const { store, host } = setup();
  await startAt(store, 1);
  const stop = new Error("stop");
  const decide = (): Counter => {
    throw stop;
  };
  await expect(updateDocument(store, host, "a", codec, decide)).rejects.toBe(stop);
  expect(store.puts).toEqual([]);
});

test("names the key of an object that cannot be decoded", async () => {
  const { store, host } = setup();
  await store.put("a", "rubbish", "always");
  await expect(updateDocument(store, host, "a", codec, increment)).rejects.toMatchObject({ code: "data" });
});

test("reads and decides again after an unknown reply, whether or not the put arrived", async () => {
  const mark = (value: Counter): Counter | undefined => (value.by === "us" ? undefined : { ...value, by: "us" });
  for (const [fate, kind, puts] of [
    ["lost", "updated", 2],
    ["reply lost", "unchanged", 1],
  ] as const) {
    const { store, host } = setup();
    await startAt(store, 1);
    store.fates = [fate];
    expect(await updateDocument(store, host, "a", codec, mark)).toMatchObject({ kind, value: { count: 1, by: "us" } });
    expect(store.puts).toHaveLength(puts);
  }
});

test("uses a known value without a read, and reads when it is stale", async () => {
  const { store, host } = setup();
  await startAt(store, 1);
  const stale = { value: { count: 100 }, etag: "stale" };
  expect(await updateDocument(store, host, "a", codec, increment, stale)).toMatchObject({ value: { count: 2 } });
  expect(store.puts.map(({ body }) => body)).toEqual(['{"count":101}', '{"count":2}']);
});

test("gives up after 30 tries, with waits that are no longer than two seconds", async () => {
  const { store, host, waits } = setup();
  await startAt(store, 1);
  store.fates = Array.from({ length: 100 }, () => "lost");
  await expect(updateDocument(store, host, "a", codec, increment)).rejects.toMatchObject({ code: "unavailable" });
  expect(store.puts).toHaveLength(30);
  expect(Math.max(...waits)).toBeLessThanOrEqual(2_000);
  expect(Math.max(...waits.slice(0, 3))).toBeLessThanOrEqual(80);
});

test("creates once, and says what is there when somebody else did", async () => {
  const { store, host } = setup();
  expect(await createDocumentBytes(store, host, "a", "ours")).toMatchObject({ kind: "stored" });
  expect(await createDocumentBytes(store, host, "a", "theirs")).toMatchObject({ kind: "exists", body: "ours" });
});

test("sends the same bytes again after an unknown reply to a create, and knows its own", async () => {
  for (const fate of ["lost", "reply lost"] as const) {
    const { store, host } = setup();
    store.fates = [fate];
    const created = await createDocumentBytes(store, host, "a", "ours");
    const read = await store.get("a");
    expect(created).toEqual({ kind: "stored", etag: read.kind === "found" ? read.object.etag : "" });
    expect(store.puts).toEqual([1, 2].map(() => ({ body: "ours", condition: "absent" })));
  }
});

test("creates again when the object that was in the way is gone", async () => {
  const { store, host } = setup();
  await store.put("a", "theirs", "always");
  const get = store.get.bind(store);
  store.get = async (key) => {
    await store.delete("a");
    return get(key);
  };
  expect(await createDocumentBytes(store, host, "a", "ours")).toMatchObject({ kind: "stored" });
});

test("gives up a create after eight tries and names the cause", async () => {
  const { store, host } = setup();
  store.fates = Array.from({ length: 100 }, () => "lost");
  await expect(createDocumentBytes(store, host, "a", "ours")).rejects.toMatchObject({
    code: "unavailable",
    cause: { message: "never arrived" },
  });
  expect(store.puts).toHaveLength(8);
});

test("many objects are read some at a time, in the order of their keys", async () => {
  const { store } = setup();
  for (let index = 0; index < 200; index += 1)
    await store.put(`counts/${1_000 + index}`, index === 7 ? "{" : codec.encode({ count: index }), "always");
  let reading = 0;
  let most = 0;
  const get = store.get.bind(store);
  store.get = async (key) => {
    most = Math.max(most, (reading += 1));
    await Promise.resolve();
    reading -= 1;
    return get(key);
  };
  const unreadable: string[] = [];
  const read = await readDocuments(store, "counts/", codec, (error) => unreadable.push(error.message));
  expect(read.map(({ count }) => count)).toEqual(
    Array.from({ length: 200 }, (_, index) => index).filter((n) => n !== 7),
  );
  expect(unreadable).toHaveLength(1);
  expect(most).toBeLessThanOrEqual(32);
});
