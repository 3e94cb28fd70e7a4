/** What names a bucket, crossed: every value that cannot be × every place where it can be given. The reason is the same everywhere. */
import { expect, test } from "vitest";
import { resolveStoreUrl } from "../../src/config.ts";
import { isWorkflowError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { openStore } from "../../src/store/open.ts";
import { S3Store } from "../../src/store/s3.ts";

const host = nodeHost();
type Given = Readonly<Record<string, unknown>>;

const toml = (section: string, given: Given): string =>
  `[${section}]\n${Object.entries(given)
    .map(([member, value]) => `${member} = ${JSON.stringify(value)}\n`)
    .join("")}`;
const urlOf = ({ bucket, ...options }: Given): string =>
  `s3://${String(bucket)}?${new URLSearchParams(options as Record<string, string>).toString()}`;

/** Opens a bucket with these settings; nothing gets as far as a request. */
const PLACES: Readonly<Record<string, (given: Given) => unknown>> = {
  API: ({ addressing, ...given }) =>
    S3Store.open({
      host,
      ...(addressing === undefined ? {} : { forcePathStyle: addressing === "path" }),
      ...given,
    } as never),
  url: (given) => openStore(urlOf(given), host),
  environment: (given) =>
    resolveStoreUrl({
      env: Object.fromEntries(
        Object.entries(given).map(([name, value]) => [`S3_${name.toUpperCase()}`, String(value)]),
      ),
      readFile: () => undefined,
    }),
  default: (given) =>
    resolveStoreUrl({ env: {}, readFile: (path) => (path === ".buquet.toml" ? toml("default", given) : undefined) }),
  profile: (given) =>
    resolveStoreUrl({
      env: { BUQUET_PROFILE: "x", BUQUET_CONFIG: "x.toml" },
      readFile: (path) => (path === "x.toml" ? toml("profiles.x", given) : undefined),
    }),
};
const ALL = Object.keys(PLACES);
/** A variable without a value is another mistake, told with another reason (`test/config`). */
const NOT_EMPTY = ALL.filter((place) => place !== "environment");
/** What a file and the environment do not set. */
const CODE = ["API", "url"];

const NO_BUCKET = "which is not the name of a bucket";
const NO_REGION = "which is not the name of a region, such as eu-central-1";
const NO_URL = "is not an http or https url";
const STRAY = "has a part after ? or #, which no request would carry";

const TABLE: readonly (readonly [setting: string, bad: unknown, reason: string, places: readonly string[]])[] = [
  ...["a", "-runs", "../etc", "my bucket", "x".repeat(64), "rüns"].map(
    (bad) =>
      [
        "bucket",
        bad,
        NO_BUCKET,
        bad.includes("/") || bad.includes(" ") ? ALL.filter((p) => p !== "url") : ALL,
      ] as const,
  ),
  ["bucket", "", NO_BUCKET, ["API", "default", "profile"]],
  ...["eu 1", "a.b/c", "x".repeat(41), "eu_1"].map((bad) => ["region", bad, NO_REGION, ALL] as const),
  ["region", "", NO_REGION, NOT_EMPTY],
  ...["localhost:9000", "ftp://host", "not a url", "file:///etc/passwd", "http://a b", "http://host/a b"].map(
    (bad) => ["endpoint", bad, NO_URL, ALL] as const,
  ),
  ["endpoint", "", NO_URL, NOT_EMPTY],
  ["endpoint", " http://host", NO_URL, NOT_EMPTY],
  ...["http://host?x=1", "http://host/?", "http://host#x", "http://host/path#"].map(
    (bad) => ["endpoint", bad, STRAY, ALL] as const,
  ),
  ["endpoint", "http://me:hunter2@host", "holds credentials; put them into AWS_ACCESS_KEY_ID", ALL],
  ["checksums", "sometimes", "it must be always or required", CODE],
  ["addressing", "host", "it must be path or virtual", ["url"]],
  ["unsafe", "yes", "it must be allow", ["url"]],
  ["forcePathStyle", "path", "it must be true or false", ["API"]],
  ["requestTimeoutMs", 0, "it must be a number of milliseconds from 1 to 3600000", ["API"]],
  ["requestTimeoutMs", Number.NaN, "it must be a number of milliseconds", ["API"]],
  ["requestTimeoutMs", "5s", "it must be a number of milliseconds", ["API"]],
  ["credentials", "key", "it has accessKeyId, secretAccessKey", ["API"]],
  ["endpiont", "http://host", "endpiont", [...CODE, "default", "profile"]],
];

const CASES = TABLE.flatMap(([setting, bad, reason, places]) =>
  places.map((place) => [setting, bad, place, reason] as const),
);

async function refusalOf(place: string, given: Given): Promise<string> {
  try {
    await PLACES[place]?.(given);
  } catch (error) {
    expect(isWorkflowError(error) && error.code).toBe("invalid");
    return (error as Error).message;
  }
  throw new Error("it was not refused");
}

test.each(CASES)("%s %j is refused in %s: %s", async (setting, bad, place, reason) => {
  const said = await refusalOf(place, { bucket: "runs", [setting]: bad });
  expect(said).toContain(reason);
  expect(said).not.toContain("hunter2");
});

test.each(CODE)("path addressing of a directory bucket, which is named in its host, is refused: %s", async (place) => {
  const said = await refusalOf(place, { bucket: "runs--use1-az4--x-s3", addressing: "path" });
  expect(said).toContain("runs--use1-az4--x-s3 is a directory bucket, which is named in the host");
});

test.each(["bucket", "host"])("an S3 store without %s is refused", async (needed) => {
  const given = { bucket: "runs", host, [needed]: undefined };
  await expect(S3Store.open(given as never)).rejects.toThrow(`options of an S3 store: ${needed} is missing`);
});

test("an endpoint with a path is taken, and the url of its store leads back", async () => {
  const endpoint = "http://127.0.0.1:9/s3&x/a%20b";
  expect(resolveStoreUrl({ env: { S3_BUCKET: "runs", S3_ENDPOINT: endpoint }, readFile: () => undefined })).toBe(
    `s3://runs?endpoint=${encodeURIComponent(endpoint)}`,
  );
});

/** What each place calls a setting of a bucket; a sentence where it does not know it. */
const NAMES: Readonly<Record<string, Readonly<Record<"API" | "url" | "file" | "environment", string>>>> = {
  bucket: { API: "bucket", url: "(it stands after s3://)", file: "bucket", environment: "S3_BUCKET" },
  endpoint: { API: "endpoint", url: "endpoint", file: "endpoint", environment: "S3_ENDPOINT" },
  region: { API: "region", url: "region", file: "region", environment: "S3_REGION" },
  addressing: { API: "forcePathStyle", url: "addressing", file: "(the url says it)", environment: "(the url says it)" },
  checksums: {
    API: "checksums",
    url: "checksums",
    file: "(the url says it)",
    environment: "(AWS has variables of its own for it)",
  },
  requestTimeoutMs: {
    API: "requestTimeoutMs",
    url: "(for programs)",
    file: "(for programs)",
    environment: "(for programs)",
  },
  credentials: {
    API: "credentials",
    url: "(a url is printed)",
    file: "(the files of AWS have them)",
    environment: "(AWS has variables of its own for them)",
  },
  host: { API: "host", url: "(for programs)", file: "(for programs)", environment: "(for programs)" },
  unsafe: {
    API: "(who opens an S3 store by its class is not probed)",
    url: "unsafe",
    file: "(each program says it)",
    environment: "(each program says it)",
  },
};

/** The names that a place lists when it refuses one that it does not know. */
const LISTED: Readonly<Record<"API" | "url" | "file", () => Promise<string>>> = {
  API: () => refusalOf("API", { bucket: "runs", nothing: 1 }),
  url: () => refusalOf("url", { bucket: "runs", nothing: 1 }),
  file: () => refusalOf("default", { bucket: "runs", nothing: 1 }),
};

test.each(["API", "url", "file"] as const)("the table knows every setting that can be given in: %s", async (place) => {
  const said = await LISTED[place]();
  const list = /there are (.+)$|does not know \((.+?)\)/u.exec(said);
  const known = Object.values(NAMES)
    .map((names) => names[place])
    .filter((name) => !name.startsWith("("));
  expect((list?.[1] ?? list?.[2] ?? "").split(", ").toSorted()).toEqual(known.toSorted());
});

test("the variables of a bucket are those of the table: each of them changes what is opened, and no other of its like does", () => {
  const open = (env: Readonly<Record<string, string>>): string =>
    resolveStoreUrl({ env: { S3_BUCKET: "runs", ...env }, readFile: () => undefined });
  const values = { S3_BUCKET: "other", S3_ENDPOINT: "http://127.0.0.1:9", S3_REGION: "eu-central-1" };
  const known = Object.values(NAMES)
    .map(({ environment }) => environment)
    .filter((name) => !name.startsWith("("));
  expect(known.toSorted()).toEqual(Object.keys(values).toSorted());
  for (const [name, value] of Object.entries(values)) expect(open({ [name]: value }), name).not.toBe(open({}));
  for (const { API } of Object.values(NAMES)) {
    const name = `S3_${API.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`;
    if (!known.includes(name)) expect(open({ [name]: "x" }), name).toBe(open({}));
  }
});

test("every setting that can be wrong by itself is tried with a wrong value", () => {
  const tried = new Set<string>(TABLE.map(([setting]) => setting));
  // How no host is refused is below.
  const elsewhere = new Set(["host"]);
  expect(Object.keys(NAMES).filter((setting) => !tried.has(setting) && !elsewhere.has(setting))).toEqual([]);
});
