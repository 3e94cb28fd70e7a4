/** What is said of a path is what a proxy counts before an S3 server on which the same worker and client play it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { measure, type MeasureSettings } from "../../src/cost/measure.ts";
import { addRequests, billed, NO_REQUESTS, type Requests } from "../../src/cost/requests.ts";
import { playable } from "../../src/cost/stubs.ts";
import { nodeHost } from "../../src/host/node.ts";
import { DEFAULT_FOREIGN_POLL_MS } from "../../src/services/foreign-poll.ts";
import { DEFAULT_LEASE_MS } from "../../src/services/worker-options.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { S3Store } from "../../src/store/s3.ts";
import type { KitTime } from "../../src/testing/time/kit-time.ts";
import { type Proxy, startProxy } from "../store/fixtures/proxy.ts";
import { chosenServers, CREDENTIALS, openServer, whyAbsent } from "../store/fixtures/servers.ts";
import { CASES, countByKey } from "./cases.ts";

const settings: MeasureSettings = { leaseMs: DEFAULT_LEASE_MS, foreignPollMs: DEFAULT_FOREIGN_POLL_MS };

/** A store under a virtual clock, which stands still while a request is under way. */
function held(store: ObjectStore, time: KitTime): ObjectStore {
  const life = time.makeLife();
  const hold = <T>(request: () => Promise<T>): Promise<T> =>
    time.handle("a request", life, new AbortController().signal, request) as Promise<T>;
  return {
    url: store.url,
    capabilities: store.capabilities,
    get: (key) => hold(() => store.get(key)),
    put: (key, body, condition) => hold(() => store.put(key, body, condition)),
    delete: (key) => hold(() => store.delete(key)),
    list: (prefix, options) => hold(() => store.list(prefix, options)),
    versions: (key) => hold(() => store.versions(key)),
    getVersion: (key, versionId) => hold(() => store.getVersion(key, versionId)),
    time: () => ({ earliest: time.clock.now(), latest: time.clock.now() }),
    [Symbol.asyncDispose]: async () => {},
  };
}

const total = (...bills: readonly ReadonlyMap<string, Requests>[]): Requests =>
  bills.flatMap((bill) => [...bill.values()]).reduce((sum, bill) => addRequests(sum, bill), NO_REQUESTS);

/** One is enough: that servers do the same is shown elsewhere. */
const chosen = chosenServers();
const name = chosen.toReversed().find((one) => whyAbsent(one) === undefined) ?? chosen[0] ?? "moto";
const opened = await openServer(name);

describe.skipIf(opened.kind === "absent")(`on ${name}`, () => {
  let proxy: Proxy;
  beforeAll(async () => {
    if (opened.kind === "present") proxy = await startProxy(opened.server.endpoint);
  });
  afterAll(async () => {
    await proxy.stop();
    if (opened.kind === "present") await opened.server.stop();
  });

  test.each(CASES.map((played, index) => ({ played, index, of: played.path.name })))(
    "$of",
    async ({ played, index }) => {
      if (opened.kind === "absent") return;
      const { plan, definitionHash } = played.define();
      const program = playable(plan, definitionHash);
      const said = await measure({ program, path: played.path }, settings);
      const bucket = `path-${index}`;
      await opened.server.bucket(bucket, "plain");
      await using s3 = await S3Store.open({
        bucket,
        endpoint: proxy.endpoint,
        credentials: CREDENTIALS,
        host: nodeHost(),
      });
      proxy.reset();
      const measured = await measure({ program, path: played.path }, { ...settings, open: (time) => held(s3, time) });
      expect(measured.status).toBe(said.status);
      expect(billed({ requests: proxy.counts() })).toEqual(total(said.reasons, said.idle));
      const sent = proxy.requests.flatMap(({ kind, path }) => {
        const key = decodeURIComponent(new URL(path, proxy.endpoint).pathname.slice(`/${bucket}/`.length));
        if (kind === "create" || kind === "replace") return [{ kind: "put" as const, key }];
        return kind === "put" || kind === "get" || kind === "delete" ? [{ kind, key }] : [];
      });
      expect(countByKey(sent)).toEqual({ ...total(said.reasons), list: 0 });
    },
  );
});
