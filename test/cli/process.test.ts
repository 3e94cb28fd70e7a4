/** The command line as a process: it ends by itself, in time, whatever a module holds open and wherever its output goes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { WorkflowClient } from "../../src/client/client.ts";
import { ANNOUNCEMENTS_PREFIX } from "../../src/keys.ts";
import { connect } from "../../src/client/connect.ts";
import { workflow } from "../../src/index.ts";
import { WHOLE } from "../setting.ts";

const MODULE = "test/cli/stubborn.ts";
/** For clients; the module is for processes, since it keeps them alive. */
const endless = workflow("endless").step("sit", () => null);
const children = new Set<ChildProcess>();

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

interface Program {
  readonly child: ChildProcess;
  /** Resolves when standard output or standard error holds the text. */
  said(text: string): Promise<void>;
  /** What it has printed so far. */
  stdout(): string;
  /** The exit code or the signal, with what was printed. */
  end(): Promise<{ readonly code: number | string | null; readonly stdout: string; readonly stderr: string }>;
}

function run(words: readonly string[]): Program {
  const node = ["--import", "tsx", "--import", "./test/cli/hanging.ts"];
  const child = spawn(process.execPath, [...node, "src/cli/main.ts", ...words], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  const ended = once(child, "close") as Promise<[number | null, string | null]>;
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return {
    child,
    said: async (text) => {
      for (;;) {
        if (stderr.includes(text) || stdout.includes(text)) return;
        if (child.exitCode !== null) throw new Error(`it ended without saying ${JSON.stringify(text)}: ${stderr}`);
        await Promise.race([once(child.stderr!, "data"), once(child.stdout!, "data"), ended]);
      }
    },
    stdout: () => stdout,
    end: async () => {
      const [code, signal] = await ended;
      return { code: code ?? signal, stdout, stderr };
    },
  };
}

const folder = async (): Promise<string> => `file:${await mkdtemp(join(tmpdir(), "buquet-process-"))}`;

test.concurrent(
  "a command ends though the module that it loads holds a handle, and prints all of its answer",
  { timeout: 60_000 },
  async () => {
    const store = await folder();
    const started = await run(["start", "endless", "--id", "e", "--workflows", MODULE, "--store", store]).end();
    expect(started).toMatchObject({ code: 0, stdout: "e\n" });
    // More than a pipe holds, read late: nothing of it may be cut off.
    const graph = run(["graph", "long", "--workflows", MODULE, "--format", "json"]);
    graph.child.stdout?.pause();
    // It writes until nothing more fits.
    await once(graph.child.stdout!, "readable");
    graph.child.stdout?.resume();
    const { code, stdout } = await graph.end();
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(4 * 65_536);
    expect(JSON.parse(stdout)).toBeTypeOf("object");
  },
);

test.concurrent(
  "a worker that is told to stop ends with its grace, though a handler does not, and leaves no announcement",
  { timeout: 60_000 },
  async () => {
    const store = await folder();
    await using queue = await connect(store);
    const client = new WorkflowClient(queue);
    const worker = run(["worker", "--workflows", MODULE, "--store", store, "--grace", "10s", "--poll", "20ms"]);
    await worker.said("serves");
    await client.start("endless", null, { id: "e" });
    await worker.said("the handler has begun");
    worker.child.kill("SIGTERM");
    expect((await worker.end()).code).toBe(0);
    for (const prefix of ["workers/", ANNOUNCEMENTS_PREFIX])
      expect((await queue.context.store.list(prefix)).objects).toEqual([]);
  },
);

test.concurrent("a second signal ends it at once", { timeout: 60_000 }, async () => {
  const store = await folder();
  await using queue = await connect(store);
  const worker = run(["worker", "--workflows", MODULE, "--store", store, "--grace", "1h", "--poll", "20ms"]);
  await worker.said("serves");
  await new WorkflowClient(queue).start("endless", null, { id: "e" });
  await worker.said("the handler has begun");
  worker.child.kill("SIGTERM");
  await worker.said("stopping");
  worker.child.kill("SIGTERM");
  expect((await worker.end()).code).toBe(143);
});

test.concurrent("a worker that cannot open its store ends with 1", { timeout: 60_000 }, async () => {
  const end = await run(["worker", "--workflows", MODULE, "--store", "file:/dev/null/store"]).end();
  expect(end.code).not.toBe(0);
  expect(end.stderr).toContain("error: ");
});

test.concurrent("a worker goes on when nobody reads its output", { timeout: 60_000 }, async () => {
  const store = await folder();
  await using queue = await connect(store);
  const client = new WorkflowClient(queue);
  const worker = run(["worker", "--workflows", MODULE, "--store", store, "--grace", "3s", "--poll", "20ms"]);
  await worker.said("serves");
  worker.child.stdout?.destroy();
  worker.child.stderr?.destroy();
  // Its handlers and its log write into nothing.
  const run1 = await client.start("forgetful");
  expect(await run1.result({ timeout: "20s" })).toEqual({ forget: "remembered" });
  worker.child.kill("SIGTERM");
  expect((await worker.end()).code).toBe(0);
});

test.concurrent(
  "an error that nobody awaits fails its step, and is logged with it; the worker goes on",
  { timeout: 60_000 },
  async () => {
    const store = await folder();
    await using queue = await connect(store);
    const client = new WorkflowClient(queue);
    const worker = run(["worker", "--workflows", MODULE, "--store", store, "--grace", "3s", "--poll", "20ms"]);
    await worker.said("serves");
    const forgetful = await client.start("forgetful", null, { id: "forgets" });
    expect(await forgetful.result({ timeout: "20s" })).toEqual({ forget: "remembered" });
    await worker.said("unhandled rejection in a handler");
    // One that is thrown where nobody can catch it leaves a process that nobody can trust.
    const explosive = await client.start("explosive", null, { id: "explodes" });
    expect(await explosive.wait({ timeout: "20s" })).toMatchObject({ status: "failed" });
    const { code, stderr } = await worker.end();
    expect(code).toBe(1);
    expect(stderr).toMatch(/unhandled rejection in a handler.* run=forgets step=forget attempt=1/u);
    expect(stderr).toMatch(/uncaught exception in a handler.* run=explodes step=throw attempt=1/u);
  },
);

test.concurrent(
  "a store that accepts and never answers keeps nobody: neither before nor while the worker starts",
  { timeout: 60_000 },
  async () => {
    const server = createServer(() => {}).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { readonly port: number };
    const connected = once(server, "connection");
    const worker = spawn(
      process.execPath,
      [
        "--import",
        "tsx",
        "src/cli/main.ts",
        "worker",
        "--workflows",
        MODULE,
        "--grace",
        "1s",
        "--store",
        `s3://bucket?endpoint=http://127.0.0.1:${port}`,
      ],
      { stdio: "ignore", env: { ...process.env, AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" } },
    );
    children.add(worker);
    const ended = once(worker, "close");
    await connected;
    worker.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    server.close();
  },
);

/** What is under way when a folder stops to answer, what it has said by then, and how it ends when it is told to. */
const MIDST: readonly (readonly [name: string, words: readonly string[], says: string, end: number | string])[] = [
  ["worker", ["--workflows", MODULE, "--grace", "3s", "--poll", "20ms"], "serves", 0],
  ["sweeper", ["--interval", "1"], "nothing is due", 0],
  ["watch", ["e"], "pending", "SIGTERM"],
  ["inspect", ["e"], "127.0.0.1", 0],
];

test.concurrent.for(WHOLE ? MIDST : MIDST.slice(0, 1))(
  "%s ends when it is told to while its store hangs",
  { timeout: 60_000 },
  async ([name, words, says, code]) => {
    const store = await folder();
    await using queue = await connect(store);
    await new WorkflowClient(queue).start(endless, null, { id: "e" });
    const program = run([name, ...words, "--store", store]);
    await program.said(says);
    program.child.kill("SIGUSR2");
    if (name === "inspect") {
      const url = /http:\S+/u.exec(program.stdout())?.[0] ?? "";
      void fetch(`${url}timeline`).catch(() => {});
    }
    await program.said("a request hangs");
    program.child.kill("SIGTERM");
    expect((await program.end()).code).toBe(code);
  },
);
