/** Plays one history of one run: clients, workers that crash and come back, programs that do not know us, and what must hold after it. */
import { WorkflowClient } from "../../src/client/client.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { WorkflowError } from "../../src/errors.ts";
import { ACTIVE_PREFIX, stateKey } from "../../src/keys.ts";
import { isOver, type RunRecord } from "../../src/run/record/record.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { Worker } from "../../src/services/worker.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import {
  Chance,
  type FaultKind,
  type FaultPlan,
  mixSeed,
  type Outage,
  type Process,
  type TraceEntry,
  World,
} from "./world/index.ts";
import { type BucketLimits, LimitedBucket } from "../../src/testing/limited-bucket.ts";
import { checkHistory } from "./checks.ts";
import { type Execution, Observer } from "./observer.ts";
import { letAct, type Outsider } from "./outsiders.ts";
import { EXAMPLES } from "./example-shapes.ts";
import { PROTOCOL, RETRIED, type Shape } from "./shapes.ts";

/** All shapes, by name. */
export const SHAPES: Readonly<Record<string, Shape>> = Object.fromEntries(
  [...PROTOCOL, ...EXAMPLES, ...RETRIED].map((shape) => [shape.name, shape]),
);

/** Something that goes wrong after something else. */
export interface Strike {
  readonly kinds: readonly FaultKind[];
  /** Strikes only requests that begin so. @defaultValue all */
  readonly aim?: string;
  /** Whether it strikes another process than the one before. @defaultValue any */
  readonly other?: boolean;
  /** Least and most milliseconds that a kind with a delay takes. @defaultValue a second to a minute and a half */
  readonly delayMs?: readonly [number, number];
}

/** Under which circumstances histories are played. */
export interface Setting {
  readonly shapes: readonly string[];
  /** How many crashes, freezes and lost or late replies at most. */
  readonly crash?: number;
  readonly freeze?: number;
  readonly unknown?: number;
  /** How many times the store is away for the workers, for up to twelve seconds each. */
  readonly outages?: number;
  /** Lost and late replies strike only requests that begin so, such as `delete ready/`. @defaultValue all */
  readonly aim?: string;
  /** Beside these, one after the other: each strikes what happens after the one before it, such as a recovery. */
  readonly inTurn?: readonly Strike[];
  /** Whose requests meet what goes wrong. @defaultValue workers */
  readonly victims?: "workers" | "client";
  /** What lost and late replies are drawn from. @defaultValue all kinds */
  readonly strikes?: readonly FaultKind[];
  /** @defaultValue 2 */
  readonly workers?: 1 | 2;
  /** How many handlers a worker runs at once. @defaultValue 1 or 10, as the seed says */
  readonly concurrency?: number;
  /** Whether steps may be long. @defaultValue true */
  readonly long?: boolean;
  /** Whether workers sweep. @defaultValue true */
  readonly sweeper?: boolean;
  /** Whether the bucket keeps versions. @defaultValue true */
  readonly versions?: boolean;
  readonly outsiders?: readonly Outsider[];
  /** What the bucket allows less than S3. @defaultValue nothing */
  readonly limits?: BucketLimits;
  /** Whether our own client sends the signals of a shape; otherwise an outsider does. @defaultValue true */
  readonly sends?: boolean;
}

/** Everything about one history. */
export interface History {
  readonly seed: string;
  readonly shape: string;
  readonly problems: readonly string[];
  readonly struck: readonly FaultPlan[];
  readonly world: World;
  readonly executions: readonly Execution[];
  /** Writes that the bucket refused because they came too soon. */
  readonly refused: number;
}

const RUN = "run";
const WORKERS = ["worker-1", "worker-2"];
const UNKNOWN: readonly FaultKind[] = ["reply-lost", "request-lost", "late", "unavailable", "echo"];
const CRASHES: readonly FaultKind[] = ["crash-before", "crash-after", "crash-late"];

/** One call of one process. */
type Call = Pick<FaultPlan, "process" | "call">;

/** Requests that matter to a run; polling and announcing do not. */
function isTelling({ process, kind, key }: TraceEntry, { victims = "workers" }: Setting): boolean {
  return (
    process.startsWith(victims === "workers" ? "worker" : victims) &&
    kind !== "list" &&
    !/^(?:workers|x-workflow\/(?:serving|plans|types))\//u.test(key)
  );
}

/** The faults that a seed says, within the budget of the setting. What goes wrong together is often close together. */
function drawFaults(seed: string, setting: Setting, calls: readonly TraceEntry[]): FaultPlan[] {
  const chance = new Chance(mixSeed(seed, "faults"));
  const pick = <T>(values: readonly T[]): T => values[Math.floor(chance.next() * values.length)] as T;
  const faults: FaultPlan[] = [];
  let near: Call | undefined;
  const aimed = calls.filter(({ kind, key }) => `${kind} ${key}`.startsWith(setting.aim ?? ""));
  const plan = (kind: FaultKind, delayMs: number, among = calls): void => {
    const close = near !== undefined && chance.chance(0.4) ? near : undefined;
    near = close === undefined ? pick(among) : { ...close, call: close.call + 1 + Math.floor(chance.next() * 3) };
    faults.push({ process: near.process, call: near.call, kind, delayMs });
  };
  const delayMs = (): number => 60_000 * (chance.chance(0.5) ? chance.next() ** 3 : chance.next());
  for (let count = 0; count < (setting.unknown ?? 0); count += 1)
    plan(pick(setting.strikes ?? UNKNOWN), delayMs(), aimed);
  for (let count = 0; count < (setting.freeze ?? 0); count += 1) plan("freeze", chance.between(1_000, 90_000));
  for (let count = 0; count < (setting.crash ?? 0); count += 1) plan(pick(CRASHES), delayMs());
  return faults;
}

/** Faults that strike in turn. Each is drawn from the history with those before it, so it may strike what they led to. */
async function drawInTurn(seed: string, setting: Setting, drawn: readonly FaultPlan[]): Promise<FaultPlan[]> {
  const chance = new Chance(mixSeed(seed, "in turn"));
  const faults = [...drawn];
  let last: TraceEntry | undefined;
  for (const { kinds, aim = "", other, delayMs: [least, most] = [1_000, 90_000] } of setting.inTurn ?? []) {
    const { world } = await stage(seed, setting, faults, 0);
    const [from, struckIn] = [last?.index ?? -1, last?.process];
    const among = world.trace.filter(
      (entry) =>
        entry.index > from &&
        isTelling(entry, setting) &&
        `${entry.kind} ${entry.key}`.startsWith(aim) &&
        !(other === true && entry.process === struckIn),
    );
    last = among[Math.floor(chance.next() * among.length)];
    const kind = kinds[Math.floor(chance.next() * kinds.length)];
    const delayMs = chance.between(least, most);
    if (last === undefined || kind === undefined) break;
    faults.push({ process: last.process, call: last.call, kind, delayMs });
  }
  return faults;
}

/** When the store is away: somewhere in the first minute, in which most histories happen. */
function drawOutages(seed: string, count: number): Outage[] {
  const chance = new Chance(mixSeed(seed, "outages"));
  return Array.from({ length: count }, (): Outage => {
    const fromMs = chance.between(0, 60_000);
    return { fromMs, untilMs: fromMs + chance.between(1_000, 12_000) };
  });
}

/** The store as workers see it that do not sweep. */
function withoutActiveIndex(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "list")
        return async (prefix: string, options?: object) =>
          prefix.startsWith(ACTIVE_PREFIX) ? { objects: [], truncated: false } : target.list(prefix, options);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Plays one history; `faults` in place of those that the seed says; `watch` looks after every action of the last staging. */
export async function play(
  seed: string,
  setting: Setting,
  faults?: readonly FaultPlan[],
  watch?: (world: World) => Promise<void>,
): Promise<History> {
  if (faults !== undefined) return stage(seed, setting, faults, TAIL_MS, watch);
  const { crash = 0, freeze = 0, unknown = 0, inTurn = [] } = setting;
  const budget = crash + freeze + unknown + inTurn.length;
  const calm = await stage(seed, setting, [], budget === 0 ? TAIL_MS : 0);
  if (budget === 0 || calm.problems.length > 0) return calm;
  const calls = calm.world.trace.filter((entry) => isTelling(entry, setting));
  const drawn = await drawInTurn(seed, setting, drawFaults(seed, setting, calls));
  return stage(seed, setting, drawn, TAIL_MS, watch);
}

/** Until then everything that was left behind is found by a monitor or at the next check. */
const TAIL_MS = 780_000;

async function stage(
  seed: string,
  setting: Setting,
  faults: readonly FaultPlan[],
  tailMs = TAIL_MS,
  watch?: (world: World) => Promise<void>,
): Promise<History> {
  const draw = new Chance(mixSeed(seed, "shape"));
  const name = setting.shapes[Math.floor(draw.next() * setting.shapes.length)] as string;
  const shape = SHAPES[name] as Shape;
  const observer = new Observer();
  const world = new World(seed, {
    rates: {},
    faults,
    outages: drawOutages(seed, setting.outages ?? 0),
    latency: { minMs: 5, maxMs: 60 },
    // A bucket with limits hides them from the fleet; the checks look at them.
    versions: setting.versions ?? true,
    onCrash: (process) => world.after(3_000, () => startWorker(process.name)),
  });
  const bucket = new LimitedBucket(setting.limits ?? {});
  const storeOf = ({ store, host }: Process): ObjectStore =>
    setting.limits === undefined ? store : bucket.limit(store, host);
  const workflowFor = (process: Process) => shape.make({ world, process, observer, long: setting.long ?? true });
  const startWorker = (workerName: string): void => {
    const process = world.spawn(workerName, { clockOffsetMs: workerName === "worker-1" ? 900 : -700, driftPpm: 40 });
    const store = setting.sweeper === false ? withoutActiveIndex(storeOf(process)) : storeOf(process);
    const drawn = draw.chance(0.5) ? 1 : 10;
    const concurrency = setting.concurrency ?? drawn;
    const worker = new Worker(handleOf(store, process.host), {
      workflows: [workflowFor(process)],
      id: workerName,
      concurrency,
      poll: "2s",
    });
    void worker.start().catch(() => process.crash());
  };
  for (const worker of WORKERS.slice(0, setting.workers ?? WORKERS.length)) startWorker(worker);
  const read = async (): Promise<RunRecord | undefined> => {
    const found = await world.store.get(stateKey(RUN));
    return found.kind === "found" ? decodeRecord(found.object.body, stateKey(RUN)) : undefined;
  };
  const problems: string[] = [];
  const client = world.spawn("client", { rates: {}, outages: [] });
  const asked = { all: false };
  const remote = new WorkflowClient(handleOf(storeOf(client), client.host), { workflows: [workflowFor(client)] });
  void actAsClient(world, remote, client, shape, setting, read)
    .then(() => (asked.all = true))
    .catch((error: unknown) => problems.push(`client: ${String(error)}`));
  for (const outsider of setting.outsiders ?? []) letAct(world, outsider, RUN);
  const end = await world.run({
    until: async () => {
      await watch?.(world);
      if (problems.length > 0 || observer.problems.length > 0) return true;
      if (!asked.all) return false;
      const record = await read();
      return record !== undefined && isOver(record.status) && record.machine !== undefined;
    },
    maxVirtualMs: 3_600_000,
    maxActions: 200_000,
  });
  if (end.kind !== "done")
    problems.push(`${RUN}: lost: not over after an hour (${end.kind}), ${(await read())?.status}`);
  else if (problems.length === 0 && observer.problems.length === 0) {
    await world.advance(tailMs);
  }
  problems.push(...observer.problems);
  if (problems.length === 0 && tailMs > 0)
    problems.push(...(await checkHistory(world, shape, setting, RUN, observer.executions)));
  const { refused } = bucket;
  return { seed, shape: name, problems, struck: world.struck, world, executions: observer.executions, refused };
}

async function actAsClient(
  world: World,
  client: WorkflowClient,
  process: Process,
  shape: Shape,
  setting: Setting,
  read: () => Promise<RunRecord | undefined>,
): Promise<void> {
  const chance = new Chance(mixSeed(world.seed, "client"));
  const sleep = (leastMs: number, mostMs: number): Promise<void> =>
    process.host.clock.sleep(chance.between(leastMs, mostMs));
  await ask(() => client.start(shape.workflow ?? shape.name, {}, { id: RUN }));
  if (setting.sends === false && (shape.script === "signal" || shape.script === "signals")) return;
  switch (shape.script) {
    case "nothing":
      return;
    case "signals":
    case "signal":
      await sleep(0, 2_000);
      await ask(() => client.signal(RUN, "go", { n: 1 })).catch(refusedWhenOver);
      if (shape.script === "signal") return;
      await sleep(0, 2_000);
      await ask(() => client.signal(RUN, "go", { n: 2 })).catch(refusedWhenOver);
      return;
    case "approve":
      await sleep(0, 20_000);
      await ask(() => client.signal(RUN, "approval", { approver: "me" })).catch(refusedWhenOver);
      return;
    case "profile":
      await sleep(0, 150_000);
      await ask(() => client.signal(RUN, "profile_finished", { photo: true })).catch(refusedWhenOver);
      return;
    case "answer":
      await sleep(0, 120_000);
      await ask(() => client.signal(RUN, "answer", { n: 1 })).catch(refusedWhenOver);
      return;
    case "cancel":
      await sleep(0, 40_000);
      await ask(() => client.cancel(RUN));
      return;
    case "pause":
      await sleep(0, 1_500);
      await ask(() => client.pause(RUN));
      await sleep(0, 40_000);
      await ask(() => client.resume(RUN));
      return;
    case "resume-held":
      while ((await read())?.status !== "paused") await sleep(500, 1_000);
      await ask(() => client.resume(RUN));
      return;
    case "retry":
      for (let round = 1; round <= (shape.retries ?? 0); round += 1) {
        let record = await read();
        for (; record === undefined || !isOver(record.status); record = await read()) await sleep(50, 1_000);
        if (record.status !== "failed") return;
        // At once too, while its last driver still carries out what its end asks for.
        if (chance.chance(0.5)) await sleep(0, 20_000);
        await ask(() => client.retry(RUN));
        // Impatient operators ask twice; it counts once.
        if (chance.chance(0.3)) await client.retry(RUN).catch(refusedWhenOver);
        while (((await read())?.machine?.reopened?.count ?? 0) < round) await sleep(500, 1_000);
      }
  }
}

/** More than a lossy line ever loses in a row. */
const TRIES = 50;

/** Asks until the store answers. What was done although nobody heard of it may be refused the second time. */
export async function ask(act: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await act();
      return;
    } catch (error) {
      if (tries > 1 && error instanceof WorkflowError && error.code === "invalid") return;
      if (!(error instanceof WorkflowError && error.code === "unavailable") || tries > TRIES) throw error;
    }
  }
}

/** A run that is over takes no signals; anything else is a mistake. */
function refusedWhenOver(error: unknown): void {
  if (!(error instanceof WorkflowError) || error.code !== "invalid") throw error;
}
