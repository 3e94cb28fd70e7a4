import { expect, test } from "vitest";
import { formatTrace, shrink } from "./world/index.ts";
import { type History, playHistory, ROUGH } from "./fleet.ts";
import { setting } from "../setting.ts";

/** How many random histories: more with `HISTORIES=20000 npm test -- test/simulation`. */
const HISTORIES = setting("HISTORIES", 6);
const SEED = process.env["SEED"] ?? "fleet";
/** `.ci/run` crashes at every call; otherwise at one of ten. */
const EVERY = process.env["CRASHES"] === "all";

/** The fewest faults that still break the fleet, as a person reads them. */
async function explain(history: History): Promise<string> {
  const fails = async (faults: History["struck"]): Promise<boolean> =>
    (await playHistory(history.seed, { faults: [...faults] })).problems.length > 0;
  const faults = (await fails(history.struck)) ? await shrink([...history.struck], fails) : history.struck;
  const least = await playHistory(history.seed, { faults: [...faults] });
  return [
    `seed ${history.seed}`,
    ...history.problems,
    ...faults.map((fault) => JSON.stringify(fault)),
    formatTrace(least.world.trace.slice(0, 400)),
  ].join("\n");
}

test("a fleet without faults does everything once", async () => {
  const history = await playHistory("calm", { rates: {} });
  expect(history.problems).toEqual([]);
});

test(
  `no run is lost, no result changed and nothing left undone in ${HISTORIES} histories (seed ${SEED})`,
  { timeout: 1_800_000 },
  async () => {
    let faults = 0;
    for (let index = 0; index < HISTORIES; index += 1) {
      const history = await playHistory(`${SEED}-${index}`, { rates: ROUGH });
      faults += history.struck.length;
      if (history.problems.length > 0) expect.fail(await explain(history));
    }
    console.log(`${HISTORIES} histories, ${faults} faults struck, seed ${SEED}`);
    expect(faults).toBeGreaterThan(HISTORIES);
  },
);

test("one seed gives one history", async () => {
  const first = await playHistory("twice", { rates: ROUGH });
  const second = await playHistory("twice", { rates: ROUGH });
  expect(formatTrace(second.world.trace)).toBe(formatTrace(first.world.trace));
});

test("a crash before or after any store call of a worker loses nothing", { timeout: 1_800_000 }, async () => {
  const calm = await playHistory("crash", { rates: {} });
  const calls = Math.min(calm.world.callCount("worker-1"), 60);
  for (let call = 1; call <= calls; call += EVERY ? 1 : 10) {
    for (const kind of ["crash-before", "crash-after"] as const) {
      const history = await playHistory("crash", { rates: {}, faults: [{ process: "worker-1", call, kind }] });
      expect(history.problems, `${kind} call ${call}`).toEqual([]);
    }
  }
});
