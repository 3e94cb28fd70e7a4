/** The store in memory: what the conformance suite does not ask. */
import { expect, test } from "vitest";
import { MemoryStore, type MemoryStoreOptions } from "../../src/store/memory.ts";

function setup(options: Omit<MemoryStoreOptions, "clock"> = {}): { store: MemoryStore; tick: () => void } {
  let now = 1_000;
  const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
  return {
    store: new MemoryStore({ clock, ...options }),
    tick: () => {
      now += 1;
    },
  };
}

test("tells the time of its clock", () => {
  const { store, tick } = setup();
  expect(store.time()).toEqual({ earliest: 1_000, latest: 1_000 });
  tick();
  expect(store.time()).toEqual({ earliest: 1_001, latest: 1_001 });
});

test("gives every write its own etag, or equal bodies the same", async () => {
  for (const [etags, count] of [
    ["unique", 2],
    ["content", 1],
  ] as const) {
    const { store } = setup({ etags });
    const puts = [await store.put("a", "one", "always"), await store.put("a", "one", "always")];
    expect(new Set(puts.map((put) => (put.kind === "stored" ? put.etag : ""))).size).toBe(count);
  }
});

test("says when each version was written", async () => {
  const { store, tick } = setup();
  await store.put("a", "one", "always");
  tick();
  await store.delete("a");
  await store.delete("a");
  expect(await store.versions("a")).toEqual([
    { versionId: "v2", modifiedAt: 1_001, deleted: true },
    { versionId: "v1", modifiedAt: 1_000, deleted: false },
  ]);
});

test("forgets what was replaced or deleted when it keeps no versions", async () => {
  const { store } = setup({ versions: false });
  await store.put("a", "one", "always");
  await store.put("a", "two", "always");
  expect(await store.versions("a")).toEqual([]);
  expect(await store.getVersion("a", "v1")).toEqual({ kind: "missing" });
  await store.delete("a");
  expect(await store.list("")).toEqual({ objects: [], truncated: false });
  expect(await store.put("a", "three", "absent")).toMatchObject({ kind: "stored" });
});

test("throws closed once it is disposed of", async () => {
  const { store } = setup();
  await store[Symbol.asyncDispose]();
  const calls = [
    () => store.get("a"),
    () => store.put("a", "", "always"),
    () => store.delete("a"),
    () => store.list(""),
    () => store.versions("a"),
    () => store.getVersion("a", "v1"),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject({ code: "closed" });
});
