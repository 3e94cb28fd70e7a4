/** A bucket (or folder) that is open: what clients and workers share in one process. */
import { resolveStoreUrl } from "../config.ts";
import type { Host } from "../host/host.ts";
import { nodeHost } from "../host/node.ts";
import { submitTask, type SubmitOptions } from "../queue/submit.ts";
import type { QueueContext } from "../queue/task.ts";
import type { RunRecord } from "../run/record.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore } from "../store/open.ts";

/** Clocks of two machines, and of a machine and the store, may differ by this much. */
export const DEFAULT_SKEW_MARGIN_MS = 2_000;

/** Facts that one part of a process tells another, so that it need not ask the bucket. Hints only: nothing depends on them. */
export class ProcessEvents {
  readonly #ready = new Set<(taskId: string, availableAt: number) => void>();
  readonly #written = new Set<(record: RunRecord) => void>();

  /** A task was made ready. */
  ready(taskId: string, availableAt: number): void {
    for (const listener of this.#ready) listener(taskId, availableAt);
  }

  /** A record was written. */
  written(record: RunRecord): void {
    for (const listener of this.#written) listener(record);
  }

  /** Listens; returns how to stop. */
  onReady(listener: (taskId: string, availableAt: number) => void): () => void {
    this.#ready.add(listener);
    return () => this.#ready.delete(listener);
  }

  /** Listens; returns how to stop. */
  onWritten(listener: (record: RunRecord) => void): () => void {
    this.#written.add(listener);
    return () => this.#written.delete(listener);
  }
}

/** An open bucket. */
export interface QueueHandle extends AsyncDisposable {
  readonly context: QueueContext;
  readonly events: ProcessEvents;
  /** Puts a task of any type on the queue. Returns its id. */
  submit(taskType: string, input: unknown, options?: SubmitOptions): Promise<string>;
  close(): Promise<void>;
}

/** Components of a connection; all have working defaults. */
export interface ConnectOptions {
  readonly host?: Host;
  /** How much clocks may differ, in milliseconds. @defaultValue 2000 */
  readonly skewMarginMs?: number;
}

/**
 * Opens a bucket: `memory:`, `file:folder`, `s3://bucket?endpoint=…`. Without a url: the environment (`S3_BUCKET` …), then
 * `.buquet.toml`, then the folder `.buquet`.
 * @throws {WorkflowError} `invalid` for a url that cannot be understood.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<QueueHandle> {
  const host = options.host ?? nodeHost();
  const store = await openStore(resolveStoreUrl(url === undefined ? {} : { url }), host);
  return handleOf(store, host, options);
}

/** Wraps a store of your own. */
export function handleOf(
  store: ObjectStore,
  host: Host,
  options: Pick<ConnectOptions, "skewMarginMs"> = {},
): QueueHandle {
  const context: QueueContext = { store, host, skewMarginMs: options.skewMarginMs ?? DEFAULT_SKEW_MARGIN_MS };
  const events = new ProcessEvents();
  const close = (): Promise<void> => store[Symbol.asyncDispose]();
  return {
    context,
    events,
    submit: async (taskType, input, submitOptions) => {
      const task = await submitTask(context, taskType, input, submitOptions);
      events.ready(task.id, store.time().latest);
      return task.id;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
