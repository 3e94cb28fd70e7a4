import { afterEach, describe, expect, test, vi } from "vitest";
import { nodeRandom } from "../../src/host/node.ts";

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
