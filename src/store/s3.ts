/**
 * A store on S3 or anything that speaks it, with conditional writes. The client library is imported on first use.
 *
 * Reads go through a client that retries; writes through one that never does, because its retry turns a write that won into a
 * conflict. A conditional put is sent once and answers `unknown` when nobody can tell.
 */
import type { GetObjectCommandOutput, S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import type * as aws from "@aws-sdk/client-s3";
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type {
  GetOutcome,
  ListOptions,
  ListPage,
  ObjectStore,
  ObjectVersion,
  PutCondition,
  PutOutcome,
  RequestOptions,
  StoreCapabilities,
  TimeBounds,
} from "./object-store.ts";
import { classifyS3Error, refusedError, type S3Failure } from "./s3-errors.ts";
import { ServerClock } from "./server-clock.ts";

type Library = typeof aws;

/** Options of an S3 store. */
export interface S3StoreOptions {
  readonly bucket: string;
  readonly host: Host;
  /** Url of the server; absent: AWS. */
  readonly endpoint?: string;
  /** @defaultValue "us-east-1" with an endpoint, else what the environment says */
  readonly region?: string;
  /** @defaultValue true with an endpoint */
  readonly forcePathStyle?: boolean;
  /** Longest wait for an answer, in milliseconds. @defaultValue 5000 */
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
const READ_ATTEMPTS = 4;
const WRITE_TRIES = 6;
const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 5_000;
const MAX_SOCKETS = 128;

const unquote = (etag: string | undefined): string => (etag ?? "").replaceAll('"', "");

/** Objects in a bucket. */
export class S3Store implements ObjectStore {
  readonly url: string;
  readonly capabilities: StoreCapabilities;
  readonly #library: Library;
  readonly #reader: S3Client;
  readonly #writer: S3Client;
  readonly #host: Host;
  readonly #bucket: string;
  readonly #clock: ServerClock;
  #closed = false;

  private constructor(
    library: Library,
    reader: S3Client,
    writer: S3Client,
    options: S3StoreOptions,
    clock: ServerClock,
    versions: boolean,
  ) {
    this.#library = library;
    this.#reader = reader;
    this.#writer = writer;
    this.#host = options.host;
    this.#bucket = options.bucket;
    this.#clock = clock;
    this.capabilities = { versions };
    this.url = `s3://${options.bucket}${options.endpoint === undefined ? "" : `?endpoint=${options.endpoint}`}`;
  }

  /** Opens a bucket. @throws {WorkflowError} `invalid` when it cannot be used as it is. */
  static async open(options: S3StoreOptions): Promise<S3Store> {
    const library = await import("@aws-sdk/client-s3");
    const clock = new ServerClock(options.host.clock);
    const make = (maxAttempts: number): S3Client => {
      const client = new library.S3Client(clientConfig(options, maxAttempts));
      listenToDates(client, options.host, clock);
      return client;
    };
    const reader = make(READ_ATTEMPTS);
    const versions = await reader
      .send(new library.GetBucketVersioningCommand({ Bucket: options.bucket }))
      .then((answer) => answer.Status === "Enabled")
      .catch((error: unknown) => {
        const failure = classifyS3Error(error);
        const name = (error as { name?: string }).name;
        if (name === "NoSuchBucket" || name === "CredentialsProviderError") {
          throw refusedError(
            `s3://${options.bucket}`,
            failure.kind === "refused" ? failure.advice : "cannot be opened",
            error,
          );
        }
        return false;
      });
    return new S3Store(library, reader, make(1), options, clock, versions);
  }

  async get(key: string, options: RequestOptions = {}): Promise<GetOutcome> {
    return this.#getObject(key, undefined, options);
  }

  async put(key: string, body: string, condition: PutCondition, options: RequestOptions = {}): Promise<PutOutcome> {
    this.#check();
    for (let tries = 0; ; tries += 1) {
      try {
        const answer = await this.#writer.send(
          new this.#library.PutObjectCommand({
            Bucket: this.#bucket,
            Key: key,
            Body: new TextEncoder().encode(body),
            ContentType: "application/json",
            Metadata: { wid: this.#host.random.uuid() },
            ...(condition === "absent" ? { IfNoneMatch: "*" } : {}),
            ...(typeof condition === "object" ? { IfMatch: condition.match } : {}),
          }),
          abortable(options),
        );
        return { kind: "stored", etag: unquote(answer.ETag) };
      } catch (error) {
        const failure = classifyS3Error(error);
        const outcome = this.#putFailed(failure, condition, error, tries);
        if (outcome !== undefined) return outcome;
        await this.#pause(tries);
      }
    }
  }

  async delete(key: string, options: RequestOptions = {}): Promise<void> {
    this.#check();
    for (let tries = 0; ; tries += 1) {
      try {
        await this.#writer.send(
          new this.#library.DeleteObjectCommand({ Bucket: this.#bucket, Key: key }),
          abortable(options),
        );
        return;
      } catch (error) {
        const failure = classifyS3Error(error);
        if (failure.kind === "missing") return;
        if (failure.kind === "refused" || tries + 1 >= WRITE_TRIES) throw this.#error(failure, `delete ${key}`, error);
        await this.#pause(tries);
      }
    }
  }

  async list(prefix: string, options: ListOptions & RequestOptions = {}): Promise<ListPage> {
    this.#check();
    return this.#reading(`list ${prefix}`, async () => {
      const answer = await this.#reader.send(
        new this.#library.ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: prefix,
          MaxKeys: options.limit ?? 1000,
          ...(options.after === undefined ? {} : { StartAfter: options.after }),
        }),
        abortable(options),
      );
      const objects = (answer.Contents ?? []).map((object) => ({ key: object.Key ?? "", etag: unquote(object.ETag) }));
      return { objects, truncated: answer.IsTruncated === true };
    });
  }

  async versions(key: string, options: RequestOptions = {}): Promise<readonly ObjectVersion[]> {
    this.#check();
    if (!this.capabilities.versions) return [];
    return this.#reading(`versions of ${key}`, async () => {
      const answer = await this.#reader.send(
        new this.#library.ListObjectVersionsCommand({ Bucket: this.#bucket, Prefix: key }),
        abortable(options),
      );
      const found = [
        ...(answer.Versions ?? []).map((version) => ({ ...version, deleted: false })),
        ...(answer.DeleteMarkers ?? []).map((marker) => ({ ...marker, deleted: true })),
      ];
      return found
        .filter((version) => version.Key === key)
        .map((version) => ({
          versionId: version.VersionId ?? "",
          modifiedAt: version.LastModified?.getTime() ?? 0,
          deleted: version.deleted,
          latest: version.IsLatest === true,
        }))
        .toSorted((a, b) => Number(b.latest) - Number(a.latest) || b.modifiedAt - a.modifiedAt);
    });
  }

  async getVersion(key: string, versionId: string, options: RequestOptions = {}): Promise<GetOutcome> {
    return this.#getObject(key, versionId, options);
  }

  time(): TimeBounds {
    return this.#clock.time();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.destroy();
    this.#writer.destroy();
  }

  async #getObject(key: string, versionId: string | undefined, options: RequestOptions): Promise<GetOutcome> {
    this.#check();
    return this.#reading(`get ${key}`, async (): Promise<GetOutcome> => {
      try {
        const answer: GetObjectCommandOutput = await this.#reader.send(
          new this.#library.GetObjectCommand({
            Bucket: this.#bucket,
            Key: key,
            ...(versionId === undefined ? {} : { VersionId: versionId }),
          }),
          abortable(options),
        );
        const body = (await answer.Body?.transformToString("utf-8")) ?? "";
        return { kind: "found", object: { body, etag: unquote(answer.ETag) } };
      } catch (error) {
        if (classifyS3Error(error).kind === "missing") return { kind: "missing" };
        throw error;
      }
    });
  }

  async #reading<T>(what: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw this.#error(classifyS3Error(error), what, error);
    }
  }

  /** The answer to a put that failed; undefined: send the same again. */
  #putFailed(failure: S3Failure, condition: PutCondition, error: unknown, tries: number): PutOutcome | undefined {
    switch (failure.kind) {
      case "refused":
        throw refusedError(this.url, failure.advice, error);
      case "missing":
        // If-Match on a missing key is 404 on AWS and 412 elsewhere.
        if (typeof condition === "object") return { kind: "conflict" };
        throw refusedError(this.url, "the store answered 404 to a put", error);
      case "conflict":
        return { kind: "conflict" };
      case "undecided":
        return tries + 1 < WRITE_TRIES ? undefined : { kind: "unknown", cause: error };
      case "unknown":
        if (condition !== "always") return { kind: "unknown", cause: error };
        if (tries + 1 < WRITE_TRIES) return undefined;
        throw this.#error(failure, "put", error);
    }
  }

  #error(failure: S3Failure, what: string, cause: unknown): WorkflowError {
    if (failure.kind === "refused") return refusedError(this.url, failure.advice, cause);
    return new WorkflowError(
      "unavailable",
      `${this.url} does not answer (${what}): ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }

  #pause(tries: number): Promise<void> {
    return this.#host.clock.sleep(
      this.#host.random.next() * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** tries),
    );
  }

  #check(): void {
    if (this.#closed) throw new WorkflowError("closed", "this store is closed; open a new one");
  }
}

function abortable(options: RequestOptions): { abortSignal?: AbortSignal } {
  return options.signal === undefined ? {} : { abortSignal: options.signal };
}

function clientConfig(options: S3StoreOptions, maxAttempts: number): S3ClientConfig {
  const custom = options.endpoint !== undefined;
  const timeoutMs = options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  const region = options.region ?? (custom ? "us-east-1" : undefined);
  return {
    maxAttempts,
    forcePathStyle: options.forcePathStyle ?? custom,
    // Without throwOnRequestTimeout the handler only warns and hangs on.
    requestHandler: {
      connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: timeoutMs,
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    // Foreign servers often refuse checksums that were not asked for.
    ...(custom
      ? { requestChecksumCalculation: "WHEN_REQUIRED" as const, responseChecksumValidation: "WHEN_REQUIRED" as const }
      : {}),
  };
}

function listenToDates(client: S3Client, host: Host, clock: ServerClock): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const sentAt = host.clock.monotonic();
      const result = await next(args);
      const { headers } = result.response as { headers?: Record<string, string> };
      const date = Date.parse(headers?.["date"] ?? "");
      if (!Number.isNaN(date)) clock.observe(date, sentAt, host.clock.monotonic());
      return result;
    },
    { step: "deserialize", name: "listenToDates", priority: "low" },
  );
}
