/** Opens a bucket from a url, the environment or settings. */
import { resolveStoreUrl } from "../config.ts";
import type { Host } from "../host/host.ts";
import { withSafeLogger } from "../host/logger.ts";
import { nodeHost } from "../host/node.ts";
import { HANDLE_CHECKS, type HandleOptions, handleOf, type QueueHandle } from "../queue/handle.ts";
import { type ChecksOf, flag, processHost, readSettings } from "../settings.ts";
import { openStore } from "../store/open.ts";

/** Options of `connect`. */
export interface ConnectOptions extends HandleOptions {
  /** Clock, randomness and logger of the process. @defaultValue `nodeHost()` */
  readonly host?: Host;
  /** Whether to open a store on which runs can be lost. @defaultValue false */
  readonly allowUnsafe?: boolean;
  /**
   * Whether the first write creates a `file:` folder that does not exist; with false, a missing folder is refused. Buckets are never
   * created.
   * @defaultValue true
   */
  readonly create?: boolean;
}

const CHECKS = {
  ...HANDLE_CHECKS,
  host: processHost,
  allowUnsafe: flag,
  create: flag,
} satisfies ChecksOf<ConnectOptions>;

/**
 * Opens a bucket: `memory:`, `file:folder` or `s3://bucket?endpoint=…`, as a text or a `URL`. Without a url it takes the environment
 * (`S3_BUCKET` …), then `.buquet.toml`, then the folder `.buquet`. An unknown S3 server is probed when it is first opened.
 * @throws {WorkflowError} `invalid` for a url that cannot be understood, and for a store that is known to lose runs.
 * @throws {WorkflowError} `unavailable` when the store does not answer.
 *
 * @example
 * ```ts
 * await using queue = await connect("s3://orders?region=eu-central-1");
 * await using worker = new Worker(queue, { workflows: [order] });
 * await worker.start();
 * ```
 */
export async function connect(url?: string | URL, options: ConnectOptions = {}): Promise<QueueHandle> {
  const {
    host: given = nodeHost(),
    allowUnsafe = false,
    create = true,
    skewMarginMs,
  } = readSettings("a connection", CHECKS, options);
  // A `URL` of another realm is one too.
  const text = (url as Partial<URL> | undefined)?.href ?? (url as string | undefined);
  const wanted = resolveStoreUrl(text === undefined ? {} : { url: text });
  const host = withSafeLogger(given);
  const store = await openStore(wanted, host, { allowUnsafe, create });
  return handleOf(store, host, skewMarginMs === undefined ? {} : { skewMarginMs });
}
