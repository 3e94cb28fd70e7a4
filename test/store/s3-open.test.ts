/** What opening an S3 store and its refusals say, through the real SDK against moto behind a proxy. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { WorkflowError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { createLogger, nodeHost } from "../../src/host/node.ts";
import { openStore } from "../../src/store/open.ts";
import { S3Store } from "../../src/store/s3.ts";
import { makeS3Client, requestTimeoutMs, type S3StoreOptions } from "../../src/store/s3-client.ts";
import { ServerClock } from "../../src/store/server-clock.ts";
import { CREDENTIALS, openMoto } from "./fixtures/moto.ts";
import { type Proxy, type ProxyFault, type ProxyRule, startProxy } from "./fixtures/proxy.ts";

const moto = await openMoto();

let proxy: Proxy;
const stops: (() => Promise<void>)[] = [];

function hostOf(lines: string[]): Host {
  const clock = { ...nodeHost().clock, sleep: async (): Promise<void> => {} };
  return { ...nodeHost({ logger: createLogger({ level: "warn", write: (line) => lines.push(line) }) }), clock };
}

async function open(options: Partial<S3StoreOptions> = {}, lines: string[] = []): Promise<S3Store> {
  const store = await S3Store.open({
    bucket: "conformance",
    endpoint: proxy.endpoint,
    credentials: CREDENTIALS,
    host: hostOf(lines),
    requestTimeoutMs: 20_000,
    ...options,
  });
  stops.push(() => store[Symbol.asyncDispose]());
  return store;
}

async function refusal(work: Promise<unknown>): Promise<WorkflowError> {
  return work.then(
    () => {
      throw new Error("it was not refused");
    },
    (error: WorkflowError) => error,
  );
}

const answer = (status: number, code?: string, headers: Record<string, string> = {}): ProxyFault => ({
  kind: "answer",
  status,
  headers,
  ...(code === undefined ? {} : { code }),
});
const isVersioning: (path: string) => boolean = (path) => /[?&]versioning/.test(path);

describe.skipIf(moto.kind === "absent")("an S3 store", () => {
  beforeAll(async () => {
    if (moto.kind === "present") proxy = await startProxy(moto.endpoint);
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
    await proxy.stop();
    if (moto.kind === "present") await moto.stop();
  });

  describe("when it is opened", () => {
    test("asks once whether versions are kept", async () => {
      proxy.reset();
      expect((await open()).capabilities.versions).toBe(true);
      expect(proxy.requests.map((request) => request.path)).toEqual([expect.stringContaining("?versioning")]);
    });

    test("may not be allowed to ask: it warns, shows that it can list, and uses no versions", async () => {
      for (const fault of [answer(403, "AccessDenied"), answer(501, "NotImplemented"), answer(405), answer(404)]) {
        const lines: string[] = [];
        proxy.reset((request) => (isVersioning(request.path) ? fault : undefined));
        expect((await open({}, lines)).capabilities.versions).toBe(false);
        expect(proxy.requests.map((request) => request.kind)).toEqual(["other", "list"]);
        expect(lines.join()).toContain("does not say whether it keeps versions");
      }
    });

    test("refuses a bucket that does not exist", async () => {
      proxy.reset();
      const error = await refusal(open({ bucket: "nowhere" }));
      expect(error.code).toBe("invalid");
      expect(error.message).toContain("the bucket does not exist; create it or correct its name");
    });

    test.each<[string, ProxyFault, string]>([
      ["a key that is not known", answer(403, "InvalidAccessKeyId"), "check AWS_ACCESS_KEY_ID"],
      ["a secret that is wrong", answer(403, "SignatureDoesNotMatch"), "check AWS_SECRET_ACCESS_KEY"],
      ["a token that is over", answer(400, "ExpiredToken"), "renew the credentials"],
      ["a bucket that may not be listed", answer(403, "AccessDenied"), "allow them to get, put, delete and list"],
      ["another region", answer(301, "PermanentRedirect"), "set S3_REGION and S3_ENDPOINT"],
      [
        "another region that is named",
        answer(301, "PermanentRedirect", { "x-amz-bucket-region": "eu-west-1" }),
        "the bucket is in region eu-west-1; set S3_REGION to it",
      ],
      ["a region that it does not sign for", answer(400, "AuthorizationHeaderMalformed"), "set S3_REGION"],
      ["a server that lists nothing", answer(501, "NotImplemented"), "does not know this request"],
      [
        "a web page",
        { kind: "answer", status: 200, headers: { "content-type": "text/html" }, body: "<html><p>hello</p></html>" },
        "is not one of S3; check the endpoint",
      ],
    ])("refuses %s", async (_, fault, advice) => {
      proxy.reset(() => fault);
      const error = await refusal(open());
      expect(error.code).toBe("invalid");
      expect(error.message).toContain(advice);
    });

    test("says unavailable when nobody answers at the endpoint", async () => {
      const gone = await startProxy(proxy.endpoint);
      await gone.stop();
      const error = await refusal(open({ endpoint: gone.endpoint }));
      expect(error.code).toBe("unavailable");
      expect(error.message).toContain("ECONNREFUSED");
      expect(error.message).toContain(gone.endpoint);
    });

    test("says unavailable when the endpoint accepts and never answers", async () => {
      proxy.reset(() => ({ kind: "hang", forwarded: false }));
      const error = await refusal(open({ requestTimeoutMs: 50 }));
      expect(error.code).toBe("unavailable");
      expect(proxy.requests.length).toBe(6);
    });

    test("takes an endpoint from the url", async () => {
      proxy.reset();
      const url = `s3://conformance?endpoint=${proxy.endpoint}&region=eu-1`;
      await using store = await withEnvironment(
        { AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId, AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey },
        () => openStore(url, hostOf([])),
      );
      expect(store.url).toBe(`s3://conformance?endpoint=${proxy.endpoint}`);
      expect(String(proxy.requests[0]?.headers["authorization"])).toContain("/eu-1/s3/");
    });
  });

  describe("that refuses a request", () => {
    test.each<[number, string]>([
      [301, "the bucket is in another region"],
      [403, "the credentials may not do this"],
      [501, "the store does not know this request"],
    ])("by %i alone says what to do, and sends it once", async (status, advice) => {
      proxy.reset();
      const store = await open();
      proxy.reset(() => answer(status));
      const calls = [
        () => store.get("a"),
        () => store.put("a", "", "always"),
        () => store.put("a", "", "absent"),
        () => store.put("a", "", { match: "x" }),
        () => store.delete("a"),
        () => store.list("a"),
        () => store.versions("a"),
      ];
      for (const call of calls) {
        const error = await refusal(call());
        expect(error.code).toBe("invalid");
        expect(error.message).toContain(advice);
      }
      expect(proxy.requests.length).toBe(calls.length);
    });

    test("because this clock is wrong sets the clock and sends it again", async () => {
      proxy.reset();
      const store = await open();
      const anHourAhead = new Date(Date.now() + 3_600_000).toUTCString();
      proxy.reset((_, index) => (index === 0 ? answer(403, "RequestTimeTooSkewed", { date: anHourAhead }) : undefined));
      expect((await store.put("skewed", "one", "absent")).kind).toBe("stored");
      const [first, second] = proxy.requests.map((request) => String(request.headers["x-amz-date"]));
      expect(hourOf(second)).toBe((hourOf(first) + 1) % 24);
    });
  });

  test("has no content for a delete marker, nor for a version that is gone", async () => {
    proxy.reset();
    const store = await open();
    await store.put("marked", "one", "always");
    await store.delete("marked");
    const versions = await store.versions("marked");
    const marker = versions.find((version) => version.deleted);
    expect(await store.getVersion("marked", marker?.versionId ?? "")).toEqual({ kind: "missing" });
    proxy.reset(() => answer(405, "MethodNotAllowed", { "x-amz-delete-marker": "true" }));
    expect(await store.getVersion("marked", "any")).toEqual({ kind: "missing" });
  });

  test("reads the versions of one key page by page, and of no other", async () => {
    proxy.reset();
    const store = await open();
    for (const body of ["1", "2", "3"]) await store.put("paged", body, "always");
    await store.put("paged-other", "x", "always");
    const ids = (await store.versions("paged")).map((version) => version.versionId);
    expect(ids.length).toBe(3);
    proxy.reset(pagesOfOne("paged", ids));
    expect((await store.versions("paged")).map((version) => version.versionId)).toEqual(ids);
    expect(proxy.requests.length).toBe(3);
  });

  test("learns the time from refusals too", async () => {
    proxy.reset();
    const store = await open();
    const date = "Wed, 01 Jan 2031 00:00:00 GMT";
    proxy.reset(() => answer(412, "PreconditionFailed", { date }));
    await store.put("a", "", "absent");
    const { earliest, latest } = store.time();
    expect(earliest).toBeGreaterThan(Date.parse(date) - 60_000);
    expect(latest).toBeLessThan(Date.parse(date) + 61_000);
  });

  test("without etags cannot be used", async () => {
    proxy.reset();
    const store = await open();
    proxy.reset(() => ({ kind: "answer", status: 200, body: "" }));
    expect((await refusal(store.put("a", "one", "absent"))).message).toContain("answers without an etag");
    expect((await refusal(store.get("a"))).message).toContain("answers without an etag");
  });

  test("that is closed says so, also to whom it was serving", async () => {
    proxy.reset();
    const store = await open();
    let close = (): void => {};
    const closed = new Promise<void>((resolve) => (close = resolve));
    proxy.reset(() => {
      void store[Symbol.asyncDispose]().then(close);
      return { kind: "hang", forwarded: false };
    });
    expect((await refusal(store.get("a"))).code).toBe("closed");
    await closed;
    expect((await refusal(store.put("a", "", "always"))).code).toBe("closed");
  });

  // The last one, because it changes the server.
  test("refuses a key that the server itself does not know", async () => {
    if (moto.kind === "absent") return;
    await fetch(`${moto.endpoint}/moto-api/reset-auth`, { method: "POST", body: "0" });
    proxy.reset();
    const error = await refusal(open());
    expect(error.code).toBe("invalid");
    expect(error.message).toContain("the access key is not known; check AWS_ACCESS_KEY_ID");
    expect(error.message).not.toContain(CREDENTIALS.secretAccessKey);
  });
});

test("the answer to a large body is waited for longer", () => {
  const options = { bucket: "runs", host: nodeHost() };
  expect(requestTimeoutMs(options, 0)).toBe(5_000);
  expect(requestTimeoutMs(options, 2_560_000)).toBe(15_000);
  expect(requestTimeoutMs({ ...options, requestTimeoutMs: 100 }, 1)).toBe(101);
});

describe("the region of an S3 store", () => {
  const none = { AWS_REGION: undefined, AWS_CONFIG_FILE: "/nowhere", AWS_SHARED_CREDENTIALS_FILE: "/nowhere" };

  async function regionOf(env: Readonly<Record<string, string | undefined>>, region?: string): Promise<string> {
    return withEnvironment(env, async () => {
      const library = await import("@aws-sdk/client-s3");
      const options = { bucket: "runs", host: nodeHost(), ...(region === undefined ? {} : { region }) };
      const client = await makeS3Client(library, options, new ServerClock(nodeHost().clock));
      const chosen = await client.config.region();
      client.destroy();
      return chosen;
    });
  }

  test("is the one that is given, else that of the environment, else the one that buquet takes", async () => {
    expect(await regionOf({ ...none, AWS_REGION: "eu-1" }, "ap-1")).toBe("ap-1");
    expect(await regionOf({ ...none, AWS_REGION: "eu-1" })).toBe("eu-1");
    expect(await regionOf(none)).toBe("us-east-1");
  });
});

function hourOf(date: string | undefined): number {
  return Number(/T(\d\d)/.exec(date ?? "")?.[1]);
}

/** A server whose pages hold one version each. */
function pagesOfOne(key: string, ids: readonly string[]): ProxyRule {
  return (_, index) => {
    const more = index + 1 < ids.length;
    const next = more
      ? `<NextKeyMarker>${key}</NextKeyMarker><NextVersionIdMarker>${ids[index]}</NextVersionIdMarker>`
      : `<NextKeyMarker>${key}-other</NextKeyMarker><NextVersionIdMarker>x</NextVersionIdMarker>`;
    const body = `<?xml version="1.0"?><ListVersionsResult><IsTruncated>true</IsTruncated>${next}<Version><Key>${key}</Key><VersionId>${ids[index]}</VersionId><IsLatest>${index === 0}</IsLatest><LastModified>2026-11-24T00:00:00.000Z</LastModified></Version></ListVersionsResult>`;
    return { kind: "answer", status: 200, headers: { "content-type": "application/xml" }, body };
  };
}

async function withEnvironment<T>(
  changes: Readonly<Record<string, string | undefined>>,
  work: () => Promise<T>,
): Promise<T> {
  for (const [name, value] of Object.entries(changes)) vi.stubEnv(name, value);
  try {
    return await work();
  } finally {
    vi.unstubAllEnvs();
  }
}
