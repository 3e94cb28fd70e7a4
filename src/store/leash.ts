/** A store for one purpose: its requests end with a signal, whatever the store behind it does. */
import { setMaxListeners } from "node:events";
import { joinSignals, untilAborted } from "../host/signals.ts";
import type { ObjectStore, RequestOptions } from "./object-store.ts";

/**
 * Passes every request on until the signal aborts. Then the requests under way reject at once with the reason of the abort, also when the
 * store does not listen to signals, and later ones are not sent. Disposing it does not close the store behind it.
 */
export function leashStore(store: ObjectStore, signal: AbortSignal): ObjectStore {
  // Each request under way listens; Node warns of more than ten.
  setMaxListeners(0, signal);
  const send = async <T>(
    options: RequestOptions | undefined,
    request: (both: RequestOptions) => Promise<T>,
  ): Promise<T> => {
    const given = options?.signal;
    if (given === undefined) return untilAborted(signal, () => request({ ...options, signal }));
    const both = joinSignals(signal, given);
    try {
      return await untilAborted(both.signal, () => request({ ...options, signal: both.signal }));
    } finally {
      both.release();
    }
  };
  return {
    url: store.url,
    get capabilities() {
      return store.capabilities;
    },
    get server() {
      return store.server;
    },
    get: (key, options) => send(options, (both) => store.get(key, both)),
    put: (key, body, condition, options) => send(options, (both) => store.put(key, body, condition, both)),
    delete: (key, options) => send(options, (both) => store.delete(key, both)),
    list: (prefix, options) => send(options, (both) => store.list(prefix, both)),
    versions: (key, options) => send(options, (both) => store.versions(key, both)),
    getVersion: (key, versionId, options) => send(options, (both) => store.getVersion(key, versionId, both)),
    time: () => store.time(),
    [Symbol.asyncDispose]: async () => {},
  };
}
