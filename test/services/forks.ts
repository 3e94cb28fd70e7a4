/** What a fork of n branches asks of the bucket, counted in a simulated world: with latency, so that branches meet each other's writes. */
import { PermanentError } from "../../src/errors.ts";
import type { AnyWorkflow, UntypedWorkflow } from "../../src/define/workflow.ts";
import { untypedWorkflow } from "../../src/index.ts";
import { isOver } from "../../src/run/record/record.ts";
import type { Process } from "../simulation/world/index.ts";
import { makeFleet } from "./fleet.ts";

/** One way in which a fork ends. */
export interface ForkCase {
  /** How the run comes to its end. A cancel comes while the branches run, or before any worker is there. */
  readonly ends: "well" | "branch fails" | "cancelled" | "cancelled before it starts";
  /** Whether the branches end as soon as they are told to. Those that do not end one after the other. @defaultValue false */
  readonly listens?: boolean;
  /** Whether a branch that is told to end throws, and is to be tried again much later. @defaultValue false */
  readonly retries?: boolean;
  /** Whether the branches are undone. @defaultValue false */
  readonly undo?: boolean;
  /** Each branch forks once more, into so many. @defaultValue 0 */
  readonly nested?: number;
  /** @defaultValue 1 */
  readonly workers?: number;
  /** How many handlers a worker runs at once. @defaultValue enough for all branches, on all workers together */
  readonly concurrency?: number;
}

/** What was asked for, and how the run ended. */
export interface ForkCount {
  readonly put: number;
  readonly get: number;
  readonly delete: number;
  readonly list: number;
  readonly status: string;
  /** Virtual milliseconds from the start to the end. */
  readonly tookMs: number;
}

interface Context {
  readonly signal: AbortSignal;
}

const FAILS_AFTER_MS = 3_000;
const LASTS_MS = 6_000;

function define(branches: number, how: ForkCase, process: Process): AnyWorkflow {
  const { clock } = process.host;
  let workflow: UntypedWorkflow = untypedWorkflow("fork");
  const branch = (index: number) => async (context: unknown) => {
    const { signal } = context as Context;
    // One ends after the other: each meets what the others left in the record.
    await clock.sleep(LASTS_MS + index * 10, how.listens === true ? { signal } : {});
    if (how.retries === true && signal.aborted) throw new Error("told to end");
    return index;
  };
  const options = {
    retryPolicy: { initialMs: 15_000, maxMs: 15_000, multiplier: 1, jitter: 0 },
    ...(how.undo === true ? { compensate: () => clock.sleep(50) } : {}),
  };
  for (let index = 0; index < branches; index += 1) {
    const name = `branch-${index}`;
    const nested = how.nested ?? 0;
    if (nested === 0) workflow = workflow.step(name, { run: branch(index), ...options });
    else {
      workflow = workflow.step(name, { run: () => clock.sleep(100), ...options });
      for (let inner = 0; inner < nested; inner += 1)
        workflow = workflow.step(`${name}-${inner}`, { dependsOn: [name], run: branch(index), ...options });
    }
  }
  if (how.ends === "branch fails")
    workflow = workflow.step("bad", async () => {
      await clock.sleep(FAILS_AFTER_MS);
      throw new PermanentError("no");
    });
  return workflow;
}

/** What a run itself asks for: no rounds of the workers, and nothing that they say of themselves. */
const isOfRun = ({ kind, key }: { readonly kind: string; readonly key: string }): boolean =>
  kind === "list" ? key.startsWith("workflow/") : !/^(workers\/|x-workflow\/(serving|types|plans)\/)/u.test(key);

/** Plays one run and counts. */
export async function countFork(branches: number, how: ForkCase, seed = "fork"): Promise<ForkCount> {
  const fleet = makeFleet((process) => [define(branches, how, process)], seed, { latency: { minMs: 5, maxMs: 60 } });
  const concurrency = how.concurrency ?? Math.ceil((branches * (1 + (how.nested ?? 0))) / (how.workers ?? 1)) + 3;
  const startWorkers = (): void => {
    for (let index = 1; index <= (how.workers ?? 1); index += 1) fleet.worker(`worker-${index}`, { concurrency });
  };
  const early = how.ends === "cancelled before it starts";
  if (!early) startWorkers();
  const { client } = fleet.client();
  await fleet.world.advance(10_000);
  await fleet.play(() => client.start("fork", null, { id: "r" }));
  const startedAt = fleet.world.nowMs;
  if (early) {
    await fleet.play(() => client.cancel("r"));
    startWorkers();
  } else if (how.ends === "cancelled") {
    await fleet.world.advance(FAILS_AFTER_MS);
    await fleet.play(() => client.cancel("r"));
  }
  const end = await fleet.world.run({
    until: async () => isOver((await fleet.record("r")).status),
    maxVirtualMs: 3_600_000,
  });
  if (end.kind !== "done") throw new Error(`the run did not end: ${end.kind}`);
  const tookMs = fleet.world.nowMs - startedAt;
  await fleet.world.advance(1_000);
  const trace = fleet.world.trace.filter(isOfRun);
  const count = (kind: string): number => trace.filter((entry) => entry.kind === kind).length;
  const { status } = await fleet.record("r");
  return { put: count("put"), get: count("get"), delete: count("delete"), list: count("list"), status, tookMs };
}
