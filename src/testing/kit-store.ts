import type { ObjectStore } from "../store/object-store.ts";
import type { Life } from "./simulation/process.ts";

/** The store as one process sees it: the dead send nothing and hear nothing. */
export function storeOf(store: ObjectStore, life: Life): ObjectStore {
  const never = <T>(): Promise<T> => new Promise<T>(() => {});
  const ask = async <T>(request: () => Promise<T>): Promise<T> => {
    if (!life.alive) return never();
    try {
      const answer = await request();
      return life.alive ? answer : await never();
    } catch (error) {
      if (!life.alive) return never();
      throw error;
    }
  };
  return {
    url: store.url,
    capabilities: store.capabilities,
    get: (key) => ask(() => store.get(key)),
    put: (key, body, condition) => ask(() => store.put(key, body, condition)),
    delete: (key) => ask(() => store.delete(key)),
    list: (prefix, options) => ask(() => store.list(prefix, options)),
    versions: (key) => ask(() => store.versions(key)),
    getVersion: (key, versionId) => ask(() => store.getVersion(key, versionId)),
    time: () => store.time(),
    // The store belongs to the kit.
    [Symbol.asyncDispose]: async () => {},
  };
}
