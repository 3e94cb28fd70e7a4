/** A sweep reaches every run that it can do something about, whatever stands in front of it. */
import { beforeEach, describe, expect, test } from "vitest";
import { registeredDefinition } from "../../src/define/registered.ts";
import { WorkflowError } from "../../src/errors.ts";
import type { LogFields } from "../../src/host/host.ts";
import { meterStore, type MeteredStore, workflow } from "../../src/index.ts";
import { sweepOnce } from "./sweep.ts";
import type { SweptRun } from "../../src/services/sweeper.ts";
import { activeKey, stateKey } from "../../src/keys.ts";
import type { QueueContext } from "../../src/queue/task.ts";
import { encodeRecord } from "../../src/run/record/codec.ts";
import { firstRecord } from "../../src/run/start.ts";
import { StoredPrograms } from "../../src/programs/stored-programs.ts";
import { Sweeper } from "../../src/services/sweeper.ts";
import { listKeys } from "../../src/store/paging.ts";
import { type Bench, makeBench, START } from "../queue/fixtures.ts";
import { STORED_NULL } from "../../src/wire/value.ts";
import { setting } from "../setting.ts";

/** Runs that are due; half of them cannot be looked at here. `.ci/run` takes all that a turn looks at. */
const DUE = setting("SWEPT", 2_000);
const MINUTE_MS = 60_000;

let bench: Bench;
let store: MeteredStore;
let queue: QueueContext;
let lines: { readonly message: string; readonly fields: LogFields }[];

beforeEach(() => {
  bench = makeBench();
  store = meterStore(bench.store);
  lines = [];
  const warn = (message: string, fields: LogFields = {}): void => void lines.push({ message, fields });
  queue = { ...bench.queue, store, host: { ...bench.queue.host, logger: { ...bench.queue.host.logger, warn } } };
});

const bodies = new Map<string, string>();

/** A record that is about to begin; of one type they differ by id alone. */
function recordOf(id: string, type: string): string {
  const known = bodies.get(type);
  if (known !== undefined) return known.replaceAll("ID", id);
  const definition = workflow(type).step("a", () => 1);
  const program = new StoredPrograms(bench.store, bench.queue.host, [registeredDefinition(definition)]).current(type);
  if (program === undefined) throw new Error(`${type} has no program`);
  bodies.set(type, encodeRecord(firstRecord({ id: "ID", program, data: STORED_NULL }, START - 3_600_000, "w")));
  return recordOf(id, type);
}

async function file(id: string, body: string, dueAt = START - 1_800_000): Promise<void> {
  await bench.store.put(stateKey(id), body, "always");
  await bench.store.put(activeKey(id, dueAt), "", "always");
}

const NEWER = (id: string): string => recordOf(id, "ours").replace('"layout":1', '"layout":2');

/** Half of them can be looked at; the others are before, between and behind them. */
async function fileMany(): Promise<void> {
  for (let index = 0; index < DUE; index += 1) {
    const id = `run-${String(index).padStart(6, "0")}`;
    const kind = index < DUE / 4 || index % 3 !== 0 ? index % 4 : 0;
    if (kind === 1) await file(id, "{");
    else if (kind === 2) await file(id, NEWER(id));
    else if (kind === 3) await file(id, recordOf(id, "theirs"));
    else await file(id, recordOf(id, "ours"));
  }
}

async function allKeys(prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of listKeys(bench.store, prefix)) keys.push(key);
  return keys;
}

const ticked = (runs: readonly SweptRun[]): string[] =>
  runs.flatMap(({ runId, action }) => (action === "ticked" ? [runId] : []));

describe("a worker's sweeps", () => {
  test(`of ${DUE} due runs of which half cannot be looked at serve the others in one turn`, async () => {
    await fileMany();
    const runs: SweptRun[] = [];
    const sweeper = new Sweeper(queue, { types: new Set(["ours"]), onSwept: (run) => runs.push(run) });
    await sweeper.turn();
    const served = ticked(runs);
    const bad = DUE - served.length;
    expect(served.length).toBeGreaterThan(DUE / 3);
    expect(bad).toBeGreaterThan(DUE / 3);
    const first = store.usage().requests;
    expect(first.get).toBe(DUE);
    expect(first.list).toBe(DUE / 1_000 + 1);
    // The others are gone: they would come again every ten minutes.
    const [now = ""] = activeKey("", START).split("/").slice(2);
    for (const key of await allKeys("x-workflow/active/"))
      if ((key.split("/")[2] ?? "") > now) await bench.store.delete(key);
    // What cannot be looked at is neither changed nor asked for again at once, and hides nothing that comes later.
    const later = "run-later";
    await file(later, recordOf(later, "ours"), START + 10 * MINUTE_MS);
    for (let minute = 0; minute < 60; minute += 1) {
      bench.pass(MINUTE_MS);
      await sweeper.turn();
      if (minute === 10) expect(ticked(runs)).toContain(later);
    }
    const hour = store.usage().requests;
    // After 1, 3, 7, 15 and 31 minutes.
    expect(hour.get - first.get).toBeLessThanOrEqual(5 * bad + 6);
    expect(hour.list - first.list).toBeLessThanOrEqual(60 + 5 * (DUE / 1_000 + 1));
    expect(await allKeys("x-workflow/active/")).toHaveLength(bad + 1);
    expect(lines.length).toBeLessThan(6 * 13);
    expect(lines.map(({ message }) => message)).toContain(
      "runs of a workflow that is not served here are due and nobody looks at them",
    );
  });

  test("go on behind a store that does not answer for some of the runs", async () => {
    for (let index = 0; index < 40; index += 1) await file(`bad-${String(index).padStart(2, "0")}`, "{");
    await file("good", recordOf("good", "ours"));
    const silent = bench.through({
      get: (key, send) =>
        key.includes("bad-") ? Promise.reject(new WorkflowError("unavailable", "no answer")) : send(),
    });
    const runs: SweptRun[] = [];
    const sweeper = new Sweeper({ ...queue, store: silent.store }, { onSwept: (run) => runs.push(run) });
    await expect(sweeper.turn()).rejects.toThrow("no answer");
    for (let minute = 0; minute < 5 && runs.length === 0; minute += 1) {
      bench.pass(MINUTE_MS);
      await sweeper.turn().catch(() => {});
    }
    expect(ticked(runs)).toEqual(["good"]);
  });

  test("look at a run again that could not be read, once it can", async () => {
    await file("mended", "{");
    const runs: SweptRun[] = [];
    const sweeper = new Sweeper(queue, { onSwept: (run) => runs.push(run) });
    await sweeper.turn();
    expect(runs).toMatchObject([{ runId: "mended", action: "unreadable" }]);
    await bench.store.put(stateKey("mended"), recordOf("mended", "ours"), "always");
    bench.pass(MINUTE_MS);
    await sweeper.turn();
    expect(ticked(runs)).toEqual(["mended"]);
  });
});

describe("a sweep by hand", () => {
  test("names what it cannot read, and a limit counts what it can do something about", async () => {
    for (const id of ["a", "b", "c"]) await file(id, "{");
    await file("d", NEWER("d"));
    for (const id of ["e", "f", "g"]) await file(id, recordOf(id, "ours"));
    const swept = await sweepOnce(queue, { limit: 2 });
    expect(ticked(swept)).toEqual(["e", "f"]);
    expect(swept.slice(0, 4).map(({ runId, action }) => `${runId} ${action}`)).toEqual([
      "a unreadable",
      "b unreadable",
      "c unreadable",
      "d unreadable",
    ]);
    expect(swept[3]?.error).toContain("layout 2");
    expect(ticked(await sweepOnce(queue, { report: true }))).toEqual(["g"]);
  });
});
