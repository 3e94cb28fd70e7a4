/** A timeline again and again, for whoever follows it. */
import type { Timeline } from "../draw/timeline.ts";
import type { Clock } from "../host/host.ts";

/** How often the bucket is asked for newer versions while somebody follows, in milliseconds. */
const EVERY_MS = 1_000;

/**
 * The timeline at once and each second, until the signal aborts. A run that is over is read on too: it may be opened again.
 * @throws what `read` throws
 */
export async function* readOften(
  read: () => Promise<Timeline>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<Timeline> {
  while (!signal.aborted) {
    yield await read();
    await clock.sleep(EVERY_MS, { signal });
  }
}
