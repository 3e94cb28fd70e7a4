/** The main job, killed and started again: real processes, a real folder, a ledger that somebody else keeps. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readLedger } from "../../examples/order-fulfilment/ledger.ts";
import { readReservation } from "../../examples/order-fulfilment/warehouse.ts";
import { table } from "../../src/cli/output.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import type { KillPoint, PlannedKill } from "./kill-hook.ts";
import { type Ended, firedOf, inFolder, plan, processesOf, runProgram } from "./programs.ts";
import { setting, WHOLE } from "../setting.ts";

const KILLS = setting("KILLS", 1);
const SEED = setting("SEED", 7);
const DEMO = "examples/order-fulfilment/demo.ts";
/** Lives that are lived side by side: most of a life is waiting for the leases of the dead. */
const LANES = 2;
/** A step is given up after its fourth lost worker; so many kills cannot make an order end otherwise. */
const MOST_KILLS = 3;

/** END, LEDGER and STOCK of each order. */
const ENDS = {
  "1001": "completed charge reserved",
  "1002": "completed charge reserved",
  "1003": "failed  released",
  "1004": "completed charge reserved",
  "1005": "failed charge+refund released",
  "1006": "cancelled charge+refund released",
  "1007": "completed charge reserved",
  "1008": "failed  released",
};

function endsOf(folder: string): Record<string, string> {
  const ledger = readLedger(join(folder, "ledger.jsonl"));
  const endOf = (order: string): string => {
    const record = readFileSync(join(folder, `bucket/workflow/order-${order}/state.json`), "utf8");
    const { status } = JSON.parse(record) as { status: string };
    const booked = ledger.filter((entry) => entry.order === order && entry.what !== "void");
    const stock = readReservation(join(folder, "stock"), order);
    return `${status} ${booked.map((entry) => entry.what).join("+")} ${stock?.state ?? ""}`;
  };
  return Object.fromEntries(Object.keys(ENDS).map((order) => [order, endOf(order)]));
}

/** Where the demo can be hit: program, point, what its subject holds, before or after, and how many of them there are at most. */
const TARGETS: readonly (readonly [string, KillPoint, string, readonly ("before" | "after")[], number])[] = [
  ["worker", "write", "/state.json", ["before", "after"], 14],
  ["worker", "write", "/tasks/", ["before", "after"], 12],
  ["worker", "write", "/leases/", ["before", "after"], 4],
  ["worker", "write", "/steps/", ["before", "after"], 8],
  ["worker", "write", "/stock/", ["before", "after"], 4],
  ["worker", "delete", "/leases/", ["before", "after"], 4],
  ["worker", "delete", "/ready/", ["before", "after"], 4],
  ["worker", "lock", "", ["before", "after"], 80],
  ["worker", "request", "/charge", ["before", "after"], 4],
  ["worker", "request", "/refund", ["before", "after"], 1],
  ["payment-service", "answer", "/charge 200", ["before"], 5],
  ["payment-service", "answer", "/refund 200", ["before"], 2],
  ["demo", "write", "/state.json", ["before", "after"], 8],
  ["demo", "write", "/ready/", ["before", "after"], 8],
  ["demo", "write", "/signals/", ["before", "after"], 1],
  ["demo", "lock", "", ["before", "after"], 40],
];

/** One life of a folder: from the first start, over kills and restarts, until the demo ends by itself. */
interface Life {
  readonly kills: readonly PlannedKill[];
  /** Kill everything at once, so long after the first start. */
  readonly killAllAfterMs?: number;
}

function drawLife(random: () => number): Life {
  const below = (count: number): number => Math.floor(random() * count);
  const killAll = random() < 0.25;
  const count = 1 + below(MOST_KILLS - (killAll ? 1 : 0));
  const kills = Array.from({ length: count }, (): PlannedKill => {
    const [program, point, match, whens, most] = TARGETS[below(TARGETS.length)] as (typeof TARGETS)[number];
    return { program, point, match, when: whens[below(whens.length)] as "before" | "after", nth: 1 + below(most) };
  });
  return { kills, ...(killAll ? { killAllAfterMs: 800 + below(1_500) } : {}) };
}

/** Lives it, checks how every order ended, and returns a row for each kill that struck. */
async function live(life: Life): Promise<string[][]> {
  return inFolder(async (home) => {
    const folder = join(home, "demo");
    const plans = await plan(home, life.kills);
    const deaths: { readonly atMs: number; readonly victim: string; readonly where: string }[] = [];
    let starts = 0;
    let ended: Ended;
    do {
      const all = starts === 0 && life.killAllAfterMs !== undefined ? { killAllAfterMs: life.killAllAfterMs } : {};
      starts += 1;
      ended = await runProgram(DEMO, [folder], { plans, ...all });
      const where = `${life.killAllAfterMs} ms after the start`;
      if (ended.killedAll) deaths.push({ atMs: Date.now(), victim: "everything", where });
    } while (ended.signal === "SIGKILL");
    const overAt = Date.now();
    firedOf(plans, life.kills).forEach((fired, index) => {
      const kill = life.kills[index];
      if (fired === undefined || kill === undefined) return;
      const subject = fired.subject.replace(folder, "").replace(/^http:\/\/[^/]+/, "");
      deaths.push({ atMs: fired.atMs, victim: kill.program, where: `${kill.when} ${kill.point} ${subject}` });
    });
    const about = `${JSON.stringify(life)}\n${ended.output}`;
    expect(ended.code, about).toBe(0);
    expect(endsOf(folder), about).toEqual(ENDS);
    await expect.poll(() => processesOf(folder), { message: about, timeout: 120_000 }).toEqual([]);
    return deaths
      .toSorted((a, b) => a.atMs - b.atMs)
      .map(({ atMs, victim, where }) => [
        victim,
        where.slice(0, 90),
        `${((overAt - atMs) / 1000).toFixed(1)} s`,
        String(starts),
      ]);
  });
}

test(`every order ends right after ${KILLS} kill -9 (seed ${SEED})`, { timeout: 1_200_000 }, async () => {
  const random = seededRandom(SEED);
  const rows: string[][] = [];
  let lives = 0;
  const lane = async (): Promise<void> => {
    while (rows.length < KILLS && lives < 4 * KILLS) {
      lives += 1;
      const number = lives;
      const life = drawLife(() => random.next());
      for (const row of await live(life)) rows.push([String(rows.length + 1), String(number), ...row]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, KILLS) }, lane));
  expect(rows.length).toBeGreaterThanOrEqual(KILLS);
  console.log(`seed ${SEED}: ${rows.length} kills in ${lives} lives`);
  console.log(table(["KILL", "LIFE", "VICTIM", "WHERE", "ALL OVER AFTER", "STARTS"], rows));
});

// The README's own commands run it too.
test.runIf(WHOLE)("prints what became of each order", { timeout: 600_000 }, async () => {
  await inFolder(async (home) => {
    const folder = join(home, "demo");
    for (let time = 0; time < 2; time += 1) {
      const { code, output } = await runProgram(DEMO, [folder]);
      expect(code, output).toBe(0);
      for (const line of [
        "1004   piano         5400    completed  charge           reserved",
        "1005   anvil         300     failed     charge + refund  released  PermanentError: no carrier takes anvils",
        "1006   sailing boat  18000   cancelled  charge + refund  released  the customer changed their mind",
        "1008   carpet        640     failed     nothing          released  PermanentError: the card was declined",
        "(8 of 8 are over)",
      ]) {
        expect(output).toContain(line);
      }
      // The second time it begins anew.
      expect(endsOf(folder)).toEqual(ENDS);
    }
  });
});
