/** The folder store when the disk refuses a call, when locks are torn, and what it says about versions. */
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { sha256Hex } from "../../src/host/uuid.ts";
import { FileStore, type FileStoreOptions } from "../../src/store/file.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { watchBoundaries, type Boundary } from "./fixtures/boundaries.ts";

const host = nodeHost();
const folders: string[] = [];
let fail: (boundary: Boundary) => string | undefined = () => undefined;
let seen: Boundary[] = [];

await watchBoundaries((boundary) => {
  seen.push(boundary);
  const code = fail(boundary);
  if (code !== undefined) throw Object.assign(new Error(`${code}: injected`), { code });
});

afterEach(() => {
  fail = () => undefined;
});
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function openFolder(options: Partial<FileStoreOptions> = {}): Promise<{ folder: string; store: FileStore }> {
  const folder = await mkdtemp(join(tmpdir(), "buquet-faults-"));
  folders.push(folder);
  return { folder, store: await FileStore.open(folder, { host, ...options }) };
}

async function stored(store: ObjectStore, key: string, body: string): Promise<string> {
  const put = await store.put(key, body, "always");
  if (put.kind !== "stored") throw new Error(put.kind);
  return put.etag;
}

/** Refuses every flush after the object was put in its place. */
function failFlushAfterPlacing(path: string): void {
  let placed = false;
  fail = (boundary) => {
    if ((boundary.call === "rename" || boundary.call === "link") && boundary.path === path && boundary.at === "after")
      placed = true;
    return placed && boundary.call === "handle.sync" && boundary.at === "before" ? "EIO" : undefined;
  };
}

test("says unknown when the folder cannot be flushed after the content is in its place", async () => {
  const { folder, store } = await openFolder();
  const etag = await stored(store, "a.json", "one");
  failFlushAfterPlacing(join(folder, "a.json"));
  expect(await store.put("a.json", "two", { match: etag })).toMatchObject({ kind: "unknown" });
  failFlushAfterPlacing(join(folder, "b.json"));
  expect(await store.put("b.json", "new", "absent")).toMatchObject({ kind: "unknown" });
  failFlushAfterPlacing(join(folder, "a.json"));
  await expect(store.put("a.json", "three", "always")).rejects.toMatchObject({ code: "unavailable" });
  fail = () => undefined;
  expect(await store.get("b.json")).toMatchObject({ object: { body: "new" } });
});

test("throws unavailable, and writes nothing, when the disk is full before the content is in its place", async () => {
  const { store } = await openFolder();
  const etag = await stored(store, "a.json", "one");
  for (const call of ["handle.writeFile", "handle.sync"]) {
    fail = (boundary) => (boundary.call === call && boundary.at === "before" ? "ENOSPC" : undefined);
    await expect(store.put("a.json", "two", { match: etag })).rejects.toMatchObject({ code: "unavailable" });
  }
  fail = () => undefined;
  expect(await store.get("a.json")).toMatchObject({ object: { body: "one", etag } });
});

test("gives its lock back on a full disk, and keeps the answer", async () => {
  const { folder, store } = await openFolder();
  const etag = await stored(store, "a.json", "one");
  let placed = false;
  fail = (boundary) => {
    if (boundary.call === "rename" && boundary.path === join(folder, "a.json") && boundary.at === "after")
      placed = true;
    const writes = ["open", "handle.writeFile", "writeFile", "truncate", "link", "rename"].includes(boundary.call);
    // Folders are still opened to be flushed.
    return placed && writes && boundary.path !== folder && boundary.at === "before" ? "ENOSPC" : undefined;
  };
  expect(await store.put("a.json", "two", { match: etag })).toMatchObject({ kind: "stored" });
  fail = () => undefined;
  expect(await store.put("a.json", "three", "always")).toMatchObject({ kind: "stored" });
});

/** The clock of a process that has waited `ms` longer. */
function later(ms: number): Host {
  return { ...host, clock: { ...host.clock, now: () => host.clock.now() + ms } };
}

test("is not blocked by lock files that are empty or torn, nor for ever by those of a boot that is over", async () => {
  const { folder, store } = await openFolder();
  const locks = join(folder, ".locks", sha256Hex("a.json").slice(0, 2));
  await mkdir(locks, { recursive: true });
  for (const [index, content] of ["", "12", "123 45"].entries()) {
    await writeFile(join(locks, String(1_000 * (index + 1))), content);
    expect(await store.put("a.json", content, "always")).toMatchObject({ kind: "stored" });
  }
  await writeFile(join(locks, "9000"), "123 45 other-boot@pid:[1]@elsewhere");
  const patient = await FileStore.open(folder, { host: later(61_000) });
  expect(await patient.put("a.json", "at last", "always")).toMatchObject({ kind: "stored" });
});

test("is not blocked for ever by a foreign lock file from the future", async () => {
  const { folder, store } = await openFolder();
  const locks = join(folder, ".locks", sha256Hex("a.json").slice(0, 2));
  await mkdir(locks, { recursive: true });
  const path = join(locks, "7");
  await writeFile(path, "123 45 other-boot@pid:[1]@elsewhere");
  const future = host.clock.now() / 1000 + 86_400;
  await utimes(path, future, future);
  expect(await store.put("a.json", "one", "always")).toMatchObject({ kind: "stored" });
});

test("keeps the id and the time of a version when it becomes an old one", async () => {
  const { store } = await openFolder();
  const ids: string[] = [];
  const times: number[] = [];
  for (const body of ["one", "two", "three"]) {
    const etag = await stored(store, "a.json", body);
    const [newest] = await store.versions("a.json");
    ids.unshift(newest?.versionId ?? "");
    times.unshift(newest?.modifiedAt ?? 0);
    expect(newest?.versionId).toBe(etag);
  }
  const versions = await store.versions("a.json");
  expect(versions.map(({ versionId }) => versionId)).toEqual(ids);
  expect(versions.map(({ modifiedAt }) => modifiedAt)).toEqual(times);
  for (const [index, body] of ["three", "two", "one"].entries())
    expect(await store.getVersion("a.json", ids[index] ?? "")).toMatchObject({ object: { body } });
});

test("puts a marker where a key was deleted", async () => {
  const { store } = await openFolder();
  await stored(store, "a.json", "one");
  await store.delete("a.json");
  const afterDelete = await store.versions("a.json");
  expect(afterDelete.map(({ deleted }) => deleted)).toEqual([true, false]);
  expect(await store.getVersion("a.json", afterDelete[0]?.versionId ?? "")).toEqual({ kind: "missing" });
  await stored(store, "a.json", "two");
  const versions = await store.versions("a.json");
  expect(versions.map(({ deleted }) => deleted)).toEqual([false, true, false]);
  expect(versions.slice(1)).toEqual(afterDelete);
});

test("orders versions by what replaced what, also when the clocks of two processes differ", async () => {
  const { folder, store } = await openFolder();
  const slow = await FileStore.open(folder, { host: later(-60_000) });
  const etags = [await stored(store, "a.json", "one"), await stored(slow, "a.json", "two")];
  etags.push(await stored(store, "a.json", "three"), await stored(slow, "a.json", "four"));
  expect((await store.versions("a.json")).map(({ versionId }) => versionId)).toEqual(etags.toReversed());
});

test("keeps as many versions as it is told", async () => {
  const { store } = await openFolder({ versions: 3, durability: "none" });
  const etags: string[] = [];
  for (let index = 0; index < 7; index += 1) etags.unshift(await stored(store, "a.json", `body ${index}`));
  expect((await store.versions("a.json")).map(({ versionId }) => versionId)).toEqual(etags.slice(0, 4));
  expect(await store.getVersion("a.json", etags[5] ?? "")).toEqual({ kind: "missing" });
});

test("never gives two contents of a key the same etag, also on a disk with coarse times that reuses its files", async () => {
  const { store } = await openFolder({ versions: 0, durability: "none" });
  await stored(store, "first.json", "1");
  let temporary = "";
  fail = ({ call, path, at }) => {
    if (call === "open" && path.includes("object-")) temporary = path;
    if (call === "handle.writeFile" && at === "after") utimesSync(temporary, 1, 1);
    return undefined;
  };
  const etags = new Set<string>();
  for (let index = 0; index < 30; index += 1) etags.add(await stored(store, "a.json", String(index).padStart(5, "0")));
  expect(etags.size).toBe(30);
});

test("flushes file and folder before it acknowledges, and neither without fsync", async () => {
  for (const durability of ["fsync", "none"] as const) {
    const { folder, store } = await openFolder({ durability });
    await stored(store, "a.json", "one");
    seen = [];
    await stored(store, "a.json", "two");
    const steps = seen
      .filter(({ at }) => at === "after")
      .flatMap(({ call, path }) => (call === "handle.sync" || path === join(folder, "a.json") ? [call] : []));
    const flush = durability === "fsync" ? ["handle.sync"] : [];
    expect(steps.filter((call) => call === "handle.sync" || call === "rename")).toEqual([...flush, "rename", ...flush]);
  }
});

test("flushes the folders above too, which a process that died may have made without a flush", async () => {
  const { folder, store } = await openFolder();
  await mkdir(join(folder, "runs", "one"), { recursive: true });
  seen = [];
  await stored(store, "runs/one/state.json", "one");
  const opened = seen.flatMap(({ call, path, at }) => (call === "open" && at === "after" ? [path] : []));
  expect(opened).toContain(folder);
  expect(opened.slice(-3)).toEqual([join(folder, "runs", "one"), join(folder, "runs"), folder]);
});

test("leaves nothing of its own in a list, and no empty folder", async () => {
  const { folder, store } = await openFolder();
  await stored(store, "a/b/c.json", "one");
  await store.delete("a/b/c.json");
  expect((await readdir(folder)).toSorted()).toEqual([".locks", ".store", ".tmp", ".versions"]);
  expect(await store.list("")).toEqual({ objects: [], truncated: false });
});
