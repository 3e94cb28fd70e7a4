import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { nodeClock, nodeRandom } from "../../src/host/node.ts";

describe("the chance of a real process", () => {
  afterEach(() => void vi.restoreAllMocks());

  test("is in [0, 1) and reaches into every tenth", () => {
    const tenths = new Set<number>();
    for (let draw = 0; draw < 2_000; draw += 1) {
      const value = nodeRandom.next();
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThan(1);
      tenths.add(Math.floor(value * 10));
    }
    expect(tenths.size).toBe(10);
  });

  test("never asks Math.random, which two processes may share a seed of", () => {
    const weak = vi.spyOn(Math, "random");
    nodeRandom.next();
    expect(nodeRandom.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(nodeRandom.ulid(0)).toMatch(/^0{9}1[0-9A-HJKMNP-TV-Z]{16}$/);
    expect(weak).not.toHaveBeenCalled();
  });
});

describe("a sleep of a real process", () => {
  const DAY_MS = 86_400_000;
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  test.each([1, 24.8, 24.9, 60, 3_650])("of %d days ends when they are over and no sooner", async (days) => {
    let ended = false;
    const sleep = nodeClock.sleep(days * DAY_MS).then(() => (ended = true));
    await vi.advanceTimersByTimeAsync(days * DAY_MS - 1);
    expect(ended).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toBe(true);
    await sleep;
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([60 * DAY_MS, Number.POSITIVE_INFINITY])("of %d ms ends at once when its signal aborts", async (ms) => {
    const stop = new AbortController();
    const sleep = nodeClock.sleep(ms, { signal: stop.signal });
    await vi.advanceTimersByTimeAsync(30 * DAY_MS);
    stop.abort();
    await sleep;
    expect(vi.getTimerCount()).toBe(0);
    await nodeClock.sleep(ms, { signal: stop.signal });
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([0, -1, Number.NaN])("of %d ms lets others run once", async (ms) => {
    const sleep = nodeClock.sleep(ms);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await sleep;
  });
});
