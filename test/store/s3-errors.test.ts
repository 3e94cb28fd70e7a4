/** What an answer of S3 means, row by row through the real SDK: what is refused and with which advice, what is sent again. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { WorkflowError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { silentLogger } from "../../src/host/logger.ts";
import { TRIES } from "../../src/store/again.ts";
import { S3Store } from "../../src/store/s3.ts";
import { type Proxy, startProxy } from "./fixtures/proxy.ts";

let proxy: Proxy;
beforeAll(async () => {
  // Nothing is forwarded: each request is answered as the row says.
  proxy = await startProxy("http://127.0.0.1:1");
});
afterAll(() => proxy.stop());

async function refusal(status: number, body: string): Promise<WorkflowError> {
  proxy.reset(() => ({ kind: "answer", status, headers: { date: new Date().toUTCString() }, body }));
  const host = nodeHost({ logger: silentLogger });
  try {
    await using _opened = await S3Store.open({
      bucket: "table",
      endpoint: proxy.endpoint,
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
      host: { ...host, clock: { ...host.clock, sleep: async () => {} } },
    });
  } catch (error) {
    return error as WorkflowError;
  }
  throw new Error("it was not refused");
}

const said = (code: string, message = "said S3"): string =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;

const RIGHTS = "the credentials may not do this";
const refused: readonly (readonly [status: number, code: string, advice: string])[] = [
  [403, "AccessDenied", RIGHTS],
  [403, "InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"],
  [403, "SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY"],
  [400, "ExpiredToken", "renew the credentials"],
  [400, "InvalidToken", "renew the credentials"],
  [400, "TokenRefreshRequired", "renew the credentials"],
  [403, "AllAccessDisabled", "the provider has blocked the account or the bucket"],
  [403, "AccountProblem", "the provider has blocked the account or the bucket"],
  [403, "NotSignedUp", "the provider has blocked the account or the bucket"],
  [403, "QuotaExceeded", "the quota of the bucket or the account is used up"],
  [403, "InvalidObjectState", "the object is archived (Glacier)"],
  [403, "SomethingNew", "the store answered 403 SomethingNew said S3"],
  [404, "NoSuchBucket", "the bucket does not exist; create it or correct its name"],
  [301, "PermanentRedirect", "set S3_REGION and S3_ENDPOINT"],
  [307, "TemporaryRedirect", "set S3_REGION and S3_ENDPOINT"],
  [501, "NotImplemented", "the store does not know this request"],
  [400, "EntityTooLarge", "the object is larger than the store takes"],
  [409, "InvalidBucketState", "the settings of the bucket do not allow this request"],
  [400, "KMS.DisabledException", "the KMS key of the bucket is disabled; enable it"],
  [400, "KMS.KMSInvalidStateException", "is to be deleted or has no key material"],
  [400, "KMS.InvalidStateException", "is to be deleted or has no key material"],
  [400, "KMS.InvalidKeyUsageException", "take a symmetric key"],
  [400, "KMS.NotFoundException", "the KMS key of the bucket does not exist"],
  [400, "KMS.AccessDeniedException", "may not use the KMS key of the bucket; allow kms:GenerateDataKey"],
  [400, "KMS.OfTomorrowException", "the KMS key of the bucket cannot be used"],
];
test.each(refused)("%i %s is refused at once with its advice", async (status, code, advice) => {
  const error = await refusal(status, said(code));
  expect(error).toMatchObject({ code: "invalid", message: expect.stringContaining(advice) });
  if (advice !== RIGHTS) expect(error.message).not.toContain(RIGHTS);
  // Whether versions are kept, and a list.
  expect(proxy.requests).toHaveLength(2);
});

test("a denial that is of KMS names the rights of the key", async () => {
  const message = "User: me is not authorized to perform: kms:GenerateDataKey on the resource";
  expect((await refusal(403, said("AccessDenied", message))).message).toContain("allow kms:GenerateDataKey");
});

test.each([
  [503, "SlowDown"],
  [429, "TooManyRequests"],
  [409, "ConditionalRequestConflict"],
  [409, "OperationAborted"],
  [400, "RequestTimeout"],
  [400, "BadDigest"],
  [400, "XAmzContentSHA256Mismatch"],
  [400, "ThrottlingException"],
  [400, "KMS.ThrottlingException"],
  [400, "KMS.RequestLimitExceededException"],
  [500, "KMS.KMSInternalException"],
  [503, "KMS.DependencyTimeoutException"],
  [500, "InternalError"],
  [503, "ServiceUnavailable"],
])("%i %s is sent again, and told as unavailable", async (status, code) => {
  expect(await refusal(status, said(code))).toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(code),
  });
  expect(proxy.requests).toHaveLength(TRIES);
});

test.each(["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"])(
  "403 %s is sent again, because the client sets its clock; if it stays so, this clock is wrong",
  async (code) => {
    expect(await refusal(403, said(code))).toMatchObject({
      code: "invalid",
      message: expect.stringContaining("the clock of this machine is wrong"),
    });
    expect(proxy.requests).toHaveLength(TRIES);
  },
);

const PAGE = "<html><head><title>Sorry</title></head><body><center><h1>Sorry</h1><hr>nginx</center></body></html>";
test.each([
  [502, "unavailable", "answered 502 with a body that is not one of S3"],
  [503, "unavailable", "answered 503 with a body that is not one of S3"],
  [504, "unavailable", "answered 504 with a body that is not one of S3"],
  [403, "invalid", RIGHTS],
  [413, "invalid", "the object is larger than the store takes"],
])("a web page with %i, as of a proxy, counts by its status", async (status, code, message) => {
  expect(await refusal(status, PAGE)).toMatchObject({ code, message: expect.stringContaining(message) });
});
