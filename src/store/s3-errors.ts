/** What an error of the S3 client means: by its name first, then by the HTTP status. */
import { WorkflowError } from "../errors.ts";

/** The meaning of a failed request. */
export type S3Failure =
  | { readonly kind: "missing" }
  /** 412, or a conditional put that met no object: nothing was written. */
  | { readonly kind: "conflict" }
  /** 409: nothing was decided; again after a pause. */
  | { readonly kind: "undecided" }
  /** Timeout, reset, 5xx, throttling: a write may have happened. */
  | { readonly kind: "unknown" }
  | { readonly kind: "refused"; readonly advice: string };

const ADVICE: Readonly<Record<string, string>> = {
  NoSuchBucket: "the bucket does not exist; create it or correct its name",
  AccessDenied: "the credentials may not do this; see the policies in the documentation",
  InvalidAccessKeyId: "the access key is not known; check AWS_ACCESS_KEY_ID",
  SignatureDoesNotMatch: "the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
  CredentialsProviderError: "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile",
  PermanentRedirect: "the bucket is in another region; set S3_REGION",
  AuthorizationHeaderMalformed: "the bucket is in another region; set S3_REGION",
  NotImplemented: "the store does not know this request; it cannot be used",
};

const MISSING = new Set(["NoSuchKey", "NotFound", "NoSuchVersion"]);
const UNDECIDED = new Set(["ConditionalRequestConflict", "OperationAborted"]);

interface ErrorShape {
  readonly name?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Classifies an error that the client threw. */
export function classifyS3Error(error: unknown): S3Failure {
  const { name = "", $metadata, message = "" } = (error ?? {}) as ErrorShape;
  const status = $metadata?.httpStatusCode;
  const advice = ADVICE[name];
  if (advice !== undefined) return { kind: "refused", advice };
  if (MISSING.has(name)) return { kind: "missing" };
  if (name === "PreconditionFailed" || status === 412) return { kind: "conflict" };
  if (UNDECIDED.has(name) || status === 409) return { kind: "undecided" };
  if (status === 404) return { kind: "missing" };
  if (status === undefined || status >= 500 || status === 429) return { kind: "unknown" };
  return { kind: "refused", advice: `the store answered ${status} ${name} ${message}`.trim() };
}

/** The error for a request that can never succeed as it is. */
export function refusedError(url: string, advice: string, cause: unknown): WorkflowError {
  return new WorkflowError("invalid", `${url}: ${advice}`, { cause });
}
