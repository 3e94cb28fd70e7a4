import { describe, expect, test } from "vitest";
import type { Random } from "../../src/host/host.ts";
import { nodeClock } from "../../src/host/node.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { ServerClock } from "../../src/store/server-clock.ts";

const LOCAL = Date.parse("2026-11-24T12:00:00Z");
/** The server is ahead by this much. */
const AHEAD_MS = 1_234_567.8;

/** A machine and a server, whose clocks run apart by so many parts in a million. */
function setup(driftPpm = 0) {
  let elapsed = 0;
  const clock = { ...nodeClock, now: () => LOCAL + elapsed, monotonic: () => 5_000 + elapsed };
  const estimate = new ServerClock(clock);
  const serverAt = (at: number): number => LOCAL + AHEAD_MS + at * (1 + driftPpm / 1e6);
  return {
    estimate,
    pass: (ms: number): void => void (elapsed += ms),
    elapsed: () => elapsed,
    serverNow: () => serverAt(elapsed),
    /** One request: sent now, answered after `tripMs`, the server looks at its clock somewhere in between. */
    ask: (tripMs: number, random: Random): void => {
      const sentAt = clock.monotonic();
      const date = Math.floor(serverAt(elapsed + tripMs * random.next()) / 1_000) * 1_000;
      elapsed += tripMs;
      estimate.observe(date, sentAt, clock.monotonic());
    },
    width: (): number => estimate.time().latest - estimate.time().earliest,
  };
}

describe("the clock of a server, from the dates of its answers", () => {
  test("is within a minute of the local one before the first answer", () => {
    const { estimate } = setup();
    expect(estimate.time()).toEqual({ earliest: LOCAL - 60_000, latest: LOCAL + 60_000 });
  });

  test("is known to a second and a round trip after the first answer", () => {
    const { ask, width } = setup();
    ask(40, seededRandom(1));
    expect(width()).toBeCloseTo(1_040, 6);
  });

  test.each([1, 2, 3, 4, 5])("always holds the true time, whatever drifts by 100 ppm (seed %i)", (seed) => {
    const random = seededRandom(seed);
    const { estimate, ask, pass, serverNow } = setup((random.next() * 2 - 1) * 99);
    for (let round = 0; round < 2_000; round += 1) {
      ask(1 + random.next() * 200, random);
      pass(random.next() * (round % 50 === 0 ? 600_000 : 2_000));
      const { earliest, latest } = estimate.time();
      expect(earliest).toBeLessThanOrEqual(serverNow());
      expect(latest).toBeGreaterThanOrEqual(serverNow());
    }
  });

  test("gets sharper with every answer, below a tenth of the second that a date is exact to", () => {
    const random = seededRandom(7);
    const { ask, pass, width } = setup();
    const widths: number[] = [];
    for (let round = 0; round < 60; round += 1) {
      ask(20, random);
      widths.push(width());
      pass(random.next() * 400);
    }
    expect(widths[19]).toBeLessThan(150);
    expect(widths[59]).toBeLessThan(100);
  });

  test("gets vaguer by 0.2 ms a second while nobody answers", () => {
    const { ask, pass, width } = setup();
    ask(20, seededRandom(1));
    const before = width();
    pass(3_600_000);
    expect(width() - before).toBeCloseTo(720, 6);
  });

  test("starts again when an answer contradicts it: a server whose clock was set", () => {
    const { estimate, elapsed, width } = setup();
    const at = (ms: number): number => 5_000 + elapsed() + ms;
    estimate.observe(LOCAL, at(-10), at(0));
    estimate.observe(LOCAL + 30_000, at(-10), at(0));
    expect(estimate.time().earliest).toBe(LOCAL + 30_000);
    expect(width()).toBe(1_010);
  });

  test("takes in answers out of order", () => {
    const { estimate, pass, elapsed } = setup();
    const at = (ms: number): number => 5_000 + elapsed() + ms;
    pass(1_000_000);
    estimate.observe(LOCAL, at(-10), at(0));
    estimate.observe(LOCAL, at(-500), at(-100));
    const { earliest, latest } = estimate.time();
    expect(earliest).toBeCloseTo(LOCAL + 100, 0);
    expect(latest).toBeCloseTo(LOCAL + 1_010, 0);
  });
});
