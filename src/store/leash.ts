/** A store whose requests end with a signal, whatever the wrapped store does. */
import { setMaxListeners } from "node:events";
import { joinSignals, untilAborted } from "../host/signals.ts";
import type { ObjectStore, RequestOptions } from "./object-store.ts";

/** What a leash holds. A leash on a leash is one with the signals of both, so that a request costs as little as under one. */
interface Leashed {
  readonly store: ObjectStore;
  readonly signals: readonly AbortSignal[];
}

const leashes = new WeakMap<ObjectStore, Leashed>();

/**
 * Passes every request on until the signal aborts. Then the requests under way reject at once with the reason of the abort, also when the
 * store does not listen to signals, and later ones are not sent. Disposing it does not close the store behind it.
 */
export function leashStore(given: ObjectStore, signal: AbortSignal): ObjectStore {
  const held = leashes.get(given) ?? { store: given, signals: [] };
  const { store } = held;
  const signals = [...held.signals, signal];
  const underWay = new UnderWay(signals);
  const send = <T>(options: RequestOptions | undefined, request: (bound: RequestOptions) => Promise<T>): Promise<T> => {
    const other = options?.signal;
    return underWay.hold(async (ends) => {
      if (other === undefined) return request({ ...options, signal: ends });
      const both = joinSignals(ends, other);
      try {
        return await untilAborted(both.signal, () => request({ ...options, signal: both.signal }));
      } finally {
        both.release();
      }
    });
  };
  const leash: ObjectStore = {
    url: store.url,
    get capabilities() {
      return store.capabilities;
    },
    get server() {
      return store.server;
    },
    get: (key, options) => send(options, (bound) => store.get(key, bound)),
    put: (key, body, condition, options) => send(options, (bound) => store.put(key, body, condition, bound)),
    delete: (key, options) => send(options, (bound) => store.delete(key, bound)),
    list: (prefix, options) => send(options, (bound) => store.list(prefix, bound)),
    versions: (key, options) => send(options, (bound) => store.versions(key, bound)),
    getVersion: (key, versionId, options) => send(options, (bound) => store.getVersion(key, versionId, bound)),
    time: () => store.time(),
    [Symbol.asyncDispose]: async () => {},
  };
  leashes.set(leash, { store, signals });
  return leash;
}

/**
 * The requests of one leash. It listens to its signals once for all of them, and only while there are any: a signal that lives as long as
 * the process does not keep the leashes of calls that are over.
 */
class UnderWay {
  readonly #signals: readonly AbortSignal[];
  readonly #ends = new AbortController();
  readonly #rejects = new Set<(reason: unknown) => void>();

  constructor(signals: readonly AbortSignal[]) {
    this.#signals = signals;
    // Each leash and each request may listen; Node warns of more than ten.
    setMaxListeners(0, this.#ends.signal, ...signals);
  }

  /** Resolves as the request does, or rejects with the reason when a signal aborts first. Nothing is sent after that. */
  hold<T>(request: (ends: AbortSignal) => Promise<T>): Promise<T> {
    const aborted = this.#signals.find((signal) => signal.aborted);
    if (aborted !== undefined) return Promise.reject(aborted.reason as Error);
    return new Promise((resolve, reject) => {
      if (this.#rejects.size === 0) for (const signal of this.#signals) signal.addEventListener("abort", this.#abort);
      this.#rejects.add(reject);
      request(this.#ends.signal).then(
        (value) => {
          this.#ended(reject);
          resolve(value);
        },
        (error: unknown) => {
          this.#ended(reject);
          reject(error as Error);
        },
      );
    });
  }

  #ended(reject: (reason: unknown) => void): void {
    this.#rejects.delete(reject);
    if (this.#rejects.size === 0) for (const signal of this.#signals) signal.removeEventListener("abort", this.#abort);
  }

  readonly #abort = (): void => {
    const reason: unknown = this.#signals.find((signal) => signal.aborted)?.reason;
    this.#ends.abort(reason);
    for (const reject of this.#rejects) reject(reason);
  };
}
