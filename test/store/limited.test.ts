/** Stores that allow less than S3: the conformance suite on each, under a virtual clock, and what their limits cost. */
import { describe, expect, test } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { TRIES } from "../../src/store/again.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { type BucketLimits, EXPRESS_LIMITS, LimitedBucket, R2_LIMITS } from "../../src/testing/limited-bucket.ts";
import { World } from "../simulation/world/index.ts";
import { storeCases } from "../../src/testing/store-cases.ts";

interface Staged {
  readonly world: World;
  readonly bucket: LimitedBucket;
  readonly store: ObjectStore;
}

function setup(limits: BucketLimits): Staged {
  const world = new World(1, { latency: 5 });
  const process = world.spawn("process");
  const bucket = new LimitedBucket(limits);
  return { world, bucket, store: bucket.limit(process.store, process.host) };
}

/** Lets virtual time pass until the work is done. */
async function finish<T>(world: World, work: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  work.then(end, end);
  await world.run({ until: () => over });
  expect(over, "whether the work ended").toBe(true);
  return work;
}

const both: BucketLimits = { ...R2_LIMITS, ...EXPRESS_LIMITS };

for (const [name, limits] of [
  ["R2", R2_LIMITS],
  ["S3 Express", EXPRESS_LIMITS],
  ["R2 and S3 Express", both],
] as const) {
  describe(`a store with the limits of ${name}`, () => {
    for (const [index, probe] of storeCases.entries()) {
      test(probe.name, async () => {
        const { world, store } = setup(limits);
        await finish(world, probe.run({ store, prefix: `case-${index}/` }));
      });
    }
  });
}

describe("a bucket that takes one write of a key a second", () => {
  test("takes the first at once, and the next when the second is over", async () => {
    const { world, store, bucket } = setup(R2_LIMITS);
    await finish(world, store.put("a", "one", "absent"));
    expect(world.nowMs).toBe(5);
    await finish(world, store.put("b", "one", "absent"));
    expect(bucket.refused).toBe(0);
    expect(await finish(world, store.put("a", "two", "always"))).toMatchObject({ kind: "stored" });
    expect(bucket.refused).toBeGreaterThan(0);
    expect(world.nowMs).toBeGreaterThan(1_000);
  });

  test("is tried six times; then a conditional put is unknown and anything else unavailable", async () => {
    const host: Host = { ...nodeHost(), random: { ...nodeHost().random, next: () => 0 } };
    const frozen: Host = { ...host, clock: { now: () => 0, monotonic: () => 0, sleep: async () => {} } };
    const bucket = new LimitedBucket(R2_LIMITS);
    const store = bucket.limit(new MemoryStore({ clock: frozen.clock }), frozen);
    expect(await store.put("a", "one", "absent")).toMatchObject({ kind: "stored" });
    expect(await store.put("a", "two", "absent")).toMatchObject({ kind: "unknown" });
    expect(bucket.refused).toBe(TRIES);
    await expect(store.put("a", "two", "always")).rejects.toMatchObject({ code: "unavailable" });
    await expect(store.delete("a")).rejects.toMatchObject({ code: "unavailable" });
    expect(await store.get("a")).toMatchObject({ object: { body: "one" } });
  });

  test("ends a pause with the reason of an abort", async () => {
    const { world, store } = setup(R2_LIMITS);
    await finish(world, store.put("a", "one", "absent"));
    const controller = new AbortController();
    const put = store.put("a", "two", "always", { signal: controller.signal });
    const reason = new Error("not wanted");
    world.after(1, () => controller.abort(reason));
    await expect(finish(world, put)).rejects.toBe(reason);
  });
});
