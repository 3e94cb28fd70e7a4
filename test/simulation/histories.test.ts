/** Random histories of single runs, under exact budgets of faults. */
import { describe as group, expect, test } from "vitest";
import { formatTrace } from "../../src/testing/simulation/simulation.ts";
import { describe, hunt } from "./hunt.ts";
import { play, SHAPES } from "./play.ts";
import { SETTINGS } from "./settings.ts";
import { setting } from "../setting.ts";

/** How many, over all settings: more with `HISTORIES=20000 npm test -- test/simulation`. */
const HISTORIES = setting("HISTORIES", 60);
const SEED = process.env["SEED"] ?? "history";
/** `.ci/run` crashes at every request of every shape; otherwise at three of them. */
const EVERY = process.env["CRASHES"] === "all";
const EACH = Math.ceil(HISTORIES / Object.keys(SETTINGS).length);

group(`nothing is lost, changed, used twice or left behind (seed ${SEED})`, () => {
  for (const [name, setting] of Object.entries(SETTINGS)) {
    test(`${name}: ${EACH} histories`, { timeout: 1_800_000 }, async () => {
      const prey = await hunt(setting, EACH, SEED);
      if (prey !== undefined) expect.fail(describe(prey));
    });
  }
});

group("a single crash before, after or behind any request of a worker", () => {
  for (const shape of Object.keys(SHAPES)) {
    if (shape === "remote") continue;
    test(`loses nothing of ${shape}`, { timeout: 1_800_000 }, async () => {
      const setting = { shapes: [shape], long: false };
      const calm = await play("crash", setting);
      const calls = calm.world.trace.filter(({ process, kind }) => process.startsWith("worker") && kind !== "list");
      const step = EVERY ? 1 : Math.max(1, Math.round(calls.length / 3));
      for (const { process, call } of calls.filter((_, index) => index % step === 0)) {
        for (const kind of ["crash-before", "crash-after"] as const) {
          const history = await play("crash", setting, [{ process, call, kind }]);
          expect(history.problems, `${kind} at call ${call} of ${process}`).toEqual([]);
        }
      }
    });
  }
});

test("a start of which any request is lost or late moves at once, without a sweeper", async () => {
  const setting = { shapes: ["two"], long: false, sweeper: false };
  // Whether the connection breaks at once or a reply is waited for is the seed's affair.
  for (const seed of EVERY ? ["a", "b", "c", "d", "e", "f"] : ["a", "d"]) {
    const calm = await play(seed, setting);
    const calls = calm.world.trace.filter(({ process }) => process === "client");
    expect(calls.filter(({ kind }) => kind === "put").length).toBeGreaterThanOrEqual(4);
    for (const { process, call } of calls) {
      for (const kind of ["request-lost", "reply-lost", "late"] as const) {
        const history = await play(seed, setting, [{ process, call, kind, delayMs: 2_000 }]);
        expect(history.problems, `${kind} at call ${call}, seed ${seed}`).toEqual([]);
      }
    }
  }
});

test("one seed gives one history", async () => {
  const setting = { shapes: ["saga"], crash: 1, unknown: 1 };
  const first = await play("twice", setting);
  const second = await play("twice", setting);
  expect(first.struck.length).toBeGreaterThan(0);
  expect(formatTrace(second.world.trace)).toBe(formatTrace(first.world.trace));
});
