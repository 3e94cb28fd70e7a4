import { type ClientOptions, WorkflowClient } from "../client/client.ts";
import type { QueueHandle } from "../queue/handle.ts";

/** Lets at most so many virtual milliseconds pass for a run, until the signal aborts. */
export type SkipForRun = (runId: string, ms: number, signal: AbortSignal) => Promise<void>;

/** A client for which time passes while it waits: `wait`, `result` and `watch` need no real time. */
export class SkippingClient extends WorkflowClient {
  readonly #skip: SkipForRun;

  constructor(handle: QueueHandle, options: ClientOptions, skip: SkipForRun) {
    super(handle, options);
    this.#skip = skip;
  }

  /** Writers of a record announce the write inside the kit, so that no polling is needed. */
  protected override rest(id: string, { leftMs }: { readonly leftMs: number }, signal: AbortSignal): Promise<void> {
    return this.#skip(id, leftMs, signal);
  }
}
