/** Checks the options of hosts and loggers. `src/host/` imports nothing and therefore cannot check them itself. */
import type { Host, Logger } from "./host/host.ts";
import type { LoggerOptions } from "./host/logger.ts";
import { createLogger as uncheckedLogger, nodeHost as uncheckedHost, type NodeHostOptions } from "./host/node.ts";
import { callback, type ChecksOf, objectWith, oneOf, readSettings } from "./settings.ts";

const LOGGER = {
  level: oneOf("debug", "info", "warn", "error"),
  format: oneOf("text", "json"),
  write: callback,
} satisfies ChecksOf<LoggerOptions>;
const HOST = {
  logger: objectWith<Logger>("debug", "info", "warn", "error"),
} satisfies ChecksOf<NodeHostOptions>;

/**
 * Makes a logger that passes each record to `write`, as text for people or as JSON.
 * @throws {WorkflowError} `invalid` for options that are not valid.
 *
 * @example
 * ```ts
 * const logger = createLogger({ format: "json", write: (record) => process.stdout.write(`${record}\n`) });
 * const queue = await connect("file:orders", { host: nodeHost({ logger }) });
 * ```
 */
export function createLogger(options: LoggerOptions): Logger {
  readSettings("a logger", LOGGER, options, ["write"]);
  return uncheckedLogger(options);
}

/**
 * Makes the host of a Node process. Without a logger, warnings and errors go to standard error as text; pass `silentLogger` to suppress
 * them.
 * @throws {WorkflowError} `invalid` for options that are not valid.
 *
 * @example
 * ```ts
 * const quiet = await connect("memory:", { host: nodeHost({ logger: silentLogger }) });
 * ```
 */
export function nodeHost(options: NodeHostOptions = {}): Host {
  readSettings("a host", HOST, options);
  return uncheckedHost(options);
}
