/** The main job, killed and started again: real processes, a real folder, a ledger that somebody else keeps. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeClock } from "../../src/host/node.ts";
import { seededRandom } from "../../src/host/seeded.ts";

const KILLS = Number(process.env["KILLS"] ?? 6);
const SEED = Number(process.env["SEED"] ?? 7);

/** Runs the demo; kills it with all its processes after a while, if it is still there. */
function runDemo(folder: string, killAfterMs?: number): Promise<{ killed: boolean; output: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, ["--import", "tsx", "examples/order-fulfilment/demo.ts", folder], {
      detached: true,
      env: { ...process.env, NO_COLOR: "1" },
    });
    let output = "";
    let killed = false;
    child.stdout.on("data", (data) => (output += String(data)));
    child.stderr.on("data", (data) => (output += String(data)));
    const kill = new AbortController();
    if (killAfterMs !== undefined) {
      void nodeClock.sleep(killAfterMs, { signal: kill.signal }).then(() => {
        if (kill.signal.aborted || child.pid === undefined) return;
        killed = true;
        process.kill(-child.pid, "SIGKILL");
      });
    }
    child.on("close", () => {
      kill.abort();
      done({ killed, output });
    });
  });
}

function statusOf(folder: string, order: string): string {
  return (
    JSON.parse(readFileSync(join(folder, `bucket/workflow/order-${order}/state.json`), "utf8")) as { status: string }
  ).status;
}

function checkEnds(folder: string): void {
  const lines = readFileSync(join(folder, "ledger.jsonl"), "utf8").trim().split("\n");
  const ledger = lines.map((line) => JSON.parse(line) as { what: string; order: string });
  const booked = (order: string): string =>
    ledger
      .filter((entry) => entry.order === order)
      .map((entry) => entry.what)
      .join("+");
  const ends = Object.fromEntries(
    ["1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008"].map((order) => [
      order,
      `${statusOf(folder, order)} ${booked(order)}`.trim(),
    ]),
  );
  expect(ends).toEqual({
    "1001": "completed charge",
    "1002": "completed charge",
    "1003": "failed",
    "1004": "completed charge",
    "1005": "failed charge+refund",
    "1006": "cancelled charge+refund",
    "1007": "completed charge",
    "1008": "failed",
  });
}

test(`every order ends right after ${KILLS} times kill -9 (seed ${SEED})`, { timeout: 900_000 }, async () => {
  const random = seededRandom(SEED);
  const folder = await mkdtemp(join(tmpdir(), "buquet-demo-"));
  let killed = 0;
  let rounds = 0;
  try {
    while (killed < KILLS) {
      const run = await runDemo(folder, 700 + random.next() * 1_600);
      rounds += 1;
      if (run.killed) killed += 1;
      else checkEnds(folder);
    }
    if (!existsSync(join(folder, "finished"))) {
      const last = await runDemo(folder);
      expect(last.killed, last.output).toBe(false);
    }
    checkEnds(folder);
    console.log(`${killed} kills in ${rounds} rounds, seed ${SEED}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("prints what became of each order", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "buquet-demo-"));
  try {
    const { output } = await runDemo(folder);
    for (const line of [
      "1004   piano         5400    completed  charge",
      "1005   anvil         300     failed     charge + refund",
      "the card was declined",
    ]) {
      expect(output).toContain(line);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
