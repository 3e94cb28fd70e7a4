/** What the real SDK sends for us, recorded by a server that answers as S3 would: no other server is needed. */
import dns from "node:dns";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { resolveStoreUrl } from "../../src/config.ts";
import type { WorkflowError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { ObjectStore, PutCondition } from "../../src/store/object-store.ts";
import { openStore } from "../../src/store/open.ts";
import { type Proxy, type ProxyFault, type ProxyRequest, startProxy } from "./fixtures/proxy.ts";

const NOBODY = "http://127.0.0.1:9";
const host: Host = { ...nodeHost(), clock: { ...nodeHost().clock, sleep: async () => {} } };

let server: Proxy;
let folder = "";
const stores: ObjectStore[] = [];

/** None of the settings of the machine that runs the test. */
const NEUTRAL: Readonly<Record<string, string | undefined>> = {
  ...Object.fromEntries(
    Object.keys(process.env).flatMap((name) => (/^(?:AWS|S3|BUQUET)_/.test(name) ? [[name, undefined]] : [])),
  ),
  AWS_EC2_METADATA_DISABLED: "true",
};
const KEYS = { AWS_ACCESS_KEY_ID: "AKENV", AWS_SECRET_ACCESS_KEY: "secret" };

beforeAll(async () => {
  server = await startProxy(NOBODY);
  folder = await mkdtemp(join(tmpdir(), "buquet-wire-"));
});
beforeEach(() => server.reset(asS3));
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  for (const store of stores.splice(0)) await store[Symbol.asyncDispose]();
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** The answers of a bucket that keeps versions and whose objects all say `one`. */
function asS3({ kind, path }: ProxyRequest): ProxyFault {
  const xml = (body: string, status = 200): ProxyFault => ({
    kind: "answer",
    status,
    headers: { "content-type": "application/xml", date: new Date().toUTCString() },
    body: `<?xml version="1.0" encoding="UTF-8"?>${body}`,
  });
  const { searchParams } = new URL(path, "http://server");
  if (searchParams.has("session"))
    return xml(
      `<CreateSessionResult><Credentials><AccessKeyId>AKSESSION</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>the-session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>`,
    );
  if (searchParams.has("versioning"))
    return xml(`<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`);
  if (kind === "list") {
    const last = searchParams.has("continuation-token");
    const next = last ? "" : "<NextContinuationToken>the/next+page=</NextContinuationToken>";
    const key = last ? "a/1" : "a/2";
    return xml(
      `<ListBucketResult><IsTruncated>${!last}</IsTruncated>${next}<Contents><Key>${key}</Key><ETag>"e"</ETag></Contents></ListBucketResult>`,
    );
  }
  return {
    kind: "answer",
    status: 200,
    headers: { etag: '"e1"', "content-type": "text/plain" },
    ...(kind === "get" ? { body: "one" } : {}),
  };
}

function environment(changes: Readonly<Record<string, string | undefined>>): void {
  vi.unstubAllEnvs();
  for (const [name, value] of Object.entries({ ...NEUTRAL, ...absentFiles(), ...changes })) vi.stubEnv(name, value);
}

const absentFiles = (): Record<string, string> => ({
  AWS_CONFIG_FILE: join(folder, "no-config"),
  AWS_SHARED_CREDENTIALS_FILE: join(folder, "no-credentials"),
});

async function open(url: string): Promise<ObjectStore> {
  // The server of these tests answers whatever it is told to.
  const store = await openStore(url, host, { allowUnsafe: true });
  stores.push(store);
  return store;
}

/** As for a bucket of AWS: no endpoint of ours, only the one that the SDK itself is told. */
const onAws = (): Record<string, string> => ({ AWS_ENDPOINT_URL_S3: server.endpoint });
const elsewhere = (options = ""): string => `s3://runs?endpoint=${encodeURIComponent(server.endpoint)}${options}`;

async function refusal(work: Promise<unknown>): Promise<WorkflowError> {
  return work.then(
    () => expect.fail("it was not refused"),
    (error: WorkflowError) => error,
  );
}

const signer = (request: ProxyRequest | undefined): string =>
  /Credential=([^/]+)\//.exec(String(request?.headers["authorization"]))?.[1] ?? "";
const scope = (request: ProxyRequest | undefined): string =>
  /Credential=[^/]+\/\d+\/([^/]+)\//.exec(String(request?.headers["authorization"]))?.[1] ?? "";

describe("a put with a condition is sent once by the SDK, whatever becomes of it", () => {
  const conditions: readonly [string, PutCondition][] = [
    ["absent", "absent"],
    ["match", { match: "e0" }],
  ];
  const fates: readonly [string, ProxyFault][] = [
    ["500", { kind: "answer", status: 500, headers: {} }],
    ["502", { kind: "answer", status: 502, headers: {} }],
    ["503", { kind: "answer", status: 503, headers: {} }],
    ["504", { kind: "answer", status: 504, headers: {} }],
    ["a lost connection", { kind: "cut-before" }],
  ];

  // What people set for all their programs; none of it is for us.
  test.each(
    conditions.flatMap(([name, condition]) => fates.map(([fate, fault]) => [name, fate, condition, fault] as const)),
  )("%s: %s", async (_, __, condition, fault) => {
    await writeFile(join(folder, "eager"), "[default]\nmax_attempts = 7\nretry_mode = adaptive\n");
    environment({ ...KEYS, AWS_MAX_ATTEMPTS: "5", AWS_RETRY_MODE: "standard", AWS_CONFIG_FILE: join(folder, "eager") });
    const store = await open(elsewhere());
    server.reset((request) => (request.method === "PUT" ? fault : { kind: "answer", status: 404 }));
    const put = await store.put("a", "one", condition);
    expect(put.kind).toBe("unknown");
    expect(server.requests.map(({ method }) => method)).toEqual(["PUT", "HEAD"]);
  });
});

describe("checksums", () => {
  async function put(url: string, env: Record<string, string>): Promise<ProxyRequest> {
    environment({ ...KEYS, ...env });
    const store = await open(url);
    server.reset(asS3);
    await store.put("a", "one", "absent");
    return server.requests[0] ?? expect.fail("nothing was sent");
  }

  test("on AWS a put carries its CRC32, in a header, and the body is signed whole", async () => {
    const { headers, body } = await put("s3://runs", onAws());
    expect(headers["x-amz-checksum-crc32"]).toBe("emyG8Q==");
    expect(headers["x-amz-content-sha256"]).toMatch(/^[0-9a-f]{64}$/);
    expect(headers["content-encoding"]).toBeUndefined();
    expect(headers["x-amz-trailer"]).toBeUndefined();
    expect(body).toBe("one");
  });

  test.each<[string, string, Record<string, string>]>([
    ["elsewhere a put carries none", "", {}],
    ["elsewhere, whatever the environment says of AWS", "", { AWS_REQUEST_CHECKSUM_CALCULATION: "when_supported" }],
  ])("%s", async (_, options, env) => {
    const { headers, body } = await put(elsewhere(options), env);
    expect(Object.keys(headers).filter((name) => name.includes("checksum"))).toEqual([]);
    expect(headers["x-amz-content-sha256"]).toMatch(/^[0-9a-f]{64}$/);
    expect(body).toBe("one");
  });

  test("elsewhere a put carries one where the url asks for it", async () => {
    const { headers } = await put(elsewhere("&checksums=always"), {});
    expect(headers["x-amz-checksum-crc32"]).toBe("emyG8Q==");
  });

  test("on AWS a put carries none where the url or the environment says so", async () => {
    for (const [url, env] of [
      ["s3://runs?checksums=required", {}],
      ["s3://runs", { AWS_REQUEST_CHECKSUM_CALCULATION: "WHEN_REQUIRED" }],
    ] as const) {
      const { headers } = await put(url, { ...onAws(), ...env });
      expect(Object.keys(headers).filter((name) => name.includes("checksum"))).toEqual([]);
    }
  });

  test("a body that does not fit its checksum is not believed, and read again", async () => {
    environment(KEYS);
    const store = await open(elsewhere("&checksums=always"));
    server.reset((_, index) => ({
      kind: "answer",
      status: 200,
      headers: { etag: '"e"', "x-amz-checksum-crc32": "emyG8Q==" },
      body: index === 0 ? "two" : "one",
    }));
    expect(await store.get("a")).toMatchObject({ object: { body: "one" } });
    expect(server.requests.length).toBe(2);
    expect(server.requests[0]?.headers["x-amz-checksum-mode"]).toBe("ENABLED");
  });
});

describe("the name of the bucket", () => {
  /** The server by any name, as DNS would have it. */
  function answerToEveryName(): string[] {
    const asked: string[] = [];
    vi.spyOn(dns, "lookup").mockImplementation(((name: string, options: unknown, done?: unknown) => {
      asked.push(name);
      const callback = (done ?? options) as (error: null, address: unknown, family?: number) => void;
      const all = (options as { all?: boolean }).all === true;
      if (all) callback(null, [{ address: "127.0.0.1", family: 4 }]);
      else callback(null, "127.0.0.1", 4);
    }) as typeof dns.lookup);
    return asked;
  }
  const named = (): string => `http://s3.test:${new URL(server.endpoint).port}`;

  test("is in the path elsewhere", async () => {
    answerToEveryName();
    environment(KEYS);
    const store = await open(`s3://runs?endpoint=${named()}`);
    await store.get("a/b");
    expect(server.requests.at(-1)?.path).toBe("/runs/a/b?x-id=GetObject");
    expect(server.requests.at(-1)?.headers["host"]).toMatch(/^s3\.test:/);
  });

  test("is in the host where the url says so, and on AWS", async () => {
    const asked = answerToEveryName();
    environment(KEYS);
    const store = await open(`s3://runs?endpoint=${named()}&addressing=virtual`);
    await store.get("a/b");
    expect(server.requests.at(-1)?.path).toBe("/a/b?x-id=GetObject");
    expect(server.requests.at(-1)?.headers["host"]).toMatch(/^runs\.s3\.test:/);
    environment({ ...KEYS, AWS_ENDPOINT_URL_S3: named() });
    await (await open("s3://other")).get("a");
    expect(server.requests.at(-1)?.headers["host"]).toMatch(/^other\.s3\.test:/);
    expect(asked).toEqual(expect.arrayContaining(["runs.s3.test", "other.s3.test"]));
  });

  test("is in the host for a directory bucket, also with an endpoint", async () => {
    answerToEveryName();
    environment(KEYS);
    const store = await open(`s3://runs--use1-az4--x-s3?endpoint=${named()}`);
    await store.get("a");
    expect(server.requests.at(-1)?.headers["host"]).toMatch(/^runs--use1-az4--x-s3\.s3\.test:/);
  });
});

describe("a directory bucket (S3 Express One Zone)", () => {
  const URL_OF_IT = (): string => `s3://runs--use1-az4--x-s3?endpoint=${encodeURIComponent(server.endpoint)}`;

  test("is opened by a session and a list; nobody asks for its versions", async () => {
    environment(KEYS);
    const store = await open(URL_OF_IT());
    expect(store.capabilities).toEqual({ versions: false, orderedList: false });
    const asked = server.requests.map(({ path }) => new URL(path, NOBODY).searchParams);
    expect(asked.map((query) => (query.has("session") ? "session" : query.get("list-type")))).toEqual(["session", "2"]);
  });

  test("signs with its session, which serves every request", async () => {
    environment(KEYS);
    const store = await open(URL_OF_IT());
    expect(signer(server.requests[0])).toBe("AKENV");
    await store.put("a", "one", "absent");
    await store.put("a", "one", { match: "e1" });
    const [, , create, replace] = server.requests;
    for (const request of [create, replace]) {
      expect(signer(request)).toBe("AKSESSION");
      expect(request?.headers["x-amz-s3session-token"]).toBe("the-session");
    }
    expect(create?.headers["if-none-match"]).toBe("*");
    expect(replace?.headers["if-match"]).toBe("e1");
    expect(server.requests.length).toBe(4);
  });

  test("is listed by folders and followed by tokens, never after a key", async () => {
    environment(KEYS);
    const store = await open(URL_OF_IT());
    server.reset(asS3);
    const page = await store.list("a/");
    expect(page).toMatchObject({ truncated: true, cursor: "the/next+page=" });
    expect(await store.list("a/", { cursor: page.cursor ?? "" })).toMatchObject({ truncated: false });
    const asked = server.requests.map(({ path }) => new URL(path, NOBODY).searchParams);
    expect(asked.map((query) => query.get("continuation-token"))).toEqual([null, "the/next+page="]);
    expect(asked.some((query) => query.has("start-after"))).toBe(false);
    expect((await refusal(store.list("a/", { after: "a/1" }))).code).toBe("invalid");
    expect((await refusal(store.list("a/b"))).code).toBe("invalid");
    expect(server.requests.length).toBe(2);
  });

  test("has no versions, and nobody asks", async () => {
    environment(KEYS);
    const store = await open(URL_OF_IT());
    server.reset(asS3);
    expect(await store.versions("a")).toEqual([]);
    expect(server.requests).toEqual([]);
  });

  test("is on AWS the bucket of its zone", async () => {
    environment({ ...KEYS, AWS_REGION: "eu-north-1" });
    const asked: string[] = [];
    vi.spyOn(dns, "lookup").mockImplementation(((name: string, _: unknown, done: (error: Error) => void) => {
      asked.push(name);
      done(Object.assign(new Error("nobody"), { code: "ENOTFOUND" }));
    }) as typeof dns.lookup);
    expect((await refusal(open("s3://runs--eun1-az1--x-s3"))).code).toBe("unavailable");
    expect(new Set(asked)).toEqual(new Set(["runs--eun1-az1--x-s3.s3express-eun1-az1.eu-north-1.amazonaws.com"]));
  });
});

describe("a bucket of Cloudflare R2", () => {
  test("takes one write of a key a second", async () => {
    environment(KEYS);
    vi.spyOn(dns, "lookup").mockImplementation(((
      _: string,
      options: { all?: boolean },
      done: (error: null, ...found: unknown[]) => void,
    ) =>
      options.all === true
        ? done(null, [{ address: "127.0.0.1", family: 4 }])
        : done(null, "127.0.0.1", 4)) as unknown as typeof dns.lookup);
    const port = new URL(server.endpoint).port;
    server.reset((request) =>
      /[?&]versioning/.test(request.path) ? { kind: "answer", status: 501, code: "NotImplemented" } : asS3(request),
    );
    const store = await open(`s3://runs?endpoint=http://0123.r2.cloudflarestorage.com:${port}&region=auto`);
    expect(store.capabilities).toEqual({ versions: false, writeIntervalMs: 1_000 });
    expect(scope(server.requests[0])).toBe("auto");
  });
});

describe("credentials come from", () => {
  async function signedBy(env: Readonly<Record<string, string>>): Promise<ProxyRequest | undefined> {
    environment(env);
    server.reset(asS3);
    await open(elsewhere());
    return server.requests[0];
  }
  async function file(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  }

  test("the environment, with the token of a session", async () => {
    const request = await signedBy({ ...KEYS, AWS_SESSION_TOKEN: "the-token" });
    expect(signer(request)).toBe("AKENV");
    expect(request?.headers["x-amz-security-token"]).toBe("the-token");
  });

  test("the file of credentials, by the profile that AWS_PROFILE names", async () => {
    const path = await file(
      "credentials",
      "[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key = s\n[ops]\naws_access_key_id = AKOPS\naws_secret_access_key = s\n",
    );
    expect(signer(await signedBy({ AWS_SHARED_CREDENTIALS_FILE: path }))).toBe("AKDEFAULT");
    expect(signer(await signedBy({ AWS_SHARED_CREDENTIALS_FILE: path, AWS_PROFILE: "ops" }))).toBe("AKOPS");
  });

  test("a program that the profile names (credential_process)", async () => {
    const program = await file(
      "give-keys.mjs",
      `console.log(JSON.stringify({ Version: 1, AccessKeyId: "AKPROCESS", SecretAccessKey: "s", SessionToken: process.argv[2] }));`,
    );
    await chmod(program, 0o700);
    const path = await file(
      "process-config",
      `[profile vault]\ncredential_process = "${process.execPath}" "${program}" from-process\n`,
    );
    const request = await signedBy({ AWS_CONFIG_FILE: path, AWS_PROFILE: "vault" });
    expect(signer(request)).toBe("AKPROCESS");
    expect(request?.headers["x-amz-security-token"]).toBe("from-process");
  });

  test("the container that the process runs in", async () => {
    const container = createServer((_, response) => {
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({
          AccessKeyId: "AKCONTAINER",
          SecretAccessKey: "s",
          Token: "t",
          Expiration: "2099-01-01T00:00:00Z",
        }),
      );
    });
    await new Promise<void>((listening) => container.listen(0, "127.0.0.1", listening));
    try {
      const { port } = container.address() as AddressInfo;
      const request = await signedBy({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/keys` });
      expect(signer(request)).toBe("AKCONTAINER");
    } finally {
      container.close();
    }
  });

  test("nowhere: it says what to set, and nothing is sent", async () => {
    environment({});
    const error = await refusal(open(elsewhere()));
    expect(error.code).toBe("invalid");
    expect(error.message).toContain(
      "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile",
    );
    expect(server.requests).toEqual([]);
  });

  test("a program that fails: it says so, and repeats nothing of what it printed", async () => {
    const program = await file("no-keys.mjs", `console.error("hunter2"); process.exit(3);`);
    const path = await file("bad-config", `[profile vault]\ncredential_process = "${process.execPath}" "${program}"\n`);
    environment({ AWS_CONFIG_FILE: path, AWS_PROFILE: "vault" });
    const error = await refusal(open(elsewhere()));
    expect(error.code).toBe("invalid");
    expect(error.message).not.toContain("hunter2");
  });
});

describe("the region", () => {
  const settings = (env: Readonly<Record<string, string | undefined>>): string =>
    resolveStoreUrl({ env: { S3_BUCKET: "runs", ...env }, readFile: () => undefined });

  async function regionOf(env: Record<string, string>): Promise<string> {
    environment({ ...KEYS, ...env });
    server.reset(asS3);
    await open(settings(env));
    return scope(server.requests[0]);
  }

  test("is S3_REGION, else AWS_REGION, else that of the profile, else us-east-1", async () => {
    const path = join(folder, "region-config");
    await writeFile(
      path,
      "[default]\nregion = eu-south-2\n[profile north]\nregion = eu-north-1\naws_access_key_id = AKNORTH\naws_secret_access_key = s\n",
    );
    const files = { ...onAws(), AWS_CONFIG_FILE: path };
    expect(await regionOf({ ...files, S3_REGION: "ca-west-1", AWS_REGION: "sa-east-1" })).toBe("ca-west-1");
    expect(await regionOf({ ...files, AWS_REGION: "sa-east-1", AWS_PROFILE: "north" })).toBe("sa-east-1");
    expect(await regionOf({ ...files, AWS_PROFILE: "north" })).toBe("eu-north-1");
    expect(await regionOf(files)).toBe("eu-south-2");
    expect(await regionOf(onAws())).toBe("us-east-1");
  });

  test("is with an endpoint what is said to us, else us-east-1", async () => {
    expect(await regionOf({ S3_ENDPOINT: server.endpoint, AWS_REGION: "sa-east-1" })).toBe("sa-east-1");
    expect(await regionOf({ S3_ENDPOINT: server.endpoint })).toBe("us-east-1");
  });

  test("that is wrong is answered with 301 or 400, and both name the right one if S3 does", async () => {
    const wrong = (status: number, code: string): ProxyFault => ({
      kind: "answer",
      status,
      headers: { "content-type": "application/xml" },
      body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message><Region>eu-west-1</Region><Endpoint>runs.s3.eu-west-1.amazonaws.com</Endpoint></Error>`,
    });
    for (const fault of [
      wrong(301, "PermanentRedirect"),
      wrong(400, "AuthorizationHeaderMalformed"),
      { ...wrong(301, "PermanentRedirect"), body: "", headers: { "x-amz-bucket-region": "eu-west-1" } } as ProxyFault,
    ]) {
      environment({ ...KEYS, ...onAws() });
      server.reset(() => fault);
      const error = await refusal(open("s3://runs?region=us-east-1"));
      expect(error.code).toBe("invalid");
      expect(error.message).toContain("the bucket is in region eu-west-1; set S3_REGION to it");
      // The first one may ask for versions and be refused; then a list shows that the bucket cannot be used.
      expect(server.requests.length).toBeLessThanOrEqual(2);
    }
  });
});
