/** Runs the programs of the examples as a user does, and kills them as nobody should. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { nodeClock } from "../../src/host/node.ts";
import type { FiredKill, PlannedKill } from "./kill-hook.ts";

/** A program that runs for longer hangs: it is killed with everything it started, and what it said is shown. */
const LONGEST_MS = 120_000;
const HOOK = pathToFileURL("test/examples/kill-hook.ts").href;

/** How a program ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether `killAllAfterMs` struck. */
  readonly killedAll: boolean;
  /** Both streams; of a killed program what came until then. */
  readonly output: string;
}

/** How a program is run. */
export interface RunOptions {
  /** A folder with `plan.json`, see `kill-hook.ts`. */
  readonly plans?: string;
  /** Kill it with all its processes after so many milliseconds, if it is still there. */
  readonly killAllAfterMs?: number;
  /** Kill it with all its processes as soon as this holds. */
  readonly killAllWhen?: () => boolean;
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program of the examples to its end. */
export function runProgram(script: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { plans, killAllAfterMs, killAllWhen } = options;
  const hook = plans === undefined ? [] : ["--import", HOOK];
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ["--import", "tsx", ...hook, script, ...args], {
      detached: true,
      env: { ...process.env, ...options.env, NO_COLOR: "1", ...(plans === undefined ? {} : { KILL_PLAN: plans }) },
    });
    let output = "";
    let killedAll = false;
    child.stdout.on("data", (data) => (output += String(data)));
    child.stderr.on("data", (data) => (output += String(data)));
    child.once("error", fail);
    const over = new AbortController();
    const killAllAfter = async (ms: number): Promise<boolean> => {
      await nodeClock.sleep(ms, { signal: over.signal });
      if (over.signal.aborted || child.pid === undefined) return false;
      process.kill(-child.pid, "SIGKILL");
      return true;
    };
    void killAllAfter(LONGEST_MS).then((hung) => {
      if (hung) done({ code: null, signal: null, killedAll: false, output: `${output}\nhung, and was killed` });
    });
    if (killAllAfterMs !== undefined) {
      void killAllAfter(killAllAfterMs).then((struck) => {
        killedAll = struck;
      });
    }
    const killWhen = async (holds: () => boolean): Promise<void> => {
      while (!over.signal.aborted && !holds()) await nodeClock.sleep(20, { signal: over.signal });
      killedAll = await killAllAfter(0);
    };
    if (killAllWhen !== undefined) void killWhen(killAllWhen);
    // A killed program is started again at once: what its children still do is part of the test.
    child.once("exit", (code, signal) => {
      over.abort();
      if (signal !== null) done({ code, signal, killedAll, output });
    });
    child.once("close", (code, signal) => done({ code, signal, killedAll, output }));
  });
}

/** Writes a plan of kills into a folder of its own. */
export async function plan(folder: string, kills: readonly PlannedKill[]): Promise<string> {
  const plans = join(folder, "kills");
  await mkdir(plans, { recursive: true });
  await writeFile(join(plans, "plan.json"), JSON.stringify(kills));
  return plans;
}

/** What became of the planned kills; undefined: its instant never came. */
export function firedOf(plans: string, kills: readonly PlannedKill[]): readonly (FiredKill | undefined)[] {
  return kills.map((_, index) => {
    const path = join(plans, `fired-${index}.json`);
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as FiredKill) : undefined;
  });
}

/** Processes whose command line holds a text. Empty where there is no /proc. */
export function processesOf(text: string): readonly string[] {
  if (!existsSync("/proc/self/cmdline")) return [];
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });
}

/** A folder of its own for a piece of work; gone afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "buquet-example-"));
  try {
    return await work(folder);
  } finally {
    // After a failure something may still run here.
    for (const pid of processesOf(folder)) process.kill(Number(pid), "SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
