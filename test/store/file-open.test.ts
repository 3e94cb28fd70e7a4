/** What opening, reading and writing a folder leave on the disk. */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { FileStore, type FileStoreOptions } from "../../src/store/file.ts";
import { openStore } from "../../src/store/open.ts";

const host = nodeHost();
const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function emptyFolder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "buquet-open-"));
  folders.push(made);
  return made;
}

describe("a folder that is not there", () => {
  test("holds nothing, and neither opening nor reading nor deleting makes it", async () => {
    const parent = await emptyFolder();
    await using store = await FileStore.open(join(parent, "runs"), { host });
    expect(await store.get("a/b")).toEqual({ kind: "missing" });
    expect(await store.list("")).toEqual({ objects: [], truncated: false });
    expect(await store.versions("a/b")).toEqual([]);
    expect(await store.getVersion("a/b", "x")).toEqual({ kind: "missing" });
    await store.delete("a/b");
    expect(await readdir(parent)).toEqual([]);
    expect(await store.put("a/b", "1", "absent")).toMatchObject({ kind: "stored" });
    expect(await readdir(parent)).toEqual(["runs"]);
  });

  test("is refused by who wants it to be there", async () => {
    const missing = join(await emptyFolder(), "runs");
    const message = `there is no folder ${missing}`;
    await expect(FileStore.open(missing, { host, create: false })).rejects.toThrow(message);
    await expect(openStore(`file:${missing}`, host, { create: false })).rejects.toThrow(message);
  });

  // Node's mkdir with `recursive` never ends there.
  test.skipIf(process.platform !== "linux")("is refused at once where none can be made", async () => {
    await using store = await FileStore.open("/proc/none/runs", { host });
    await expect(store.put("a/b", "1", "absent")).rejects.toThrow("/proc/none/runs cannot be used: ENOENT");
  });

  test("reading a folder that is there writes nothing into it", async () => {
    const folder = await emptyFolder();
    await using store = await FileStore.open(folder, { host });
    await store.list("");
    await store.get("a");
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("what is written", () => {
  /** Modes of everything below a folder, without what it lies in. */
  async function modesBelow(folder: string): Promise<ReadonlySet<string>> {
    const names = await readdir(folder, { recursive: true });
    const all = await Promise.all(names.map((name) => stat(join(folder, name))));
    return new Set(
      all.map((about) => `${about.isDirectory() ? "folder" : "file"} ${(about.mode & 0o777).toString(8)}`),
    );
  }

  async function fill(options: Partial<FileStoreOptions>): Promise<string> {
    const parent = await emptyFolder();
    await using store = await FileStore.open(join(parent, "runs"), { host, ...options });
    const put = await store.put("workflow/wf-1/state.json", "{}", "absent");
    await store.put("workflow/wf-1/state.json", "[]", { match: put.kind === "stored" ? put.etag : "" });
    await store.put("ready/0/1", "", "always");
    await store.put("gone", "text", "always");
    await store.delete("gone");
    return parent;
  }

  test("is readable by its user alone, whatever the umask is", async () => {
    const before = process.umask(0o002);
    try {
      expect([...(await modesBelow(await fill({})))].toSorted()).toEqual(["file 600", "folder 700"]);
    } finally {
      process.umask(before);
    }
  });

  test("has the modes of the umask when that is asked for", async () => {
    const before = process.umask(0o027);
    try {
      const modes = [...(await modesBelow(await fill({ permissions: "umask" })))];
      expect(modes.toSorted()).toEqual(["file 640", "folder 750"]);
      const folder = join(await emptyFolder(), "runs");
      await using store = await openStore(`file:${folder}?permissions=umask`, host);
      await store.put("x", "1", "always");
      expect((await stat(folder)).mode & 0o777).toBe(0o750);
    } finally {
      process.umask(before);
    }
  });

  test("keeps the mode of a folder that was there", async () => {
    const folder = join(await emptyFolder(), "runs");
    await mkdir(folder, { mode: 0o755 });
    await using store = await FileStore.open(folder, { host });
    await store.put("x", "1", "always");
    expect((await stat(folder)).mode & 0o777).toBe(0o755);
  });
});

test.each([
  [{ versions: -1 }, "versions is -1; it must be a whole number from 0 to 1000000"],
  [{ versions: Number.NaN }, "versions is NaN"],
  [{ versions: 1.5 }, "versions is 1.5"],
  [{ durability: "fast" }, 'durability is "fast"; it must be fsync or none'],
  [{ permissions: 0o600 }, "permissions is 384; it must be private or umask"],
  [{ create: "no" }, 'create is "no"; it must be true or false'],
  [{ version: 3 }, 'there is no option "version"; there are host, durability, versions, create, permissions'],
])("options of a folder: %j are refused", async (options, message) => {
  const given = { host, ...options } as unknown as FileStoreOptions;
  await expect(FileStore.open(await emptyFolder(), given)).rejects.toThrow(message);
});

test("a path that is a file is refused", async () => {
  const path = join(await emptyFolder(), "file");
  await writeFile(path, "");
  await expect(FileStore.open(path, { host })).rejects.toThrow(`${path} is not a folder`);
  await expect(FileStore.open(join(path, "below"), { host })).rejects.toThrow("is not a folder");
});
