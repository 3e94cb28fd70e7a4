import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { nodeHost } from "../../src/host/node.ts";
import { openStore } from "../../src/store/open.ts";
import { bucketUrl } from "../../src/store/s3-settings.ts";

const host = nodeHost();
const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "buquet-url-"));
  folders.push(made);
  return made;
}

async function refusal(url: string): Promise<string> {
  const error = await openStore(url, host).then(
    () => ({ code: "opened", message: "" }),
    (reason: { code: string; message: string }) => reason,
  );
  expect(error.code).toBe("invalid");
  return error.message;
}

describe("the url of a store", () => {
  test("memory: is a new one each time, memory:name the same in the process", async () => {
    const [a, b, c, d] = await Promise.all(
      ["memory:", "memory:", "memory:shared", "memory:shared"].map((url) => openStore(url, host)),
    );
    await a?.put("x", "a", "always");
    await c?.put("x", "c", "always");
    expect(await b?.get("x")).toEqual({ kind: "missing" });
    expect(await d?.get("x")).toMatchObject({ object: { body: "c" } });
  });

  test("file: takes a folder from here, from the root, or as a whole url", async () => {
    const made = await folder();
    for (const spelling of [relative(process.cwd(), made), made, `//${made}`]) {
      await using store = await openStore(`file:${spelling}`, host);
      expect(store.url).toBe(`file:${resolve(made)}`);
    }
  });

  test.each([
    "my folder",
    "a#b",
    "a?b",
    "100%",
    "%20",
    "ü€",
    "a+b",
    "it's",
    "a&b=c",
    "~x",
    'a"b',
    "a\\b",
    "a\nb",
    "a\n",
  ])("pathToFileURL leads to the folder %s, and the url of its store leads back", async (name) => {
    const made = join(await folder(), name);
    await mkdir(made);
    for (const url of [pathToFileURL(made), pathToFileURL(made).href]) {
      await using queue = await connect(url, { create: false });
      await queue.context.store.put("x", name, "always");
      await using again = await connect(queue.context.store.url, { create: false });
      expect(await again.context.store.get("x")).toMatchObject({ object: { body: name } });
    }
    expect((await readdir(made)).toSorted()).toContain("x%");
  });

  test("a plain path is taken letter for letter", async () => {
    const made = await folder();
    for (const name of ["my folder", "a#b", "100%", "my%20folder", "ü"]) {
      await using store = await openStore(`file:${made}/${name}`, host);
      await store.put("x", "", "always");
    }
    expect((await readdir(made)).toSorted()).toEqual(["100%", "a#b", "my folder", "my%20folder", "ü"]);
  });

  test("a scheme has no case, and what is no url is refused", async () => {
    const made = await folder();
    await using store = await openStore(`FILE:${made}`, host);
    expect(store.url).toBe(`file:${made}`);
    for (const odd of [null, 5, {}, new URL("http://host/runs")])
      await expect(connect(odd as unknown as URL)).rejects.toThrow("the url is not a store");
  });

  test.each([
    ["", "the url is not a store"],
    ["runs", "the url is not a store"],
    ["http://host/runs", "the url is not a store"],
    ["s3:runs", "the url is not a store"],
    ["s3://", "the url is not a store"],
    ["s3://me:hunter2@runs", "the url is not a store"],
    ["s3://me@runs", "the url is not a store"],
    ["s3://a", 'the bucket of the url is "a", which is not the name of a bucket'],
    ["s3://%2e%2e", "is not the name of a bucket"],
    ["s3://runs:9000", "names a port"],
    ["s3://runs/folder", "only a whole bucket"],
    ["s3://runs#x", "after #"],
    [
      "s3://runs?versions=no",
      '"versions", which s3: does not know (endpoint, region, addressing, checksums, unsafe); whether versions are kept',
    ],
    ["s3://runs?secret=hunter2", '"secret", which s3: does not know'],
    ["s3://runs?Region=eu-1", '"Region"'],
    ["s3://runs?addressing=host", 'the option addressing of the url is "host"; it must be path or virtual'],
    ["s3://runs?checksums=", 'the option checksums of the url is ""; it must be always or required'],
    ["s3://runs?unsafe=yes", 'the option unsafe of the url is "yes"; it must be allow'],
    ["s3://runs?region=eu-1&region=eu-2", "region twice"],
    ["s3://runs?region=", "is not the name of a region"],
    ["s3://runs?region=a.b/c", "is not the name of a region"],
    ["s3://runs?endpoint=localhost:9000", "the option endpoint of the url is not an http or https url"],
    ["s3://runs?endpoint=", "the option endpoint of the url is not an http or https url"],
    ["s3://runs?endpoint=http://me:hunter2@host", "the option endpoint of the url holds credentials"],
    ["file:", "file: needs a folder"],
    ["file: ", "file: needs a folder"],
    [
      "file:data?versions=3",
      '"versions", which file: does not know (permissions); a ? in a path is written file:///…%3F…',
    ],
    ["file:data?permissions=all", 'the option permissions of the url is "all"; it must be private or umask'],
    ["file:data?permissions=umask&permissions=private", "permissions twice"],
    ["file:~/runs", "write file:$HOME/… for your home"],
    ["file:$HOME/runs", 'nothing fills in "$HOME/runs" here'],
    ["file:${HOME}/runs", "let the shell do it, in double quotes"],
    ["file:~", "the shell does not expand ~"],
    ["file:C:\\runs", "a path of Windows"],
    ["file:///runs#1", "write %23 for a # in a name"],
    ["file:///100%", "cannot be decoded; write %25 for a %"],
    ["file:///a%2Fb", "cannot be decoded"],
    ["file:///a%00b", "a zero character"],
    ["file:a\0b", 'the control character "\\u0000"'],
    ["file:runs\n", 'the control character "\\n"; leave it out'],
    ["file:///runs\r\n", 'the control character "\\r"'],
    ["file:a\u009Bb", "the control character"],
    ["memory:runs\n", 'the control character "\\n"'],
    ["s3://ru\tns", 'the control character "\\t"'],
    ["file:package.json", "package.json is not a folder"],
    ["file:package.json/runs", "is not a folder"],
    ["memory://x", "write memory:name"],
    ["file://data/x", "needs a third slash"],
    ["memory:x?versions=3", "memory: has no options"],
  ])("%s is refused: %s", async (url, message) => {
    const said = await refusal(url);
    expect(said).toContain(message);
    expect(said).not.toContain("hunter2");
  });

  test.each([
    "https://host/path",
    "https://host/a%20b",
    "https://host/a&region=x",
    "https://host/a+b",
    "http://[::1]:9000",
    "https://höst/ü'\"",
  ])("of a bucket leads back to the endpoint %s", (endpoint) => {
    const options = new URL(bucketUrl({ bucket: "runs", endpoint })).searchParams;
    expect([...options]).toEqual([["endpoint", endpoint]]);
  });

  test("of a bucket keeps an endpoint legible, and names none that was not given", () => {
    expect(bucketUrl({ bucket: "runs", endpoint: "http://127.0.0.1:9000/a&b" })).toBe(
      "s3://runs?endpoint=http://127.0.0.1:9000/a%26b",
    );
    expect(bucketUrl({ bucket: "runs" })).toBe("s3://runs");
  });
});
