/**
 * Known faults of the locks of a folder, as tests that fail until another store of folders takes their place: a lock is held for as long as
 * its holder lives, whether or not it runs, and a lock file is recognised by its name alone.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, it, vi, expect } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { sha256Hex } from "../../src/host/uuid.ts";
import { FileStore } from "../../src/store/file.ts";
import { type Boundary, watchBoundaries } from "./fixtures/boundaries.ts";

const folders: string[] = [];
let reached: (boundary: Boundary) => void = () => {};
await watchBoundaries((boundary) => reached(boundary));
afterEach(() => {
  reached = () => {};
  vi.restoreAllMocks();
});
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

const KEY = "a.json";
/** Far longer than any lease of a lock. */
const PATIENCE_MS = 60_000;

/** A host whose time passes while it sleeps; it loses patience in the end. */
function impatientHost(): Host {
  const host = nodeHost();
  let slept = 0;
  return {
    ...host,
    clock: {
      now: () => host.clock.now() + slept,
      monotonic: () => host.clock.monotonic() + slept,
      sleep: async (ms) => {
        slept += ms;
        if (slept > PATIENCE_MS) throw new Error("still waiting");
      },
    },
  };
}

/** A store, the folder of the lock of the key, and what a lock file of this process says. */
async function setup(host: Host): Promise<{ store: FileStore; locks: string; owner: string }> {
  const folder = await mkdtemp(join(tmpdir(), "buquet-known-"));
  folders.push(folder);
  const store = await FileStore.open(folder, { host, durability: "none" });
  const locks = join(folder, ".locks", sha256Hex(KEY).slice(0, 2));
  let owner = Promise.resolve("");
  reached = ({ call, path, at }) => {
    if (call === "link" && at === "after" && path === join(locks, "1")) owner = readFile(path, "utf8");
  };
  await store.put(KEY, "1", "always");
  reached = () => {};
  return { store, locks, owner: await owner };
}

it.fails("a holder that is stopped loses its lock after a while: others wait for it without limit", async () => {
  const { store, locks, owner } = await setup(impatientHost());
  expect(owner).toContain(String(process.pid));
  // Held by a process that lives and does nothing, as after Ctrl-Z: this one.
  await writeFile(join(locks, "1000"), owner);
  expect(await store.put(KEY, "2", "always")).toMatchObject({ kind: "stored" });
});

it.fails("a holder that lives is not robbed where processes of others are hidden (hidepid)", async () => {
  const { store, locks, owner } = await setup(impatientHost());
  // No entry in /proc, as for a process of another user; a signal says that it is there.
  const hidden = 4_194_305;
  vi.spyOn(process, "kill").mockImplementation(() => {
    throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
  });
  await writeFile(join(locks, "1000"), owner.replace(/^\d+ \S+/u, `${hidden} 1`));
  let robbed = false;
  reached = ({ call, path }) => {
    robbed ||= call === "link" && path === join(locks, "1001");
  };
  await store.put(KEY, "2", "always").catch(() => {});
  expect(robbed).toBe(false);
});

it.fails("a file in a folder of locks whose name is no number that we write is passed over", async () => {
  const { store, locks } = await setup(impatientHost());
  await mkdir(locks, { recursive: true });
  await writeFile(join(locks, "1e9"), "");
  expect(await readdir(locks)).toContain("1e9");
  expect(await store.put(KEY, "2", "always")).toMatchObject({ kind: "stored" });
});
