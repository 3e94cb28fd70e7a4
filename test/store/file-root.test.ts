/** A folder that goes, comes back or was never fit: what its store says, and that it makes nothing in the wrong place. */
import { cpSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { FileStore } from "../../src/store/file.ts";
import { type Boundary, watchBoundaries } from "./fixtures/boundaries.ts";

const host = nodeHost();
const folders: string[] = [];
let fail: (boundary: Boundary) => string | undefined = () => undefined;
let reached: () => void = () => {};
await watchBoundaries((boundary) => {
  reached();
  const code = boundary.at === "before" ? fail(boundary) : undefined;
  if (code !== undefined) throw Object.assign(new Error(`${code}: injected`), { code });
});
afterEach(() => {
  reached = () => {};
  fail = () => undefined;
});
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function setup(): Promise<{ parent: string; folder: string; store: FileStore }> {
  const parent = await mkdtemp(join(tmpdir(), "buquet-root-"));
  folders.push(parent);
  const folder = join(parent, "runs");
  const store = await FileStore.open(folder, { host, durability: "none" });
  await store.put("workflow/a/state.json", "1", "always");
  return { parent, folder, store };
}

/** Everything that a store can be asked for. */
const calls: Readonly<Record<string, (store: FileStore) => Promise<unknown>>> = {
  "get of what was there": (store) => store.get("workflow/a/state.json"),
  "get of what was never there": (store) => store.get("nothing"),
  list: (store) => store.list("ready/"),
  "list of all": (store) => store.list(""),
  versions: (store) => store.versions("workflow/a/state.json"),
  getVersion: (store) => store.getVersion("workflow/a/state.json", "x"),
  put: (store) => store.put("workflow/a/state.json", "2", "always"),
  "put if absent": (store) => store.put("workflow/b/state.json", "2", "absent"),
  delete: (store) => store.delete("workflow/a/state.json"),
};

describe.each(Object.entries(calls))("%s", (_name, call) => {
  test("says that the folder is gone, makes nothing, and works again when it is back", async () => {
    const { parent, folder, store } = await setup();
    await rename(folder, join(parent, "away"));
    await expect(call(store)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("is gone"),
    });
    expect(await readdir(parent)).toEqual(["away"]);
    await rename(join(parent, "away"), folder);
    await call(store);
  });

  test("takes an empty folder in its place, as a disk leaves that is not mounted, for gone", async () => {
    const { folder, store } = await setup();
    await rm(folder, { recursive: true });
    await mkdir(folder);
    await expect(call(store)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("is gone"),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test("does not take another store in its place for it", async () => {
    const { folder, store } = await setup();
    await rm(folder, { recursive: true });
    const other = await FileStore.open(folder, { host, durability: "none" });
    await other.put("x", "1", "always");
    await expect(call(store)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("another store"),
    });
    expect((await other.list("")).objects).toEqual([{ key: "x" }]);
  });
});

test("a store that was opened before its first write is told of a folder that goes, too", async () => {
  const { folder } = await setup();
  const store = await FileStore.open(folder, { host });
  await rm(folder, { recursive: true });
  await expect(store.put("x", "1", "always")).rejects.toMatchObject({ code: "unavailable" });
  await expect(store.list("ready/")).rejects.toMatchObject({ code: "unavailable" });
  await expect(stat(folder)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a reader of a folder that is not there finds what another process puts into it, and hears when it goes", async () => {
  const parent = await mkdtemp(join(tmpdir(), "buquet-root-"));
  folders.push(parent);
  const folder = join(parent, "runs");
  const reader = await FileStore.open(folder, { host });
  expect(await reader.get("x")).toEqual({ kind: "missing" });
  const writer = await FileStore.open(folder, { host });
  await writer.put("x", "1", "always");
  expect(await reader.get("x")).toMatchObject({ kind: "found" });
  expect(await reader.get("y")).toEqual({ kind: "missing" });
  await rm(folder, { recursive: true });
  await expect(reader.get("x")).rejects.toMatchObject({ code: "unavailable" });
});

test("a folder that another process makes and writes at any moment of the opening and of the first write is used", async () => {
  const { parent, folder: made } = await setup();
  let boundaries = 0;
  const openAndPut = async (path: string, at: number): Promise<void> => {
    boundaries = 0;
    reached = () => {
      boundaries += 1;
      if (boundaries === at) cpSync(made, path, { recursive: true, force: false });
    };
    const store = await FileStore.open(path, { host, durability: "none" });
    expect(await store.put("workflow/b/state.json", "2", "absent"), `made at boundary ${at}`).toMatchObject({
      kind: "stored",
    });
    reached = () => {};
    expect((await store.list("workflow/")).objects.map(({ key }) => key)).toContain("workflow/b/state.json");
  };
  await openAndPut(join(parent, "alone"), 0);
  const all = boundaries;
  expect(all).toBeGreaterThan(40);
  for (let at = 1; at <= all; at += 1) await openAndPut(join(parent, `made-${at}`), at);
});

test("temporary files that somebody removed are made again", async () => {
  const { folder, store } = await setup();
  await rm(join(folder, ".tmp"), { recursive: true });
  await expect(store.put("x", "1", "always")).rejects.toMatchObject({ code: "unavailable" });
  expect(await store.put("x", "1", "always")).toMatchObject({ kind: "stored" });
});

describe("a disk that is not fit", () => {
  const fresh = async (): Promise<string> => {
    const parent = await mkdtemp(join(tmpdir(), "buquet-root-"));
    folders.push(parent);
    return parent;
  };

  test("a part of the folder on another file system is refused before anything is put", async () => {
    const folder = await fresh();
    await mkdir(join(folder, "workflow"));
    const store = await FileStore.open(folder, { host });
    fail = ({ call, path }) => (call === "rename" && path.startsWith(join(folder, "workflow")) ? "EXDEV" : undefined);
    await expect(store.put("x-workflow/active/1/a", "", "always")).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringMatching(/workflow cannot be used: it is on another file system than the rest/u),
    });
    fail = () => undefined;
    expect((await store.list("")).objects).toEqual([]);
  });

  test("a file system without hard links is refused", async () => {
    const store = await FileStore.open(await fresh(), { host });
    fail = ({ call }) => (call === "link" ? "EPERM" : undefined);
    await expect(store.put("x", "1", "always")).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining("without hard links"),
    });
  });

  test("a symbolic link to nothing, or to itself, is refused", async () => {
    const parent = await fresh();
    await symlink(join(parent, "nothing"), join(parent, "dangling"));
    await expect(FileStore.open(join(parent, "dangling"), { host })).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining("is a symbolic link to nothing"),
    });
    await symlink(join(parent, "self"), join(parent, "self"));
    await expect(FileStore.open(join(parent, "self"), { host })).rejects.toMatchObject({ code: "invalid" });
  });

  test("a folder below that is a symbolic link is listed like others", async () => {
    const parent = await fresh();
    await mkdir(join(parent, "elsewhere"));
    await mkdir(join(parent, "runs"));
    await symlink(join(parent, "elsewhere"), join(parent, "runs", "workflow"));
    const store = await FileStore.open(join(parent, "runs"), { host, durability: "none" });
    await store.put("workflow/a/state.json", "1", "always");
    expect((await store.list("workflow/")).objects).toEqual([{ key: "workflow/a/state.json" }]);
  });

  test("a mark that somebody changed is a data error; one that a power cut emptied is none", async () => {
    const { folder } = await setup();
    const mark = join(folder, ".store");
    expect(JSON.parse(await readFile(mark, "utf8"))).toMatchObject({ caseless: false });
    await writeFile(mark, "[]");
    await expect(FileStore.open(folder, { host })).rejects.toMatchObject({ code: "data" });
    await writeFile(mark, "");
    const store = await FileStore.open(folder, { host });
    expect(await store.get("workflow/a/state.json")).toMatchObject({ kind: "found" });
  });
});

test.each([
  ["ENOSPC", "unavailable", "the disk is full"],
  ["EDQUOT", "unavailable", "the quota of the disk is used up"],
  ["EIO", "unavailable", "the disk, or the network behind it, fails"],
  ["ESTALE", "unavailable", "the network file system has lost it"],
  ["EMFILE", "unavailable", "too many files open"],
  ["EROFS", "invalid", "the volume is read-only"],
  ["EACCES", "invalid", "this user may not"],
  ["ENAMETOOLONG", "invalid", "the path is longer than the system takes"],
  ["ENOTDIR", "invalid", "a file stands where a folder is needed"],
])("%s is told as %s, with what to do", async (code, kind, words) => {
  const { store } = await setup();
  const told = { code: kind, message: expect.stringContaining(words) };
  fail = ({ call, path }) => (call === "open" && path.includes("object-") ? code : undefined);
  await expect(store.put("x", "1", "always")).rejects.toMatchObject(told);
  fail = ({ call }) => (call === "rename" ? code : undefined);
  await expect(store.put("x", "1", "absent")).rejects.toMatchObject(told);
  if (code === "ENOTDIR") return;
  fail = ({ call }) => (call === "open" || call === "readdir" ? code : undefined);
  await expect(store.get("x")).rejects.toMatchObject(told);
  await expect(store.list("workflow/")).rejects.toMatchObject(told);
});
