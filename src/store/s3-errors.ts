/** Classifies errors of the S3 client: by name first, then by HTTP status, then by the code of the socket. */
import { isWorkflowError, WorkflowError } from "../errors.ts";
import { summaryOf } from "../host/error-data.ts";
import { FIRST_BACKOFF_MS, PER_KEY_BACKOFF_MS } from "./again.ts";

/** The meaning of a failed request. */
export type S3Failure =
  | { readonly kind: "missing" }
  /** 412: the condition did not hold, nothing was written. */
  | { readonly kind: "conflict" }
  /**
   * Not done, and the same request may succeed later: 409, throttled, a wrong clock that is now corrected, never sent. `advice`: what to do
   * when it does not.
   */
  | { readonly kind: "undecided"; readonly firstBackoffMs: number; readonly advice?: string }
  /** Timeout, reset, 5xx: a write may have happened, or may still. */
  | { readonly kind: "unknown" }
  | { readonly kind: "refused"; readonly advice: string };

const REGION = "the bucket is in another region or at another endpoint; set S3_REGION and S3_ENDPOINT";
const DENIED = "the credentials may not do this; allow them to get, put, delete and list objects of this bucket";
const UNABLE = "the store does not know this request; it cannot be used";
const KEY_ID = "the access key is not known; check AWS_ACCESS_KEY_ID";
const EXPIRED = "the session token has expired or is wrong; renew the credentials";
const BLOCKED = "the provider has blocked the account or the bucket; ask its support";
const FULL = "the quota of the bucket or the account is used up; raise it, or delete what is not needed";
const TOO_LARGE =
  "the object is larger than the store takes; raise the limit of the store, or of a proxy before it, to 16 MB";
const CLOCK = "the clock of this machine is wrong; set it, and keep it right (NTP)";
const KEY_DENIED =
  "the credentials may not use the KMS key of the bucket; allow kms:GenerateDataKey and kms:Decrypt in the policy of the key, too";

const ADVICE: ReadonlyMap<string, string> = new Map([
  ["NoSuchBucket", "the bucket does not exist; create it or correct its name"],
  ["InvalidBucketName", "this is not the name of a bucket"],
  ["AccessDenied", DENIED],
  ["AllAccessDisabled", BLOCKED],
  ["AccountProblem", BLOCKED],
  ["NotSignedUp", BLOCKED],
  ["UserSuspended", BLOCKED],
  ["QuotaExceeded", FULL],
  ["XMinioAdminBucketQuotaExceeded", FULL],
  ["EntityTooLarge", TOO_LARGE],
  ["MaxMessageLengthExceeded", TOO_LARGE],
  ["InvalidAccessKeyId", KEY_ID],
  ["InvalidClientTokenId", KEY_ID],
  ["SignatureDoesNotMatch", "the secret key is wrong; check AWS_SECRET_ACCESS_KEY"],
  ["ExpiredToken", EXPIRED],
  ["InvalidToken", EXPIRED],
  [
    "CredentialsProviderError",
    "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile",
  ],
  ["TokenRefreshRequired", EXPIRED],
  [
    "InvalidBucketState",
    "the settings of the bucket do not allow this request; check its versioning, object lock and replication",
  ],
  [
    "InvalidObjectState",
    "the object is archived (Glacier); restore it, and keep lifecycle rules from archiving current objects",
  ],
  ["PermanentRedirect", REGION],
  ["TemporaryRedirect", REGION],
  ["AuthorizationHeaderMalformed", REGION],
  ["IllegalLocationConstraintException", REGION],
  ["NotImplemented", UNABLE],
]);

/** Errors of KMS, which S3 passes on with the prefix `KMS.`. */
const KEY_ADVICE: readonly (readonly [said: RegExp, advice: string])[] = [
  [/AccessDenied|NotAuthorized/, KEY_DENIED],
  [/Disabled/, "the KMS key of the bucket is disabled; enable it"],
  [/NotFound/, "the KMS key of the bucket does not exist; check the encryption of the bucket"],
  [/InvalidState/, "the KMS key of the bucket is to be deleted or has no key material; check its state"],
  [/KeyUsage/, "the KMS key of the bucket is not one to encrypt with; take a symmetric key for encryption"],
];
const KEY_UNUSABLE = "the KMS key of the bucket cannot be used; check the key and the encryption of the bucket";
/** KMS did nothing, so that S3 wrote nothing. */
const KEY_BUSY = /Throttl|LimitExceeded|TooMany|Internal|Timeout|Unavailable/;

const ADVICE_BY_STATUS: ReadonlyMap<number, string> = new Map([
  [301, REGION],
  [302, REGION],
  [307, REGION],
  [308, REGION],
  [401, DENIED],
  [403, DENIED],
  [405, UNABLE],
  [413, TOO_LARGE],
  [501, UNABLE],
]);

const MISSING = new Set(["NoSuchKey", "NotFound", "NoSuchVersion"]);
const NOT_DONE = new Set([
  "ConditionalRequestConflict",
  "OperationAborted",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "RequestLimitExceeded",
  "TooManyRequests",
  // The body did not arrive whole.
  "IncompleteBody",
  "BadDigest",
  "XAmzContentSHA256Mismatch",
  "RequestTimeout",
]);
/** The client has set its clock by the answer that said so. */
const SKEWED = new Set(["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"]);
/** Names that say no more than the status of the reply. */
const NO_NAME = /^(?:|\d+|Error|Unknown|UnknownError|Forbidden|Unauthorized)$/;
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

interface ErrorShape {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  readonly Region?: string;
}

/** Classifies an error that the client threw. */
export function classifyS3Error(error: unknown): S3Failure {
  const shape = (error ?? {}) as ErrorShape;
  const { name = "", code = "", message = "" } = shape;
  const status = shape.$metadata?.httpStatusCode;
  if (name.startsWith("KMS.")) return keyFailure(name);
  if (name === "AccessDenied" && /\bkms:[A-Z]/.test(message)) return { kind: "refused", advice: KEY_DENIED };
  const known = ADVICE.get(name);
  if (known !== undefined) return { kind: "refused", advice: known === REGION ? regionAdvice(shape) : known };
  if (MISSING.has(name)) return { kind: "missing" };
  if (name === "PreconditionFailed" || status === 412) return { kind: "conflict" };
  if (status === 429) return { kind: "undecided", firstBackoffMs: PER_KEY_BACKOFF_MS };
  if (SKEWED.has(name)) return { kind: "undecided", firstBackoffMs: FIRST_BACKOFF_MS, advice: CLOCK };
  if (NOT_DONE.has(name) || status === 409) return { kind: "undecided", firstBackoffMs: FIRST_BACKOFF_MS };
  if (status === 404) return { kind: "missing" };
  if (status === undefined) {
    return NOT_SENT.has(code) ? { kind: "undecided", firstBackoffMs: FIRST_BACKOFF_MS } : { kind: "unknown" };
  }
  const advice = ADVICE_BY_STATUS.get(status);
  // A refusal that has a name of its own may have nothing to do with rights.
  if (advice !== undefined && (advice !== DENIED || NO_NAME.test(name)))
    return { kind: "refused", advice: advice === REGION ? regionAdvice(shape) : advice };
  // A success whose body cannot be read comes here too: it says nothing that can be relied on.
  if (status >= 500 || status < 300) return { kind: "unknown" };
  return { kind: "refused", advice: `the store answered ${status} ${name} ${message}`.trim() };
}

function keyFailure(name: string): S3Failure {
  if (KEY_BUSY.test(name)) return { kind: "undecided", firstBackoffMs: FIRST_BACKOFF_MS };
  const [, advice = KEY_UNUSABLE] = KEY_ADVICE.find(([said]) => said.test(name)) ?? [];
  return { kind: "refused", advice };
}

/** AWS says where the bucket is. */
function regionAdvice(error: ErrorShape): string {
  const region = error.Region ?? error.$response?.headers?.["x-amz-bucket-region"];
  if (region === undefined || !/^[a-z0-9-]{1,40}$/.test(region)) return REGION;
  return `the bucket is in region ${region}; set S3_REGION to it`;
}

/** Explains why there was no usable reply. */
export function silenceOf(error: unknown): string {
  const { message = "", $metadata } = (error ?? {}) as ErrorShape;
  const status = $metadata?.httpStatusCode;
  if (status !== undefined && message.includes("Deserialization error"))
    return `it answered ${status} with a body that is not one of S3, as a proxy before it does`;
  // The name is the code of S3, such as `SlowDown`; those of sockets say nothing.
  return summaryOf(error).replace(/^(?:Aggregate)?Error: /, "");
}

/** Whether these credentials lack the permission. */
export function isDenied(error: unknown): boolean {
  if (!isWorkflowError(error)) return false;
  const failure = classifyS3Error(error.cause);
  return failure.kind === "refused" && failure.advice === DENIED;
}

/** The error for a request that can never succeed as it is. */
export function refusedError(url: string, advice: string, cause: unknown): WorkflowError {
  return new WorkflowError("invalid", `${url}: ${advice}`, { cause });
}
