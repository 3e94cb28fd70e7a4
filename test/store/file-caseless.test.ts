/** A disk that does not tell capital letters from small ones, as those of macOS and Windows: names never meet. */
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { FileStore } from "../../src/store/file.ts";
import { decodeEntry, encodeKey } from "../../src/store/file-names.ts";

const host = nodeHost();
const parent = await fs.mkdtemp(join(tmpdir(), "buquet-caseless-"));
/** Below it, every path is taken in small letters. */
const disk = join(parent, "disk");
await fs.mkdir(disk);
afterAll(() => fs.rm(parent, { recursive: true }));

const small = (path: unknown): unknown =>
  typeof path === "string" && path.startsWith(disk) ? disk + path.slice(disk.length).toLowerCase() : path;
type AnyCall = (this: unknown, ...args: unknown[]) => Promise<unknown>;
for (const name of [
  "link",
  "lstat",
  "mkdir",
  "open",
  "readdir",
  "readFile",
  "rename",
  "rmdir",
  "stat",
  "truncate",
  "unlink",
  "writeFile",
]) {
  const calls = fs as unknown as Record<string, AnyCall>;
  const original = calls[name] as AnyCall;
  calls[name] = (...args) => original(...args.map(small));
}
syncBuiltinESMExports();

const KEYS = [
  "workflow/wf-01A/state.json",
  "workflow/wf-01a/state.json",
  "workflow/WF-01A/state.json",
  "workflow/ä/X",
  "workflow/Ä/x",
];

test("keys that differ only in case are different objects, and come back as they were", async () => {
  const store = await FileStore.open(join(disk, "a"), { host, durability: "none" });
  for (const key of KEYS) expect(await store.put(key, JSON.stringify(key), "absent")).toMatchObject({ kind: "stored" });
  for (const key of KEYS) expect(await store.get(key)).toMatchObject({ object: { body: JSON.stringify(key) } });
  expect((await store.list("")).objects.map(({ key }) => key).toSorted()).toEqual(KEYS.toSorted());
  // A process that opens it later knows it from the mark.
  const again = await FileStore.open(join(disk, "a"), { host, durability: "none" });
  for (const key of KEYS) expect(await again.get(key)).toMatchObject({ object: { body: JSON.stringify(key) } });
});

test("a folder that comes from another disk can be read here, and is not written", async () => {
  const from = await FileStore.open(join(parent, "from"), { host, durability: "none" });
  await from.put("workflow/a/state.json", "1", "always");
  await fs.cp(join(parent, "from"), join(disk, "copied"), { recursive: true });
  const store = await FileStore.open(join(disk, "copied"), { host, durability: "none" });
  expect(await store.get("workflow/a/state.json")).toMatchObject({ object: { body: "1" } });
  await expect(store.put("workflow/b/state.json", "1", "absent")).rejects.toMatchObject({
    code: "invalid",
    message: expect.stringContaining("comes from a disk that tells capital letters from small ones"),
  });
});

test("a folder from here keeps its names on every other disk", async () => {
  const from = await FileStore.open(join(disk, "moved"), { host, durability: "none" });
  await from.put("workflow/A/state.json", "1", "always");
  await fs.cp(join(disk, "moved"), join(parent, "to"), { recursive: true });
  const store = await FileStore.open(join(parent, "to"), { host, durability: "none" });
  expect(await store.put("workflow/A/state.json", "2", "absent")).toEqual({ kind: "conflict" });
  await store.put("workflow/B/state.json", "2", "absent");
  expect(await fs.readdir(join(parent, "to", "workflow"))).toEqual(["%41", "%42"]);
});

test("a name is spelled without capitals but those of codes, and one that gets too long by it is refused", () => {
  for (const key of ["A", "aB/Ü.json", "%2f", "%2F", "a b", "Zz"]) {
    const names = encodeKey(key, true);
    expect(names.join("/").replaceAll(/%[\dA-F]{2}/gu, "")).not.toMatch(/[A-Z]/u);
    expect(names.map(decodeEntry).join("/")).toBe(key);
  }
  expect(() => encodeKey("A".repeat(200), true)).toThrow("longer than 255 bytes");
  expect(encodeKey("A".repeat(80), true)).toHaveLength(1);
});
