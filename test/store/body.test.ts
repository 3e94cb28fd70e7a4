/** Bodies that are no text of ours: refused with their key, not read as something else and written back changed. */
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { readDocument } from "../../src/store/document.ts";
import { FileStore } from "../../src/store/file.ts";
import { recordCodec } from "../../src/run/record/codec.ts";
import { decodeBody } from "../../src/store/body.ts";

const folder = await mkdtemp(join(tmpdir(), "buquet-body-"));
afterAll(() => rm(folder, { recursive: true }));
const store = await FileStore.open(folder, { host: nodeHost(), durability: "none" });
const key = "workflow/a/state.json";
const path = join(folder, key);
await mkdir(join(folder, "workflow", "a"), { recursive: true });

test("bytes that are not UTF-8 are a data error, stay as they are, and can be deleted", async () => {
  const bytes = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]);
  await writeFile(path, bytes);
  await expect(store.get(key)).rejects.toMatchObject({
    code: "data",
    message: expect.stringContaining(`${key} is not UTF-8`),
  });
  await expect(readDocument(store, key, recordCodec)).rejects.toMatchObject({ code: "data" });
  expect(await readFile(path)).toEqual(bytes);
  expect((await store.list("workflow/")).objects).toEqual([{ key }]);
  await store.delete(key);
  expect(await store.get(key)).toEqual({ kind: "missing" });
});

test("half a character, an overlong code and a cut one are refused; a byte order mark is kept and is no JSON", async () => {
  for (const bytes of [
    [0xed, 0xa0, 0x80],
    [0xc0, 0x80],
    [0xe2, 0x82],
  ])
    expect(() => decodeBody(key, Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code: "data" }));
  const marked = decodeBody(key, Uint8Array.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]));
  expect(marked).toBe("\ufeff{}");
  expect(() => recordCodec.decode(marked, key)).toThrow(expect.objectContaining({ code: "data" }));
});

test("what is far too large is refused before it is read", async () => {
  await mkdir(join(folder, "workflow", "a"), { recursive: true });
  await writeFile(path, "");
  await truncate(path, 65 * 1024 * 1024);
  await expect(store.get(key)).rejects.toMatchObject({
    code: "data",
    message: expect.stringContaining("more than the 67108864 that are read"),
  });
});
