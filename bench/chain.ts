/** A chain of steps on a store where every request takes the same time, with every request counted. */
import { WorkflowClient } from "../src/client/client.ts";
import { handleOf } from "../src/queue/handle.ts";
import { type AnyWorkflow, untypedWorkflow } from "../src/define/workflow.ts";
import { stateKey } from "../src/keys.ts";
import { isOver } from "../src/run/record/record.ts";
import { decodeRecord } from "../src/run/record/codec.ts";
import { Worker } from "../src/services/worker.ts";
import { World } from "../test/simulation/world/index.ts";

/** What one chain cost. */
export interface ChainCost {
  /** Requests of the worker by kind, from the claim of the first task to the deletion of its lease key. */
  readonly byKind: Readonly<Record<string, number>>;
  /** Virtual milliseconds from the first to the last handler. */
  readonly handlersMs: number;
  readonly steps: number;
}

function chain(
  steps: number,
  handlerMs: number,
  sleep: { ms: (ms: number) => Promise<void> },
  starts: () => void,
): AnyWorkflow {
  let workflow = untypedWorkflow("chain");
  for (let index = 0; index < steps; index += 1) {
    workflow = workflow.step(`s${index}`, {
      dependsOn: index === 0 ? [] : [`s${index - 1}`],
      run: async () => {
        starts();
        if (handlerMs > 0) await sleep.ms(handlerMs);
        return index;
      },
    });
  }
  return workflow;
}

/** Runs one chain with one worker; every request takes `latencyMs`. */
export async function measureChain(steps: number, latencyMs: number, handlerMs = 0): Promise<ChainCost> {
  const world = new World("bench", { latency: latencyMs, keepTrace: true });
  const process = world.spawn("worker");
  const starts: number[] = [];
  const sleep = { ms: (ms: number) => process.host.clock.sleep(ms) };
  const workflow = chain(steps, handlerMs, sleep, () => starts.push(world.nowMs));
  const handle = handleOf(process.store, process.host);
  void new Worker(handle, { workflows: [workflow] }).start();
  await world.advance(2_000);
  const client = world.spawn("client");
  void new WorkflowClient(handleOf(client.store, client.host), { workflows: [workflow] }).start(
    "chain",
    {},
    { id: "bench" },
  );
  const over = async (): Promise<boolean> => {
    const read = await world.store.get(stateKey("bench"));
    if (read.kind === "missing" || !isOver(decodeRecord(read.object.body, stateKey("bench")).status)) return false;
    return (await world.store.list("leases/")).objects.length === 0;
  };
  let looks = 0;
  await world.run({ until: () => ((looks += 1) % 20 === 0 ? over() : false), maxVirtualMs: 36_000_000 });
  const own = world.trace.filter(
    (request) =>
      request.process === "worker" &&
      (request.key.startsWith("tasks/") ||
        request.key.startsWith("workflow/") ||
        request.key.startsWith("leases/") ||
        request.key.startsWith("ready/")),
  );
  const byKind: Record<string, number> = {};
  for (const request of own) if (request.kind !== "list") byKind[request.kind] = (byKind[request.kind] ?? 0) + 1;
  return { byKind, handlersMs: (starts.at(-1) ?? 0) - (starts[0] ?? 0), steps };
}

/** LIST requests of one idle worker in an hour of virtual time. */
export async function measureIdle(): Promise<number> {
  const world = new World("idle", { latency: 20, keepTrace: true });
  const process = world.spawn("worker");
  void new Worker(handleOf(process.store, process.host), {
    workflows: [untypedWorkflow("idle").step("a", () => 1)],
  }).start();
  await world.advance(3_600_000);
  return world.trace.filter((request) => request.kind === "list").length;
}
