/** Joins abort signals for a limited time. */
import { setMaxListeners } from "node:events";

/** A signal that is linked to others. */
export interface JoinedSignal {
  readonly signal: AbortSignal;
  /** Unlinks it. Must be called: a signal that lives as long as a process would keep everything that was ever linked to it. */
  release(): void;
}

/**
 * One signal that aborts with the first of several, for the reason of that one. `AbortSignal.any` does the same, but on Node 20 what it makes
 * is kept for as long as the longest of the signals lives: measured, 1.3 KB a call.
 */
export function joinSignals(...signals: readonly (AbortSignal | undefined)[]): JoinedSignal {
  const given = signals.filter((signal) => signal !== undefined);
  const joined = new AbortController();
  const links = given.map((signal): (() => void) => {
    const abort = (): void => joined.abort(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    return () => signal.removeEventListener("abort", abort);
  });
  // Everything under way listens; Node warns of more than ten.
  setMaxListeners(0, joined.signal, ...given);
  return {
    signal: joined.signal,
    release: () => {
      for (const unlink of links) unlink();
    },
  };
}

/**
 * What the work comes to; when the signal aborts first, a rejection with its reason, whether or not the work listens to it. Work is not
 * begun after that. Without a signal it is just the work.
 */
export async function untilAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work();
  signal.throwIfAborted();
  let abort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
