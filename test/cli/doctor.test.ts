/** The doctor finds stores that would lose runs, and leaves nothing behind. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { examineStore } from "../../src/cli/doctor.ts";
import { nodeHost } from "../../src/host/node.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore, PutCondition, PutOutcome } from "../../src/store/object-store.ts";
import { tell } from "./run.ts";

const host = nodeHost();

/** A store in memory whose put is another. */
class OddStore extends MemoryStore {
  readonly #put: (store: ObjectStore, key: string, body: string, condition: PutCondition) => Promise<PutOutcome>;

  constructor(put: (store: ObjectStore, key: string, body: string, condition: PutCondition) => Promise<PutOutcome>) {
    super({ clock: host.clock });
    this.#put = put;
  }

  override async put(key: string, body: string, condition: PutCondition): Promise<PutOutcome> {
    const whole: ObjectStore = Object.create(this, {
      put: { value: (k: string, b: string, c: PutCondition) => super.put(k, b, c) },
      get: { value: (k: string) => super.get(k) },
    }) as ObjectStore;
    return this.#put(whole, key, body, condition);
  }
}

const RACES = [
  "lets exactly one of many creators win",
  "lets exactly one of many changers win",
  "loses no increment of a counter",
];

const failedOf = async (store: ObjectStore): Promise<string[]> =>
  (await examineStore(store, host)).results.filter((result) => !result.ok).map((result) => result.name);

test("a good store is safe, and nothing stays in it", async () => {
  const store = new MemoryStore({ clock: host.clock });
  await store.put("mine", "1", "always");
  const checkup = await examineStore(store, host);
  expect(checkup).toMatchObject({ safe: true, versions: true });
  expect(checkup.results.map((result) => result.name)).toEqual(expect.arrayContaining(RACES));
  expect((await store.list("")).objects.map((object) => object.key)).toEqual(["mine"]);
});

test("a store that ignores every condition is refused, and nothing stays in it either", async () => {
  const store = new OddStore((real, key, body) => real.put(key, body, "always"));
  const checkup = await examineStore(store, host);
  expect(checkup.safe).toBe(false);
  const failed = checkup.results.filter((result) => !result.ok).map((result) => result.name);
  expect(failed).toEqual(
    expect.arrayContaining(["puts if absent only once", "puts on a match only with the current etag", ...RACES]),
  );
  expect((await store.list("")).objects).toEqual([]);
});

test("a store that ignores only one kind of condition is refused", async () => {
  const noAbsent = new OddStore((real, key, body, condition) =>
    real.put(key, body, condition === "absent" ? "always" : condition),
  );
  expect(await failedOf(noAbsent)).toEqual(expect.arrayContaining(["puts if absent only once", RACES[0]]));
  const noMatch = new OddStore((real, key, body, condition) =>
    real.put(key, body, typeof condition === "object" ? "always" : condition),
  );
  expect(await failedOf(noMatch)).toEqual(
    expect.arrayContaining(["puts on a match only with the current etag", RACES[1], RACES[2]]),
  );
});

test("a store that looks first and writes later is found by the races alone", async () => {
  const store = new OddStore(async (real, key, body, condition) => {
    const current = await real.get(key);
    // A turn of the event loop between the look and the write: what a proxy in front of a plain store does.
    await new Promise((resolve) => setImmediate(resolve));
    if (condition === "absent" && current.kind === "found") return { kind: "conflict" };
    if (typeof condition === "object" && (current.kind === "missing" || current.object.etag !== condition.match))
      return { kind: "conflict" };
    return real.put(key, body, "always");
  });
  expect(await failedOf(store)).toEqual(RACES);
});

test("a store that does not answer is an error, not a finding", async () => {
  const store = new MemoryStore({ clock: host.clock });
  await store[Symbol.asyncDispose]();
  await expect(examineStore(store, host)).rejects.toThrow("closed");
});

test("the command examines a folder and says that it is safe", async () => {
  const folder = await mkdtemp(join(tmpdir(), "buquet-doctor-"));
  try {
    const json = await tell("doctor", "--store", `file:${folder}`, "--json");
    expect(json.code).toBe(0);
    expect(json.json()).toMatchObject({ safe: true });
    const text = await tell("doctor", "--store", `file:${folder}`);
    expect(text.stdout).toMatch(/lets exactly one of many creators win +ok\n/);
    expect(text.stdout).toMatch(/is safe to use\n$/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("that is told to stop while it clears up gives that up after two seconds", async () => {
  const stop = new AbortController();
  const slept: number[] = [];
  const sleep = async (ms: number): Promise<void> => void slept.push(ms);
  class HangingStore extends MemoryStore {
    override async list(...given: Parameters<MemoryStore["list"]>): ReturnType<MemoryStore["list"]> {
      // Each check has a folder of its own; the prefix of them all is what is cleared.
      if (!/doctor\/[0-9A-Z]{26}$/u.test(given[0])) return super.list(...given);
      queueMicrotask(() => stop.abort(new Error("enough")));
      return new Promise(() => {});
    }
  }
  const store = new HangingStore({ clock: host.clock });
  const examined = examineStore(store, { ...host, clock: { ...host.clock, sleep } }, stop.signal);
  await expect(examined).rejects.toThrow("enough");
  expect(slept.at(-1)).toBe(2_000);
});
