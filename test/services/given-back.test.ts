/** A handler that fails, or asks for a later attempt, while its run stops: the stop does not wait for the delay. */
import { describe, expect, test } from "vitest";
import { PermanentError, RescheduleError } from "../../src/errors.ts";
import { untypedWorkflow } from "../../src/index.ts";
import type { Process } from "../simulation/world/index.ts";
import { makeFleet } from "./fleet.ts";

const RUN = "r";
/** The lease of the workers: nothing that is lost to a stop may take longer. */
const LEASE_MS = 30_000;

interface Ways {
  readonly ends: "a sibling fails" | "it is cancelled";
  readonly by: "RescheduleError" | "a retry much later" | "a retry soon";
  readonly processes: 1 | 3;
  /** How long the handlers go on once they began; a long step that was handed off has a task of its own. */
  readonly lastsMs: number;
  /** Whether the handlers end when they are told to. */
  readonly listens: boolean;
  /** When the stop comes, in milliseconds after the start. @defaultValue three seconds */
  readonly stopsAfterMs?: number;
}

const WAYS: readonly Ways[] = (["a sibling fails", "it is cancelled"] as const).flatMap((ends) =>
  (["RescheduleError", "a retry much later", "a retry soon"] as const).flatMap((by) =>
    ([1, 3] as const).flatMap((processes) => [
      { ends, by, processes, lastsMs: 6_000, listens: false },
      { ends, by, processes, lastsMs: 20_000, listens: false },
      { ends, by, processes, lastsMs: 50_000, listens: true },
    ]),
  ),
);

/** A worker learns of the stop just before it gives the step back, while it does, or just after. */
const MOMENTS = Array.from({ length: 14 }, (_none, index) => 1_700 + index * 40);

/** Plays a run of two branches that go on for a while, and a third that fails if the case says so. */
async function play({ ends, by, processes, lastsMs, listens, stopsAfterMs = 3_000 }: Ways): Promise<{
  readonly stoppedForMs: number;
  readonly status: string;
  readonly begun: readonly string[];
  readonly undone: readonly string[];
  readonly left: readonly string[];
}> {
  const begun: string[] = [];
  const undone: string[] = [];
  const define = ({ host }: Process) => {
    const branch = (name: string) => ({
      retryPolicy: {
        initialMs: by === "a retry soon" ? 9_000 : 3_600_000,
        maxMs: 3_600_000,
        multiplier: 1,
        jitter: 0,
      },
      run: async ({ signal }: { readonly signal: AbortSignal }) => {
        begun.push(name);
        await host.clock.sleep(lastsMs, listens ? { signal } : {});
        if (by === "RescheduleError") throw new RescheduleError("1h");
        throw new Error("not now");
      },
      compensate: (_context: unknown, result: unknown) => void undone.push(`${name} ${typeof result}`),
    });
    const stops = untypedWorkflow("stops").step("a", branch("a")).step("b", branch("b"));
    const fails = async (): Promise<never> => {
      await host.clock.sleep(stopsAfterMs);
      throw new PermanentError("no");
    };
    return [ends === "a sibling fails" ? stops.step("bad", fails) : stops];
  };
  const fleet = makeFleet(define);
  for (let index = 1; index <= processes; index += 1)
    fleet.worker(`worker-${index}`, { concurrency: processes === 1 ? 3 : 1 });
  const { client } = fleet.client();
  await fleet.world.advance(10_000);
  await fleet.play(() => client.start("stops", null, { id: RUN }));
  await fleet.world.advance(stopsAfterMs);
  const stoppedAt = fleet.world.nowMs;
  if (ends === "it is cancelled") await fleet.play(() => client.cancel(RUN));
  const { status } = await fleet.play(() => client.wait(RUN), 2 * 3_600_000);
  const stoppedForMs = fleet.world.nowMs - stoppedAt;
  await fleet.world.advance(2 * 60_000);
  const left = [
    ...(await fleet.keys("ready/")),
    ...(await fleet.keys("leases/")),
    ...(await fleet.keys("x-workflow/due/")),
  ];
  return { stoppedForMs, status, begun, undone, left };
}

describe("a stop does not wait for the delay of a step that is given back", () => {
  test.for(WAYS)("$ends, $by, in $processes processes, after $lastsMs ms", async (ways) => {
    const { stoppedForMs, status, begun, undone, left } = await play(ways);
    expect(status).toBe(ways.ends === "a sibling fails" ? "failed" : "cancelled");
    // No further attempt begins, and whether the one before had effects is not known.
    expect(begun.toSorted()).toEqual(["a", "b"]);
    expect(undone.toSorted()).toEqual(["a undefined", "b undefined"]);
    expect(left).toEqual([]);
    expect(stoppedForMs).toBeLessThan((ways.listens ? 0 : ways.lastsMs) + LEASE_MS);
  });

  test.for([1, 3] as const)("whenever the stop comes, in %i processes", async (processes) => {
    for (const stopsAfterMs of MOMENTS) {
      const { stoppedForMs, ...end } = await play({
        ends: "it is cancelled",
        by: "RescheduleError",
        processes,
        lastsMs: 2_000,
        listens: false,
        stopsAfterMs,
      });
      expect({ stopsAfterMs, ...end }).toEqual({
        stopsAfterMs,
        status: "cancelled",
        begun: ["a", "b"],
        undone: expect.toSatisfy(
          (undone: string[]) => undone.toSorted().join() === "a undefined,b undefined",
        ) as unknown,
        left: [],
      });
      expect(stoppedForMs).toBeLessThan(2 * LEASE_MS);
    }
  });
});
