import { expect, test } from "vitest";
import { Hints } from "../../src/services/hints.ts";
import { PutOff } from "../../src/services/put-off.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { makeBench } from "../queue/fixtures.ts";

test("hints come in the order of their instants, the newest word about each", () => {
  const hints = new Hints();
  const random = seededRandom(7);
  const at = new Map<string, number>();
  for (let index = 0; index < 3_000; index += 1) {
    const id = `task-${Math.floor(random.next() * 500)}`;
    const when = Math.floor(random.next() * 1_000);
    at.set(id, when);
    hints.set(id, when);
  }
  expect(hints.size).toBe(at.size);
  expect(hints.nextAt).toBe(Math.min(...at.values()));
  const taken: number[] = [];
  for (let id = hints.takeDue(700); id !== undefined; id = hints.takeDue(700)) taken.push(at.get(id) ?? Number.NaN);
  expect(taken).toEqual([...at.values()].filter((when) => when <= 700).toSorted((a, b) => a - b));
  expect(hints.size).toBe(at.size - taken.length);
});

test("of 130,000 hints the next ones are kept, and nothing grows with them", () => {
  const hints = new Hints();
  for (let index = 0; index < 130_000; index += 1) hints.set(`task-${index}`, 1_000_000 + ((index * 7_919) % 130_000));
  expect(hints.size).toBeLessThanOrEqual(20_000);
  hints.set("now", 1);
  expect(hints.nextAt).toBe(1);
  expect(hints.takeDue(1)).toBe("now");
  // The next 10,000 are known, in their order.
  for (let next = 0; next < 10_000; next += 1) {
    expect(hints.nextAt).toBe(1_000_000 + next);
    hints.takeDue(hints.nextAt);
  }
});

test("a pause doubles up to its longest, is over in time, and is forgotten when the thing works", () => {
  const bench = makeBench();
  const putOff = new PutOff(bench.queue.host.clock);
  expect([1, 2, 3, 4].map(() => putOff.add("a", 1_000, 5_000))).toEqual([1_000, 2_000, 4_000, 5_000]);
  expect(putOff.has("a")).toBe(true);
  bench.pass(5_000);
  expect(putOff.has("a")).toBe(false);
  putOff.forget("a");
  expect(putOff.add("a", 1_000, 5_000)).toBe(1_000);
});

test("only so many things are remembered, the last ones", () => {
  const putOff = new PutOff(makeBench().queue.host.clock, 3);
  for (const id of ["a", "b", "c", "a", "d"]) putOff.add(id, 1_000, 5_000);
  expect(["a", "b", "c", "d"].filter((id) => putOff.has(id))).toEqual(["a", "c", "d"]);
});
