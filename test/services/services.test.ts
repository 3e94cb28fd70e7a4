/** Each service of a worker alone: what it does when it starts, again and again, and when it stops. */
import { describe, expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { DUE_PREFIX, FOREIGN_PREFIX, READY_PREFIX, announcementKey, stateKey, taskKey } from "../../src/keys.ts";
import { claimTask } from "../../src/queue/claim.ts";
import type { Claim } from "../../src/queue/claim.ts";
import { Announcer } from "../../src/services/announcer.ts";
import { Claimer, type ClaimerOptions } from "../../src/services/claimer.ts";
import { ForeignPoll } from "../../src/services/foreign-poll.ts";
import { LeaseMonitor, type LeaseMonitorOptions } from "../../src/services/lease-monitor.ts";
import { TimerPromoter } from "../../src/services/timer-promoter.ts";
import { failing, makeSurroundings, type Surroundings } from "./scope.ts";

const away = (): Error => new WorkflowError("unavailable", "the store is away");

describe("a claimer", () => {
  function make(at: Surroundings, changes: Partial<ClaimerOptions> = {}) {
    const taken: Claim[] = [];
    const claimer = new Claimer(at.scope, {
      registry: { accepts: async () => true },
      pollMs: 5_000,
      isFull: () => false,
      take: (claim) => void taken.push(claim),
      ...changes,
    });
    return { claimer, taken, ids: () => taken.map(({ task }) => task.id) };
  }

  test("claims what is ready when it starts, and what comes with the next list", async () => {
    const at = makeSurroundings();
    const first = await at.put(1);
    const { claimer, ids } = make(at);
    await claimer.start();
    await at.clock.advance("1ms");
    expect(ids()).toEqual([first]);
    // A list that found something is followed by another at once; only then it rests.
    const second = await at.put(2);
    await at.clock.advance("4s");
    expect(ids()).toEqual([first]);
    await at.clock.advance("1s");
    expect(ids()).toEqual([first, second]);
    await claimer.stop();
  });

  test("asks without a list for what this process knows to be due", async () => {
    let lists = 0;
    const at = makeSurroundings((store) =>
      failing(store, (request) => {
        if (request === "list") lists += 1;
        return undefined;
      }),
    );
    const { claimer, ids } = make(at);
    await claimer.start();
    await at.clock.advance("1ms");
    const before = lists;
    const id = await at.put(1, { availableAt: at.clock.now() + 2_000 });
    claimer.hint(id, at.clock.now() + 2_000);
    // An index of minutes knows less, and does not change that.
    claimer.hintAbout(id, at.clock.now());
    await at.clock.advance("1999ms");
    expect(ids()).toEqual([]);
    await at.clock.advance("1ms");
    expect(ids()).toEqual([id]);
    expect(lists).toBe(before);
    await claimer.stop();
  });

  test("claims nothing while there is no place, nor once it is asked to stop", async () => {
    const at = makeSurroundings();
    await at.put(1);
    await at.put(2);
    let places = 1;
    const taken: Claim[] = [];
    const { claimer } = make(at, {
      isFull: () => taken.length >= places,
      take: (claim) => void taken.push(claim),
    });
    await claimer.start();
    await at.clock.advance("1m");
    expect(taken).toHaveLength(1);
    at.stopping.abort();
    places = 2;
    claimer.wake();
    await at.clock.advance("1m");
    expect(taken).toHaveLength(1);
    await claimer.stop();
  });

  test("asks ever more seldom for what it cannot run or read", async () => {
    let asked = 0;
    const at = makeSurroundings((store) =>
      failing(store, (request, key) => {
        if (request !== "get" || key !== taskKey(unreadable)) return undefined;
        asked += 1;
        return new WorkflowError("data", "half of it is missing");
      }),
    );
    const unreadable = await at.put(1);
    await at.put(2);
    let offered = 0;
    const { claimer, taken } = make(at, {
      registry: {
        accepts: async () => {
          offered += 1;
          return false;
        },
      },
    });
    await claimer.start();
    await at.clock.advance("1h");
    expect(taken).toEqual([]);
    // Pauses that double: from five seconds for what cannot be read, from five minutes for what is not for this worker.
    expect(asked).toBe(10);
    expect(offered).toBe(4);
    await claimer.stop();
  });
});

describe("a lease monitor", () => {
  function make(at: Surroundings, changes: Partial<LeaseMonitorOptions> = {}) {
    const taken: Claim[] = [];
    const monitor = new LeaseMonitor(at.scope, {
      registry: { canRun: async () => true },
      firstPauseMs: 5_000,
      isFull: () => false,
      ownTaskIds: () => [],
      take: (claim) => void taken.push(claim),
      ...changes,
    });
    return { monitor, taken };
  }

  async function abandoned(at: Surroundings, number: number): Promise<string> {
    const id = await at.put(number);
    const { queue } = at.scope;
    await claimTask({ ...queue, store: at.store }, id, { workerId: "gone", leaseMs: 30_000, accepts: () => true });
    return id;
  }

  test("takes over a task whose lease has run out, within two thirds of a lease after that", async () => {
    const at = makeSurroundings();
    const id = await abandoned(at, 1);
    const { monitor, taken } = make(at);
    await monitor.start();
    await at.clock.advance("31s");
    expect(taken).toEqual([]);
    await at.clock.advance("21s");
    expect(taken.map(({ task }) => [task.id, task.attempt])).toEqual([[id, 2]]);
    expect(at.log.map(({ message }) => message)).toEqual(["took over a task whose worker is gone"]);
    await monitor.stop();
  });

  test("leaves alone what it holds itself, what it cannot run, and everything while there is no place", async () => {
    for (const changes of [
      { ownTaskIds: (id: string) => [id] },
      { registry: { canRun: async () => false } },
      { isFull: () => true },
    ]) {
      const at = makeSurroundings();
      const id = await abandoned(at, 1);
      const { ownTaskIds = () => [], ...rest } = changes as { ownTaskIds?: (id: string) => string[] };
      const { monitor, taken } = make(at, { ...rest, ownTaskIds: () => ownTaskIds(id) });
      await monitor.start();
      await at.clock.advance("5m");
      expect(taken).toEqual([]);
      await monitor.stop();
    }
  });

  test.each([
    // The pauses grow from five seconds to a minute, or to an hour; it looks every twenty seconds.
    ["the store does not answer for", away(), 63],
    ["cannot be read", new WorkflowError("data", "half of it is missing"), 10],
  ])("asks ever more seldom for the lease of a task that %s, and takes over the others", async (_name, error, most) => {
    let asked = 0;
    const at = makeSurroundings((store) =>
      failing(store, (request, key) => {
        if (request !== "get" || key !== taskKey(bad)) return undefined;
        asked += 1;
        return error;
      }),
    );
    const bad = await abandoned(at, 1);
    const good = await abandoned(at, 2);
    const { monitor, taken } = make(at);
    await monitor.start();
    await at.clock.advance("1h");
    expect(taken.map(({ task }) => task.id)).toContain(good);
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThanOrEqual(most);
    await monitor.stop();
  });
});

describe("a timer promoter", () => {
  test("moves what is due within two minutes when it starts and each minute, and tells of it", async () => {
    const at = makeSurroundings();
    const near = await at.put(1, { availableAt: at.clock.now() + 90_000, ownOnly: true });
    const far = await at.put(2, { availableAt: at.clock.now() + 600_000, ownOnly: true });
    const told: string[] = [];
    const promoter = new TimerPromoter(at.scope, { onReady: (id) => void told.push(id) });
    await promoter.start();
    await at.clock.advance("1ms");
    expect(told).toEqual([near]);
    expect(await at.keys(READY_PREFIX)).toEqual([expect.stringContaining(near)]);
    expect(await at.keys(DUE_PREFIX)).toEqual([expect.stringContaining(far)]);
    await at.clock.advance("9m");
    expect(told).toEqual([near, far]);
    await promoter.stop();
  });

  test("moves once more when it stops; one that was never started moves nothing", async () => {
    const at = makeSurroundings();
    const told: string[] = [];
    const promoter = new TimerPromoter(at.scope, { onReady: (id) => void told.push(id) });
    await promoter.start();
    await at.clock.advance("1ms");
    const id = await at.put(1, { availableAt: at.clock.now() + 90_000, ownOnly: true });
    await promoter.stop();
    expect(told).toEqual([id]);
    await at.put(2, { availableAt: at.clock.now() + 90_000, ownOnly: true });
    await new TimerPromoter(at.scope, { onReady: (other) => void told.push(other) }).stop();
    expect(told).toEqual([id]);
  });

  test("says so when the store is away as it stops", async () => {
    let isAway = false;
    const at = makeSurroundings((store) => failing(store, () => (isAway ? away() : undefined)));
    const promoter = new TimerPromoter(at.scope, { onReady: () => {} });
    await promoter.start();
    await at.clock.advance("1ms");
    isAway = true;
    await promoter.stop();
    expect(at.log.map(({ message }) => message)).toEqual([
      "due tasks could not be moved once more; the next worker moves them",
    ]);
  });
});

describe("an announcer", () => {
  const workflows = [{ name: "w", definition_hash: "d", plan_hash: "p" }];
  const make = (at: Surroundings): Announcer =>
    new Announcer(at.scope, { store: at.scope.queue.store, workflows, counts: () => ({ done: 1, failed: 0 }) });

  test("has announced when its start resolves, does so each minute, and withdraws it when it stops", async () => {
    const at = makeSurroundings();
    const announcer = make(at);
    await announcer.start();
    const seenAt = async (): Promise<number> => {
      const read = await at.store.get(announcementKey("worker-1"));
      return read.kind === "found" ? (JSON.parse(read.object.body) as { seen_at: number }).seen_at : 0;
    };
    const first = await seenAt();
    await at.clock.advance("61s");
    expect((await seenAt()) - first).toBe(60_000);
    expect(await at.keys("workers/")).toHaveLength(1);
    await announcer.stop();
    expect(await at.keys("")).toEqual([]);
  });

  test("leaves nothing behind when its start fails, and can be started again", async () => {
    let isAway = true;
    const at = makeSurroundings((store) =>
      failing(store, (request, key) =>
        isAway && request === "put" && key.startsWith("workers/") ? away() : undefined,
      ),
    );
    const announcer = make(at);
    await expect(announcer.start()).rejects.toMatchObject({ code: "unavailable" });
    expect(await at.keys("")).toEqual([]);
    isAway = false;
    await announcer.start();
    expect(await at.keys("")).toHaveLength(2);
    await announcer.stop();
  });

  test("says in the log what it could not withdraw, and that it expires", async () => {
    let isAway = false;
    const at = makeSurroundings((store) => failing(store, () => (isAway ? away() : undefined)));
    const announcer = make(at);
    await announcer.start();
    isAway = true;
    await announcer.stop();
    expect(at.log).toMatchObject([
      { level: "warn", message: "this worker could not withdraw its announcement; it expires by itself within 75 s" },
    ]);
  });
});

describe("a foreign poll", () => {
  test.each([
    // Each turn asks once while the store is silent; what cannot be read is asked for after 10, 20, 40 … seconds.
    ["the store does not answer for", away(), 100, 361],
    ["cannot be read", new WorkflowError("data", "half of it is missing"), 5, 9],
  ])("asks for a run that %s in bounds, and looks at the others", async (_name, error, least, most) => {
    let asked = 0;
    let others = 0;
    const at = makeSurroundings((store) =>
      failing(store, (request, key) => {
        if (request === "get" && key === stateKey("bad")) {
          asked += 1;
          return error;
        }
        if (request === "get" && key === stateKey("other")) others += 1;
        return undefined;
      }),
    );
    for (const run of ["bad", "other"]) await at.store.put(`${FOREIGN_PREFIX}${run}`, "", "always");
    const told = new Set<string>();
    const poll = new ForeignPoll({
      queue: at.scope.queue,
      programs: { current: () => undefined, byHash: async () => undefined },
      types: new Set(["w"]),
      periodMs: 10_000,
      onReady: () => {},
      onUnreadable: (run) => void told.add(run),
    });
    for (let turn = 0; turn < 360; turn += 1) {
      await poll.turn().catch(() => {});
      await at.clock.advance("10s");
    }
    expect([...told]).toEqual(["bad"]);
    expect(others).toBeGreaterThanOrEqual(360);
    expect(asked).toBeGreaterThanOrEqual(least);
    expect(asked).toBeLessThanOrEqual(most);
  });
});
