/** Whole runs on S3 through the real SDK: what they cost on the wire, and that a line that fails costs nothing but requests. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WorkflowClient } from "../../src/client/client.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { type AnyWorkflow, untypedWorkflow } from "../../src/define/workflow.ts";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { Worker } from "../../src/services/worker.ts";
import { type MeteredKind, meterStore, REQUEST_KINDS, type StoreUsage } from "../../src/store/metered.ts";
import { S3Store } from "../../src/store/s3.ts";
import { bestKind, chosenServers, CREDENTIALS, openServer } from "./fixtures/servers.ts";
import { atRandom, type Proxy, type ProxyRule, startProxy } from "./fixtures/proxy.ts";
import type { Duration } from "../../src/wire/duration.ts";

const host: Host = nodeHost();
const BUCKET = "whole-runs";

function chain(steps: number, effects: string[]): AnyWorkflow {
  let definition = untypedWorkflow("chain");
  for (let index = 0; index < steps; index += 1) {
    definition = definition.step(`s${index}`, {
      dependsOn: index === 0 ? [] : [`s${index - 1}`],
      run: () => effects.push(`s${index}`),
    });
  }
  return definition;
}

/** Runs a chain with one worker, through the proxy; gives what its store and the proxy counted. */
async function runChain(proxy: Proxy, steps: number, lease: Duration, rule?: ProxyRule) {
  const effects: string[] = [];
  const definition = chain(steps, effects);
  await using s3 = await S3Store.open({
    bucket: BUCKET,
    endpoint: proxy.endpoint,
    credentials: CREDENTIALS,
    host,
    requestTimeoutMs: 20_000,
  });
  proxy.reset(rule);
  // Two handles, as in two processes: the client's looks are not the worker's.
  const [workers, clients] = [meterStore(s3), meterStore(s3)];
  const worker = new Worker(handleOf(workers, host), { workflows: [definition], lease });
  const client = new WorkflowClient(handleOf(clients, host), { workflows: [definition] });
  const started = await client.start("chain", {});
  await worker.start();
  const output = await started.result();
  await worker.stop();
  const { status } = await client.get(started.id);
  const usage: StoreUsage = workers.usage();
  const asked = { ...usage.requests };
  for (const kind of REQUEST_KINDS) asked[kind] += clients.usage().requests[kind];
  return { output, effects, usage, asked, wire: proxy.counts(), status };
}

for (const name of chosenServers()) {
  const opened = await openServer(name);
  describe.skipIf(opened.kind === "absent")(`a run on ${name}`, () => {
    let proxy: Proxy;
    beforeAll(async () => {
      if (opened.kind === "absent") return;
      await opened.server.bucket(BUCKET, bestKind(name));
      proxy = await startProxy(opened.server.endpoint);
    });
    afterAll(async () => {
      await proxy.stop();
      if (opened.kind === "present") await opened.server.stop();
    });

    test("costs on the wire what the metered store counts: three puts a step and next to nothing else", async () => {
      // A lease so long that no heartbeat falls into the count, however slow the machine is.
      const few = await runChain(proxy, 1, "600s");
      const many = await runChain(proxy, 41, "600s");
      for (const { asked, wire } of [few, many]) expect(wire).toEqual(asked);
      const perStep = (...kinds: readonly MeteredKind[]): number =>
        kinds.reduce((sum, kind) => sum + many.usage.requests[kind] - few.usage.requests[kind], 0) / 40;
      // A tenth of a request a step is left for what comes with each minute, such as the registration of the worker.
      expect(perStep("put", "create", "replace")).toBeLessThanOrEqual(3.1);
      expect(perStep("get")).toBeLessThanOrEqual(0.1);
      expect(perStep("delete")).toBeLessThanOrEqual(0.1);
      expect(perStep("versions", "getVersion")).toBe(0);
      expect(many.usage.unknowns).toBe(0);
    });

    test("ends on a server that takes one write of a key a second, and is refused about once a write", async () => {
      const writtenAt = new Map<string, number>();
      let refused = 0;
      const rule: ProxyRule = ({ method, path }) => {
        if (method !== "PUT" && method !== "DELETE") return undefined;
        const key = path.split("?")[0] ?? "";
        const now = performance.now();
        if (now - (writtenAt.get(key) ?? Number.NEGATIVE_INFINITY) >= 1_000) return void writtenAt.set(key, now);
        refused += 1;
        return { kind: "answer", status: 429, code: "TooManyRequests" };
      };
      const { effects, status, asked } = await runChain(proxy, 3, "30s", rule);
      expect(status).toBe("completed");
      expect(effects).toEqual(["s0", "s1", "s2"]);
      expect(refused).toBeGreaterThan(0);
      expect(refused).toBeLessThanOrEqual(2 * (asked.put + asked.create + asked.replace + asked.delete));
    });

    test.each([11, 12])("ends the same over a line that fails (seed %i)", { timeout: 600_000 }, async (seed) => {
      const faults = atRandom(seededRandom(seed), 0.15, [
        { kind: "cut-before" },
        { kind: "cut-after" },
        { kind: "answer-after", status: 500, code: "InternalError" },
        { kind: "answer", status: 503, code: "SlowDown" },
        { kind: "answer", status: 409, code: "ConditionalRequestConflict" },
        { kind: "cut-body", afterBytes: 20 },
      ]);
      const { output, effects, status } = await runChain(proxy, 6, "30s", faults);
      expect(status).toBe("completed");
      expect(Object.keys(output as object)).toEqual(["s5"]);
      expect(new Set(effects).size).toBe(6);
    });
  });
}
