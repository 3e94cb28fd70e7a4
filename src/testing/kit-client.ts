import { parseDuration } from "../wire/duration.ts";
import { type ClientOptions, type WatchOptions, WorkflowClient } from "../client/client.ts";
import type { RunView } from "../client/view.ts";
import type { QueueHandle } from "../run/handle.ts";
import { isOver } from "../run/record/record.ts";

/** Lets at most so many virtual milliseconds pass for a run, until the signal aborts. */
export type SkipForRun = (runId: string, ms: number, signal: AbortSignal) => Promise<void>;

/** A client for which time passes while it waits: `wait`, `result` and `watch` need no real time. */
export class SkippingClient extends WorkflowClient {
  readonly #handle: QueueHandle;
  readonly #skip: SkipForRun;

  constructor(handle: QueueHandle, options: ClientOptions, skip: SkipForRun) {
    super(handle, options);
    this.#handle = handle;
    this.#skip = skip;
  }

  override async *watch(id: string, options: WatchOptions = {}): AsyncGenerator<RunView> {
    const { clock } = this.#handle.context.host;
    const deadline =
      options.timeout === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + parseDuration(options.timeout);
    let seen = "";
    for (;;) {
      const wake = new AbortController();
      const unlisten = this.#handle.events.onWritten((written) => {
        if (written === id) wake.abort();
      });
      try {
        const view = await this.get(id);
        const version = view.record.machine?.write.id ?? view.updatedAt;
        if (version !== seen) {
          seen = version;
          yield view;
        }
        if (options.until?.(view) ?? isOver(view.status)) return;
        const leftMs = deadline - clock.monotonic();
        if (leftMs <= 0 || options.signal?.aborted === true) return;
        const signal = options.signal === undefined ? wake.signal : AbortSignal.any([wake.signal, options.signal]);
        await this.#skip(id, leftMs, signal);
      } finally {
        unlisten();
      }
    }
  }
}
