/** The difference of two frames: what a person would say has changed, and nothing else. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Frame } from "../../src/draw/timeline.ts";
import { type Change, diffFrames, diffValues } from "../../src/inspect/diff.ts";
import { shareParts } from "../../src/inspect/share.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { read, trip } from "./runs.ts";

const frame = (details: Record<string, unknown>, status: Frame["status"] = "running"): Frame => ({
  at: 0,
  events: [],
  status,
  snapshot: null,
  details,
});

const changes = (before: Record<string, unknown>, after: Record<string, unknown>): Change[] =>
  diffFrames(frame(before), frame(after));

describe("a difference", () => {
  test("of a run names steps, waits and results", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const run = await kit.client.start(trip);
    await kit.until(run, "waiting_signal");
    const { frames } = await read(kit.store, run.id);
    const [before, after] = [frames[4], frames[5]] as [Frame, Frame];
    const isShown = (path: string): boolean => !/^(outbox|nextCheckAt|writtenBy)/.test(path);
    expect(diffFrames(before, after).filter(({ path }) => isShown(path))).toEqual([
      { path: "status", before: "running", after: "waiting_signal" },
      { path: "steps.confirm.phase", before: "running", after: "waiting" },
      { path: 'waits["answer confirm"]', before: undefined, after: expect.objectContaining({ signal: "answer" }) },
      { path: 'timers["deadline confirm"]', before: undefined, after: expect.objectContaining({ step: "confirm" }) },
      { path: "given.confirm", before: undefined, after: { step: "confirm", signals: [] } },
      { path: 'executions["run confirm"]', before: expect.anything(), after: undefined },
    ]);
    const quoted = diffFrames(frames[1] as Frame, frames[2] as Frame);
    expect(quoted).toContainEqual({ path: "steps.quote.result", before: undefined, after: { price: 10 } });
    expect(quoted).toContainEqual({ path: 'steps["book flight"].phase', before: "pending", after: "running" });
    expect(diffFrames(before, before)).toEqual([]);
  });

  test("of objects is that of their members; a member that came or went is one change", () => {
    expect(changes({ data: { a: 1, b: { c: [1, 2] } } }, { data: { a: 1, b: { c: [1, 3, 4] }, d: { e: 1 } } })).toEqual(
      [
        { path: "data.b.c[1]", before: 2, after: 3 },
        { path: "data.b.c[2]", before: undefined, after: 4 },
        { path: "data.d", before: undefined, after: { e: 1 } },
      ],
    );
    expect(changes({ data: null, n: 0 }, { data: {}, n: [] })).toEqual([
      { path: "data", before: null, after: {} },
      { path: "n", before: 0, after: [] },
    ]);
    expect(changes({ data: [] }, { data: {} })).toEqual([{ path: "data", before: [], after: {} }]);
    expect(diffFrames(frame({}, "running"), frame({}, "paused"))).toEqual([
      { path: "status", before: "running", after: "paused" },
    ]);
  });

  test("of lists goes by name, so that one that came first is one change; by place where names say nothing", () => {
    const named = (...names: string[]): Record<string, unknown> => ({ list: names.map((name) => ({ name, n: 1 })) });
    expect(changes(named("b", "c"), named("a", "b", "c"))).toEqual([
      { path: "list.a", before: undefined, after: { name: "a", n: 1 } },
    ]);
    expect(changes(named("b", "c"), named("c", "b")).map(({ path }) => path)).toEqual(["list[0].name", "list[1].name"]);
    expect(changes(named("b", "b"), named("b", "c"))).toEqual([{ path: "list[1].name", before: "b", after: "c" }]);
    expect(changes({ list: [1, null] }, { list: [null, 1] })).toHaveLength(2);
  });

  test("spells names that are no words so that nobody can mistake them", () => {
    const odd = ["__proto__", "a.b", "[0]", "", "0", "\u001b[31m", "ünïcode"];
    const all = (value: number): Record<string, unknown> => Object.fromEntries(odd.map((name) => [name, value]));
    expect(changes({ d: all(1) }, { d: all(2) }).map(({ path }) => path)).toEqual([
      'd["0"]',
      "d.__proto__",
      'd["a.b"]',
      'd["[0]"]',
      'd[""]',
      'd["\\u001b[31m"]',
      'd["ünïcode"]',
    ]);
  });
});

/** Whether two JSON values differ, said without the code under test. */
const differ = (a: unknown, b: unknown): boolean => canonical(a) !== canonical(b);
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_name, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );

describe("for all values", () => {
  // Numbers as JSON has them: no -0.
  const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
  const lists = fc.uniqueArray(fc.record({ name: fc.constantFrom("a", "b", "c"), n: fc.integer({ max: 1, min: 0 }) }), {
    selector: ({ name }) => name,
  });
  const options = { seed: 20_261_124, numRuns: 500 };

  test(`there is no difference exactly when they are equal (seed ${options.seed})`, () => {
    fc.assert(
      fc.property(fc.oneof(json, lists), fc.oneof(json, lists), (a, b) => {
        expect([...diffValues(a, JSON.parse(JSON.stringify(a)))]).toEqual([]);
        expect([...diffValues(a, b)].length > 0).toBe(differ(a, b));
      }),
      options,
    );
  });

  test(`sharing parts changes nothing that can be seen, and shares what is equal (seed ${options.seed})`, () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(JSON.stringify(shareParts(a, b))).toBe(JSON.stringify(b));
        const copy = JSON.parse(JSON.stringify(a)) as unknown;
        if (typeof a === "object" && a !== null) expect(shareParts(a, copy)).toBe(a);
      }),
      options,
    );
  });
});
