/** One task for one key, whichever side submits. The numbers are those of docs/interop.md. */
import { LosslessNumber } from "lossless-json";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { idempotencyKey } from "../../src/keys.ts";
import { IdempotencyConflictError, keyDigest } from "../../src/queue/idempotency.ts";
import { submitTask } from "../../src/queue/submit.ts";
import { makeGate } from "../queue/fixtures.ts";
import { type Proxy as S3Proxy, startProxy } from "../store/fixtures/proxy.ts";
import { withStore } from "./helpers.ts";
import { Peer, type PeerTask } from "./peer.ts";
import { type Bucket, type InteropServer, openServer, whyNoInterop } from "./server.ts";

let server: InteropServer;
let proxy: S3Proxy;

/** What both sides have to hash alike. Python gets the text that JavaScript makes of it. */
const INPUTS: readonly (readonly [what: string, input: unknown])[] = [
  ["nothing", null],
  ["nested objects in another order", { z: { y: [{ b: 1, a: 2 }], "": {} }, a: [[], {}] }],
  ["texts of all planes", { "\uffff": 1, "😀": 2, ä: 'é\u2028\u2029\u007f\u0001"\\/' }],
  ["keys that look like numbers", { 10: "a", 9: "b", "01": "c" }],
  ["a tenth", [0.1, -0.25, 1 / 3]],
  ["a millionth", { x: 1e-6, y: -0.0000001 }],
  ["large floats", { x: 1e21, y: 1.5e300, z: 5e-324 }],
  ["large integers", { x: 2 ** 53, y: 2 ** 60, z: 1e16 }],
];

const ids = async (bucket: Bucket): Promise<readonly string[]> =>
  (await bucket.keys("tasks/")).map((key) => key.slice("tasks/0/".length, -".json".length));

describe.skipIf(whyNoInterop() !== undefined)("idempotency between Python and TypeScript", () => {
  beforeAll(async () => {
    server = await openServer();
    proxy = await startProxy(server.endpoint);
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });

  test("11: the same key and input give the same task, another input is a conflict, in every scope and either order", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const scopes = [undefined, "task_type", "queue", "my ns/1"];
    const cases = [
      ...INPUTS.map(([what, input], index) => ({ what, input, scope: scopes[index % scopes.length] })),
      ...scopes.map((scope) => ({ what: "a scope", input: { order: "ORD-1" }, scope })),
    ];
    const submitThere = (key: string, input: unknown, scope?: string): Promise<PeerTask> =>
      python.submit("charge", input, {
        idempotency_key: key,
        ...(scope === undefined ? {} : { idempotency_scope: scope }),
      });
    const submitHere = (key: string, input: unknown, scope?: string) =>
      submitTask(bucket.queue, "charge", input, { idempotency: { key, ...(scope === undefined ? {} : { scope }) } });
    await Promise.all(
      cases.map(async ({ what, input, scope }, index) => {
        const here = await submitHere(`ts-${index}`, input, scope);
        expect((await submitThere(`ts-${index}`, input, scope)).id, `${what}: here, then there`).toBe(here.id);
        const there = await submitThere(`py-${index}`, input, scope);
        expect((await submitHere(`py-${index}`, input, scope)).id, `${what}: there, then here`).toBe(there.id);
        await expect(submitThere(`ts-${index}`, { other: 1 }, scope)).rejects.toThrow(/Idempotency conflict/u);
        await expect(submitHere(`py-${index}`, { other: 1 }, scope)).rejects.toThrow(IdempotencyConflictError);
      }),
    );
    // A float without a fraction, which JavaScript does not have, is not the integer.
    const float = { amount: new LosslessNumber("100.0") };
    await submitThere("float", float);
    await expect(submitHere("float", { amount: 100 })).rejects.toThrow(IdempotencyConflictError);
    await submitHere("integer", { amount: 100 });
    await expect(submitThere("integer", float)).rejects.toThrow(/Idempotency conflict/u);
    expect(await ids(bucket)).toHaveLength(2 * cases.length + 2);
  });

  test("12: twenty clients with one key make one task: all of ours, and both kinds once it is there", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const here = (): Promise<string> =>
      submitTask(bucket.queue, "once", { n: 1 }, { idempotency: { key: "k" } }).then(({ id }) => id);
    const there = (): Promise<string> => python.submit("once", { n: 1 }, { idempotency_key: "k" }).then(({ id }) => id);
    const ours = await Promise.all(Array.from({ length: 20 }, here));
    const mixed = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? here() : there())));
    expect(new Set([...ours, ...mixed]).size).toBe(1);
    expect(await ids(bucket)).toEqual([ours[0]]);
  });

  test("12: when Python stands still between its record and its task, ours makes that very task and Python is refused", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket, { S3_ENDPOINT: proxy.endpoint });
    const gate = makeGate();
    proxy.reset(({ kind, path }) =>
      kind === "create" && path.includes("/tasks/") ? { kind: "delay", until: gate.stand() } : undefined,
    );
    const stalled = python.submit("once", {}, { idempotency_key: "k" });
    await gate.reached;
    const ours = await submitTask(bucket.queue, "once", {}, { idempotency: { key: "k" } });
    gate.open();
    await expect(stalled).rejects.toThrow(/already exists/iu);
    proxy.reset();
    expect((await python.submit("once", {}, { idempotency_key: "k" })).id).toBe(ours.id);
    expect(await ids(bucket)).toEqual([ours.id]);
  });

  test("12: when we stand still there, Python overwrites our record and there are two tasks, of which the record names one (C-1)", async () => {
    const bucket = await server.bucket({ versioned: false });
    await using python = await Peer.start(bucket);
    const gate = makeGate();
    const queue = withStore(bucket.queue, {
      put: async (key, ...rest) => {
        if (key.startsWith("tasks/")) await gate.stand();
        return bucket.store.put(key, ...rest);
      },
    });
    const stalled = submitTask(queue, "once", {}, { idempotency: { key: "k" } });
    await gate.reached;
    const theirs = await python.submit("once", {}, { idempotency_key: "k" });
    gate.open();
    const ours = await stalled;
    expect((await ids(bucket)).toSorted()).toEqual([ours.id, theirs.id].toSorted());
    const record = idempotencyKey("once", keyDigest("once", "k"));
    expect(JSON.parse(await bucket.body(record))).toMatchObject({ task_id: theirs.id });
    for (const submit of [
      () => submitTask(bucket.queue, "once", {}, { idempotency: { key: "k" } }),
      () => python.submit("once", {}, { idempotency_key: "k" }),
    ])
      expect((await submit()).id).toBe(theirs.id);
  });
});
