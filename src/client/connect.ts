/** Opening a bucket from a url, the environment or settings. */
import { resolveStoreUrl } from "../config.ts";
import type { Host } from "../host/host.ts";
import { nodeHost } from "../host/node.ts";
import { HANDLE_CHECKS, type HandleOptions, handleOf, type QueueHandle } from "../run/handle.ts";
import { type ChecksOf, flag, objectWith, readSettings } from "../settings.ts";
import { openStore } from "../store/open.ts";

/** Components of a connection; all have working defaults. */
export interface ConnectOptions extends HandleOptions {
  readonly host?: Host;
  /** Whether a store on which runs would be lost is opened all the same. @defaultValue false */
  readonly allowUnsafe?: boolean;
}

const CHECKS = {
  ...HANDLE_CHECKS,
  host: objectWith<Host>("clock", "random", "logger"),
  allowUnsafe: flag,
} satisfies ChecksOf<ConnectOptions>;

/**
 * Opens a bucket: `memory:`, `file:folder`, `s3://bucket?endpoint=…`. Without a url: the environment (`S3_BUCKET` …), then
 * `.buquet.toml`, then the folder `.buquet`.
 * @throws {WorkflowError} `invalid` for a url that cannot be understood and for a store that is known to lose runs.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<QueueHandle> {
  const { host = nodeHost(), allowUnsafe = false, ...handle } = readSettings("a connection", CHECKS, options);
  const store = await openStore(resolveStoreUrl(url === undefined ? {} : { url }), host, { allowUnsafe });
  return handleOf(store, host, handle as HandleOptions);
}
