/** A worker whose lease does not fit the margin of its connection, or its bucket, is refused where it is made. */
import { expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { workflow } from "../../src/define/workflow.ts";
import { WorkflowError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { Worker } from "../../src/services/worker.ts";
import { heartbeatRestMs, LeaseWatch, shortestLeaseMs } from "../../src/services/lease.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import type { Duration } from "../../src/wire/duration.ts";

const workflows = [workflow("w").step("a", () => 1)];

/** Lease, margin and what is said; undefined: they fit. */
const TABLE: readonly (readonly [Duration | undefined, number | undefined, string | undefined])[] = [
  [undefined, undefined, undefined],
  ["6s", undefined, undefined],
  ["5999ms", undefined, "give a lease of 6s or more, or a smaller skewMarginMs (--skew-margin)"],
  ["2s", undefined, "a lease of 2s cannot be kept"],
  ["2s", 500, undefined],
  [undefined, 10_000, undefined],
  [undefined, 10_001, "with skewMarginMs 10001 it is at least three times as long"],
  [undefined, 30_000, "a lease of 30s cannot be kept: a lease is used until skewMarginMs before its end"],
  ["90s", 30_000, undefined],
  ["1s", 0, undefined],
  ["999ms", 0, "it must be a duration from 1s to 1d"],
  ["3h", 3_600_000, undefined],
];

test.each(TABLE)("lease %s with a margin of %s", async (lease, skewMarginMs, refusal) => {
  await using queue = await connect("memory:", skewMarginMs === undefined ? {} : { skewMarginMs });
  const make = (): Worker => new Worker(queue, { workflows, ...(lease === undefined ? {} : { lease }) });
  if (refusal === undefined) expect(make().id).toMatch(/^worker-/);
  else {
    expect(make).toThrow(WorkflowError);
    expect(make).toThrow(refusal);
  }
});

test("of every lease that is taken at least half is left when its heartbeat is sent", () => {
  for (const skewMarginMs of [0, 1, 100, 2_000, 30_000, 3_600_000]) {
    for (const times of [1, 1.5, 2, 5, 50]) {
      const leaseMs = shortestLeaseMs(skewMarginMs) * times;
      const usableMs = leaseMs - skewMarginMs;
      expect(usableMs - heartbeatRestMs(leaseMs, usableMs)).toBeGreaterThanOrEqual(leaseMs / 2 - 1e-6);
    }
  }
});

test("a bucket with one write of a key a second takes no lease below ten seconds", () => {
  const host = nodeHost();
  const store = new MemoryStore({ clock: host.clock });
  const limited: Pick<ObjectStore, "url" | "capabilities"> = {
    url: store.url,
    capabilities: { versions: false, writeIntervalMs: 1_000 },
  };
  const queue = handleOf(Object.assign(store, limited), host);
  expect(() => new Worker(queue, { workflows, lease: "9s" })).toThrow("give a lease of 10s or more");
  expect(new Worker(queue, { workflows, lease: "10s" }).id).toMatch(/^worker-/);
});

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, 3_600_001, "2s", null])(
  "a margin of %s is refused",
  async (margin) => {
    const options = { skewMarginMs: margin as number };
    await expect(connect("memory:", options)).rejects.toThrow("it must be a number of milliseconds from 0 to 3600000");
    const host = nodeHost();
    const store = new MemoryStore({ clock: host.clock });
    expect(() => handleOf(store, host, options)).toThrow("options of a connection: skewMarginMs is");
  },
);

test("a lease that is short for what a store takes to answer is said in the log, with numbers, once in ten minutes", () => {
  let now = 0;
  const said: unknown[] = [];
  const real = nodeHost();
  const host = {
    ...real,
    clock: { ...real.clock, monotonic: () => now },
    logger: { ...real.logger, warn: (message: string, fields?: object) => void said.push({ message, ...fields }) },
  };
  const { context } = handleOf(new MemoryStore({ clock: host.clock }), host);
  const watch = new LeaseWatch(context, 6_000, "worker-1");
  watch.took(2_000);
  expect(said).toEqual([]);
  watch.took(2_001);
  now = 599_999;
  watch.took(9_000);
  expect(said).toEqual([
    expect.objectContaining({
      message: expect.stringContaining("the lease is short for this store"),
      worker: "worker-1",
      took_ms: 2_001,
      lease_ms: 6_000,
      usable_ms: 4_000,
      write_lease_ms: 6_002,
    }),
  ]);
  now = 600_000;
  watch.took(5_000);
  expect(said).toHaveLength(2);
});
