/** Commands that steer: one run, or with --all every run that fits; what they print and how they end. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, PermanentError, Worker, workflow, WorkflowClient } from "../../src/index.ts";
import { lenient } from "./lenient.ts";
import { tell, type Told } from "./run.ts";
import { asking, failing } from "./workflows.ts";

const holding = workflow("holding").step("check", {
  onFailure: "pause_workflow",
  run: () => {
    throw new PermanentError("it is broken");
  },
});
const limping = workflow("limping")
  .step("book", {
    run: () => 1,
    compensate: () => {
      throw new PermanentError("it is sold");
    },
  })
  .step("rate", {
    onFailure: "continue",
    run: () => {
      throw new PermanentError("no stars");
    },
  })
  .step("ship", {
    dependsOn: ["book", "rate"],
    onFailure: "compensate",
    run: () => {
      throw new PermanentError("no ship");
    },
  });
const mending = workflow("mending", { signals: { go: z.object({ n: z.number() }) } }).step("mend", (ctx) => {
  if (ctx.generation === 1) throw new PermanentError("not yet");
});

let folder = "";
let store = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-steer-"));
  store = `file:${join(folder, "bucket")}`;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const here = (...words: string[]): Promise<Told> => tell(...words, "--store", store);
const MODULE = ["--workflows", "test/cli/workflows.ts"];

/** Starts runs and lets a worker go on with everything until each is as wanted. */
async function until(
  wanted: Readonly<Record<string, string>>,
  start: readonly (readonly [string, string])[] = [],
): Promise<void> {
  const queue = await connect(store);
  const workflows = [asking, failing, holding, limping, mending];
  const client = new WorkflowClient(queue, { workflows });
  for (const [name, id] of start) await client.start(name, null, { id });
  const worker = new Worker(queue, { workflows, poll: 20 });
  await worker.start();
  for (const [id, status] of Object.entries(wanted))
    for await (const _seen of client.watch(id, { until: (view) => view.status === status }));
  await worker.stop();
  await queue.close();
}

describe("one run", () => {
  test("retry opens a failed run again, and says so when it is not failed", async () => {
    await until({ m: "failed" }, [["mending", "m"]]);
    expect(await here("next", "m")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^m {2}failed\nWHEN +WHAT +THEN +STATUS\n +retry +starts mend +running\n$/),
    });
    expect(await here("retry", "m")).toEqual(
      expect.objectContaining({ code: 0, stdout: "retry of m is accepted; a worker applies it\n" }),
    );
    await until({ m: "completed" });
    expect(await here("retry", "m")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("run m is completed, not failed: there is nothing to retry; start a new one"),
    });
    expect((await here("next", "m")).stdout).toBe("m  completed\nnothing can happen any more\n");
  });

  test("next shows what a run waits for and where each thing leads; skip goes past a held step", async () => {
    await until({ a: "waiting_signal", h: "paused" }, [
      ["asking", "a"],
      ["holding", "h"],
    ]);
    const asked = await here("next", "a", ...MODULE);
    expect(asked.stdout).toMatch(/^ +signal answer for ask \{ yes \} +starts ask +running$/m);
    expect(asked.stdout).toMatch(/^ +cancel +undoes prepare +compensating$/m);
    expect((await here("next", "a", ...MODULE, "--json")).json()).toMatchObject({
      status: "waiting_signal",
      signals: [{ signal: "answer", step: "ask", schema: { required: ["yes"] }, leads: { status: "running" } }],
    });
    expect((await here("next", "h")).stdout).toMatch(/^ +skip check +completed$/m);
    expect(await here("skip", "h", "other")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('step "other" of run h is not held; held is check'),
    });
    expect((await here("skip", "h", "check", "--json")).json()).toEqual({ id: "h", command: "skip", accepted: true });
    await until({ h: "completed" });
  });

  test("send gives an event to the run, or says why it cannot", async () => {
    await until({ a: "waiting_signal" }, [["asking", "a"]]);
    for (const [members, reason] of [
      ["[1]", "the members of an event are a JSON object without a type"],
      ['{"type":"answer"}', "the members of an event are a JSON object without a type"],
      ["{", "the event is not JSON"],
      ['{"yes":1}', 'the payload of signal "answer" is refused'],
    ] as const)
      expect(await here("send", "a", "answer", members, ...MODULE)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(reason),
      });
    expect(await here("send", "a", "question")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('declares no signal "question"; it declares answer'),
    });
    const sent = await here("send", "a", "answer", '{"yes":true}', ...MODULE);
    expect(sent).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-f-]{36}\n$/) });
    await until({ a: "completed" });
    expect((await here("steps", "a", "--json")).json()).toMatchObject({ ask: { result: { yes: true } } });
  });

  test("status names each step and undo that failed, with what they threw", async () => {
    await until({ a: "failed", h: "paused" }, [
      ["limping", "a"],
      ["holding", "h"],
    ]);
    const { stdout } = await here("status", "a");
    expect(stdout).toMatch(/^step ship failed: PermanentError: no ship\n {4}at .*steer\.test\.ts/m);
    expect(stdout).toMatch(/^step rate failed: PermanentError: no stars$/m);
    expect(stdout).toMatch(/^could not undo book: PermanentError: it is sold\n {4}at .*steer\.test\.ts/m);
    const held = await here("status", "h");
    expect(held.stdout).toContain("in step check, attempt 1: PermanentError: it is broken\n    at ");
    expect(held.stdout).toContain("step check failed and is held (PermanentError: it is broken); resume tries");
  });

  test("terminate ends a run at once", async () => {
    await until({ a: "waiting_signal" }, [["asking", "a"]]);
    expect((await here("terminate", "a", "--reason", "a test")).code).toBe(0);
    await until({ a: "cancelled" });
    expect((await here("status", "a")).stdout).toContain("a  asking  cancelled (terminated)\nTerminated: a test");
    expect((await here("list", "--status", "cancelled")).stdout).toContain("cancelled (terminated)");
    expect((await here("watch", "a")).stdout).toContain("cancelled (terminated)");
    expect((await here("steps", "a")).stdout).toMatch(/^ask +terminated /m);
    expect((await here("status", "a", "--json")).json()).toMatchObject({ status: "cancelled" });
  });
});

describe("many runs", () => {
  const fill = (): Promise<void> =>
    until({ "f-1": "failed", "f-2": "failed", "m-1": "failed", a: "waiting_signal" }, [
      ["failing", "f-1"],
      ["failing", "f-2"],
      ["mending", "m-1"],
      ["asking", "a"],
    ]);

  test("nothing is changed without --yes, and --dry-run tells what would be", async () => {
    await fill();
    expect(await here("retry", "--all")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(
        "retry --all changes every run that fits; add --dry-run to see which, or --yes to do it",
      ),
    });
    expect(await here("retry", "--all", "--dry-run", "--type", "failing")).toMatchObject({
      code: 0,
      stdout: "f-1  failing  failed → running  starts fall\nf-2  failing  failed → running  starts fall\n",
      stderr: "retry would change 2 runs; nothing was done\n",
    });
    // --dry-run beats --yes.
    expect(await here("retry", "--all", "--dry-run", "--yes")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("3 runs; nothing was done"),
    });
    expect((await here("list", "--status", "failed", "--json")).json()).toHaveLength(3);
    expect(await here("pause", "--all", "--dry-run", "--older-than", "1h")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "no run fits that pause would change\n",
    });
  });

  test("each run gets a line and workers apply it", async () => {
    await fill();
    const told = await here("retry", "--all", "--prefix", "m-", "--yes");
    expect(told).toMatchObject({
      code: 0,
      stdout: "m-1  mending  failed → running  starts mend\n",
      stderr: "retry of 1 run is accepted; workers apply it\n",
    });
    const cancelled = await here("cancel", "--all", "--status", "waiting_signal", "--yes", "--json");
    expect(cancelled.json()).toMatchObject({
      id: "a",
      outcome: "accepted",
      leads: { status: "compensating", undoes: ["prepare"] },
    });
    await until({ "m-1": "completed", a: "cancelled" });
    expect((await here("retry", "--all", "--limit", "1", "--dry-run")).stdout.split("\n")).toHaveLength(2);
  });

  test("a run that cannot be told makes the exit code 1 and keeps no other", async () => {
    await fill();
    await writeFile(join(folder, "bucket", "workflow", "f-1", "state.json"), "{");
    const told = await here("retry", "--all", "--yes");
    expect(told.code).toBe(1);
    expect(told.stdout.split("\n").map((line) => line.split(" ")[0])).toEqual(expect.arrayContaining(["f-2", "m-1"]));
    expect(told.stderr).toContain("retry of f-1: workflow/f-1/state.json");
    expect(told.stderr).toContain("retry of 2 runs is accepted; workers apply it; 1 run could not be told");
  });

  test.each([
    ["retry", "retry needs <id>, or --all"],
    ["cancel a --all --yes", "cancel takes an id or --all, not both"],
    ["pause a --type asking", "--type goes with --all"],
    ["resume a --yes", "--yes goes with --all"],
    ["terminate --all", "terminate --all changes every run that fits"],
    ["terminate --all --yes --limit 0", "--limit is 0; it must be a whole number from 1"],
    ["terminate --all --yes --older-than soon", '"soon" is not a duration'],
    ["terminate --all --yes --status done", 'status is "done"; it must be'],
    ["skip a", "skip needs <step>"],
    ["send a", "send needs <event-type>"],
    ["next", "next needs <id>"],
  ])("%s ends with 2 and a reason", async (words, reason) => {
    const told = await here(...words.split(" "));
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).toContain(reason);
  });
});

test("start says which run it means: made now, there already, or another one's id", async () => {
  const start = (input: string, ...words: string[]): Promise<Told> =>
    here("start", "asking", input, "--id", "one", ...MODULE, ...words);
  expect(await start('{"a":1}')).toMatchObject({ code: 0, stdout: "one\n", stderr: "" });
  const again = await start('{ "a": 1.0 }');
  expect(again).toMatchObject({ code: 0, stdout: "one\n" });
  expect(again.stderr).toBe("run one was there already, with the same input; nothing was started\n");
  expect((await start('{"a":1}', "--json")).json()).toEqual({ id: "one", created: false });
  const other = await start('{"a":2}');
  expect(other).toMatchObject({ code: 2, stdout: "" });
  expect(other.stderr).toContain('run "one" exists and was started with another input');
  const told = JSON.parse((await start('{"a":2}', "--json")).stderr) as { error: { code: string } };
  expect(told.error.code).toBe("conflict");
});

test("what is not given is not given to a schema either: start and signal without JSON", async () => {
  const module = ["--workflows", "test/cli/lenient.ts"];
  expect(await here("start", "lenient", "--id", "l", ...module)).toMatchObject({ code: 0 });
  expect(await here("signal", "l", "nudge", ...module)).toMatchObject({ code: 0 });
  const queue = await connect(store);
  await using worker = new Worker(queue, { workflows: [lenient], poll: 20 });
  await worker.start();
  expect(await new WorkflowClient(queue, { workflows: [lenient] }).result("l")).toEqual({ wait: "7 nudged" });
});
