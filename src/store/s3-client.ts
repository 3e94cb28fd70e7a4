/** The client of an S3 store. It never retries, enforces its timeouts, and reports the time of every reply. */
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import type * as aws from "@aws-sdk/client-s3";
import type { Host } from "../host/host.ts";
import type { ServerClock } from "./server-clock.ts";

/** Options of an S3 store. */
export interface S3StoreOptions {
  readonly bucket: string;
  readonly host: Host;
  /** Url of the server; absent: AWS. */
  readonly endpoint?: string;
  /** @defaultValue what the environment and the profile say, else "us-east-1"; with an endpoint always "us-east-1" */
  readonly region?: string;
  /**
   * Whether the bucket is named in the path of a url (true) or in its host. A directory bucket is always named in the host.
   * @defaultValue true with an endpoint
   */
  readonly forcePathStyle?: boolean;
  /**
   * Checksums beside the signature of a body: `always` sends CRC32 and checks what comes back, `required` only where S3 demands it.
   * @defaultValue `required` with an endpoint, because foreign servers often refuse them; else what the environment and the profile say
   * (`AWS_REQUEST_CHECKSUM_CALCULATION`, `AWS_RESPONSE_CHECKSUM_VALIDATION`), which is `always` if nothing
   */
  readonly checksums?: "always" | "required";
  /**
   * Longest wait for an answer, and longest silence within one, in milliseconds. A body that is sent gets more time by its size.
   * @defaultValue 5000
   */
  readonly requestTimeoutMs?: number;
  /** Absent: the usual chain (environment, profile, process, instance). */
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

const DEFAULT_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 2_000;
const MAX_SOCKETS = 128;
const FALLBACK_REGION = "us-east-1";
const NODE_WARNING_SWITCH = "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED";
/** The assumed bandwidth by which a body gets more time: 256 KB per second. */
const SLOWEST_BYTES_PER_MS = 256;

/** S3 Express One Zone: the name says which zone the bucket is in. */
export function isDirectoryBucket(bucket: string): boolean {
  return bucket.endsWith("--x-s3");
}

/** What is known of how fast one key may be written: Cloudflare R2 takes one write a second and answers others with 429. */
export function writeIntervalMs({ endpoint }: S3StoreOptions): number {
  if (endpoint === undefined) return 0;
  return new URL(endpoint).hostname.endsWith(".r2.cloudflarestorage.com") ? 1_000 : 0;
}

/** The timeout of a request with a body of this many bytes. */
export function requestTimeoutMs(options: S3StoreOptions, bytes: number): number {
  return (options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS) + Math.ceil(bytes / SLOWEST_BYTES_PER_MS);
}

/** Called with every reply: the name of the server, and the host to which the request went, which a profile may determine. */
export type OnServer = (server: string | undefined, host: string) => void;

/** Makes the client. When no region is configured, it takes the default of buquet. */
export async function makeS3Client(
  library: typeof aws,
  options: S3StoreOptions,
  clock: ServerClock,
  onServer: OnServer = () => {},
): Promise<S3Client> {
  const config = clientConfig(options);
  const make = (settings: S3ClientConfig): S3Client => withoutNodeWarning(() => new library.S3Client(settings));
  const found = make(config);
  const client = await found.config.region().then(
    () => found,
    () => make({ ...config, region: FALLBACK_REGION }),
  );
  listenToHeaders(client, options.host, clock, onServer);
  return client;
}

/**
 * The library warns, once in a process that runs on Node 20, that its versions of a later year will not. The version that this package
 * pins does, so the warning asks nothing of a user of ours. The variable is the library's own switch.
 */
function withoutNodeWarning<T>(make: () => T): T {
  const before = process.env[NODE_WARNING_SWITCH];
  process.env[NODE_WARNING_SWITCH] = "true";
  try {
    return make();
  } finally {
    if (before === undefined) delete process.env[NODE_WARNING_SWITCH];
    else process.env[NODE_WARNING_SWITCH] = before;
  }
}

function clientConfig(options: S3StoreOptions): S3ClientConfig {
  const custom = options.endpoint !== undefined;
  const timeoutMs = options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  const region = options.region ?? (custom ? FALLBACK_REGION : undefined);
  return {
    // Its own retry would turn a successful write into a conflict, and it uses neither our clock nor our randomness.
    maxAttempts: 1,
    forcePathStyle: !isDirectoryBucket(options.bucket) && (options.forcePathStyle ?? custom),
    // It would wait longer for "100 Continue" than for an answer: where the server does not know it, no large body would ever arrive.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
      requestTimeout: timeoutMs,
      // Else the handler only warns and hangs on.
      throwOnRequestTimeout: true,
      // The only one that watches a body on its way here.
      socketTimeout: timeoutMs,
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    ...checksumsOf(options.checksums ?? (custom ? "required" : undefined)),
  };
}

function checksumsOf(
  wanted: S3StoreOptions["checksums"],
): Pick<S3ClientConfig, "requestChecksumCalculation" | "responseChecksumValidation"> {
  if (wanted === undefined) return {};
  const when = wanted === "always" ? "WHEN_SUPPORTED" : "WHEN_REQUIRED";
  return { requestChecksumCalculation: when, responseChecksumValidation: when };
}

function listenToHeaders(client: S3Client, host: Host, clock: ServerClock, onServer: OnServer): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const sentAt = host.clock.monotonic();
      const result = await next(args);
      const { headers } = result.response as { headers?: Record<string, string> };
      const date = Date.parse(headers?.["date"] ?? "");
      const { hostname, port } = args.request as { readonly hostname: string; readonly port?: number };
      onServer(headers?.["server"], port === undefined ? hostname : `${hostname}:${port}`);
      if (!Number.isNaN(date)) clock.observe(date, sentAt, host.clock.monotonic());
      return result;
    },
    { step: "deserialize", name: "listenToHeaders", priority: "low" },
  );
}
