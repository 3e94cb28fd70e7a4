/** Stores on which runs would be lost are refused when they are opened, with the reason. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { connect } from "../../src/index.ts";
import { PROBE_PREFIX, verdictKey } from "../../src/keys.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { meterStore } from "../../src/store/metered.ts";
import type { ListOptions, ObjectStore, PutCondition } from "../../src/store/object-store.ts";
import { isKnownSafe, refuseUnsafe } from "../../src/store/probe.ts";
import { type Proxy as Between, startProxy } from "./fixtures/proxy.ts";
import { bucketKinds, CREDENTIALS, chosenServers, openServer, refusedKinds, urlOf } from "./fixtures/servers.ts";

const HOST = "store.example:9000";
const DAY_MS = 24 * 3_600_000;

/** A store in memory that differs in some members. */
function storeWith(make: (store: MemoryStore) => Partial<ObjectStore> = () => ({}), host: Host = nodeHost()) {
  const store = new MemoryStore({ clock: host.clock });
  const changes = make(store);
  return new Proxy<ObjectStore>(store, {
    get: (target, name) => {
      const value: unknown = name in changes ? Reflect.get(changes, name) : Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const refuse = (store: ObjectStore): Promise<void> => refuseUnsafe(store, nodeHost(), HOST);

describe("a store that keeps its promises", () => {
  test("is asked once a week, by each host that serves it, and whenever it calls itself something else", async () => {
    let now = Date.parse("2026-01-01T00:00:00Z");
    const node = nodeHost();
    const host = { ...node, clock: { ...node.clock, now: () => now } };
    let server = "one";
    const plain = storeWith(() => ({}), host);
    const requests = async (answerer: string): Promise<number> => {
      const store = Object.assign(meterStore(plain), { server });
      await refuseUnsafe(store, host, answerer);
      return Object.values(store.usage().requests).reduce((sum, count) => sum + count, 0);
    };
    const first = await requests(HOST);
    expect(first).toBe(49);
    expect(await requests(HOST)).toBe(1);
    expect(await requests("other.example")).toBe(first);
    expect(await requests(HOST)).toBe(1);
    now += 8 * DAY_MS;
    expect(await requests(HOST)).toBe(first);
    server = "two";
    expect(await requests(HOST)).toBe(first);
    await plain.put(verdictKey(HOST), "{", "always");
    expect(await requests(HOST)).toBe(first);
    const left = await plain.list(PROBE_PREFIX);
    expect(left.objects.map(({ key }) => key)).toEqual([verdictKey("other.example"), verdictKey(HOST)].toSorted());
  });

  test("is not asked where its credentials may not", async () => {
    const denied = new WorkflowError("invalid", "no", { cause: { name: "AccessDenied" } });
    const put = vi.fn<ObjectStore["put"]>().mockRejectedValue(denied);
    await refuse(storeWith(() => ({ put })));
    const get = vi.fn<ObjectStore["get"]>().mockRejectedValue(denied);
    await refuse(storeWith(() => ({ get })));
    expect([put.mock.calls.length, get.mock.calls.length]).toEqual([8, 1]);
  });

  test.each([
    ["unavailable", new WorkflowError("unavailable", "nobody there")],
    ["of no use", new WorkflowError("invalid", "what is that", { cause: { name: "NotImplemented" } })],
  ])("is not opened while it is %s", async (_, error) => {
    const put = async (): Promise<never> => {
      throw error;
    };
    await expect(refuse(storeWith(() => ({ put })))).rejects.toBe(error);
  });
});

/** What is wrong, the store, and the reason. */
const WRONG: readonly [string, (store: MemoryStore) => Partial<ObjectStore>, RegExp][] = [
  [
    "ignores all conditions",
    (store) => ({ put: (key, body) => store.put(key, body, "always") }),
    /8 of 8 created one key, so that a run could be started twice/u,
  ],
  [
    "ignores that something must match",
    (store) => ({
      put: (key, body, condition) => store.put(key, body, condition === "absent" ? "absent" : "always"),
    }),
    /8 of 8 changed one state at once/u,
  ],
  [
    "looks first and writes later",
    (store) => ({
      put: async (key: string, body: string, condition: PutCondition) => {
        const read = await store.get(key);
        const etag = read.kind === "found" ? read.object.etag : undefined;
        if (condition === "absent" ? etag !== undefined : condition !== "always" && etag !== condition.match)
          return { kind: "conflict" };
        await new Promise((done) => setImmediate(done));
        return store.put(key, body, "always");
      },
    }),
    /8 of 8 created one key/u,
  ],
  [
    "judges by what was before a delete",
    (store) => {
      const last = new Map<string, string>();
      return {
        put: async (key: string, body: string, condition: PutCondition) => {
          const read = await store.get(key);
          const isBack = typeof condition === "object" && read.kind === "missing" && last.get(key) === condition.match;
          const outcome = await store.put(key, body, isBack ? "always" : condition);
          if (outcome.kind === "stored") last.set(key, outcome.etag);
          return outcome;
        },
      };
    },
    /a change of what was deleted/u,
  ],
  [
    "lists folder by folder",
    (store) => ({
      list: async (prefix: string, options: ListOptions = {}) => {
        const { objects } = await store.list(prefix);
        const byFolder = objects.toSorted((one, other) =>
          one.key.replaceAll("/", "\u0001") < other.key.replaceAll("/", "\u0001") ? -1 : 1,
        );
        const from = byFolder.findIndex(({ key }) => key === options.after) + 1;
        const page = byFolder.slice(from, from + (options.limit ?? 1_000));
        return { objects: page, truncated: from + page.length < byFolder.length };
      },
    }),
    /does not list in the order of bytes \(a\/1, a!, b\)/u,
  ],
];

test.each(WRONG)("a store that %s is refused", async (_, make, reason) => {
  const refused = refuse(storeWith(make));
  await expect(refused).rejects.toThrow(reason);
  await expect(refused).rejects.toThrow(
    /^memory: must not be used: .*; unsafe=allow in the url, or allowUnsafe, opens/u,
  );
});

test.each([
  ["runs.s3.eu-central-1.amazonaws.com", true],
  ["s3.cn-north-1.amazonaws.com.cn", true],
  ["0123.r2.cloudflarestorage.com", true],
  ["amazonaws.com.example.org", false],
  ["evilamazonaws.com", false],
  ["127.0.0.1:9000", false],
])("whether %s is taken at its word: %s", (answerer, known) => {
  expect(isKnownSafe(answerer)).toBe(known);
});

for (const name of chosenServers()) {
  const opened = await openServer(name);
  describe(`on ${name}`, () => {
    if (opened.kind === "absent") return test.skip(opened.reason, () => {});
    const { server } = opened;
    let between: Between;

    beforeAll(async () => {
      vi.stubEnv("AWS_ACCESS_KEY_ID", CREDENTIALS.accessKeyId);
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secretAccessKey);
      vi.stubEnv("AWS_REGION", "us-east-1");
      between = await startProxy(server.endpoint);
    });
    afterAll(async () => {
      vi.unstubAllEnvs();
      await between.stop();
      await server.stop();
    });

    const asked = async (url: string): Promise<readonly string[]> => {
      between.reset();
      await using _opened = await connect(url);
      return between.requests.map(({ kind }) => kind);
    };

    test.each(bucketKinds(name))("a bucket that is %s", async (kind) => {
      await server.bucket(`probed-${kind}`, kind);
      const url = urlOf(`probed-${kind}`, between.endpoint);
      if (refusedKinds(name).includes(kind)) {
        await expect(connect(url)).rejects.toThrow("must not be used");
        await using _opened = await connect(url, { allowUnsafe: true });
        await using _allowed = await connect(`${url}&unsafe=allow`);
        return;
      }
      expect((await asked(url)).length).toBeGreaterThan(40);
      expect((await asked(url)).filter((what) => what !== "other" && what !== "list")).toEqual(["get"]);
      expect((await asked(`${url}&unsafe=allow`)).filter((what) => what !== "other" && what !== "list")).toEqual([]);
    });

    // Only moto takes a request whose signed headers are gone.
    if (name !== "moto") return;
    test.each(["if-none-match", "if-match"])("behind something that swallows %s", async (header) => {
      const bucket = `without-${header}`;
      await server.bucket(bucket, "plain");
      between.reset(() => ({ kind: "without", headers: [header] }));
      await expect(connect(urlOf(bucket, between.endpoint))).rejects.toThrow("must not be used");
      // Also where not the url but the environment names it.
      vi.stubEnv("AWS_ENDPOINT_URL_S3", between.endpoint);
      await expect(connect(`s3://${bucket}?addressing=path`)).rejects.toThrow("must not be used");
      vi.stubEnv("AWS_ENDPOINT_URL_S3", undefined);
      expect((await asked(urlOf(bucket, between.endpoint))).length).toBeGreaterThan(40);
    });
  });
}
