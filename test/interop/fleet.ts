/** Our side of a mixed fleet: a client and workers on the bucket of a test, with rounds short enough for tests. */
import { WorkflowClient } from "../../src/client/client.ts";
import type { AnyWorkflow } from "../../src/define/workflow.ts";
import { handleOf, type QueueHandle } from "../../src/queue/handle.ts";
import { stateKey } from "../../src/keys.ts";
import type { RunRecord } from "../../src/run/record/record.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { Worker } from "../../src/services/worker.ts";
import type { WorkerOptions } from "../../src/services/worker-options.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { type Bucket, until } from "./server.ts";

/** One process of ours on a bucket. */
export class OurSide implements AsyncDisposable {
  readonly bucket: Bucket;
  readonly handle: QueueHandle;
  readonly client: WorkflowClient;
  readonly #workers: Worker[] = [];
  readonly #workflows: readonly AnyWorkflow[];

  constructor(bucket: Bucket, ...workflows: readonly AnyWorkflow[]) {
    this.bucket = bucket;
    this.handle = handleOf(bucket.store, bucket.host);
    this.client = new WorkflowClient(this.handle, { workflows });
    this.#workflows = workflows;
  }

  /** Starts a worker, on a store of its own if one is given. Its stop does not wait for handlers. */
  async work(options: Partial<WorkerOptions> = {}, store: ObjectStore = this.bucket.store): Promise<Worker> {
    const rounds = { poll: "200ms", foreignPoll: "400ms", shutdownGrace: 0 } as const;
    // A handle of its own: what the client makes ready is found by polling, as in another process.
    const worker = new Worker(handleOf(store, this.bucket.host), {
      workflows: this.#workflows,
      ...rounds,
      ...options,
    });
    await worker.start();
    this.#workers.push(worker);
    return worker;
  }

  /** The record as it stands in the bucket. */
  async record(runId: string): Promise<RunRecord> {
    return decodeRecord(await this.bucket.body(stateKey(runId)), stateKey(runId));
  }

  /** Waits until the record is ours again and as it is wanted; gives it. */
  reached(runId: string, wanted: string | ((record: RunRecord) => boolean)): Promise<RunRecord> {
    const fits = typeof wanted === "string" ? (record: RunRecord): boolean => record.status === wanted : wanted;
    return until(`run ${runId} is ${typeof wanted === "string" ? wanted : "as wanted"}`, async () => {
      const record = await this.record(runId);
      return record.machine !== undefined && fits(record) ? record : undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
  }
}
