/** `log`, `show` and `diff`: what they print for people and programs, how a version is named, and what hostile text comes to. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { type ObjectStore, openStore } from "../../src/index.ts";
import { planKey, stateKey } from "../../src/keys.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { trip } from "../inspect/runs.ts";
import { tell, type Told } from "./run.ts";

let folder = "";
let url = "";
/** The store's ids of the versions of the trip, oldest first. */
let versions: readonly string[] = [];

/** Copies the versions of a record into a store of its own. */
async function copy(from: ObjectStore, to: ObjectStore, id: string, change: (body: string) => string): Promise<void> {
  for (const { versionId } of (await from.versions(stateKey(id))).toReversed()) {
    const got = await from.getVersion(stateKey(id), versionId);
    if (got.kind === "found") await to.put(stateKey("trip"), change(got.object.body), "always");
  }
  const plan = await from.get(planKey(trip.planHash));
  if (plan.kind === "found") await to.put(planKey(trip.planHash), plan.object.body, "always");
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-history-"));
  url = `file:${join(folder, "bucket")}`;
  await using kit = await createTestKit({ workflows: [trip] });
  const run = await kit.client.start(trip);
  await kit.until(run, "waiting_signal");
  await kit.clock.advance("1m");
  await run.signal("answer", { yes: true });
  await run.wait();
  await using store = await openStore(url, nodeHost());
  await copy(kit.store, store, run.id, (body) => body.replaceAll(run.id, "trip"));
  versions = (await store.versions(stateKey("trip"))).map(({ versionId }) => versionId).toReversed();
  const hostile = "\u001b[2J\u009b31m\u202eevil\u0007";
  await using other = await openStore(`${url}-hostile`, nodeHost());
  await copy(kit.store, other, run.id, (body) => {
    const text = body.replaceAll(run.id, "trip").replaceAll("the card is empty", JSON.stringify(hostile).slice(1, -1));
    return text
      .replaceAll('"data":null', `"data":${JSON.stringify({ [hostile]: hostile })}`)
      .replaceAll('"step.done quote"', JSON.stringify(`step.done ${hostile}`));
  });
  await other.put(stateKey("trip"), `{"status":"${hostile}"`, "always");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const here = (...words: string[]): Promise<Told> => tell(...words, "--store", url);

describe("log", () => {
  test("has a line for each write", async () => {
    const told = await here("log", "trip");
    expect(told).toMatchObject({ code: 0, stderr: "" });
    expect(told.stdout.split("\n")).toEqual([
      "WRITE  AT                    SINCE  STATUS          EVENTS",
      "1      2026-01-01T00:00:00Z  +0s    pending         created",
      "2      2026-01-01T00:00:00Z  +0s    running         started",
      "3      2026-01-01T00:00:00Z  +0s    running         quote completed",
      "4      2026-01-01T00:00:00Z  +0s    running         book flight completed",
      "5      2026-01-01T00:00:00Z  +0s    running         book_hotel completed",
      "6      2026-01-01T00:00:00Z  +0s    waiting_signal  confirm waits for a signal",
      "7      2026-01-01T00:01:00Z  +1m    running         signal answer was taken",
      "8      2026-01-01T00:01:00Z  +1m    running         confirm completed",
      "9      2026-01-01T00:01:00Z  +1m    compensating    pay, attempt 1: PermanentError: the card is empty; pay failed",
      "10     2026-01-01T00:01:00Z  +1m    compensating    book flight was undone",
      "11     2026-01-01T00:01:00Z  +1m    failed          book_hotel was undone",
      "",
    ]);
  });

  test("is JSON for programs", async () => {
    const log = (await here("log", "trip", "--json")).json() as { writes: unknown[] };
    expect(log).toMatchObject({ id: "trip", type: "trip", notes: [] });
    expect(log.writes).toHaveLength(11);
    expect(log.writes[8]).toEqual({
      write: 9,
      version: versions[8],
      at: "2026-01-01T00:01:00Z",
      status: "compensating",
      events: ["pay, attempt 1: PermanentError: the card is empty", "pay failed"],
    });
  });

  test("says what is missing on standard error, so that a pipe gets lines only", async () => {
    const told = await tell("log", "trip", "--store", `${url}-hostile`);
    expect(told.code).toBe(0);
    await using store = await openStore(`${url}-bare`, nodeHost());
    const at = "2026-01-01T00:00:00+00:00";
    const body = { id: "bare", type: "gone", status: "running", created_at: at, updated_at: at };
    await store.put(stateKey("bare"), JSON.stringify(body), "always");
    const bare = await tell("log", "bare", "--store", `${url}-bare`);
    expect(bare.stderr).toMatch(/^note: the bucket has no workflow gone; /);
    expect(bare.stdout).toMatch(/^WRITE .*\n1 .* running +another program: running\n$/);
    const json = await tell("log", "bare", "--store", `${url}-bare`, "--json");
    expect(json.json()).toMatchObject({ notes: [expect.stringContaining("gone")] });
  });
});

describe("show", () => {
  test("is the last version, or any, for people", async () => {
    const last = await here("show", "trip");
    expect(last.stdout).toMatch(/^trip {2}write 11 of 11 {2}2026-01-01T00:01:00Z {2}failed\nbook_hotel was undone\n/);
    expect(last.stdout).toContain("StepFailed: PermanentError: the card is empty\n");
    expect(last.stdout).toMatch(/^book flight +completed, undo done +1 +\S+ +\{"seat":"1A"\}$/m);
    const waiting = await here("show", "trip", "--at", "6");
    expect(waiting.stdout).toContain("confirm waits for signal answer until 2026-01-01T01:00:00+00:00\n");
    expect(waiting.stdout).toMatch(/^pay +pending +0$/m);
    const undoing = await here("show", "trip", "--at", "9");
    expect(undoing.stdout).toMatch(/^the undo of book flight is held by task \S+ attempt 1$/m);
    expect(undoing.stdout).toMatch(/^the undo of book_hotel has a task of its own$/m);
    expect(undoing.stdout).toMatch(/^asked of task \S+, not confirmed yet: create:undo:book_hotel:1:0$/m);
    expect((await here("show", "trip", "--at", "7")).stdout).toMatch(
      /^confirm was given \[\{"signal":"answer","id":".*"yes":true/m,
    );
  });

  test("takes a number from either end, an instant, a time ago, and the id in the store", async () => {
    const write = async (at: string): Promise<unknown> => {
      const told = await here("show", "trip", "--at", at, "--json");
      return (told.json() as { write: number }).write;
    };
    expect(await write("1")).toBe(1);
    expect(await write("-1")).toBe(11);
    expect(await write("-11")).toBe(1);
    expect(await write("2026-01-01T00:00:59.999Z")).toBe(6);
    expect(await write("2026-01-01T01:01:00+01:00")).toBe(11);
    expect(await write("-5m")).toBe(11);
    expect(await write(versions[3] ?? "")).toBe(4);
    const json = (await here("show", "trip", "--at=-3", "--json")).json() as Record<string, unknown>;
    expect(json).toMatchObject({ id: "trip", write: 9, steps: { quote: { result: { price: 10 } } }, paused: false });
    expect(json["snapshot"]).toMatchObject({ value: { compensating: {} } });
  });

  const refused: readonly (readonly [at: string, reason: string])[] = [
    ["12", "version 12: the run has 11"],
    ["0", "version 0: the run has 11, counted from 1"],
    ["-12", "version -12: the run has 11"],
    ["yesterday", '"yesterday" names no version: write a number from 1 to 11'],
    [
      "2025-12-31T00:00:00Z",
      "nothing is known of the run at 2025-12-31T00:00:00Z; its first version is of 2026-01-01T00:00:00Z",
    ],
    ["-500w", "nothing is known of the run at "],
    ["-5y", '"5y" is not a duration'],
  ];
  test.each(refused)("refuses %s with a reason", async (at, reason) => {
    expect(await here("show", "trip", "--at", at)).toMatchObject({ code: 2, stderr: expect.stringContaining(reason) });
  });

  test("a run that is not there is a wrong call, like everywhere", async () => {
    for (const words of [["log"], ["show"], ["diff", "1", "2"]] as const) {
      const [command, ...rest] = words;
      expect(await here(command, "nobody", ...rest)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('run "nobody" does not exist'),
      });
    }
  });
});

describe("diff", () => {
  test("prints what came, went and changed", async () => {
    const told = await here("diff", "trip", "5", "6");
    expect(told.code).toBe(0);
    expect(told.stdout).toContain('~ status: "running" → "waiting_signal"\n');
    expect(told.stdout).toContain('~ steps.confirm.phase: "running" → "waiting"\n');
    expect(told.stdout).toMatch(/^\+ waits\["answer confirm"\]: \{"signal":"answer",/m);
    expect(told.stdout).toMatch(/^- executions\["run confirm"\]: /m);
    expect((await here("diff", "trip", "-1", "11")).stdout).toBe("no difference\n");
  });

  test("takes versions from the end, and is JSON for programs", async () => {
    const changes = (await here("diff", "trip", "-2", "-1", "--json")).json() as { path: string }[];
    expect(changes).toContainEqual({ path: "status", before: "compensating", after: "failed" });
    expect(changes).toContainEqual({ path: "steps.book_hotel.undo", before: "running", after: "done" });
    expect(await here("diff", "trip", "1", "99")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("version 99: the run has 11"),
    });
    expect(await here("diff", "trip", "1")).toMatchObject({ code: 2, stderr: expect.stringContaining("needs <b>") });
  });
});

test("hostile text cannot reach the terminal", async () => {
  const there = (...words: string[]): Promise<Told> => tell(...words, "--store", `${url}-hostile`);
  // eslint-disable-next-line no-control-regex -- it is what must not be there
  const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
  const outputs = [
    await there("log", "trip"),
    await there("diff", "trip", "1", "-2"),
    await there("diff", "trip", "1", "-1"),
  ];
  for (const at of [3, 9, 11, 12]) outputs.push(await there("show", "trip", "--at", String(at)));
  for (const { code, stdout, stderr } of outputs) {
    expect(code).toBe(0);
    expect(stdout + stderr).not.toMatch(obeyed);
  }
  expect(outputs.map(({ stdout }) => stdout).join("")).toContain("\\u001b[2J\\u009b31m\\u202eevil\\u0007");
});
