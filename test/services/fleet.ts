/** Workers and clients in one simulated world, for tests that tell a story rather than draw one. */
import { WorkflowClient } from "../../src/client/client.ts";
import { handleOf, type QueueHandle } from "../../src/queue/handle.ts";
import type { AnyWorkflow } from "../../src/define/workflow.ts";
import { stateKey } from "../../src/keys.ts";
import type { RunRecord } from "../../src/run/record/record.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { Worker } from "../../src/services/worker.ts";
import type { WorkerOptions } from "../../src/services/worker-options.ts";
import { type Process, type SpawnOptions, World, type WorldOptions } from "../simulation/world/index.ts";

/** What the handlers of a process are made of. */
export type Define = (process: Process) => AnyWorkflow[];

/** One process with a client. */
export interface ClientProcess {
  readonly process: Process;
  readonly handle: QueueHandle;
  readonly client: WorkflowClient;
}

/** A world with helpers. */
export interface Fleet {
  readonly world: World;
  /** Starts a worker. Each process has its own workflows, because its handlers sleep on its own clock. */
  worker(name: string, options?: Omit<WorkerOptions, "workflows" | "id">): Process;
  client(name?: string, options?: SpawnOptions): ClientProcess;
  /** Lets the world go on until something has happened in it; throws when it never does. */
  play<T>(act: () => Promise<T>, maxVirtualMs?: number): Promise<T>;
  record(runId: string): Promise<RunRecord>;
  keys(prefix: string): Promise<readonly string[]>;
}

/** A fleet that does not draw faults; a test plans those that it needs. */
export function makeFleet(define: Define, seed = "story", options: WorldOptions = {}): Fleet {
  const world = new World(seed, { latency: 20, ...options });
  return {
    world,
    worker: (name, workerOptions = {}) => {
      const process = world.spawn(name);
      const worker = new Worker(handleOf(process.store, process.host), {
        ...workerOptions,
        workflows: define(process),
        id: name,
      });
      void worker.start().catch(() => process.crash());
      return process;
    },
    client: (name = "client", spawnOptions = {}) => {
      const process = world.spawn(name, spawnOptions);
      const handle = handleOf(process.store, process.host);
      return { process, handle, client: new WorkflowClient(handle, { workflows: define(process) }) };
    },
    play: async (act, maxVirtualMs = 3_600_000) => {
      let settled = false;
      const work = act().finally(() => {
        settled = true;
      });
      work.catch(() => {});
      const end = await world.run({ until: () => settled, maxVirtualMs });
      if (!settled) throw new Error(`it did not happen within ${maxVirtualMs} virtual ms (${end.kind})`);
      return work;
    },
    record: async (runId) => {
      const read = await world.store.get(stateKey(runId));
      if (read.kind === "missing") throw new Error(`run ${runId} is missing`);
      return decodeRecord(read.object.body, stateKey(runId));
    },
    keys: async (prefix) => (await world.store.list(prefix)).objects.map(({ key }) => key),
  };
}
