/** One fault at one request, one request after the other: what random histories may miss. */
import { describe as group, expect, test } from "vitest";
import { play, SHAPES } from "./play.ts";

/** `.ci/run` strikes every request of every shape; otherwise the one in the middle, in one way. */
const EVERY = process.env["CRASHES"] === "all";

/** What strikes one request: the worker dies before or after it, or lives on and never learns that it was carried out. */
const STRIKES = ["crash-before", "crash-after", "reply-lost"] as const;

group("a single crash before or after any request of a worker, or a single lost reply", () => {
  for (const [index, shape] of Object.keys(SHAPES).entries()) {
    if (shape === "remote") continue;
    test(`loses nothing of ${shape}`, { timeout: 1_800_000 }, async () => {
      const setting = { shapes: [shape], long: false };
      const calm = await play("crash", setting);
      const calls = calm.world.trace.filter(({ process, kind }) => process.startsWith("worker") && kind !== "list");
      const middle = Math.floor(calls.length / 2);
      for (const { process, call } of EVERY ? calls : calls.slice(middle, middle + 1)) {
        for (const kind of EVERY ? STRIKES : STRIKES.slice(index % 3, (index % 3) + 1)) {
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
  for (const seed of EVERY ? ["a", "b", "c", "d", "e", "f"] : ["a"]) {
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
