/** Checks what names a bucket, in one way for options, urls, variables and config files. */
import {
  type Check,
  type ChecksOf,
  flag,
  milliseconds,
  objectWith,
  oneOf,
  processHost,
  readSettings,
  refuseSettings,
} from "../settings.ts";
import { shown } from "../wire/duration.ts";
import { isDirectoryBucket, type S3StoreOptions } from "./s3-client.ts";

/** The name of a bucket. */
export const bucketName: Check<string> = (value, name, refuse) =>
  typeof value === "string" && /^[a-z0-9][a-z0-9._-]{1,62}$/i.test(value)
    ? value
    : refuse(`${name} is ${shown(value)}, which is not the name of a bucket`);

/** The name of a region. */
export const regionName: Check<string> = (value, name, refuse) =>
  typeof value === "string" && /^[a-z0-9-]{1,40}$/i.test(value)
    ? value
    : refuse(`${name} is ${shown(value)}, which is not the name of a region, such as eu-central-1`);

/** The url of a server; it may have a path. It is never repeated: it may hold credentials. */
export const serverUrl: Check<string> = (value, name, refuse) => {
  const url = typeof value === "string" && !/\s/.test(value) && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    return refuse(`${name} is not an http or https url`);
  if (url.username !== "" || url.password !== "")
    return refuse(`${name} holds credentials; put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`);
  // By the text: an empty query or fragment counts too.
  if (/[?#]/.test(value as string))
    return refuse(`${name} has a part after ? or #, which no request would carry; end it with the path`);
  return value as string;
};

/**
 * The url of a bucket: which one it is and where. How it is spoken to (region, addressing, checksums) is not part of it. Of the endpoint
 * only what would be read otherwise is escaped, so that it stays legible.
 */
export function bucketUrl({ bucket, endpoint }: Pick<S3StoreOptions, "bucket" | "endpoint">): string {
  return `s3://${bucket}${endpoint === undefined ? "" : `?endpoint=${endpoint.replaceAll(/[%&+]/g, encodeURIComponent)}`}`;
}

/** Whether the bucket is named in the path of a url, as the url of a store says it. */
export const addressing: Check<"path" | "virtual"> = oneOf("path", "virtual");

/** When checksums are sent. */
export const checksums: Check<"always" | "required"> = oneOf("always", "required");

/** A wait that is shorter ends before any server answers; one that is longer is longer than any lease that is worth having. */
const SHORTEST_TIMEOUT_MS = 1;
const LONGEST_TIMEOUT_MS = 3_600_000;

const CHECKS = {
  bucket: bucketName,
  host: processHost,
  endpoint: serverUrl,
  region: regionName,
  forcePathStyle: flag,
  checksums,
  requestTimeoutMs: milliseconds(SHORTEST_TIMEOUT_MS, LONGEST_TIMEOUT_MS),
  credentials: objectWith<NonNullable<S3StoreOptions["credentials"]>>("accessKeyId", "secretAccessKey"),
} satisfies ChecksOf<S3StoreOptions>;

/** Checks the options of an S3 store one by one and together. @throws {WorkflowError} `invalid` */
export function checkS3Options(options: S3StoreOptions): void {
  readSettings("an S3 store", CHECKS, options, ["bucket", "host"]);
  if (options.forcePathStyle === true && isDirectoryBucket(options.bucket))
    refuseSettings(
      "an S3 store",
      `${options.bucket} is a directory bucket, which is named in the host: leave out forcePathStyle, and addressing=path in a url`,
    );
}
