/** A bucket as its processes see it: every request takes time, and is counted by its purpose. */
import {
  stateKey,
  ACTIVE_PREFIX,
  DUE_PREFIX,
  LEASES_PREFIX,
  minuteStart,
  parseIndexKey,
  READY_PREFIX,
} from "../keys.ts";
import type { Clock } from "../host/host.ts";
import { type MeteredStore, meterStore } from "../store/metered.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { IDLE, purposeOf } from "./purpose.ts";
import { billed, type Requests } from "./requests.ts";

/** How a bucket is watched. */
export interface MeteredBucketOptions {
  /** Milliseconds that each request takes. */
  readonly requestMs: number;
  /** How often the worker lists ready tasks. */
  readonly pollMs: number;
  /** Called with the body of each record that was stored, before the writer has its answer. */
  readonly onRecord: (body: string) => void;
}

/** S3 gives its time in seconds, so that a process knows it within half a second. */
const TIME_ERROR_MS = 500;
/** The indexes by which workers find work. */
const INDEXES: readonly string[] = [READY_PREFIX, LEASES_PREFIX, DUE_PREFIX, ACTIVE_PREFIX];

/** One store, shared by the client and the worker of one run. */
export class MeteredBucket {
  readonly #store: ObjectStore;
  readonly #options: MeteredBucketOptions;
  readonly #meters = new Map<string, MeteredStore>();
  readonly #indexed = new Set<string>();
  readonly #recordKey: string;
  #underWay = 0;
  #lastPollAt = Number.NEGATIVE_INFINITY;

  constructor(store: ObjectStore, runId: string, options: MeteredBucketOptions) {
    this.#store = store;
    this.#recordKey = stateKey(runId);
    this.#options = options;
  }

  /** Requests by what they are for, in the order in which each was first needed. Those of an idle worker are apart. */
  bill(): { readonly reasons: ReadonlyMap<string, Requests>; readonly idle: ReadonlyMap<string, Requests> } {
    const all = [...this.#meters].map(([purpose, meter]): [string, Requests] => [purpose, billed(meter.usage())]);
    return {
      reasons: new Map(all.filter(([purpose]) => purpose !== IDLE)),
      idle: new Map(all.filter(([purpose]) => purpose === IDLE)),
    };
  }

  /** Resets the counts. */
  forget(): void {
    this.#meters.clear();
  }

  /** How many requests are not answered yet. */
  get underWay(): number {
    return this.#underWay;
  }

  /** When an index (its prefix) first leads a worker to something (milliseconds since 1970), infinite when it is empty. */
  firstIn(index: string): number {
    const minutes = [...this.#indexed].flatMap((key) =>
      key.startsWith(index) ? [parseIndexKey(key)?.minute ?? ""] : [],
    );
    return Math.min(...minutes.map(minuteStart));
  }

  /** The bucket as a process with this clock sees it. */
  seenBy(clock: Clock): ObjectStore {
    const store = this.#store;
    const { requestMs } = this.#options;
    const ask = async <T>(purpose: string, request: (meter: MeteredStore) => Promise<T>): Promise<T> => {
      this.#underWay += 1;
      try {
        return await request(this.#meterOf(purpose));
      } finally {
        if (requestMs > 0) await clock.sleep(requestMs);
        this.#underWay -= 1;
      }
    };
    return {
      url: store.url,
      capabilities: store.capabilities,
      get: (key) => ask(purposeOf(key, false), (meter) => meter.get(key)),
      put: (key, body, condition) =>
        ask(purposeOf(key, false), async (meter) => {
          const outcome = await meter.put(key, body, condition);
          if (outcome.kind === "stored") this.#stored(key, body);
          return outcome;
        }),
      delete: (key) =>
        ask(purposeOf(key, false), async (meter) => {
          await meter.delete(key);
          this.#indexed.delete(key);
        }),
      list: (prefix, options) => ask(this.#listedFor(prefix, clock), (meter) => meter.list(prefix, options)),
      versions: (key) => ask(purposeOf(key, true), (meter) => meter.versions(key)),
      getVersion: (key, versionId) => ask(purposeOf(key, false), (meter) => meter.getVersion(key, versionId)),
      time: () => {
        const { earliest, latest } = store.time();
        return { earliest: earliest - TIME_ERROR_MS, latest: latest + TIME_ERROR_MS };
      },
      // It belongs to who measures.
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #meterOf(purpose: string): MeteredStore {
    const meter = this.#meters.get(purpose) ?? meterStore(this.#store);
    this.#meters.set(purpose, meter);
    return meter;
  }

  /** An idle worker polls once a period; a poll that comes sooner follows one that found work. */
  #listedFor(prefix: string, clock: Clock): string {
    if (!prefix.startsWith(READY_PREFIX)) return purposeOf(prefix, true);
    const isSooner = clock.now() - this.#lastPollAt < this.#options.pollMs;
    this.#lastPollAt = clock.now();
    return isSooner ? "a poll at once after one that found work" : IDLE;
  }

  #stored(key: string, body: string): void {
    if (INDEXES.some((index) => key.startsWith(index))) this.#indexed.add(key);
    if (key === this.#recordKey) this.#options.onRecord(body);
  }
}
