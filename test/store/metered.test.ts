import { describe, expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { meterStore, type MeteredStore, REQUEST_KINDS, usageSince } from "../../src/store/metered.ts";
import type { ObjectStore, ObjectVersion } from "../../src/store/object-store.ts";
import { storeCases } from "../../src/testing/store-cases.ts";

const host = nodeHost();

function setup(part: Partial<ObjectStore> = {}): MeteredStore {
  const store = new MemoryStore({ clock: host.clock });
  for (const [name, value] of Object.entries(part)) Object.defineProperty(store, name, { value });
  return meterStore(store);
}

const none = Object.fromEntries(REQUEST_KINDS.map((kind) => [kind, 0]));

describe("a metered store", () => {
  test("counts each kind of request by itself", async () => {
    const store = setup();
    await store.put("a", "one", "always");
    const created = await store.put("b", "two", "absent");
    await store.put("b", "three", { match: created.kind === "stored" ? created.etag : "" });
    await store.get("a");
    await store.get("nothing");
    await store.list("");
    await store.list("", { limit: 1 });
    const versions = await store.versions("b");
    await store.getVersion("b", versions[0]?.versionId ?? "");
    await store.delete("a");
    await store.delete("a");
    expect(store.usage().requests).toEqual({
      get: 2,
      put: 1,
      create: 1,
      replace: 1,
      delete: 2,
      list: 2,
      versions: 1,
      getVersion: 1,
    });
    expect(store.usage().errors).toBe(0);
  });

  test("counts the bytes of bodies as UTF-8, of conflicts too", async () => {
    const store = setup();
    await store.put("a", "ü☃🦀", "always");
    await store.put("a", "1234", "absent");
    await store.get("a");
    await store.getVersion("a", (await store.versions("a"))[0]?.versionId ?? "");
    expect(store.usage()).toMatchObject({ bytesOut: 9 + 4, bytesIn: 9 + 9, conflicts: 1 });
  });

  test("tells conflicts, unknown replies and errors apart", async () => {
    const lost = new WorkflowError("unavailable", "no answer");
    const store = setup({
      put: async (_key, _body, condition) =>
        condition === "absent" ? { kind: "conflict" } : { kind: "unknown", cause: lost },
      get: () => Promise.reject(lost),
    });
    await store.put("a", "", "absent");
    await store.put("a", "", { match: "x" });
    await expect(store.get("a")).rejects.toBe(lost);
    expect(store.usage()).toMatchObject({
      conflicts: 1,
      unknowns: 1,
      errors: 1,
      requests: { ...none, create: 1, replace: 1, get: 1 },
    });
  });

  test("does not count what was never sent: after closing, after an abort, versions that are not kept", async () => {
    const plain = meterStore(new MemoryStore({ clock: host.clock, versions: false }));
    expect(await plain.versions("a")).toEqual([]);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(plain.put("a", "one", "always", { signal })).rejects.toThrow("enough");
    await plain[Symbol.asyncDispose]();
    await expect(plain.put("a", "one", "always")).rejects.toMatchObject({ code: "closed" });
    expect(plain.usage()).toEqual({ requests: none, bytesOut: 0, bytesIn: 0, conflicts: 0, unknowns: 0, errors: 0 });
  });

  test("hands the signal of each request on", async () => {
    const seen: unknown[] = [];
    const see = async (...args: unknown[]): Promise<never> => {
      seen.push(args.at(-1));
      throw new Error("seen");
    };
    const store = setup({ get: see, put: see, delete: see, list: see, versions: see, getVersion: see });
    const options = { signal: new AbortController().signal };
    const calls = [
      () => store.get("a", options),
      () => store.put("a", "", "always", options),
      () => store.delete("a", options),
      () => store.list("a", options),
      () => store.versions("a", options),
      () => store.getVersion("a", "v", options),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow("seen");
    expect(seen).toEqual(calls.map(() => options));
    expect(seen.every((one) => one === options)).toBe(true);
  });

  test.each([
    [0, 1],
    [1, 1],
    [1_000, 1],
    [1_001, 2],
    [2_500, 3],
  ])("counts %i versions as %i pages", async (count, pages) => {
    const version: ObjectVersion = { versionId: "v", modifiedAt: 0, deleted: false };
    const store = setup({ versions: async () => Array.from({ length: count }, () => version) });
    await store.versions("a");
    expect(store.usage().requests.versions).toBe(pages);
  });

  test("gives copies, and the difference of two", async () => {
    const store = setup();
    const before = store.usage();
    await store.put("a", "one", "always");
    const middle = store.usage();
    await store.put("a", "two!", "always");
    await store.get("a");
    expect(before.requests).toEqual(none);
    expect(usageSince(middle, store.usage())).toEqual({
      requests: { ...none, put: 1, get: 1 },
      bytesOut: 4,
      bytesIn: 4,
      conflicts: 0,
      unknowns: 0,
      errors: 0,
    });
  });

  describe("is a store", () => {
    const store = setup();
    for (const [index, probe] of storeCases.entries()) {
      test(probe.name, () => probe.run({ store, prefix: `case-${index}/` }));
    }
  });
});
