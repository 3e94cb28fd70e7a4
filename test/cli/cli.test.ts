/** Every command: what it prints for people and programs, its exit code, and what it says to a call that makes no sense. */
import { execFile, spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { VERSION } from "../../src/cli/cli.ts";
import { commands } from "../../src/cli/commands.ts";
import { connect, FileStore, Worker, WorkflowClient, WorkflowError } from "../../src/index.ts";
import { activeKey, stateKey } from "../../src/keys.ts";
import { tell, type Told } from "./run.ts";
import { asking, failing, greet } from "./workflows.ts";

const MODULE = "test/cli/workflows.ts";
let folder = "";
let store = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-cli-"));
  store = `file:${join(folder, "bucket")}`;
  await mkdir(join(folder, "bucket"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const here = (...words: string[]): Promise<Told> => tell(...words, "--store", store);

/** Lets a worker finish everything that was asked for, until the run is as wanted. */
async function work(id: string, wanted: string): Promise<void> {
  const queue = await connect(store);
  const worker = new Worker(queue, { workflows: [greet, asking, failing], poll: 20 });
  await worker.start();
  for await (const view of new WorkflowClient(queue).watch(id)) if (view.status === wanted) break;
  await worker.stop();
  await queue.close();
}

describe("help", () => {
  test("names every command, and each command its options and an example", async () => {
    const help = await tell("--help");
    expect(help.code).toBe(0);
    for (const { name } of commands) {
      expect(help.stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
      for (const words of [
        [name, "--help"],
        [name, "-h"],
        ["help", name],
      ]) {
        const own = await tell(...words);
        expect(own.code).toBe(0);
        expect(own.stdout).toContain(`Usage: buquet-workflow ${name}`);
        expect(own.stdout).toContain("--json");
        expect(own.stdout).toMatch(new RegExp(`Examples:\n  buquet-workflow ${name}`));
      }
    }
  });

  test("is what a call without any word gets, as a mistake", async () => {
    const told = await tell();
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).toContain("Commands:");
  });

  test("knows the version of the package", async () => {
    const manifest = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
    expect(await tell("--version")).toMatchObject({ code: 0, stdout: `${manifest.version}\n` });
    expect(VERSION).toBe(manifest.version);
  });
});

describe("a call that makes no sense ends with 2 and a reason", () => {
  const calls: readonly (readonly [words: string, reason: string])[] = [
    ["nonsense", 'there is no command "nonsense"; see buquet-workflow --help'],
    ["start", "start needs <workflow>; see buquet-workflow start --help"],
    ["signal a", "signal needs <name>"],
    ["status a b", '"b" is one word too many; quote JSON as one word'],
    ["status a --verbose", 'Unknown option "--verbose"'],
    ["cancel a --reason", 'Option "--reason'],
    ["list --limit many", '--limit is "many"; it must be a whole number from 1'],
    ["list --limit 0", "--limit is 0; it must be a whole number from 1"],
    ["list --limit 1 --limit 2", "--limit was given 2 times"],
    ["list --status done", 'status is "done"; it must be'],
    ["sweeper --interval 0", "--interval is 0; it must be a whole number from 1 to 86400"],
    ["sweeper --interval 86401", "--interval is 86401; it must be a whole number from 1 to 86400"],
    ["sweeper --limit x --once", '--limit is "x"; it must be a whole number from 1'],
    ["sweeper --once --interval 5", "--once and --interval cannot be given together: one sweep has no next one"],
    ["sweeper --report --interval 5", "--report and --interval cannot be given together"],
    ["sweeper --report --tasks", "--report and --tasks cannot be given together: a report changes nothing"],
    ["sweeper --run a --report", "--run and --report cannot be given together: the run is repaired"],
    ["sweeper --run a --prefix b", "--run and --prefix cannot be given together: only this run is checked"],
    [`cost greet --workflows ${MODULE} --duration 1s --duration 2s`, "--duration was given twice for all steps"],
    [`cost greet --workflows ${MODULE} --duration hello=1s --duration hello=2s`, "given twice for hello"],
    ["inspect a --out x.html --port 5", "--out and --port cannot be given together"],
    ["inspect a --port 65536", "--port is 65536; it must be a whole number from 1 to 65535"],
    ["inspect --file x.json", "--file and --store cannot be given together: a timeline from a file needs no store"],
    [
      `graph greet --workflows ${MODULE} --format svg --out x.png`,
      "--format svg and --out x.png contradict each other",
    ],
    [`explore greet --workflows ${MODULE} --out x --test x`, "--out and --test both write x"],
    ["explore greet --faults -1", "--faults is -1; it must be a whole number from 0"],
    ["worker", "a worker needs --workflows <module>"],
    [`worker --workflows ${MODULE} --concurrency 0`, "--concurrency is 0; it must be a whole number from 1 to 10000"],
    [
      `worker --workflows ${MODULE} --concurrency 10001`,
      "--concurrency is 10001; it must be a whole number from 1 to 10000",
    ],
    [
      `worker --workflows ${MODULE} --lease 2s`,
      "options of a worker: a lease of 2s cannot be kept: a lease is used until",
    ],
    [`worker --workflows ${MODULE} --foreign-poll 2d`, '--foreign-poll is "2d"; it must be a duration from 1ms to 1d'],
    [`worker --workflows ${MODULE} --poll soon`, '"soon" is not a duration'],
    [`worker --workflows ${MODULE} --poll 0s`, '--poll is "0s"; it must be a duration from 1ms to 1d'],
    [`worker --workflows ${MODULE} --lease 10ms`, 'lease is "10ms"; it must be a duration from 1s to 1d'],
    [`worker --workflows ${MODULE} --grace later`, '"later" is not a duration'],
    ["worker --workflows ./no-such-module.js", "./no-such-module.js cannot be loaded"],
    ["list --workflows README.md", "README.md cannot be loaded"],
    ["list --workflows test/cli/run.ts", "test/cli/run.ts export no workflow"],
    ["list --workflows test/cli/same-name.ts", 'two workflows are named "same"'],
    ["start greet {not-json", "the input is not JSON"],
    ["start nobody", 'no workflow "nobody" is known here or was ever served'],
    ["status nothing", 'run "nothing" does not exist'],
    ["status a/b", 'run id "a/b" cannot be used: it holds a slash'],
    ["status __proto__", 'run "__proto__" does not exist'],
  ];

  test.each(calls)("%s", async (words, reason) => {
    const told = await here(...words.split(" "));
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).toContain(reason);
    const json = await here(...words.split(" "), "--json");
    expect(json.code).toBe(2);
    const lines = json.stderr.trim().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({
      error: {
        code: reason.endsWith("does not exist") ? "not_found" : "invalid",
        message: expect.stringContaining(reason),
      },
    });
  });

  test.each(["why", "all"])("cost takes no --%s with --json, which has all of it", async (option) => {
    const told = await here("cost", "greet", "--json", `--${option}`);
    expect(told).toMatchObject({ code: 2, stderr: expect.stringContaining("cannot be given together: JSON always") });
  });

  test("and a store that cannot be understood", async () => {
    expect(await tell("list", "--store", "ftp://x")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("the url is not a store"),
    });
    expect(await tell("doctor", "--store", "memory:")).toMatchObject({ code: 2 });
  });
});

describe("start, status, steps and list", () => {
  test("take a run from its start to its end", async () => {
    const started = await here("start", "greet", '{"name":"Ann"}', "--id", "007", "--workflows", MODULE);
    expect(started).toMatchObject({ code: 0, stdout: "007\n" });
    expect((await here("status", "007", "--json")).json()).toMatchObject({
      id: "007",
      type: "greet",
      status: "pending",
      data: { name: "Ann" },
      reasons: ["no worker that was seen in the last minute serves greet"],
    });
    await work("007", "completed");
    const status = await here("status", "007");
    expect(status).toMatchObject({ code: 0, stdout: "007  greet  completed\n" });
    const json = (await here("status", "007", "--json")).json() as Record<string, unknown>;
    expect(json).toMatchObject({ status: "completed", reasons: [] });
    expect(json["record"]).toBeUndefined();
    expect(json["snapshot"]).toBeUndefined();
    const steps = await here("steps", "007");
    expect(steps.stdout).toMatch(
      /^STEP +STATUS +ATTEMPT +AT +RESULT\nhello +completed +1 +\S+ +\{"text":"hello Ann"\}\n$/,
    );
    expect((await here("steps", "007", "--json")).json()).toMatchObject({
      hello: { status: "completed", result: { text: "hello Ann" }, attempt: 1 },
    });
  });

  test("start refuses an input that the schema refuses", async () => {
    const told = await here("start", "greet", '{"name":1}', "--workflows", MODULE);
    expect(told).toMatchObject({ code: 2, stderr: expect.stringContaining('the input of "greet" is refused') });
  });

  test("start prints an id of its own as text or JSON", async () => {
    expect((await here("start", "greet", '{"name":"B"}', "--workflows", MODULE)).stdout).toMatch(/^wf-\w{26}\n$/);
    const json = await here("start", "greet", '{"name":"C"}', "--workflows", MODULE, "--json");
    expect(json.json()).toMatchObject({ id: expect.stringMatching(/^wf-/) });
  });

  test("list filters, and is a table or JSON", async () => {
    for (const id of ["l-1", "l-2"]) await here("start", "asking", "--id", id, "--workflows", MODULE);
    await here("start", "greet", '{"name":"D"}', "--id", "l-3", "--workflows", MODULE);
    const ids = async (...words: string[]): Promise<string[]> =>
      ((await here("list", "--json", ...words)).json() as { id: string }[]).map((run) => run.id);
    expect(await ids("--prefix", "l-")).toEqual(["l-1", "l-2", "l-3"]);
    expect(await ids("--prefix", "l-", "--type", "asking")).toEqual(["l-1", "l-2"]);
    expect(await ids("--prefix", "l-", "--limit", "2")).toEqual(["l-1", "l-2"]);
    expect(await ids("--prefix", "l-", "--status", "failed")).toEqual([]);
    const table = (await here("list", "--prefix", "l-")).stdout.split("\n");
    expect(table[0]).toMatch(/^RUN +WORKFLOW +STATUS +NOW +UPDATED$/);
    expect(table[1]).toMatch(/^l-1 +asking +pending /);
    expect(await here("list", "--prefix", "none-")).toMatchObject({ code: 0 });
  });

  test("list shows what can be read, and names each run that cannot", async () => {
    for (const id of ["u-1", "u-2", "u-3", "u-4"]) await here("start", "asking", "--id", id, "--workflows", MODULE);
    const queue = await connect(store);
    await queue.context.store.put("workflow/u-2/state.json", '{"', "always");
    await queue.context.store.put("workflow/u-4/state.json", "{}", "always");
    await queue.close();
    const told = await here("list", "--prefix", "u-");
    expect(told.code).toBe(1);
    expect(told.stdout.match(/^u-\d/gm)).toEqual(["u-1", "u-3"]);
    const wrong = (id: string): string =>
      `error: workflow/${id}/state\\.json is not a run record that can be read: .*\n`;
    expect(told.stderr).toMatch(new RegExp(`^${wrong("u-2")}${wrong("u-4")}$`));
    const json = await here("list", "--prefix", "u-", "--json", "--limit", "2");
    expect(json.code).toBe(1);
    expect((json.json() as { id: string }[]).map(({ id }) => id)).toEqual(["u-1", "u-3"]);
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "data" } });
    expect(await here("list", "--prefix", "u-", "--limit", "1")).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("signal, pause, resume, cancel and watch", () => {
  test("steer a run", async () => {
    await here("start", "asking", "--id", "s-1", "--workflows", MODULE);
    expect(await here("pause", "s-1", "--reason", "5")).toMatchObject({
      code: 0,
      stdout: "pause of s-1 is accepted; a worker applies it\n",
    });
    await work("s-1", "paused");
    const paused = await here("status", "s-1");
    expect(paused.stdout).toContain("Paused: 5\n");
    expect(paused.stdout).toContain("it is paused (5); resume goes on\n");
    expect((await here("resume", "s-1", "--json")).json()).toEqual({ id: "s-1", command: "resume", accepted: true });
    await work("s-1", "waiting_signal");
    expect((await here("status", "s-1")).stdout).toContain("step ask waits for signal answer\n");
    expect((await here("explain", "s-1")).stdout).toContain("step ask waits for signal answer\n");
    const { id, reasons } = (await here("explain", "s-1", "--json")).json() as { id: string; reasons: string[] };
    expect([id, reasons.at(-1)]).toEqual(["s-1", "step ask waits for signal answer"]);
    const refused = await here("signal", "s-1", "answer", '{"yes":"maybe"}', "--workflows", MODULE);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('payload of signal "answer" is refused'),
    });
    expect(await here("signal", "s-1", "other", "1")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("it declares answer"),
    });
    expect((await here("signal", "s-1", "answer", "{")).stderr).toContain("the payload is not JSON");
    const sent = await here("signal", "s-1", "answer", '{"yes":true}');
    expect(sent.stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    await work("s-1", "completed");
    const watched = await here("watch", "s-1");
    expect(watched).toMatchObject({ code: 0 });
    expect(watched.stdout).toMatch(/^\S+ {2}completed/);
    const lines = (await here("watch", "s-1", "--json")).stdout.trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { status: string }).status)).toEqual(["completed"]);
    expect(await here("signal", "s-1", "answer", '{"yes":true}')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("takes no signals any more"),
    });
  });

  test("a payload that begins with a dash comes behind two of them", async () => {
    await here("start", "asking", "--id", "s-2", "--workflows", MODULE);
    const told = await tell("signal", "--store", store, "--", "s-2", "answer", "-5");
    expect(told).toMatchObject({ code: 0 });
  });

  test("cancel with a reason, with and without undo", async () => {
    for (const id of ["c-1", "c-2"]) await here("start", "asking", "--id", id, "--workflows", MODULE);
    for (const id of ["c-1", "c-2"]) await work(id, "waiting_signal");
    expect(await here("cancel", "c-1", "--reason", "no longer wanted")).toMatchObject({ code: 0 });
    expect((await here("cancel", "c-2", "--no-compensate", "--json")).json()).toMatchObject({ accepted: true });
    for (const id of ["c-1", "c-2"]) await work(id, "cancelled");
    expect((await here("status", "c-1")).stdout).toBe(
      "c-1  asking  cancelled\nCancelled: no longer wanted\nundone: prepare\n",
    );
  });
});

describe("sweeper", () => {
  test("reports, and sweeps once", async () => {
    await here("start", "greet", '{"name":"E"}', "--id", "w-1", "--workflows", MODULE);
    expect((await here("sweeper", "--report", "--prefix", "none-")).stdout).toBe("nothing is due\n");
    const once = await here("sweeper", "--once", "--limit", "5", "--json");
    expect(once).toMatchObject({ code: 0 });
    expect(once.json()).toEqual([]);
  });

  test("ends with 1 when it could not do all its work: a run that cannot be read, a store that does not answer", async () => {
    const place = `file:${join(folder, "unreadable")}`;
    const queue = await connect(place);
    await queue.context.store.put(stateKey("bad"), "{", "always");
    await queue.context.store.put(activeKey("bad", Date.now() - 3_600_000), "", "always");
    await queue.close();
    const once = await tell("sweeper", "--once", "--json", "--store", place);
    expect(once.json()).toMatchObject([{ runId: "bad", action: "unreadable" }]);
    expect(once.code).toBe(1);
    const silent = vi
      .spyOn(FileStore.prototype, "list")
      .mockRejectedValue(new WorkflowError("unavailable", "no answer"));
    try {
      const failed = await tell("sweeper", "--once", "--store", place);
      expect(failed).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("no answer") });
    } finally {
      silent.mockRestore();
    }
  });

  test("puts a task back that no index key leads to", async () => {
    const queue = await connect(store);
    const id = await queue.submit("mail", { to: "x" }, { availableAt: Date.now() - 3_600_000 });
    const bucket = queue.context.store;
    for (const { key } of (await bucket.list("ready/")).objects) if (key.endsWith(id)) await bucket.delete(key);
    const swept = await here("sweeper", "--once", "--tasks", "--json");
    expect(swept.code).toBe(0);
    expect(swept.stderr).toMatch(/[1-9]\d* tasks got their index key again/);
    expect((await bucket.list("ready/")).objects.some(({ key }) => key.endsWith(id))).toBe(true);
    await queue.close();
  });
});

describe("processes", () => {
  const program = ["--import", "tsx", "src/cli/main.ts"];
  const env = { ...process.env, NO_COLOR: "1" };

  test("a worker runs until it is told to stop; start --wait tells how a run ended by its exit code", async () => {
    const place = `file:${join(folder, "worker")}`;
    const worker = spawn(
      process.execPath,
      [...program, "worker", "--workflows", MODULE, "--store", place, "--poll", "50ms"],
      { env, stdio: ["ignore", "ignore", "pipe"] },
    );
    const said: string[] = [];
    const ended = new Promise<number | null>((resolve) => worker.once("exit", resolve));
    await new Promise<void>((resolve, reject) => {
      void ended.then(() => reject(new Error(`the worker ended: ${said.join("")}`)));
      worker.stderr.on("data", (text: Buffer) => {
        said.push(text.toString());
        if (said.join("").includes("serves asking, failing, greet")) resolve();
      });
    });
    // Found by name: the worker has published what it serves.
    const good = await tell("start", "greet", '{"name":"F"}', "--wait", "--json", "--store", place);
    expect(good).toMatchObject({ code: 0 });
    expect(good.json()).toMatchObject({ status: "completed", steps: { hello: { result: { text: "hello F" } } } });
    const bad = await tell("start", "failing", "--id", "f", "--wait", "--store", place);
    expect(bad).toMatchObject({ code: 1, stdout: "f failed: PermanentError: it never works\n" });
    const steps = await tell("steps", "f", "--store", place);
    expect(steps.stdout).toContain("PermanentError: it never works");
    const watched = await tell("watch", "f", "--store", place);
    expect(watched).toMatchObject({ code: 1, stdout: expect.stringMatching(/^\S+ {2}failed/) });
    expect(await tell("watch", "f", "--json", "--store", place)).toMatchObject({ code: 1 });
    worker.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(said.join("")).toContain("stopping");
  });

  test("the binary ends with the code, prints errors to standard error and no colours into a pipe", async () => {
    const told = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, [...program, "status", "x", "--store", store], { env }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
    });
    expect(told).toEqual({
      code: 2,
      stdout: "",
      stderr: 'error: run "x" does not exist; check the id and the bucket\n',
    });
  });
});
