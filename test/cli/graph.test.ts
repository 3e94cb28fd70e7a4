/** `graph`: which formats it draws, where it finds what it draws, and what it says when it cannot. */
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { findChromium } from "../../src/cli/chromium.ts";
import { drawWorkflow } from "../../src/draw/index.ts";
import { connect, Worker, WorkflowClient } from "../../src/index.ts";
import { requireChromium } from "../draw/chromium.ts";
import { readPicture } from "../draw/picture.ts";
import { tell } from "./run.ts";
import { asking, greet } from "./workflows.ts";

const MODULE = "test/cli/workflows.ts";
const chromium = await requireChromium();
let folder = "";
let store = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-graph-"));
  store = `file:${join(folder, "bucket")}`;
  // A run that waits inside of its second step; its worker is gone.
  await using queue = await connect(store);
  await using worker = new Worker(queue, { workflows: [asking], poll: 20 });
  await worker.start();
  const client = new WorkflowClient(queue, { workflows: [asking] });
  await client.start("asking", null, { id: "waiting" });
  for await (const view of client.watch("waiting")) if (view.status === "waiting_signal") break;
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe("a workflow of a module", () => {
  test.each([
    ["svg", "<svg "],
    ["mermaid", "---\ntitle"],
    ["json", "{\n"],
    ["source", "import { setup }"],
  ] as const)("as %s, on standard output and in a file", async (format, beginning) => {
    const told = await tell("graph", "asking", "--workflows", MODULE, "--format", format);
    expect(told).toMatchObject({ code: 0, stderr: "" });
    expect(told.stdout).toBe(await drawWorkflow(asking, { format }));
    expect(told.stdout.startsWith(beginning)).toBe(true);
    const extension = { svg: "svg", mermaid: "mmd", json: "json", source: "ts" }[format];
    const out = join(folder, `asking.${extension}`);
    expect(await tell("graph", "asking", "--workflows", MODULE, "--out", out)).toMatchObject({
      code: 0,
      stdout: `asking as ${format}: ${out}\n`,
    });
    expect(await readFile(out, "utf8")).toBe(told.stdout);
  });

  test("as SVG, when nothing else is said; and needs no store", async () => {
    const told = await tell(
      "graph",
      "greet",
      "--workflows",
      MODULE,
      "--store",
      "s3://nowhere?endpoint=http://127.0.0.1:1",
    );
    expect(told).toMatchObject({ code: 0, stdout: await drawWorkflow(greet) });
  });

  test("says with --json what was written", async () => {
    const out = join(folder, "greet.svg");
    const told = await tell("graph", "greet", "--workflows", MODULE, "--out", out, "--json");
    expect(told.json()).toEqual({ workflow: "greet", format: "svg", out });
  });
});

describe("from a store", () => {
  test("a run, without its module, with its states lit", async () => {
    const told = await tell("graph", "--run", "waiting", "--store", store);
    expect(told).toMatchObject({ code: 0, stderr: "" });
    const lit = readPicture(told.stdout).states.filter(({ classes }) => classes.has("live"));
    expect(lit.map(({ id }) => id)).toEqual(["asking.active", "asking.active.ask", "asking.active.ask.waiting"]);
    const mermaid = await tell("graph", "asking", "--run", "waiting", "--store", store, "--format", "mermaid");
    expect(mermaid.stdout).toMatch(/^ {2}class [s\d,]+ live$/m);
  });

  test("a workflow that a worker served there, without its module", async () => {
    expect(await tell("graph", "asking", "--store", store)).toMatchObject({
      code: 0,
      stdout: await drawWorkflow(asking),
    });
  });

  test("a run whose machine another program dropped, as it was before", async () => {
    const key = join(folder, "bucket", "workflow", "waiting", "state.json");
    const whole = await readFile(key, "utf8");
    await using queue = await connect(store);
    const { machine: _dropped, ...plain } = JSON.parse(whole) as Record<string, unknown>;
    const read = await queue.context.store.get("workflow/waiting/state.json");
    if (read.kind === "missing") throw new Error("there is no run");
    await queue.context.store.put("workflow/waiting/state.json", JSON.stringify(plain), "always");
    const told = await tell("graph", "--run", "waiting", "--store", store);
    await queue.context.store.put("workflow/waiting/state.json", whole, "always");
    expect(told).toMatchObject({ code: 0 });
    expect(told.stdout).toMatch(/class="state chip waiting live"/);
  });
});

describe("a call that makes no sense ends with 2 and a reason", () => {
  const calls: readonly (readonly [words: string, reason: string])[] = [
    ["graph", "graph needs <workflow> or --run <id>"],
    [`graph greet --workflows ${MODULE} --format gif`, '--format is one of svg, png, mermaid, json, source, not "gif"'],
    [`graph greet --workflows ${MODULE} --out greet.gif`, "greet.gif does not say which format"],
    [
      `graph greet --workflows ${MODULE} --out /no-such-folder/greet.svg`,
      "/no-such-folder/greet.svg cannot be written",
    ],
    [`graph nobody --workflows ${MODULE}`, 'export no workflow "nobody", only "'],
    [`graph greet --workflows ${MODULE} --json`, "--json says what was written with --out"],
    ["graph nobody", 'no worker of this store ever served "nobody"'],
    ["graph --run nothing", 'run "nothing" does not exist'],
    ["graph greet --run waiting", 'run "waiting" is of "asking", not "greet"'],
  ];
  test.each(calls)("%s", async (words, reason) => {
    const told = await tell(...words.split(" "), "--store", store);
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).toContain(reason);
  });

  test("a PNG is not written to a terminal", async () => {
    const { isTTY } = process.stdout;
    process.stdout.isTTY = true;
    try {
      const told = await tell("graph", "greet", "--workflows", MODULE, "--format", "png");
      expect(told).toMatchObject({ code: 2, stdout: "" });
      expect(told.stderr).toContain("a PNG is nothing for a terminal: give --out file.png, or pipe it");
    } finally {
      process.stdout.isTTY = isTTY;
    }
  });
});

// ------------------------------------------------------------------ PNG

describe("Chromium", () => {
  test("is the one that CHROMIUM_PATH names, else the first in PATH", async () => {
    const program = join(folder, "google-chrome");
    await writeFile(program, "#!/bin/sh\n");
    await chmod(program, 0o755);
    expect(await findChromium({ PATH: `/nowhere:${folder}` })).toBe(program);
    expect(await findChromium({ PATH: "/nowhere", CHROMIUM_PATH: program })).toBe(program);
    await expect(findChromium({ CHROMIUM_PATH: join(folder, "gone") })).rejects.toMatchObject({ code: "invalid" });
  });

  test.skipIf(process.platform === "darwin")("that is not there is said, with what to do", async () => {
    vi.stubEnv("CHROMIUM_PATH", "");
    vi.stubEnv("PATH", "/nowhere");
    const told = await tell("graph", "greet", "--workflows", MODULE, "--out", join(folder, "greet.png"));
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).toContain("none was found: install chromium or Google Chrome, or name one in CHROMIUM_PATH");
  });

  test("that fails is said, and leaves nothing behind", async () => {
    const program = join(folder, "broken");
    await writeFile(program, "#!/bin/sh\necho first >&2\necho cannot open display >&2\nexit 3\n");
    await chmod(program, 0o755);
    vi.stubEnv("CHROMIUM_PATH", program);
    vi.stubEnv("TMPDIR", await mkdtemp(join(folder, "tmp-")));
    const told = await tell("graph", "greet", "--workflows", MODULE, "--out", join(folder, "greet.png"));
    expect(told).toMatchObject({ code: 1, stdout: "" });
    expect(told.stderr).toContain("did not paint: cannot open display");
    expect(await readdir(tmpdir())).toEqual([]);
  });
});

test.skipIf(chromium === undefined)("a PNG has twice the size of the SVG, and what is drawn is on it", async () => {
  const out = join(folder, "asking.png");
  expect(await tell("graph", "--run", "waiting", "--store", store, "--out", out)).toMatchObject({ code: 0 });
  const png = await readFile(out);
  expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const [, width, height] = / width="(\d+)" height="(\d+)"/.exec(await drawWorkflow(asking)) ?? [];
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2 * Number(width), 2 * Number(height)]);
  // A white sheet of this size has less than a tenth of that.
  expect(png.length).toBeGreaterThan(20_000);
});
