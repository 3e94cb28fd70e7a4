import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { FileStore } from "../../src/store/file.ts";
import { S3Store } from "../../src/store/s3.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { storeCases } from "../../src/testing/store-cases.ts";
import {
  bucketKinds,
  chosenServers,
  knownFailures,
  type OpenedServer,
  openServer,
  type ServerName,
} from "./fixtures/servers.ts";

const host = nodeHost();
const folders: string[] = [];

async function openFolder(durability: "fsync" | "none"): Promise<ObjectStore> {
  const folder = await mkdtemp(join(tmpdir(), "buquet-store-"));
  folders.push(folder);
  return FileStore.open(folder, { host, durability });
}

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

const stores: readonly { readonly name: string; open(): Promise<ObjectStore> }[] = [
  { name: "memory", open: async () => new MemoryStore({ clock: host.clock }) },
  { name: "memory with etags by content", open: async () => new MemoryStore({ clock: host.clock, etags: "content" }) },
  { name: "memory without versions", open: async () => new MemoryStore({ clock: host.clock, versions: false }) },
  { name: "file", open: () => openFolder("fsync") },
  { name: "file without fsync", open: () => openFolder("none") },
];

for (const { name, open } of stores) {
  describe(`a store: ${name}`, async () => {
    const store = await open();
    for (const [index, probe] of storeCases.entries()) {
      test(probe.name, () => probe.run({ store, prefix: `case-${index}/` }));
    }
  });
}

const opened = new Map<ServerName, OpenedServer>();
for (const name of chosenServers()) opened.set(name, await openServer(name));
afterAll(async () => {
  for (const one of opened.values()) if (one.kind === "present") await one.server.stop();
});

for (const [name, one] of opened) {
  for (const kind of bucketKinds(name)) {
    describe(`a store: s3 on ${name}, ${kind} bucket`, () => {
      let store: ObjectStore;
      beforeAll(async () => {
        if (one.kind === "absent") return;
        const { server } = one;
        const bucket = `conformance-${kind}`;
        await server.bucket(bucket, kind);
        const { endpoint, credentials } = server;
        store = await S3Store.open({ bucket, endpoint, credentials, host, requestTimeoutMs: 20_000 });
      });
      afterAll(async () => store?.[Symbol.asyncDispose]());
      for (const [index, probe] of storeCases.entries()) {
        const known = knownFailures(name, kind).includes(probe.name);
        test(known ? `it is known to fail: ${probe.name}` : probe.name, { timeout: 600_000 }, async (context) => {
          if (one.kind === "absent") return context.skip(one.reason);
          const run = probe.run({ store, prefix: `case-${index}/` });
          // Seen again each time, so that nobody goes on believing it of a server that was mended.
          await (known ? expect(run).rejects.toThrow() : run);
        });
      }
    });
  }
}
