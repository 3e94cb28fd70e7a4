/** The contract of src/services/service.ts, for each service alone: starts and stops at random moments, while the store has its moods. */
import { describe, expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { claimTask } from "../../src/queue/claim.ts";
import { Announcer } from "../../src/services/announcer.ts";
import { Claimer } from "../../src/services/claimer.ts";
import { Drivers } from "../../src/services/drivers.ts";
import { LeaseMonitor } from "../../src/services/lease-monitor.ts";
import type { Service } from "../../src/services/service.ts";
import { TimerPromoter } from "../../src/services/timer-promoter.ts";
import { serviceLoop, type WorkerScope } from "../../src/services/worker-scope.ts";
import { leashStore } from "../../src/store/leash.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { type Mood, type MoodyStore, moodyStore } from "./moody-store.ts";
import { failing, makeSurroundings } from "./scope.ts";

const MOODS: readonly Mood[] = ["well", "away", "hangs", "slow"];
const LIVES = 60;

/** Every service as a worker makes it. What it finds goes nowhere: only its life is looked at. */
const SERVICES: Readonly<Record<string, (scope: WorkerScope, store: ObjectStore) => Service>> = {
  claimer: (scope) =>
    new Claimer(scope, {
      registry: { accepts: async () => true },
      pollMs: 1_000,
      isFull: () => false,
      take: () => {},
    }),
  "lease monitor": (scope) =>
    new LeaseMonitor(scope, {
      registry: { canRun: async () => true },
      firstPauseMs: 1_000,
      isFull: () => false,
      ownTaskIds: () => [],
      take: () => {},
    }),
  "timer promoter": (scope) => new TimerPromoter(scope, { onReady: () => {} }),
  announcer: (scope, store) => new Announcer(scope, { store, workflows: [], counts: () => ({ done: 0, failed: 0 }) }),
  drivers: (scope) =>
    new Drivers(scope, {
      registry: { wakeUpOf: () => undefined },
      context: undefined as never,
      concurrency: 1,
      onFree: () => {},
      onDriven: () => {},
    }),
  // Sweeper and foreign poll are loops with a turn of their own.
  loop: (scope) =>
    serviceLoop(scope, {
      name: "loop",
      restMs: 1_000,
      turn: async () => void (await scope.queue.store.list("")),
    }),
};

describe.each(Object.entries(SERVICES))("a %s", (_name, make) => {
  test(`keeps the contract in ${LIVES} lives`, async () => {
    for (let seed = 1; seed <= LIVES; seed += 1)
      await live(make, seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      });
  });
});

/** One life: calls at random moments of half a minute. In the end everything is stopped, and stays so. */
async function live(make: (scope: WorkerScope, store: ObjectStore) => Service, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const below = (most: number): number => Math.floor(random.next() * most);
  const over = new AbortController();
  let moody: MoodyStore | undefined;
  let asked = 0;
  const { scope, store, clock, log, put } = makeSurroundings((inner, hostClock) => {
    moody = moodyStore(inner, hostClock);
    // Counted in front of the leash, which would hide a service that goes on.
    return failing(leashStore(moody.store, over.signal), () => {
      asked += 1;
      return undefined;
    });
  });
  if (moody === undefined) throw new Error("no store was made");
  // In every third life the store is well: then nothing keeps a service from ending at once.
  const hasMoods = seed % 3 !== 0;
  const { stopMs } = scope;
  const longestStopMs = hasMoods ? stopMs : 0;
  await put(1);
  await put(2, { availableAt: clock.now() + 90_000, ownOnly: true });
  const lost = await put(3);
  const lease = { workerId: "gone", leaseMs: 10_000, accepts: () => true };
  await claimTask({ ...scope.queue, store }, lost, lease);

  const service = make({ ...scope, over: over.signal }, moody.store);
  const broken: string[] = [];
  let pending = 0;
  let isStopped = false;
  const start = async (): Promise<void> => {
    const wasStopped = isStopped;
    pending += 1;
    const code = await service.start().then(
      () => "resolved",
      (error: unknown) => (error instanceof WorkflowError ? error.code : String(error)),
    );
    pending -= 1;
    if (wasStopped ? code !== "closed" : !["resolved", "closed", "unavailable"].includes(code))
      broken.push(`start ${wasStopped ? "after a stop " : ""}ended with ${code}`);
  };
  const stop = async (): Promise<void> => {
    isStopped = true;
    const began = clock.now();
    await service.stop().catch((error: unknown) => broken.push(`stop rejected: ${String(error)}`));
    if (clock.now() - began > longestStopMs) broken.push(`stop took ${clock.now() - began} ms`);
    // A worker ends so: nothing of its services reaches the bucket any more.
    over.abort(new WorkflowError("closed", "stopped"));
  };
  const act = (): void => {
    const kind = below(10);
    if (kind < 5) void start();
    else if (kind === 9) void stop();
    else if (hasMoods) (moody as MoodyStore).mood = MOODS[below(MOODS.length)] ?? "well";
  };
  const moments = Array.from({ length: 12 }, () => below(30_000)).toSorted((a, b) => a - b);
  let passed = 0;
  for (const moment of moments) {
    await clock.advance(moment - passed);
    passed = moment;
    act();
  }
  await clock.advance(5_000);
  const stops = [stop(), stop()];
  await clock.advance(3 * stopMs);
  await Promise.all(stops);
  moody.mood = "well";
  await clock.advance("1m");
  expect(broken).toEqual([]);
  expect(pending, "starts that hang after a stop").toBe(0);
  const before = asked;
  const lines = log.length;
  await clock.advance("3m");
  expect(asked, "requests after the stop").toBe(before);
  expect(log.slice(lines), "lines after the stop").toEqual([]);
}
