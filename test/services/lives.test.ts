/** The lives of workers, loops and waiting clients: each case on its own, then all of them at random moments. */
import { describe, expect, test } from "vitest";
import { WorkflowClient } from "../../src/client/client.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { connect, workflow, type WorkflowError } from "../../src/index.ts";
import { ANNOUNCEMENTS_PREFIX, WORKERS_PREFIX } from "../../src/keys.ts";
import { handleOf, type QueueHandle } from "../../src/queue/handle.ts";
import { Loop } from "../../src/services/service.ts";
import { Sweeper } from "../../src/services/sweeper.ts";
import { Worker } from "../../src/services/worker.ts";
import { leashStore } from "../../src/store/leash.ts";
import type { WaitLimits } from "../../src/client/limit.ts";
import type { WorkerOptions } from "../../src/services/worker-options.ts";
import { type Process, World } from "../simulation/world/index.ts";
import { listAnnouncements } from "../../src/programs/announcements.ts";
import { type Mood, type MoodyStore, moodyStore } from "./moody-store.ts";

const GRACE_MS = 10_000;
const LOOP_STOP_MS = 1_000;

interface Stage {
  readonly world: World;
  readonly process: Process;
  readonly moody: MoodyStore;
  readonly handle: QueueHandle;
  readonly client: WorkflowClient;
  readonly now: () => number;
  worker(options?: Partial<WorkerOptions>): Worker;
  sleep(ms: number): Promise<void>;
  /** Lets the world go on until the act has ended. */
  play<T>(act: () => Promise<T>): Promise<T>;
  announced(): Promise<readonly string[]>;
}

function stage(seed = "lives"): Stage {
  const world = new World(seed, { latency: 20 });
  const process = world.spawn("host");
  const moody = moodyStore(process.store, process.host.clock);
  const handle = handleOf(moody.store, process.host);
  const { clock } = process.host;
  const now = (): number => clock.monotonic();
  return {
    world,
    process,
    moody,
    handle,
    now,
    client: new WorkflowClient(handle, { workflows: [quick] }),
    worker: (options = {}) =>
      new Worker(handle, { workflows: [quick], id: "w", shutdownGrace: GRACE_MS, poll: "1s", ...options }),
    sleep: (ms) => clock.sleep(ms),
    play: async (act) => {
      let settled = false;
      const work = act().finally(() => {
        settled = true;
      });
      work.catch(() => {});
      await world.run({ until: () => settled, maxVirtualMs: 3_600_000 });
      if (!settled) throw new Error("it did not end within an hour");
      return work;
    },
    announced: async () => {
      const pages = await Promise.all([ANNOUNCEMENTS_PREFIX, WORKERS_PREFIX].map((prefix) => world.store.list(prefix)));
      return pages.flatMap(({ objects }) => objects.map(({ key }) => key));
    },
  };
}

const quick = workflow("quick").step("a", () => "done");

/** What a promise came to. */
const endOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "resolved",
    (error: unknown) => (error as WorkflowError).code,
  );

describe("a start", () => {
  test("that failed leaves nothing behind, and can be called again", async () => {
    const { moody, play, worker, client, announced } = stage();
    await play(async () => {
      const it = worker();
      moody.mood = "away";
      expect(await endOf(it.start())).toBe("unavailable");
      moody.mood = "well";
      expect(await announced()).toEqual([]);
      await it.start();
      expect(await (await client.start(quick)).result()).toEqual({ a: "done" });
      await it.stop();
    });
  });

  test("beside another one is the same: it resolves when the worker polls", async () => {
    const { play, worker, announced } = stage();
    await play(async () => {
      const it = worker();
      const first = it.start();
      await it.start();
      expect(await announced()).toHaveLength(2);
      await first;
      await it.stop();
    });
  });

  test("in the midst of which a stop comes throws closed, and leaves no announcement", async () => {
    for (let afterMs = 0; afterMs <= 120; afterMs += 5) {
      const { play, worker, announced, sleep } = stage(`stop after ${afterMs}`);
      await play(async () => {
        const it = worker();
        const start = endOf(it.start());
        await sleep(afterMs);
        await it.stop();
        expect(["closed", "resolved"]).toContain(await start);
        expect(await announced()).toEqual([]);
        expect(await endOf(it.start())).toBe("closed");
      });
    }
  });
});

describe("a stop", () => {
  test("waits for handlers at every call", async () => {
    const { play, worker, client, sleep } = stage();
    const ended: string[] = [];
    const slow = workflow("slow").step("a", async () => {
      await sleep(4_000);
      ended.push("handler");
    });
    await play(async () => {
      const it = worker({ workflows: [slow] });
      await it.start();
      await client.start(slow);
      await sleep(500);
      await Promise.all([it.stop(), it.stop()].map((stop) => stop.then(() => ended.push("stop"))));
      expect(ended).toEqual(["handler", "stop", "stop"]);
    });
  });

  test.for<Mood>(["away", "hangs"])(
    "resolves within the grace when the store %s, and the log says what is left",
    async (mood) => {
      const { play, worker, moody, now, process, handle, sleep } = stage();
      await play(async () => {
        const it = worker();
        await it.start();
        await sleep(1_000);
        moody.mood = mood;
        const began = now();
        await it.stop();
        expect(now() - began).toBeLessThanOrEqual(GRACE_MS);
        expect(process.log.filter(({ message }) => message.includes("expires by itself within 75 s"))).toHaveLength(1);
        moody.mood = "well";
        await sleep(75_000);
        expect(await listAnnouncements(handle.context.store, handle.context.store.time().latest)).toEqual([]);
      });
    },
  );

  test("ends the waits between attempts, and no attempt begins after it", async () => {
    const { play, worker, client, sleep, now } = stage();
    const attempts: number[] = [];
    const failing = workflow("failing").step("a", {
      retries: 5,
      retryPolicy: { initialMs: 8_000, jitter: 0 },
      run: () => {
        attempts.push(now());
        throw new Error("not yet");
      },
    });
    await play(async () => {
      const it = worker({ workflows: [failing] });
      await it.start();
      await client.start(failing);
      await sleep(2_000);
      expect(attempts).toHaveLength(1);
      const began = now();
      await it.stop();
      // It has handed the step back at once.
      expect(now() - began).toBeLessThan(2_000);
      await sleep(60_000);
      expect(attempts).toHaveLength(1);
    });
  });

  test("hands back the step of a handler that never ends; what that does later reaches nobody", async () => {
    const { play, worker, client, sleep, now, moody } = stage();
    const late: string[] = [];
    const endless = workflow("endless").step("a", async (ctx) => {
      if (ctx.attempt > 1) return "again";
      await sleep(30_000);
      late.push(await endOf(ctx.queue.submit("mail", {})), await endOf(ctx.heartbeat()));
      await new Promise(() => {});
      return "never";
    });
    await play(async () => {
      const it = worker({ workflows: [endless] });
      await it.start();
      const run = await client.start(endless);
      await sleep(1_000);
      const began = now();
      await it.stop();
      expect(now() - began).toBeLessThanOrEqual(GRACE_MS);
      const { asked } = moody;
      await sleep(60_000);
      expect(late).toEqual(["closed", "resolved"]);
      expect(moody.asked).toBe(asked);
      await using other = worker({ workflows: [endless], id: "other" });
      await other.start();
      expect(await run.result()).toEqual({ a: "again" });
    });
  });

  test("comes by itself when the handle is closed under the worker", async () => {
    const { play, worker, handle, process, sleep, now } = stage();
    await play(async () => {
      const it = worker();
      await it.start();
      await handle.close();
      await handle.close();
      const began = now();
      await it.stop();
      expect(now() - began).toBe(0);
      await sleep(60_000);
      expect(process.log.filter(({ message }) => message.includes("poll failed"))).toEqual([]);
      expect(await endOf(new WorkflowClient(handle).get("run"))).toBe("closed");
    });
  });
});

describe("a store in memory", () => {
  test("that was closed is opened again by its name, with what is in it", async () => {
    const first = await connect("memory:again");
    const second = await connect("memory:again");
    const run = await new WorkflowClient(first, { workflows: [quick] }).start(quick);
    await first.close();
    expect(await endOf(new WorkflowClient(first).get(run.id))).toBe("closed");
    // Who else shares it goes on.
    expect((await new WorkflowClient(second).get(run.id)).id).toBe(run.id);
    await using third = await connect("memory:again");
    expect((await new WorkflowClient(third).get(run.id)).status).toBe("pending");
  });
});

describe("a client that waits", () => {
  test.for<Mood>(["well", "hangs"])("returns on time, also when the store %s", async (mood) => {
    const { play, client, moody, now } = stage();
    await play(async () => {
      const run = await client.start(quick);
      moody.mood = mood;
      for (const wait of [
        () => run.wait({ timeout: "1s" }),
        () => run.result({ timeout: "1s" }),
        () => run.cancel({ applied: true, timeout: "1s" }),
        () => client.skip(run.id, "a", { timeout: "1s", applied: true }),
      ]) {
        const began = now();
        const end = await endOf(wait());
        expect(["timeout", "invalid"]).toContain(end);
        expect(now() - began).toBeLessThanOrEqual(1_000);
      }
    });
  });

  /** Everything that a client can be asked, with limits. */
  const calls: Readonly<Record<string, (client: WorkflowClient, id: string, limits: WaitLimits) => Promise<unknown>>> =
    {
      start: (client, id, limits) => client.start(quick, null as never, { id, ...limits }),
      "start of a definition that it was not given": (client, _id, limits) => client.start("other", null, limits),
      get: (client, id, limits) => client.get(id, limits),
      exists: (client, id, limits) => client.exists(id, limits),
      explain: (client, id, limits) => client.explain(id, limits),
      next: (client, id, limits) => client.next(id, limits),
      signal: (client, id, limits) => client.signal(id, "word", null, limits),
      send: (client, id, limits) => client.send(id, { type: "word" }, limits),
      list: (client, _id, limits) => client.list(limits).next(),
      bulk: (client, _id, limits) => client.bulk({ type: "pause" }, {}, limits).next(),
      wait: (client, id, limits) => client.wait(id, limits),
      result: (client, id, limits) => client.result(id, limits),
      cancel: (client, id, limits) => client.cancel(id, limits),
      "cancel that is applied": (client, id, limits) => client.cancel(id, { applied: true, ...limits }),
      pause: (client, id, limits) => client.pause(id, limits),
      resume: (client, id, limits) => client.resume(id, limits),
      skip: (client, id, limits) => client.skip(id, "a", limits),
      retry: (client, id, limits) => client.retry(id, limits),
      terminate: (client, id, limits) => client.terminate(id, limits),
    };

  test.for(Object.entries(calls))("hears its signal while a request of %s is under way", async ([, call]) => {
    const { play, client, moody, now, sleep } = stage();
    await play(async () => {
      const run = await client.start(quick);
      moody.mood = "hangs";
      const stop = new AbortController();
      const told = expect(call(client, run.id, { signal: stop.signal })).rejects.toThrow("enough");
      await sleep(100);
      const began = now();
      stop.abort(new Error("enough"));
      await told;
      expect(now() - began).toBe(0);
      await expect(call(client, run.id, { signal: stop.signal })).rejects.toThrow("enough");
    });
  });

  test.for(Object.entries(calls))("ends %s on time while the store hangs, and asks nothing after", async ([, call]) => {
    const { play, client, moody, now, sleep } = stage();
    await play(async () => {
      const run = await client.start(quick);
      moody.mood = "slow";
      const began = now();
      expect(await endOf(call(client, run.id, { timeout: "1s" }))).toBe("timeout");
      expect(now() - began).toBe(1_000);
      const { asked } = moody;
      await sleep(60_000);
      expect(moody.asked).toBe(asked);
    });
  });

  test("gives up its command to a run after a minute when no worker applies it and it was told no time", async () => {
    const { play, client, now } = stage();
    await play(async () => {
      const run = await client.start(quick);
      const began = now();
      await expect(run.cancel({ applied: true })).rejects.toThrow(/cancel is durable, but no worker has applied it/u);
      expect(now() - began).toBe(60_000);
    });
  });

  test("is told that its command is durable when nobody has applied it in time", async () => {
    const { play, client } = stage();
    await play(async () => {
      const run = await client.start(quick);
      await expect(run.cancel({ applied: true, timeout: "5s" })).rejects.toThrow(
        /cancel is durable, but no worker has applied it/u,
      );
    });
  });
});

describe("handlers that wait for other runs", () => {
  test("and take every place are named as what may keep a run from its start", async () => {
    const { play, worker, client, sleep } = stage();
    const parent = workflow("parent").step("a", async () => {
      const child = await client.start(quick);
      return (await child.result()).a;
    });
    await play(async () => {
      const it = worker({ workflows: [parent, quick], concurrency: 2 });
      await it.start();
      await client.start(parent);
      await client.start(parent);
      await sleep(30_000);
      for await (const run of client.list({ type: "quick" }))
        expect((await client.explain(run.id)).join("\n")).toMatch(
          /its start has been ready for \d+ s .* every place .* wait for other runs inside of a handler/u,
        );
      await it.stop();
    });
  });
});

describe("all of them, at random moments", () => {
  const SEEDS = 100;
  test(`keep the contract in ${SEEDS} lives`, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1)
      await live(seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      });
  });
});

/** One life: services that are started and stopped, and calls that wait, while the store has its moods. */
async function live(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const below = (most: number): number => Math.floor(random.next() * most);
  const { world, play, worker, client, moody, sleep, now, handle, announced } = stage(`life ${seed}`);
  const some = workflow("some").step("a", {
    retries: 2,
    retryPolicy: { initialMs: 3_000 },
    run: async () => {
      const kind = below(4);
      if (kind === 0) throw new Error("fails");
      if (kind === 1) await new Promise(() => {});
      await sleep(below(15_000));
      return "done";
    },
  });
  const it = worker({ workflows: [some] });
  let turns = 0;
  const toldToStop = new AbortController();
  const sweeper = new Sweeper(handle.context, { stop: toldToStop.signal });
  const loop = new Loop({
    name: "sweeper",
    clock: handle.context.host.clock,
    stopMs: LOOP_STOP_MS,
    restMs: 500,
    turn: async ({ over }) => {
      turns += 1;
      await sweeper.turn({ ...handle.context, store: leashStore(handle.context.store, over) });
    },
    failed: () => {},
  });
  await play(async () => {
    const broken: unknown[] = [];
    const stopped = new Set<unknown>();
    const act = async (): Promise<void> => {
      await sleep(below(20_000));
      const service = below(3) === 0 ? loop : it;
      switch (below(below(10) === 0 ? 7 : 6)) {
        case 6:
          // Under everything that works with it.
          stopped.add(it);
          return handle.close();
        case 0:
        case 1:
          // It works, or it throws: it does not hang once the store answers or a stop has come.
          return void (await endOf(service.start()));
        case 2: {
          stopped.add(service);
          const began = now();
          expect(await endOf(service.stop())).toBe("resolved");
          expect(now() - began).toBeLessThanOrEqual(service === loop ? LOOP_STOP_MS : GRACE_MS);
          return;
        }
        case 3: {
          const moods: readonly Mood[] = ["well", "away", "hangs", "slow"];
          moody.mood = moods[below(4)] ?? "well";
          return;
        }
        case 4:
          return void (await endOf(client.start(some, null as never).then((run) => run.wait({ timeout: "5s" }))));
        default: {
          const began = now();
          await endOf(client.wait("run", { timeout: "2s" }));
          expect(now() - began).toBeLessThanOrEqual(2_000);
        }
      }
    };
    for (let count = 0; count < 12; count += 1) void act().catch((error: unknown) => broken.push(error));
    // Whoever waits without limit for a store that hangs waits: it answers at last, or a stop comes.
    await sleep(25_000);
    const wasWell = moody.mood === "well";
    const began = now();
    await Promise.all([it.stop(), it.stop(), loop.stop()]);
    expect(now() - began).toBeLessThanOrEqual(GRACE_MS);
    const stoppedBefore = stopped.has(it);
    const turned = turns;
    moody.mood = "well";
    // Nothing of worker and loop is left that asks, and what they announced has expired.
    await sleep(80_000);
    expect(turns).toBe(turned);
    if (wasWell && !stoppedBefore) expect(await announced()).toEqual([]);
    expect(await listAnnouncements(world.store, world.store.time().latest)).toEqual([]);
    expect(broken).toEqual([]);
  });
}
