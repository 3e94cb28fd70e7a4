/** Opening a bucket from a url, the environment or settings. */
import { resolveStoreUrl } from "../config.ts";
import type { Host } from "../host/host.ts";
import { nodeHost } from "../host/node.ts";
import { type HandleOptions, handleOf, type QueueHandle } from "../run/handle.ts";
import { openStore } from "../store/open.ts";

/** Components of a connection; all have working defaults. */
export interface ConnectOptions extends HandleOptions {
  readonly host?: Host;
  /** Whether a store on which runs would be lost is opened all the same. @defaultValue false */
  readonly allowUnsafe?: boolean;
}

/**
 * Opens a bucket: `memory:`, `file:folder`, `s3://bucket?endpoint=…`. Without a url: the environment (`S3_BUCKET` …), then
 * `.buquet.toml`, then the folder `.buquet`.
 * @throws {WorkflowError} `invalid` for a url that cannot be understood and for a store that is known to lose runs.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<QueueHandle> {
  const host = options.host ?? nodeHost();
  const store = await openStore(resolveStoreUrl(url === undefined ? {} : { url }), host, options);
  return handleOf(store, host, options);
}
