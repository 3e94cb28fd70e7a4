/** The process around a command: signals, streams and its end. */
import { constants } from "node:os";
import { WorkflowError } from "../errors.ts";

/**
 * Keeps streams that nobody reads any more from killing the process. A service goes on without them; any other command has nothing left to
 * do when nobody reads its output, and ends as if it had completed (`| head`).
 */
export function guardStreams(isService: boolean): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (isService) return;
    if (error.code !== "EPIPE") process.stderr.write(`error: standard output cannot be written: ${error.message}\n`);
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
}

/**
 * Ends the process once everything that was printed has left it. Without this a module of the user that holds a handle, such as a pool of
 * connections or an interval, would keep the process alive for ever.
 */
export async function endProcess(code: number): Promise<never> {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // The callback comes behind everything that was written before, and also when the reader is gone.
    if (stream.writable) stream.write("", () => resolve());
    else resolve();
  });
}

/** A request from outside to end the process. */
export interface StopRequest extends Disposable {
  /** Aborts at the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
  /** Resolves at the first SIGTERM or SIGINT. */
  readonly requested: Promise<void>;
  /** Requests the same from inside. */
  request(): void;
}

/** Listens for SIGTERM and SIGINT until it is disposed. The second one ends the process at once. */
export function listenForStop(): StopRequest {
  const stop = new AbortController();
  const request = (): void => stop.abort(new WorkflowError("closed", "the process was told to stop"));
  const listener = (name: "SIGTERM" | "SIGINT"): void => {
    if (stop.signal.aborted) process.exit(128 + constants.signals[name]);
    request();
  };
  process.on("SIGTERM", listener);
  process.on("SIGINT", listener);
  return {
    signal: stop.signal,
    requested: new Promise((resolve) => stop.signal.addEventListener("abort", () => resolve(), { once: true })),
    request,
    [Symbol.dispose]: () => {
      process.off("SIGTERM", listener);
      process.off("SIGINT", listener);
    },
  };
}
