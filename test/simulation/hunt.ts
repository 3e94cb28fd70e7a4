/** Looks for a history that breaks something: `tsx test/simulation/hunt.ts '{"shapes":["two"],"crash":1}' 200 seed`. */
import { type FaultPlan, formatTrace, shrink } from "./world/index.ts";
import { type History, play, type Setting } from "./play.ts";

/** What was found: the fewest faults that still break it, as a person reads them. */
export interface Prey {
  readonly seed: string;
  readonly shape: string;
  readonly problems: readonly string[];
  readonly faults: readonly FaultPlan[];
  /** Histories played until then. */
  readonly after: number;
  /** Requests of the shrunk history, one a line. */
  readonly trace: string;
}

/** Requests of a trace that are printed. */
const PRINTED = 400;

/** Plays histories until one breaks; undefined when none did. */
export async function hunt(setting: Setting, histories: number, seed: string, seen = /./u): Promise<Prey | undefined> {
  for (let index = 0; index < histories; index += 1) {
    const history = await play(`${seed}-${index}`, setting);
    if (!shows(history, seen)) continue;
    const breaks = async (faults: readonly FaultPlan[]): Promise<boolean> =>
      shows(await play(history.seed, setting, faults), seen);
    const faults = (await breaks(history.struck)) ? await shrink(history.struck, breaks) : history.struck;
    const least = await play(history.seed, setting, faults);
    const { problems, shape } = shows(least, seen) ? least : history;
    return {
      seed: history.seed,
      shape,
      problems,
      faults,
      after: index + 1,
      trace: formatTrace(least.world.trace.filter((entry) => entry.kind !== "list").slice(0, PRINTED)),
    };
  }
  return undefined;
}

const shows = (history: History, seen: RegExp): boolean => history.problems.some((problem) => seen.test(problem));

/** A history for people. */
export function describe(prey: Prey): string {
  const faults = prey.faults.map((fault) => `  ${JSON.stringify(fault)}`);
  return [`seed ${prey.seed} (${prey.shape})`, ...prey.problems, "faults:", ...faults, prey.trace].join("\n");
}

const [, script = "", setting, histories = "100", seed = "hunt", seen = "."] = process.argv;
if (script.endsWith("hunt.ts") && setting !== undefined) {
  const prey = await hunt(JSON.parse(setting) as Setting, Number(histories), seed, new RegExp(seen, "u"));
  console.log(
    process.env["JSON"] === "1" ? JSON.stringify(prey ?? null) : prey === undefined ? "nothing" : describe(prey),
  );
}
