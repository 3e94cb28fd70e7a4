/** Catches rejections that nobody awaits, and finds the handler that they come from where Node knows it. */
import { AsyncLocalStorage } from "node:async_hooks";
import { errorDataOf, reasonOf } from "./error-data.ts";
import type { LogFields, Logger } from "./host.ts";

/** One attempt, as far as an error that escapes it is concerned. */
export interface Attempted {
  /** Run, step and attempt, for the log. */
  readonly fields: LogFields;
  /** Ends the attempt as if its handler had thrown. Does nothing once it is over. */
  fail(error: unknown): void;
}

const current = new AsyncLocalStorage<Attempted>();
/** A logger for each worker that listens; two workers may have the same one. */
const listening = new Map<symbol, Logger>();

/** Calls a handler in a context by which errors that escape it are recognized. */
export function callTraced<T>(attempted: Attempted, call: () => T): T {
  return current.run(attempted, call);
}

/** Logs an error that escaped, and fails the attempt in which it arose when Node knows the attempt. */
export function tellStray(logger: Logger, what: string, error: unknown): void {
  const attempted = current.getStore();
  const whose =
    attempted === undefined ? "outside of any handler that is known" : "in a handler; its attempt has failed";
  logger.error(`${what} ${whose}`, { ...attempted?.fields, reason: reasonOf(error), error: errorDataOf(error) });
  attempted?.fail(error);
}

/** Installed once per process, for any number of workers. */
function onRejection(error: unknown): void {
  const [logger] = listening.values();
  if (logger !== undefined) tellStray(logger, "unhandled rejection", error);
}

/**
 * Handles unhandled rejections of the whole process until the returned function is called. Without a listener, Node ends the process at the
 * first one.
 */
export function catchStrays(logger: Logger): () => void {
  const own = Symbol("listener");
  if (listening.size === 0) process.on("unhandledRejection", onRejection);
  listening.set(own, logger);
  return () => {
    listening.delete(own);
    if (listening.size === 0) process.off("unhandledRejection", onRejection);
  };
}
