/** Leashes: requests end with their signals, and signals that live long keep nothing of requests that are over. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { nodeClock } from "../../src/host/node.ts";
import { leashStore } from "../../src/store/leash.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore, RequestOptions } from "../../src/store/object-store.ts";

/** A store whose reads end when the test says so; it keeps the signals that it is given. */
function heldStore(): { store: ObjectStore; signals: (AbortSignal | undefined)[]; answer: () => void } {
  const signals: (AbortSignal | undefined)[] = [];
  const answers: (() => void)[] = [];
  const memory = new MemoryStore({ clock: nodeClock });
  const get = async (key: string, options?: RequestOptions): ReturnType<ObjectStore["get"]> => {
    signals.push(options?.signal);
    await new Promise<void>((resolve) => answers.push(resolve));
    return memory.get(key);
  };
  const store = new Proxy(memory, {
    get: (target, name) => {
      if (name === "get") return get;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { store, signals, answer: () => answers.splice(0).forEach((resolve) => resolve()) };
}

const listeners = (...controllers: AbortController[]): number =>
  controllers.reduce((sum, { signal }) => sum + getEventListeners(signal, "abort").length, 0);

test("one on another ends with the signal of either, for its reason", async () => {
  for (const first of [true, false]) {
    const [inner, outer] = [new AbortController(), new AbortController()];
    const { store, signals } = heldStore();
    const leash = leashStore(leashStore(store, inner.signal), outer.signal);
    const reads = [leash.get("a"), leash.get("b")].map((read) => expect(read).rejects.toThrow("enough"));
    (first ? inner : outer).abort(new Error("enough"));
    await Promise.all(reads);
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true]);
    await expect(leash.get("c")).rejects.toThrow("enough");
    expect(signals).toHaveLength(2);
  }
});

test("a request with a signal of its own ends with that one too, and the others go on", async () => {
  const [own, whole] = [new AbortController(), new AbortController()];
  const { store, answer } = heldStore();
  const leash = leashStore(store, whole.signal);
  const told = expect(leash.get("a", { signal: own.signal })).rejects.toThrow("enough");
  const other = leash.get("b");
  own.abort(new Error("enough"));
  await told;
  answer();
  expect(await other).toEqual({ kind: "missing" });
  expect(listeners(own, whole)).toBe(0);
});

test("listens once for all requests under way, and not at all between them", async () => {
  const [inner, outer] = [new AbortController(), new AbortController()];
  const { store, answer } = heldStore();
  const leash = leashStore(leashStore(store, inner.signal), outer.signal);
  for (let round = 0; round < 3; round += 1) {
    const reads = Array.from({ length: 20 }, (_, index) => leash.get(String(index)));
    expect(listeners(inner, outer)).toBe(2);
    answer();
    await Promise.all(reads);
    expect(listeners(inner, outer)).toBe(0);
  }
});
