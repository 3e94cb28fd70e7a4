/** An S3 store through the real SDK against moto, with a proxy between them that spoils what each test says. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { Codec, createDocumentBytes, updateDocument } from "../../src/store/document.ts";
import { meterStore } from "../../src/store/metered.ts";
import type { PutCondition } from "../../src/store/object-store.ts";
import { S3Store } from "../../src/store/s3.ts";
import { CREDENTIALS, openMoto } from "./fixtures/moto.ts";
import { atRandom, inTurn, type Proxy, type ProxyFault, startProxy } from "./fixtures/proxy.ts";

/** Long enough for moto on a busy machine, short enough for a test that lets it pass. */
const PATIENT_MS = 20_000;
const IMPATIENT_MS = 1_000;

const moto = await openMoto();

interface Bundle {
  readonly store: S3Store;
  /** The pauses it asked for; none of them is waited. */
  readonly pauses: number[];
}

function hostOf(pauses: number[], onPause = (): void => {}): Host {
  const sleep = async (ms: number): Promise<void> => {
    pauses.push(ms);
    onPause();
  };
  return {
    ...nodeHost(),
    clock: { ...nodeHost().clock, sleep },
    random: { ...seededRandom(1), next: () => 0.5 },
  };
}

let proxy: Proxy;
let keys = 0;
let key = "";
const opened: S3Store[] = [];

async function setup(options: { requestTimeoutMs?: number; onPause?: () => void } = {}): Promise<Bundle> {
  const pauses: number[] = [];
  const store = await S3Store.open({
    bucket: "conformance",
    endpoint: proxy.endpoint,
    credentials: CREDENTIALS,
    host: hostOf(pauses, options.onPause),
    requestTimeoutMs: options.requestTimeoutMs ?? PATIENT_MS,
  });
  opened.push(store);
  proxy.reset();
  return { store, pauses };
}

/** What the server holds, asked without the proxy. */
async function held(): Promise<string | undefined> {
  if (moto.kind === "absent") throw new Error(moto.reason);
  const read = await moto.store.get(key);
  return read.kind === "found" ? read.object.body : undefined;
}

async function put(store: S3Store, body: string, condition: PutCondition = "always"): Promise<string> {
  const outcome = await store.put(key, body, condition);
  if (outcome.kind !== "stored") throw new Error(outcome.kind);
  return outcome.etag;
}

function isUnavailable(error: unknown): false {
  if (error instanceof WorkflowError && error.code === "unavailable") return false;
  throw error;
}

const kinds = (): string[] => proxy.requests.map((request) => request.kind);
const cutAfter: ProxyFault = { kind: "cut-after" };
const cutBefore: ProxyFault = { kind: "cut-before" };
const answer = (status: number, code?: string, headers?: Record<string, string>): ProxyFault => ({
  kind: "answer",
  status,
  ...(code === undefined ? {} : { code }),
  ...(headers === undefined ? {} : { headers }),
});

describe.skipIf(moto.kind === "absent")("an S3 store behind a line that fails", () => {
  beforeAll(async () => {
    if (moto.kind === "present") proxy = await startProxy(moto.endpoint);
  });
  afterAll(async () => {
    await proxy.stop();
    if (moto.kind === "present") await moto.stop();
  });
  beforeEach(() => {
    key = `faults/${(keys += 1)}`;
    proxy.reset();
  });
  afterEach(async () => {
    for (const store of opened.splice(0)) await store[Symbol.asyncDispose]();
  });

  describe("a conditional put whose reply is lost", () => {
    test("was stored if the object holds its write id", async () => {
      const { store } = await setup();
      proxy.reset(inTurn("create", cutAfter));
      const created = await store.put(key, "one", "absent");
      expect(created.kind).toBe("stored");
      expect(kinds()).toEqual(["create", "head"]);
      proxy.reset(inTurn("replace", cutAfter));
      const replaced = await store.put(key, "two", { match: created.kind === "stored" ? created.etag : "" });
      expect(replaced.kind).toBe("stored");
      expect(kinds()).toEqual(["replace", "head"]);
      expect(await store.get(key)).toEqual({
        kind: "found",
        object: { body: "two", etag: replaced.kind === "stored" ? replaced.etag : "" },
      });
    });

    test("is told by its write id from the same bytes put by another", async () => {
      const { store } = await setup();
      await put(store, "same");
      proxy.reset(inTurn("create", cutBefore));
      expect((await store.put(key, "same", "absent")).kind).toBe("unknown");
    });

    test("stays unknown if the server never heard of it, and is not sent again", async () => {
      const { store } = await setup();
      const etag = await put(store, "one");
      proxy.reset(inTurn("replace", cutBefore));
      expect((await store.put(key, "two", { match: etag })).kind).toBe("unknown");
      expect(kinds()).toEqual(["replace", "head"]);
      expect(await held()).toBe("one");
    });

    test("stays unknown if another has overwritten it since", async () => {
      const { store } = await setup();
      const etag = await put(store, "one");
      proxy.reset((request) => {
        if (request.kind === "replace") return cutAfter;
        if (request.kind !== "head" || moto.kind === "absent") return undefined;
        return { kind: "delay", until: moto.store.put(key, "theirs", "always") };
      });
      expect((await store.put(key, "mine", { match: etag })).kind).toBe("unknown");
    });

    test("stays unknown if nobody answers the look either", async () => {
      const { store } = await setup();
      proxy.reset((request) => (request.kind === "create" ? cutAfter : cutBefore));
      expect((await store.put(key, "one", "absent")).kind).toBe("unknown");
      expect(kinds()).toEqual(["create", "head", "head"]);
    });

    test("is resolved whether it was done or not by whoever reads and decides again", async () => {
      for (const fault of [cutAfter, cutBefore]) {
        key += "x";
        const { store } = await setup();
        const host = hostOf([]);
        const codec = new Codec<string>({
          what: "a text",
          read: String,
          keyOf: (_text, at) => at,
          write: (text) => JSON.stringify(text),
        });
        proxy.reset(inTurn("create", fault));
        expect((await createDocumentBytes(store, host, key, '"one"')).kind).toBe("stored");
        proxy.reset(inTurn("replace", fault));
        const updated = await updateDocument(store, host, key, codec, (value) =>
          value.endsWith("two") ? undefined : `${value} two`,
        );
        expect(updated).toMatchObject({ kind: "updated", value: "one two" });
        expect(await held()).toBe('"one two"');
      }
    });

    test.each([500, 502, 504])("counts a %i after the write as a lost reply", async (status) => {
      const { store } = await setup();
      proxy.reset(inTurn("create", { kind: "answer-after", status, code: "InternalError" }));
      expect((await store.put(key, "one", "absent")).kind).toBe("stored");
      expect(kinds()).toEqual(["create", "head"]);
    });
  });

  describe("a put that nobody answers", () => {
    test.each([
      ["done", true, "stored"],
      ["never heard of", false, "unknown"],
    ])("really times out; if it was %s its outcome is found out", async (_, forwarded, outcome) => {
      const { store } = await setup({ requestTimeoutMs: IMPATIENT_MS });
      proxy.reset((request) => (request.kind === "create" ? { kind: "hang", forwarded } : undefined));
      const stored = await store.put(key, "one", "absent");
      expect(stored.kind).toBe(outcome);
      if (stored.kind === "unknown") expect(stored.cause).toMatchObject({ name: "TimeoutError" });
      expect(await held()).toBe(forwarded ? "one" : undefined);
    });

    test("is repeated with the same bytes and the same write id when it has no condition", async () => {
      const { store } = await setup();
      proxy.reset(inTurn("put", cutBefore, cutAfter));
      await put(store, "one");
      expect(kinds()).toEqual(["put", "put", "put"]);
      expect(new Set(proxy.requests.map((request) => request.headers["x-amz-meta-wid"])).size).toBe(1);
      expect(await held()).toBe("one");
    });

    test("of several megabytes does not wait for a go-ahead that old servers never give", async () => {
      const { store } = await setup();
      const body = "x".repeat(3_000_000);
      await put(store, body);
      expect(proxy.requests[0]?.headers["expect"]).toBeUndefined();
      expect((await held())?.length).toBe(body.length);
    });
  });

  describe("409 and 412", () => {
    test("409 decides nothing: the put is sent again", async () => {
      const { store, pauses } = await setup();
      proxy.reset(inTurn("create", answer(409, "ConditionalRequestConflict"), answer(409, "OperationAborted")));
      expect((await store.put(key, "one", "absent")).kind).toBe("stored");
      expect(kinds()).toEqual(["create", "create", "create"]);
      expect(pauses).toEqual([25, 50]);
    });

    test("412 decides: the put is lost and is not sent again", async () => {
      const { store, pauses } = await setup();
      const etag = await put(store, "one");
      await put(store, "two");
      proxy.reset();
      expect(await store.put(key, "three", { match: etag })).toEqual({ kind: "conflict" });
      expect(await store.put(key, "three", "absent")).toEqual({ kind: "conflict" });
      expect(kinds()).toEqual(["replace", "create"]);
      expect(pauses).toEqual([]);
    });

    test("404 to a put that demands an etag is a lost put too", async () => {
      const { store } = await setup();
      const etag = await put(store, "one");
      proxy.reset(inTurn("replace", answer(404, "NoSuchKey")));
      expect(await store.put(key, "two", { match: etag })).toEqual({ kind: "conflict" });
      expect(kinds()).toEqual(["replace"]);
    });

    test("409 that never ends is unknown at last", async () => {
      const { store, pauses } = await setup();
      proxy.reset(() => answer(409, "ConditionalRequestConflict"));
      expect((await store.put(key, "one", "absent")).kind).toBe("unknown");
      expect(proxy.requests.length).toBe(6);
      expect(pauses).toEqual([25, 50, 100, 200, 400]);
    });

    test("412 to a second try is won if the first one was done after all", async () => {
      const { store } = await setup();
      proxy.reset(inTurn("create", { kind: "answer-after", status: 503, code: "SlowDown" }));
      expect((await store.put(key, "one", "absent")).kind).toBe("stored");
      expect(kinds()).toEqual(["create", "create", "head"]);
    });
  });

  describe("a store that asks for patience", () => {
    test("503 SlowDown is tried again after growing pauses, for reads, lists and writes", async () => {
      const { store, pauses } = await setup();
      const slow = [answer(503, "SlowDown"), answer(503, "SlowDown")];
      proxy.reset(inTurn("put", ...slow));
      const etag = await put(store, "one");
      proxy.reset(inTurn("replace", ...slow));
      await put(store, "two", { match: etag });
      proxy.reset(inTurn("get", ...slow));
      expect(await store.get(key)).toMatchObject({ kind: "found", object: { body: "two" } });
      proxy.reset(inTurn("list", ...slow));
      expect((await store.list(key)).objects.length).toBe(1);
      proxy.reset(inTurn("versions", ...slow));
      expect((await store.versions(key)).length).toBe(2);
      proxy.reset(inTurn("delete", ...slow));
      await store.delete(key);
      expect(await held()).toBeUndefined();
      expect(pauses).toEqual([25, 50, 25, 50, 25, 50, 25, 50, 25, 50, 25, 50]);
    });

    test("429 gets longer pauses: such stores take one write a second of a key", async () => {
      const { store, pauses } = await setup();
      proxy.reset(inTurn("create", answer(429, "TooManyRequests"), answer(429)));
      expect((await store.put(key, "one", "absent")).kind).toBe("stored");
      expect(pauses).toEqual([500, 1_000]);
    });

    test("gives up with unavailable, and says what it wanted", async () => {
      const { store } = await setup();
      proxy.reset(() => answer(503, "SlowDown"));
      await expect(store.get(key)).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringContaining(key),
      });
      await expect(store.put(key, "one", "always")).rejects.toMatchObject({ code: "unavailable" });
      expect(proxy.requests.length).toBe(12);
    });
  });

  describe("a GET whose body", () => {
    test("is cut in the middle is sent again", async () => {
      const { store } = await setup();
      const body = "0123456789".repeat(1_000);
      await put(store, body);
      proxy.reset(inTurn("get", { kind: "cut-body", afterBytes: 5_000 }, { kind: "cut-body", afterBytes: 0 }));
      expect(await store.get(key)).toMatchObject({ kind: "found", object: { body } });
      expect(kinds()).toEqual(["get", "get", "get"]);
    });

    test("stops in the middle times out and is sent again", async () => {
      const { store } = await setup({ requestTimeoutMs: IMPATIENT_MS });
      const body = "0123456789".repeat(1_000);
      await put(store, body);
      proxy.reset((request, index) =>
        request.kind === "get" && index === 0 ? { kind: "stall-body", afterBytes: 5_000 } : undefined,
      );
      expect(await store.get(key)).toMatchObject({ kind: "found", object: { body } });
      expect(kinds().slice(0, 2)).toEqual(["get", "get"]);
    });
  });

  describe("an aborted signal", () => {
    const reason = new Error("the caller has enough");

    test("before a request ends it with the reason, and nothing is sent", async () => {
      const { store, pauses } = await setup();
      const options = { signal: AbortSignal.abort(reason) };
      await expect(store.get(key, options)).rejects.toBe(reason);
      await expect(store.put(key, "one", "absent", options)).rejects.toBe(reason);
      await expect(store.put(key, "one", "always", options)).rejects.toBe(reason);
      await expect(store.delete(key, options)).rejects.toBe(reason);
      await expect(store.list(key, options)).rejects.toBe(reason);
      await expect(store.versions(key, options)).rejects.toBe(reason);
      expect(proxy.requests).toEqual([]);
      expect(pauses).toEqual([]);
    });

    test.each(["get", "put", "create", "delete", "list"] as const)(
      "during a %s ends it with the reason, without a second try",
      async (kind) => {
        const { store, pauses } = await setup();
        const controller = new AbortController();
        proxy.reset(() => {
          controller.abort(reason);
          return { kind: "hang", forwarded: false };
        });
        const options = { signal: controller.signal };
        const call = {
          get: () => store.get(key, options),
          put: () => store.put(key, "one", "always", options),
          create: () => store.put(key, "one", "absent", options),
          delete: () => store.delete(key, options),
          list: () => store.list(key, options),
        }[kind];
        await expect(call()).rejects.toBe(reason);
        expect(kinds()).toEqual([kind]);
        expect(pauses).toEqual([]);
      },
    );

    test("during a body ends it with the reason", async () => {
      const { store, pauses } = await setup();
      await put(store, "0123456789".repeat(1_000));
      const controller = new AbortController();
      proxy.reset(() => ({ kind: "stall-body", afterBytes: 10 }));
      const read = store.get(key, { signal: controller.signal });
      await expect.poll(() => proxy.requests.length).toBe(1);
      controller.abort(reason);
      await expect(read).rejects.toBe(reason);
      expect(pauses).toEqual([]);
    });

    test("during a pause ends it with the reason", async () => {
      const controller = new AbortController();
      const { store, pauses } = await setup({ onPause: () => controller.abort(reason) });
      proxy.reset(() => answer(503, "SlowDown"));
      await expect(store.get(key, { signal: controller.signal })).rejects.toBe(reason);
      expect(kinds()).toEqual(["get"]);
      expect(pauses).toEqual([25]);
    });
  });

  describe("the requests of a script", () => {
    test("are the same at the proxy and in the metered store", async () => {
      const { store } = await setup();
      const metered = meterStore(store);
      const first = await metered.put(key, "one", "absent");
      await metered.put(key, "again", "absent");
      await metered.put(key, "two", { match: first.kind === "stored" ? first.etag : "" });
      await metered.put(key, "lost", { match: first.kind === "stored" ? first.etag : "" });
      await metered.put(`${key}b`, "plain ü", "always");
      await metered.get(key);
      await metered.get(`${key}/nothing`);
      await metered.list(key);
      await metered.list(key, { limit: 1 });
      await metered.list(key, { limit: 1, after: key });
      const versions = await metered.versions(key);
      for (const version of versions) await metered.getVersion(key, version.versionId);
      await metered.delete(key);
      await metered.delete(`${key}/nothing`);
      await metered.get(key);
      expect(proxy.counts()).toEqual(metered.usage().requests);
      expect(proxy.requests.length).toBe(16);
      expect(metered.usage()).toMatchObject({ conflicts: 2, unknowns: 0, errors: 0 });
      const sent = proxy.requests.filter((request) => request.method === "PUT").map((request) => request.body);
      expect(metered.usage().bytesOut).toBe(Buffer.byteLength(sent.join("")));
    });

    test("are more at the proxy when something fails: what a store repeats by itself", async () => {
      const { store } = await setup();
      const metered = meterStore(store);
      proxy.reset(inTurn("get", answer(500, "InternalError"), cutAfter));
      await metered.get(key);
      expect(metered.usage().requests.get).toBe(1);
      expect(proxy.counts().get).toBe(3);
    });
  });

  test.each([1, 2, 3, 4])("loses and doubles nothing under faults by chance (seed %i)", async (seed) => {
    const { store } = await setup();
    const host = { ...hostOf([]), random: seededRandom(seed) };
    await put(store, "[]");
    proxy.reset(
      atRandom(seededRandom(seed), 0.3, [
        cutBefore,
        cutAfter,
        answer(503, "SlowDown"),
        answer(409, "ConditionalRequestConflict"),
        { kind: "answer-after", status: 500, code: "InternalError" },
        { kind: "cut-body", afterBytes: 3 },
      ]),
    );
    const codec = new Codec<string[]>({
      what: "a list",
      read: (json) => json as string[],
      keyOf: (_list, at) => at,
      write: (list) => JSON.stringify(list),
    });
    const writer = async (name: string): Promise<void> => {
      for (let round = 0; round < 8; round += 1) {
        const entry = `${name}${round}`;
        const add = (all: string[]): string[] | undefined => (all.includes(entry) ? undefined : [...all, entry]);
        // Six faults in a row are rare and allowed: whoever asked asks again.
        while (!(await updateDocument(store, host, key, codec, add).then(() => true, isUnavailable)));
      }
    };
    await Promise.all(["a", "b", "c"].map(writer));
    const entries = JSON.parse((await held()) ?? "[]") as string[];
    expect(entries.length).toBe(24);
    expect(new Set(entries).size).toBe(24);
    for (const name of ["a", "b", "c"]) {
      expect(entries.filter((entry) => entry.startsWith(name))).toEqual(
        Array.from({ length: 8 }, (_, round) => `${name}${round}`),
      );
    }
  });
});
