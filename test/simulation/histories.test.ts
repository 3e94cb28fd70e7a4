/** Random histories of single runs, under exact budgets of faults. */
import { describe as group, expect, test } from "vitest";
import { formatTrace } from "./world/index.ts";
import { describe, hunt } from "./hunt.ts";
import { play } from "./play.ts";
import { SETTINGS } from "./settings.ts";
import { setting } from "../setting.ts";

/** How many, over all settings: more with `HISTORIES=20000 npm test -- test/simulation`. */
const HISTORIES = setting("HISTORIES", 9);
const SEED = process.env["SEED"] ?? "history";
const EACH = Math.ceil(HISTORIES / Object.keys(SETTINGS).length);

group(`nothing is lost, changed, used twice or left behind (seed ${SEED})`, () => {
  for (const [name, setting] of Object.entries(SETTINGS)) {
    test(`${name}: ${EACH} histories`, { timeout: 1_800_000 }, async () => {
      const prey = await hunt(setting, EACH, SEED);
      if (prey !== undefined) expect.fail(describe(prey));
    });
  }
});

test("one seed gives one history", async () => {
  const setting = { shapes: ["saga"], crash: 1, unknown: 1 };
  const first = await play("twice", setting);
  const second = await play("twice", setting);
  expect(first.struck.length).toBeGreaterThan(0);
  expect(formatTrace(second.world.trace)).toBe(formatTrace(first.world.trace));
});
