import type { ObjectStore } from "../store/object-store.ts";
import type { Life } from "./time/process.ts";

/** A request of a worker. */
export interface WorkerRequest {
  /** The id of the worker. */
  readonly worker: string;
  /** `before` it is sent, or `after` it was carried out and before its answer arrives. */
  readonly when: "before" | "after";
  /** The kind of the request. */
  readonly kind: "get" | "put" | "delete" | "list" | "versions" | "getVersion";
  /** The key, or the prefix of a list. */
  readonly key: string;
}

/** Called with a request. */
export type Tell = (when: WorkerRequest["when"], kind: WorkerRequest["kind"], key: string) => void;

/**
 * The store as one process sees it: a crashed process sends and receives nothing. The callback may crash the process at a request: before
 * it nothing is sent, after it nothing is answered.
 */
export function storeOf(store: ObjectStore, life: Life, tell: Tell): ObjectStore {
  const never = <T>(): Promise<T> => new Promise<T>(() => {});
  const ask = async <T>(kind: WorkerRequest["kind"], key: string, request: () => Promise<T>): Promise<T> => {
    if (life.alive) tell("before", kind, key);
    if (!life.alive) return never();
    try {
      const answer = await request();
      if (life.alive) tell("after", kind, key);
      return life.alive ? answer : await never();
    } catch (error) {
      if (!life.alive) return never();
      throw error;
    }
  };
  return {
    url: store.url,
    capabilities: store.capabilities,
    get: (key) => ask("get", key, () => store.get(key)),
    put: (key, body, condition) => ask("put", key, () => store.put(key, body, condition)),
    delete: (key) => ask("delete", key, () => store.delete(key)),
    list: (prefix, options) => ask("list", prefix, () => store.list(prefix, options)),
    versions: (key) => ask("versions", key, () => store.versions(key)),
    getVersion: (key, versionId) => ask("getVersion", key, () => store.getVersion(key, versionId)),
    time: () => store.time(),
    // The store belongs to the kit.
    [Symbol.asyncDispose]: async () => {},
  };
}
