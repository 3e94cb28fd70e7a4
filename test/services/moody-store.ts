/** A store that can be away, answer late, or accept requests and never answer them, whatever signal it is given. */
import { WorkflowError } from "../../src/errors.ts";
import type { Clock } from "../../src/host/host.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";

/** How it is to everybody who asks. */
export type Mood = "well" | "away" | "hangs" | "slow";

/** How late it answers when it is slow. */
const SLOW_MS = 8_000;

/** The store, its mood, and how many requests came to it. */
export interface MoodyStore {
  readonly store: ObjectStore;
  mood: Mood;
  asked: number;
}

/** Wraps a store. */
export function moodyStore(store: ObjectStore, clock: Clock): MoodyStore {
  const ask = async <T>(request: () => Promise<T>): Promise<T> => {
    moody.asked += 1;
    if (moody.mood === "away") throw new WorkflowError("unavailable", "the store is away");
    if (moody.mood === "hangs") return new Promise<never>(() => {});
    if (moody.mood === "slow") await clock.sleep(SLOW_MS);
    return request();
  };
  const moody: MoodyStore = {
    mood: "well",
    asked: 0,
    store: {
      url: store.url,
      capabilities: store.capabilities,
      get: (key) => ask(() => store.get(key)),
      put: (key, body, condition) => ask(() => store.put(key, body, condition)),
      delete: (key) => ask(() => store.delete(key)),
      list: (prefix, options) => ask(() => store.list(prefix, options)),
      versions: (key) => ask(() => store.versions(key)),
      getVersion: (key, versionId) => ask(() => store.getVersion(key, versionId)),
      time: () => store.time(),
      [Symbol.asyncDispose]: async () => {},
    },
  };
  return moody;
}
