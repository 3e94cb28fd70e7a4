/**
 * A store on S3, or on anything compatible that has conditional writes. The client library is imported on first use.
 *
 * Every put stores a unique write id in the metadata of its object. A conditional put is sent again only after a reply which says that
 * nothing was done (409, throttled, not connected). When the outcome is open, the object is read once: our write id means `stored`;
 * anything else means `unknown`, because the put may still arrive.
 */
import type { GetObjectCommandOutput, ObjectVersion as S3Version, S3Client } from "@aws-sdk/client-s3";
import type * as aws from "@aws-sdk/client-s3";
import { isWorkflowError, WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { untilAborted } from "../host/signals.ts";
import type {
  ETag,
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
import { checkBodySize, decodeBody } from "./body.ts";
import { FIRST_BACKOFF_MS, pauseMs, TRIES } from "./again.ts";
import {
  isDirectoryBucket,
  makeS3Client,
  type OnServer,
  requestTimeoutMs,
  type S3StoreOptions,
  writeIntervalMs,
} from "./s3-client.ts";
import { classifyS3Error, refusedError, type S3Failure, silenceOf } from "./s3-errors.ts";
import { checkFolder } from "./paging.ts";
import { bucketUrl, checkS3Options } from "./s3-settings.ts";
import { ServerClock } from "./server-clock.ts";

type Library = typeof aws;

/** After a lost reply the caller has already waited. */
const RESOLVE_TRIES = 2;

/** Turns a failure into an outcome; undefined when the request should be retried. */
type Settle<T> = (failure: S3Failure, error: unknown, tries: number) => T | undefined | Promise<T | undefined>;

/** A store in an S3 bucket. */
export class S3Store implements ObjectStore {
  readonly url: string;
  readonly #library: Library;
  readonly #client: S3Client;
  readonly #options: S3StoreOptions;
  readonly #host: Host;
  readonly #bucket: string;
  readonly #clock: ServerClock;
  #capabilities: StoreCapabilities = { versions: false };
  #closed = false;
  #server: string | undefined;
  #answerer = "";

  private constructor(library: Library, client: S3Client, options: S3StoreOptions, clock: ServerClock) {
    this.#library = library;
    this.#client = client;
    this.#options = options;
    this.#host = options.host;
    this.#bucket = options.bucket;
    this.#clock = clock;
    this.url = bucketUrl(options);
  }

  /**
   * Opens a bucket. Costs one request, two where the bucket keeps no versions.
   * @throws {WorkflowError} `invalid` when it cannot be used as it is, `unavailable` when nobody answers.
   */
  static async open(options: S3StoreOptions): Promise<S3Store> {
    checkS3Options(options);
    const library = await import("@aws-sdk/client-s3");
    const clock = new ServerClock(options.host.clock);
    let hear: OnServer = () => {};
    const client = await makeS3Client(library, options, clock, (...heard) => hear(...heard));
    const store = new S3Store(library, client, options, clock);
    hear = (server, answerer) => {
      store.#server = server;
      store.#answerer = answerer;
    };
    try {
      store.#capabilities = await store.#findCapabilities();
      return store;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  get capabilities(): StoreCapabilities {
    return this.#capabilities;
  }

  get server(): string | undefined {
    return this.#server;
  }

  /** The host that answered last, with its port if it has one. */
  get answerer(): string {
    return this.#answerer;
  }

  async get(key: string, options: RequestOptions = {}): Promise<GetOutcome> {
    return this.#getObject(key, undefined, options);
  }

  async put(key: string, body: string, condition: PutCondition, options: RequestOptions = {}): Promise<PutOutcome> {
    const wid = this.#host.random.uuid();
    const bytes = new TextEncoder().encode(body);
    const attempt = async (): Promise<PutOutcome> => {
      const answer = await this.#client.send(
        new this.#library.PutObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          Body: bytes,
          ContentType: "application/json",
          Metadata: { wid },
          ...(condition === "absent" ? { IfNoneMatch: "*" } : {}),
          ...(typeof condition === "object" ? { IfMatch: condition.match } : {}),
        }),
        { ...abortable(options), requestTimeout: requestTimeoutMs(this.#options, bytes.length) },
      );
      return { kind: "stored", etag: this.#etagOf(answer) };
    };
    const settle: Settle<PutOutcome> = async (failure, error, tries) => {
      switch (failure.kind) {
        case "refused":
          return undefined;
        case "missing":
          // If-Match on a missing key is 404 on AWS and 412 elsewhere.
          return typeof condition === "object" ? { kind: "conflict" } : undefined;
        case "conflict":
          // The winner of a second try may be the first one, whatever its answer said.
          return (tries > 0 ? await this.#findWrite(key, wid, options) : undefined) ?? { kind: "conflict" };
        case "undecided":
          return condition === "always" || tries + 1 < TRIES ? undefined : { kind: "unknown", cause: error };
        case "unknown":
          if (condition === "always") return undefined;
          return (await this.#findWrite(key, wid, options)) ?? { kind: "unknown", cause: error };
      }
    };
    return this.#send(`put ${key}`, options, attempt, settle);
  }

  async delete(key: string, options: RequestOptions = {}): Promise<void> {
    await this.#send<"done">(
      `delete ${key}`,
      options,
      async () => {
        await this.#client.send(
          new this.#library.DeleteObjectCommand({ Bucket: this.#bucket, Key: key }),
          abortable(options),
        );
        return "done";
      },
      (failure) => (failure.kind === "missing" ? "done" : undefined),
    );
  }

  async list(prefix: string, options: ListOptions & RequestOptions = {}): Promise<ListPage> {
    const ordered = !isDirectoryBucket(this.#bucket);
    if (!ordered) checkFolder(prefix, options);
    return this.#send(`list ${prefix}`, options, async () => {
      const answer = await this.#client.send(
        new this.#library.ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: prefix,
          MaxKeys: options.limit ?? 1000,
          ...(options.after === undefined ? {} : { StartAfter: options.after }),
          ...(options.cursor === undefined ? {} : { ContinuationToken: options.cursor }),
        }),
        abortable(options),
      );
      if (answer.IsTruncated === undefined)
        throw this.#refused("the answer to a list is not one of S3; check the endpoint");
      const objects = (answer.Contents ?? []).map(({ Key = "", ETag }) =>
        ETag === undefined ? { key: Key } : { key: Key, etag: unquote(ETag) },
      );
      const cursor = ordered ? undefined : answer.NextContinuationToken;
      return { objects, truncated: answer.IsTruncated, ...(cursor === undefined ? {} : { cursor }) };
    });
  }

  /** One request for each thousand versions. */
  async versions(key: string, options: RequestOptions = {}): Promise<readonly ObjectVersion[]> {
    this.#check();
    const found: (ObjectVersion & { readonly latest: boolean })[] = [];
    let from: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
    while (from !== undefined && this.#capabilities.versions) {
      const page = await this.#versionPage(key, from, options);
      found.push(...(page.Versions ?? []).filter(isOf(key)).map((version) => toVersion(version, false)));
      found.push(...(page.DeleteMarkers ?? []).filter(isOf(key)).map((marker) => toVersion(marker, true)));
      const more = page.IsTruncated === true && page.NextKeyMarker === key && page.NextVersionIdMarker !== undefined;
      from = more ? { KeyMarker: key, VersionIdMarker: page.NextVersionIdMarker as string } : undefined;
    }
    return found
      .toSorted((a, b) => Number(b.latest) - Number(a.latest) || b.modifiedAt - a.modifiedAt)
      .map(({ versionId, modifiedAt, deleted }) => ({ versionId, modifiedAt, deleted }));
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
    this.#client.destroy();
  }

  async #findCapabilities(): Promise<StoreCapabilities> {
    if (isDirectoryBucket(this.#bucket)) {
      // It has no versions to ask for; a list must show that the bucket can be used.
      await this.list("", { limit: 1 });
      return { versions: false, orderedList: false };
    }
    const intervalMs = writeIntervalMs(this.#options);
    const versions = await this.#keepsVersions();
    return intervalMs === 0 ? { versions } : { versions, writeIntervalMs: intervalMs };
  }

  /** Asks whether versions are kept; where that may not be asked or is not known, a list must show that the bucket can be used. */
  async #keepsVersions(): Promise<boolean> {
    const command = new this.#library.GetBucketVersioningCommand({ Bucket: this.#bucket });
    const status = await this.#send<string>(
      "open",
      {},
      async () => (await this.#client.send(command)).Status ?? "",
      (failure) => (failure.kind === "refused" || failure.kind === "missing" ? "refused" : undefined),
    );
    if (status === "Enabled" || status === "Suspended") return status === "Enabled";
    await this.list("", { limit: 1 });
    if (status === "refused") {
      this.#host.logger.warn(`${this.url} does not say whether it keeps versions; it is used as if it kept none`);
    }
    return false;
  }

  async #getObject(key: string, versionId: string | undefined, options: RequestOptions): Promise<GetOutcome> {
    const attempt = async (): Promise<GetOutcome> => {
      const answer: GetObjectCommandOutput = await this.#client.send(
        new this.#library.GetObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
        abortable(options),
      );
      // A body that is cut off is one more failed attempt.
      checkBodySize(key, answer.ContentLength ?? 0);
      const body = decodeBody(key, (await answer.Body?.transformToByteArray()) ?? new Uint8Array());
      return { kind: "found", object: { body, etag: this.#etagOf(answer) } };
    };
    const settle: Settle<GetOutcome> = (failure, error) => {
      if (failure.kind === "missing") return { kind: "missing" };
      // What S3 answers to a GET of a delete marker by its id.
      return versionId !== undefined && statusOf(error) === 405 ? { kind: "missing" } : undefined;
    };
    return this.#send(`get ${key}`, options, attempt, settle);
  }

  #versionPage(
    key: string,
    from: { KeyMarker?: string; VersionIdMarker?: string },
    options: RequestOptions,
  ): Promise<aws.ListObjectVersionsCommandOutput> {
    return this.#send(`versions of ${key}`, options, () =>
      this.#client.send(
        new this.#library.ListObjectVersionsCommand({ Bucket: this.#bucket, Prefix: key, ...from }),
        abortable(options),
      ),
    );
  }

  /** The put that left this write id, if it is what the key holds now. Undefined also when the store does not answer. */
  async #findWrite(key: string, wid: string, options: RequestOptions): Promise<PutOutcome | undefined> {
    const attempt = async (): Promise<PutOutcome | "other"> => {
      const answer = await this.#client.send(
        new this.#library.HeadObjectCommand({ Bucket: this.#bucket, Key: key }),
        abortable(options),
      );
      return answer.Metadata?.["wid"] === wid ? { kind: "stored", etag: this.#etagOf(answer) } : "other";
    };
    const settle: Settle<PutOutcome | "other"> = (failure, _, tries) =>
      failure.kind === "missing" || failure.kind === "refused" || tries + 1 >= RESOLVE_TRIES ? "other" : undefined;
    const found = await this.#send(`head ${key}`, options, attempt, settle);
    this.#host.logger.debug("a put without a clear answer was looked up", { key, stored: found !== "other" });
    return found === "other" ? undefined : found;
  }

  /** Sends until there is an answer. An aborted signal ends it at once with the reason of the abort. */
  async #send<T>(
    what: string,
    options: RequestOptions,
    attempt: () => Promise<T>,
    settle: Settle<T> = () => undefined,
  ): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      this.#check();
      options.signal?.throwIfAborted();
      try {
        // The client notices an abort only while a request is on the wire; whoever aborts does not want to wait for it to get there.
        return await untilAborted(options.signal, attempt);
      } catch (error) {
        options.signal?.throwIfAborted();
        if (isWorkflowError(error)) throw error;
        const failure = classifyS3Error(error);
        const settled = await settle(failure, error, tries);
        if (settled !== undefined) return settled;
        if (failure.kind === "refused") throw this.#refused(failure.advice, error);
        if (failure.kind === "missing" || failure.kind === "conflict") {
          throw this.#refused(`the store answered ${statusOf(error)} (${what}), which it must not`, error);
        }
        if (tries + 1 >= TRIES) {
          const advice = failure.kind === "undecided" ? failure.advice : undefined;
          throw advice === undefined ? this.#silent(what, error) : this.#refused(advice, error);
        }
        const first = failure.kind === "undecided" ? failure.firstBackoffMs : FIRST_BACKOFF_MS;
        await this.#pause(first, tries, options);
      }
    }
  }

  #etagOf(answer: { readonly ETag?: string | undefined }): ETag {
    const etag = unquote(answer.ETag);
    if (etag === "") throw this.#refused("the store answers without an etag; it cannot be used");
    return etag;
  }

  #refused(advice: string, cause?: unknown): WorkflowError {
    return refusedError(this.url, advice, cause);
  }

  #silent(what: string, cause: unknown): WorkflowError {
    return new WorkflowError("unavailable", `${this.url} does not answer (${what}): ${silenceOf(cause)}`, { cause });
  }

  #pause(firstMs: number, tries: number, options: RequestOptions): Promise<void> {
    return this.#host.clock.sleep(pauseMs(this.#host.random, firstMs, tries), options);
  }

  #check(): void {
    if (this.#closed) throw new WorkflowError("closed", "this store is closed; open a new one");
  }
}

function unquote(etag: string | undefined): string {
  return (etag ?? "").replaceAll('"', "");
}

function statusOf(error: unknown): number | undefined {
  return (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | undefined)?.$metadata
    ?.httpStatusCode;
}

/** A prefix may be the beginning of other keys. */
function isOf(key: string): (version: { readonly Key?: string | undefined }) => boolean {
  return (version) => version.Key === key;
}

function toVersion(
  version: Pick<S3Version, "VersionId" | "LastModified" | "IsLatest">,
  deleted: boolean,
): ObjectVersion & { readonly latest: boolean } {
  return {
    versionId: version.VersionId ?? "",
    modifiedAt: version.LastModified?.getTime() ?? 0,
    deleted,
    latest: version.IsLatest === true,
  };
}

function abortable(options: RequestOptions): { abortSignal?: AbortSignal } {
  return options.signal === undefined ? {} : { abortSignal: options.signal };
}
