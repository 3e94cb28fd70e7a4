/** Crashes a worker at every one of its requests, one at a time, and compares the outside world after another worker has taken over. */
import { isDeepStrictEqual } from "node:util";
import type { Run } from "../client/client.ts";
import type { AnyWorkflow, ErasedHandlers } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import { createTestKit, type TestKit, type WorkerRequest } from "./kit.ts";
import { reasonOf } from "../host/error-data.ts";
import { callback, type ChecksOf, readArgument, readSettings } from "../settings.ts";
import { definition } from "../define/definitions.ts";

/** Options of `crashEverywhere`. */
export interface CrashOptions {
  /** The input of the run. @defaultValue null */
  readonly input?: unknown;
  /** Resets the outside world; called before each try. @defaultValue nothing */
  readonly setup?: () => unknown;
  /** Returns what the outside world looks like after a try, as plain data. It must be the same as without a crash. */
  readonly effects: () => unknown;
  /** What else happens to the run, such as signals. The end of the run is awaited afterwards. @defaultValue nothing */
  readonly play?: (run: Run, kit: TestKit) => Promise<void>;
}

const CHECKS = {
  input: (value) => value,
  setup: callback,
  effects: callback,
  play: callback,
} satisfies ChecksOf<CrashOptions>;

/** A difference that a crash made to the outside world or to the end of the run. */
export interface CrashFinding {
  /** Where the worker crashed, in words. Crashes with the same difference are one finding. */
  readonly crashes: readonly string[];
  /** The handlers that ran more often than without a crash: make these idempotent. */
  readonly repeated: readonly string[];
  /** What differs from the run without a crash, for people. */
  readonly difference: string;
}

/** What `crashEverywhere` found. */
export interface CrashReport {
  /** How many runs with a crash were played: two for each request. */
  readonly tries: number;
  /** The handlers that ran more often than without a crash in any try. */
  readonly repeated: readonly string[];
  /** The differences; empty when there are none. */
  readonly findings: readonly CrashFinding[];
}

interface CrashPoint {
  readonly call: number;
  readonly when: "before" | "after";
}

interface Try {
  readonly effects: unknown;
  readonly end: string;
  readonly calls: number;
  readonly handled: ReadonlyMap<string, number>;
  /** Where the worker died. */
  readonly crash: string;
}

/** Long enough for every lease of the crashed worker to expire. */
const AFTERMATH = "70s";

/**
 * Plays a run of a workflow with its own handlers again and again in a kit. In each try its worker crashes before or after another request
 * to the store, and a second worker takes over. Handlers run at least once, so that some run twice: the findings tell where that is visible
 * from outside.
 * @throws {WorkflowError} `invalid` for options that are not valid, and when `effects` returns something that cannot be copied, such as a
 * function.
 *
 * @example
 * ```ts
 * const report = await crashEverywhere(order, { setup: () => ledger.clear(), effects: () => ledger.lines() });
 * expect(report.findings).toEqual([]);
 * ```
 */
export async function crashEverywhere(workflow: AnyWorkflow, options: CrashOptions): Promise<CrashReport> {
  readArgument("crashEverywhere", "workflow", definition, workflow);
  readSettings("crashEverywhere", CHECKS, options, ["effects"]);
  const calm = await play(workflow, options, undefined);
  const findings = new Map<string, { crashes: string[]; repeated: readonly string[]; difference: string }>();
  const allRepeated = new Set<string>();
  let tries = 0;
  for (let call = 1; call <= calm.calls; call += 1) {
    for (const when of ["before", "after"] as const) {
      const tried = await play(workflow, options, { call, when });
      tries += 1;
      const repeated = [...tried.handled].flatMap(([name, times]) =>
        times > (calm.handled.get(name) ?? 0) ? [name] : [],
      );
      for (const name of repeated) allRepeated.add(name);
      const difference = differenceOf(calm, tried);
      if (difference === undefined) continue;
      const key = JSON.stringify([repeated, difference]);
      const known = findings.get(key) ?? { crashes: [], repeated, difference };
      known.crashes.push(tried.crash);
      findings.set(key, known);
    }
  }
  return { tries, repeated: [...allRepeated], findings: [...findings.values()] };
}

async function play(workflow: AnyWorkflow, options: CrashOptions, point: CrashPoint | undefined): Promise<Try> {
  await options.setup?.();
  const handled = new Map<string, number>();
  let calls = 0;
  let isArmed = false;
  let crash = "";
  let lately = "before any handler ran";
  const onRequest = (request: WorkerRequest): void => {
    if (!isArmed || request.worker !== FIRST) return;
    if (request.when === "before") calls += 1;
    if (crash !== "" || calls !== point?.call || request.when !== point.when) return;
    crash = `${request.when} request ${calls} (${request.kind} ${request.key}), ${lately}`;
    kit.workers[0]?.crash();
    void kit.startWorker();
  };
  const watched = watch(workflow, (name, what) => {
    if (what === "begins") handled.set(name, (handled.get(name) ?? 0) + 1);
    lately = what === "begins" ? `while ${name} ran` : `after ${name} ended`;
  });
  const kit: TestKit = await createTestKit({ workflows: [watched], onRequest });
  await using _kit = kit;
  isArmed = true;
  let end: string;
  try {
    const run: Run = await kit.client.start(watched, options.input ?? null, { id: "run" });
    await options.play?.(run, kit);
    end = (await run.wait()).status;
    isArmed = false;
    await kit.clock.advance(AFTERMATH);
    await kit.idle();
  } catch (error) {
    if (point === undefined) throw error;
    end = reasonOf(error);
  }
  return { effects: copyOf(await options.effects()), end, calls, handled, crash };
}

/** Without a copy of its own the next try would change it. */
function copyOf(effects: unknown): unknown {
  try {
    return structuredClone(effects);
  } catch (error) {
    throw new WorkflowError(
      "invalid",
      `effects returned what cannot be copied (${reasonOf(error)}); it must be plain data, such as lines, numbers and lists of them`,
      { cause: error },
    );
  }
}

const FIRST = "worker-1";

function differenceOf(calm: Try, tried: Try): string | undefined {
  if (tried.end !== calm.end) return `the run ended as ${calm.end} without a crash, with it: ${tried.end}`;
  if (isDeepStrictEqual(tried.effects, calm.effects)) return undefined;
  return `effects without a crash: ${JSON.stringify(calm.effects)}; with it: ${JSON.stringify(tried.effects)}`;
}

/** The same workflow with handlers that report when they begin and end. */
function watch(workflow: AnyWorkflow, tell: (name: string, what: "begins" | "ends") => void): AnyWorkflow {
  const told =
    (name: string, handler: NonNullable<ErasedHandlers["compensate"]>) =>
    async (context: unknown, result?: unknown): Promise<unknown> => {
      tell(name, "begins");
      try {
        return await handler(context, result);
      } finally {
        tell(name, "ends");
      }
    };
  const handlers = [...workflow.handlers].map(([step, { run, compensate }]): [string, ErasedHandlers] => [
    step,
    {
      ...(run === undefined ? {} : { run: told(`step ${step}`, run) }),
      ...(compensate === undefined ? {} : { compensate: told(`undo of ${step}`, compensate) }),
    },
  ]);
  return { ...workflow, handlers: new Map(handlers) };
}
