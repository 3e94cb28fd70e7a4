/** Records of every layout that was released, or is about to be: later versions read them and lead their runs to the same end. */
import { describe, expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { stateKey } from "../../src/keys.ts";
import { projectRun } from "../../src/run/control.ts";
import { decodeRecord, encodeRecord, RECORD_LAYOUT } from "../../src/run/record/codec.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { programOf } from "../machines/build.ts";
import { makeFleet } from "../services/fleet.ts";
import { goldenLayouts, load } from "./golden-layout.ts";
import { RUNS } from "./runs.ts";

test("the layout that this version writes has golden records, of every run", () => {
  const names = goldenLayouts().map(([name]) => name);
  expect(names).toEqual(expect.arrayContaining(RUNS.map(({ name }) => `${RECORD_LAYOUT}-${name}`)));
});

describe.for(goldenLayouts())("%s", ([name, golden]) => {
  const definition = RUNS.find((run) => name.endsWith(`-${run.name}`));
  if (definition === undefined) throw new Error(`no run leads ${name} to its end`);
  const key = stateKey(definition.name);

  test("is read at every version, loses nothing, and stock XState loads it as it did", () => {
    expect(golden.versions.length).toBeGreaterThan(4);
    const program = programOf(golden.plan);
    for (const { body, loaded } of golden.versions) {
      const record = decodeRecord(body, key);
      if (golden.layout === RECORD_LAYOUT) expect(JSON.parse(encodeRecord(record))).toEqual(JSON.parse(body));
      expect(load(golden.plan, record)).toEqual(loaded);
      const view = projectRun(program, record.machine ?? expect.fail("it has a machine"));
      expect(view.status).toBe(record.status);
    }
  });

  test("ends the same when this version takes the bucket over", async () => {
    expect(golden.buckets.length).toBeGreaterThan(0);
    for (const { at, objects } of golden.buckets) {
      await using kit = await createTestKit({ workflows: [definition.workflow], workers: 0, startAt: at, seed: 2 });
      for (const [path, body] of objects) await kit.store.put(path, body, "always");
      await kit.startWorker();
      const run = kit.client.run(definition.name);
      await definition.finish(kit, run);
      const view = await run.wait();
      const steps = Object.fromEntries(Object.entries(view.steps).map(([step, { status }]) => [step, status]));
      expect({ status: view.status, steps }).toEqual(golden.end);
    }
  });
});

test("a run of a newer layout is left as it is, and the log says what to do", async () => {
  const fleet = makeFleet(() => [workflow("two").step("a", () => 1)]);
  const { client } = fleet.client();
  await fleet.play(() => client.start("two", null, { id: "r" }));
  const key = stateKey("r");
  const read = await fleet.world.store.get(key);
  const record = JSON.parse(read.kind === "found" ? read.object.body : "") as { machine: Record<string, unknown> };
  const newer = JSON.stringify({ ...record, machine: { ...record.machine, layout: RECORD_LAYOUT + 1, more: {} } });
  await fleet.world.store.put(key, newer, "always");
  const worker = fleet.worker("worker");
  await fleet.world.advance(20 * 60_000);
  const after = await fleet.world.store.get(key);
  expect(after.kind === "found" && after.object.body).toBe(newer);
  const told = worker.log.filter((line) => JSON.stringify(line).includes("newer than"));
  expect(told.length).toBeGreaterThan(0);
  expect(JSON.stringify(told)).toContain("update this program");
  // Nothing is held, so a newer worker finds its task as the client left it; and nothing piles up.
  expect(await fleet.keys("ready/")).toHaveLength(1);
  expect((await fleet.keys("leases/")).length).toBeLessThan(10);
  await fleet.world.advance(2 * 3_600_000);
  expect((await fleet.keys("leases/")).length).toBeLessThan(10);
});
