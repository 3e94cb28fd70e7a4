import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { FileStore } from "../../src/store/file.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { storeCases } from "../../src/testing/store-cases.ts";
import { openMoto } from "./fixtures/moto.ts";

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

const moto = await openMoto();

describe("a store: s3 against moto", () => {
  for (const [index, probe] of storeCases.entries()) {
    test(probe.name, { timeout: 600_000 }, async (context) => {
      if (moto.kind === "absent") return context.skip(moto.reason);
      await probe.run({ store: moto.store, prefix: `case-${index}/` });
    });
  }
  afterAll(async () => {
    if (moto.kind === "present") await moto.stop();
  });
});
