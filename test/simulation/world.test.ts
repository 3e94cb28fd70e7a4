import { describe, expect, test } from "vitest";
import { formatTrace, shrink, World } from "./world/index.ts";
import type { FaultPlan, FaultRates, Process, WorldOptions } from "./world/index.ts";
import { addOne, addOneBlindly, addOneCarelessly, COUNTER_KEY } from "./toy.ts";

const ALL_RATES: FaultRates = {
  "crash-before": 0.03,
  "crash-after": 0.03,
  "reply-lost": 0.05,
  "request-lost": 0.05,
  late: 0.05,
  unavailable: 0.05,
  freeze: 0.03,
};

/** Three clients that add five each and are started again when they die. */
async function countTogether(
  seed: number,
  options: WorldOptions,
): Promise<{ world: World; next: number; kind: string }> {
  let left = 15;
  const start = (process: Process, from: number): void => {
    const work = async (): Promise<void> => {
      for (let nth = from; nth < 5; nth += 1) {
        progress.set(process.name, nth);
        await addOne(process, `${process.name}/${nth}`);
        left -= 1;
      }
    };
    void work();
  };
  const progress = new Map<string, number>();
  const world: World = new World(seed, {
    ...options,
    onCrash: (dead) => world.after(500, () => start(world.spawn(dead.name), progress.get(dead.name) ?? 0)),
  });
  for (const name of ["a", "b", "c"]) start(world.spawn(name), 0);
  const end = await world.run({ until: () => left === 0 });
  await world.advance(100_000);
  return { world, next: world.spawn("last").host.random.next(), kind: end.kind };
}

async function readCounter(world: World): Promise<string | undefined> {
  const read = await world.store.get(COUNTER_KEY);
  return read.kind === "found" ? read.object.body : undefined;
}

/** What became of one promise by now. */
function watch<T>(promise: Promise<T>): { state: "pending" | "resolved" | "rejected"; value?: T; error?: unknown } {
  const seen: ReturnType<typeof watch<T>> = { state: "pending" };
  promise.then(
    (value) => Object.assign(seen, { state: "resolved", value }),
    (error: unknown) => Object.assign(seen, { state: "rejected", error }),
  );
  return seen;
}

function worldWith(...faults: readonly Omit<FaultPlan, "process">[]): { world: World; process: Process } {
  const world = new World("planned", { latency: 10, faults: faults.map((fault) => ({ process: "p", ...fault })) });
  return { world, process: world.spawn("p") };
}

describe("one seed, one history", () => {
  test.each([1, 2, 3])("seed %i twice gives the same trace and the same next random number", async (seed) => {
    const first = await countTogether(seed, { rates: ALL_RATES });
    const second = await countTogether(seed, { rates: ALL_RATES });
    expect(first.world.struck.length).toBeGreaterThan(0);
    expect(formatTrace(second.world.trace)).toBe(formatTrace(first.world.trace));
    expect(second.next).toBe(first.next);
    expect(second.world.nowMs).toBe(first.world.nowMs);
  });

  test("two seeds give two histories", async () => {
    const first = await countTogether(1, {});
    const second = await countTogether(2, {});
    expect(formatTrace(second.world.trace)).not.toBe(formatTrace(first.world.trace));
  });

  test.each([4, 5, 6])("the faults that struck under seed %i, planned, replay the same trace", async (seed) => {
    const drawn = await countTogether(seed, { rates: ALL_RATES });
    const replayed = await countTogether(seed, { faults: drawn.world.struck });
    expect(formatTrace(replayed.world.trace)).toBe(formatTrace(drawn.world.trace));
  });
});

describe("things due at one instant", () => {
  /** In which order five processes that send at once at a constant latency are served. */
  const serve = async (seed: number): Promise<string> => {
    const world = new World(seed, { latency: 50 });
    const answered: string[] = [];
    for (const name of ["a", "b", "c", "d", "e"])
      void world
        .spawn(name)
        .store.get("k")
        .then(() => answered.push(name));
    await world.run();
    return answered.join("");
  };

  test("come in an order that the seed alone decides", async () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 10; seed += 1) {
      const order = await serve(seed);
      expect(await serve(seed)).toBe(order);
      orders.add(order);
    }
    expect(orders.size).toBeGreaterThan(3);
  });
});

describe("a right client", () => {
  test.each(Array.from({ length: 20 }, (_, index) => 100 + index))(
    "counts exactly under all faults, seed %i",
    async (seed) => {
      const { world, kind } = await countTogether(seed, { rates: ALL_RATES });
      expect(kind).toBe("done");
      expect(JSON.parse((await readCounter(world))!)).toMatchObject({ total: 15 });
    },
  );

  test("survives a crash before and after each of its calls", async () => {
    const calm = await countTogether(7, {});
    const calls = calm.world.callCount("a");
    expect(calls).toBeGreaterThan(9);
    for (let call = 1; call <= calls; call += 1) {
      for (const kind of ["crash-before", "crash-after"] as const) {
        const { world } = await countTogether(7, { faults: [{ process: "a", call, kind }] });
        expect(world.struck).toHaveLength(1);
        expect(JSON.parse((await readCounter(world))!), `${kind} ${call}`).toMatchObject({ total: 15 });
      }
    }
  });
});

describe("a broken client", () => {
  test("that writes without a condition loses an update", async () => {
    const totals = new Set<string | undefined>();
    for (let seed = 0; seed < 10; seed += 1) {
      const world = new World(seed);
      void addOneBlindly(world.spawn("a"));
      void addOneBlindly(world.spawn("b"));
      expect((await world.run()).kind).toBe("idle");
      totals.add(await readCounter(world));
    }
    expect(totals).toContain("1");
  });

  test("that takes unknown for failed counts twice, and the history shrinks to the one fault that shows it", async () => {
    const runWith = async (seed: number, options: WorldOptions): Promise<{ world: World; failed: boolean }> => {
      const world = new World(seed, options);
      const work = async (): Promise<void> => {
        for (let nth = 0; nth < 10; nth += 1) await addOneCarelessly(client);
      };
      const client = world.spawn("a");
      void work();
      await world.run();
      return { world, failed: (await readCounter(world)) !== "10" };
    };
    const { world, failed } = await runWith(3, {
      rates: { "reply-lost": 0.3, "request-lost": 0 },
      faults: readsAreSafe(),
    });
    expect(failed).toBe(true);
    const least = await shrink(world.struck, async (faults) => (await runWith(3, { faults })).failed);
    expect(least).toHaveLength(1);
    expect(least[0]?.kind).toBe("reply-lost");
  });
});

/** Freezing for no time takes the place of a drawn fault: the first read of the careless client must not throw. */
function readsAreSafe(): FaultPlan[] {
  return Array.from(
    { length: 100 },
    (_, index) => ({ process: "a", call: 2 * index + 1, kind: "freeze", delayMs: 0 }) as const,
  );
}

describe("each fault", () => {
  test("crash-before: nothing is sent and nothing is answered", async () => {
    const { world, process } = worldWith({ call: 1, kind: "crash-before" });
    const put = watch(process.store.put("k", "1", "absent"));
    expect((await world.run()).kind).toBe("idle");
    expect(process.alive).toBe(false);
    expect(put.state).toBe("pending");
    expect(world.trace[0]).toMatchObject({ appliedAt: [], fault: "crash-before" });
    expect(await world.store.get("k")).toEqual({ kind: "missing" });
  });

  test("crash-after: applied, never answered, and the dead neither call nor sleep", async () => {
    const { world, process } = worldWith({ call: 1, kind: "crash-after" });
    const put = watch(process.store.put("k", "1", "absent"));
    const sleep = watch(process.host.clock.sleep(1000));
    await world.run();
    const later = watch(process.store.get("k"));
    const lateSleep = watch(process.host.clock.sleep(1));
    await world.run();
    expect([put.state, sleep.state, later.state, lateSleep.state]).toEqual(Array(4).fill("pending"));
    expect(await world.store.get("k")).toMatchObject({ kind: "found" });
    expect(world.counters.total).toBe(1);
  });

  test("a crash lets requests on their way arrive or not", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 20; seed += 1) {
      const world = new World(seed);
      const process = world.spawn("p");
      void process.store.put("k", "1", "absent");
      process.crash();
      await world.run();
      seen.add((await world.store.get("k")).kind);
    }
    expect(seen).toEqual(new Set(["found", "missing"]));
  });

  test.each([
    ["reply-lost", "found"],
    ["request-lost", "missing"],
    ["unavailable", "missing"],
  ] as const)("%s: a conditional put is unknown and afterwards the key is %s", async (kind, after) => {
    const { world, process } = worldWith({ call: 1, kind });
    const put = watch(process.store.put("k", "1", "absent"));
    await world.run();
    expect(put.value?.kind).toBe("unknown");
    expect((await world.store.get("k")).kind).toBe(after);
  });

  test.each(["reply-lost", "request-lost", "late", "unavailable"] as const)(
    "%s: other calls throw unavailable",
    async (kind) => {
      const { world, process } = worldWith(...[1, 2, 3, 4].map((call) => ({ call, kind })));
      const { store } = process;
      const calls = [store.get("k"), store.list(""), store.delete("k"), store.put("k", "1", "always")].map((call) =>
        watch<unknown>(call),
      );
      await world.run();
      for (const call of calls) expect(call).toMatchObject({ state: "rejected", error: { code: "unavailable" } });
    },
  );

  test("late: unknown, absent on re-read, and there afterwards", async () => {
    const { world, process } = worldWith({ call: 1, kind: "late", delayMs: 30_000 });
    const put = watch(process.store.put("k", "1", "absent"));
    await world.run({ until: () => put.state === "resolved" });
    const read = watch(process.store.get("k"));
    await world.advance(1000);
    expect([put.value?.kind, read.value?.kind]).toEqual(["unknown", "missing"]);
    await world.advance(40_000);
    expect((await world.store.get("k")).kind).toBe("found");
  });

  test("late: a landing whose condition no longer holds changes nothing", async () => {
    const { world, process } = worldWith({ call: 1, kind: "late", delayMs: 30_000 });
    void process.store.put("k", "old", "absent");
    await world.advance(6000);
    await world.store.put("k", "new", "absent");
    await world.run();
    expect(await world.store.get("k")).toMatchObject({ object: { body: "new" } });
    expect(world.trace[0]).toMatchObject({ effect: "conflict", outcome: "unknown" });
  });

  test("echo: a delete that was answered strikes again", async () => {
    const { world, process } = worldWith({ call: 1, kind: "echo", delayMs: 1000 }, { call: 2, kind: "echo" });
    const deleted = watch(process.store.delete("k"));
    await world.advance(100);
    expect(deleted.state).toBe("resolved");
    const put = watch(process.store.put("k", "1", "absent"));
    await world.run();
    expect(put.value?.kind).toBe("stored");
    expect((await world.store.get("k")).kind).toBe("missing");
    expect(world.struck).toHaveLength(1);
  });

  test("freeze: answers and timers wait, requests arrive, and thawing gives everything at one instant", async () => {
    const { world, process } = worldWith();
    const put = watch(process.store.put("k", "1", "absent"));
    const sleep = watch(process.host.clock.sleep(50));
    process.freeze();
    await world.advance(1000);
    expect([put.state, sleep.state]).toEqual(["pending", "pending"]);
    expect((await world.store.get("k")).kind).toBe("found");
    process.thaw();
    await world.advance(0);
    expect([put.state, sleep.state]).toEqual(["resolved", "resolved"]);
    expect(world.trace[0]?.answeredAt).toBe(1000);
  });

  test("freeze, planned: the process gets its answer when the time is over", async () => {
    const { world, process } = worldWith({ call: 1, kind: "freeze", delayMs: 700 });
    const get = watch(process.store.get("k"));
    await world.run();
    expect(get.state).toBe("resolved");
    expect(world.trace[0]?.answeredAt).toBe(700);
  });
});

describe("a request whose signal aborts", () => {
  test("is unknown for a conditional put, which still arrives, and unavailable for a read", async () => {
    const { world, process } = worldWith();
    const stop = new AbortController();
    const put = watch(process.store.put("k", "1", "absent", { signal: stop.signal }));
    const get = watch(process.store.get("k", { signal: stop.signal }));
    world.after(1, () => stop.abort("enough"));
    await world.run();
    expect(put.value).toEqual({ kind: "unknown", cause: "enough" });
    expect(get).toMatchObject({ state: "rejected", error: { code: "unavailable" } });
    expect((await world.store.get("k")).kind).toBe("found");
    expect(world.trace.map(({ answeredAt }) => answeredAt)).toEqual([1, 1]);
  });
});

describe("time", () => {
  test("a constant latency makes sequential calls cost exactly so much", async () => {
    const world = new World(1, { latency: 50 });
    const process = world.spawn("p");
    const work = watch(
      (async () => {
        await process.store.put("k", "1", "absent");
        await Promise.all([process.store.get("k"), process.store.list("")]);
        return process.host.clock.monotonic();
      })(),
    );
    await world.run();
    expect(work.value).toBe(100);
  });

  test("wall clocks differ, jump and drift while the store's bounds hold the true time", async () => {
    const world = new World(1, { startAt: 1_000_000, timeErrorMs: 20 });
    const ahead = world.spawn("ahead", { clockOffsetMs: 5000 });
    const fast = world.spawn("fast", { driftPpm: 1_000_000 });
    await world.advance(1000);
    ahead.jumpClock(-7000);
    expect([ahead.host.clock.now(), ahead.host.clock.monotonic()]).toEqual([999_000, 1000]);
    expect([fast.host.clock.now(), fast.host.clock.monotonic()]).toEqual([1_002_000, 2000]);
    expect(ahead.store.time()).toEqual({ earliest: 1_000_980, latest: 1_001_020 });
    const slept = watch(fast.host.clock.sleep(100));
    await world.advance(50);
    expect(slept.state).toBe("resolved");
  });

  test("an aborted sleep ends at once and leaves nothing to wait for", async () => {
    const world = new World(1);
    const stop = new AbortController();
    const slept = watch(world.spawn("p").host.clock.sleep(1_000_000, { signal: stop.signal }));
    world.after(5, () => stop.abort());
    expect((await world.run()).kind).toBe("idle");
    expect([slept.state, world.nowMs]).toEqual(["resolved", 5]);
  });

  test("run says why it stopped", async () => {
    const world = new World(1);
    const tick = (): void => world.after(10, tick);
    tick();
    expect((await world.run({ maxVirtualMs: 100 })).kind).toBe("time");
    expect(world.nowMs).toBe(100);
    expect(await world.run({ maxActions: 3 })).toEqual({ kind: "actions", actions: 3 });
    expect((await world.run({ until: () => Promise.resolve(true) })).kind).toBe("done");
  });
});

describe("the shared store", () => {
  test("lists in UTF-8 byte order, page by page, after a key that need not exist", async () => {
    const { store } = new World(1);
    for (const key of ["a/\u{1F600}", "a/\uFFFD", "a/b", "b/x", "a/a"]) await store.put(key, "", "always");
    const first = await store.list("a/", { limit: 2 });
    expect([first.objects.map(({ key }) => key), first.truncated]).toEqual([["a/a", "a/b"], true]);
    const rest = await store.list("a/", { after: "a/bb" });
    expect([rest.objects.map(({ key }) => key), rest.truncated]).toEqual([["a/\uFFFD", "a/\u{1F600}"], false]);
    await expect(store.list("", { limit: 0 })).rejects.toMatchObject({ code: "invalid" });
  });

  test("keeps versions and delete markers, newest first", async () => {
    const { store } = new World(1);
    await store.put("k", "1", "absent");
    await store.put("k", "2", "always");
    await store.delete("k");
    const versions = await store.versions("k");
    expect(versions.map(({ deleted }) => deleted)).toEqual([true, false, false]);
    expect(await store.getVersion("k", versions[2]!.versionId)).toMatchObject({ object: { body: "1" } });
    expect(await store.getVersion("k", versions[0]!.versionId)).toEqual({ kind: "missing" });
    expect(await store.put("k", "3", { match: "gone" })).toEqual({ kind: "conflict" });
  });

  test.each([
    ["content", true],
    ["unique", false],
  ] as const)("etags by %s: equal bodies have equal etags is %s", async (etags, equal) => {
    const { store } = new World(1, { etags });
    const [first, second] = [await store.put("a", "x", "always"), await store.put("b", "x", "always")];
    expect(JSON.stringify(first) === JSON.stringify(second)).toBe(equal);
  });
});

describe("shrinking", () => {
  test("keeps exactly the items that are needed together, in order", async () => {
    const items = Array.from({ length: 64 }, (_, index) => index);
    expect(await shrink(items, (part) => [3, 40, 41].every((needed) => part.includes(needed)))).toEqual([3, 40, 41]);
    expect(await shrink(items, () => true)).toEqual([]);
    await expect(shrink(items, () => false)).rejects.toThrow(RangeError);
  });
});
