/**
 * Eight processes race on twenty keys of one folder and are killed at random boundaries inside the store's calls. STORE_KILLS says how many
 * kills (CI: 500), SEED repeats a race's chance.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { FileStore } from "../../src/store/file.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { compileFixture } from "./fixtures/compile.ts";
import { judgeRace, RACE_KEYS, type RaceLine } from "./fixtures/race-log.ts";
import type { RacerOrder } from "./fixtures/racer.ts";
import { setting } from "../setting.ts";

const KILLS = setting("STORE_KILLS", 8);
const SEED = setting("SEED", Math.floor(nodeHost().random.next() * 2 ** 31));
const RACERS = 8;
const LAST_BOUNDARY = 1_000;
const LAST_CALLS = 15;
const HOURS_LATER_MS = 7_200_000;

const compiled = compileFixture("racer.ts");
const folder = await mkdtemp(join(tmpdir(), "buquet-kill-"));
afterAll(async () => {
  compiled.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Runs one racer to its end. Answers whether it was killed. */
function runRacer(order: RacerOrder): Promise<boolean> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [compiled.program, JSON.stringify(order)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", fail);
    child.once("exit", (code, signal) => {
      if (signal === "SIGKILL") done(true);
      else if (code === 0) done(false);
      else fail(new Error(`racer ${order.name} ended with ${code ?? signal}`));
    });
  });
}

async function race(logs: string): Promise<number> {
  const random = seededRandom(SEED);
  let planned = 0;
  let killed = 0;
  const lane = async (racer: number): Promise<void> => {
    for (let life = 0; ; life += 1) {
      const halts = planned < KILLS;
      if (halts) planned += 1;
      const name = `r${racer}-${life}`;
      const order: RacerOrder = {
        folder: join(folder, "store"),
        log: join(logs, name),
        name,
        seed: Math.floor(random.next() * 2 ** 31),
        // Each process may be asked differently; a kill is survived with and without.
        durability: life % 2 === 0 ? "fsync" : "none",
        calls: halts ? Number.MAX_SAFE_INTEGER : LAST_CALLS,
        ...(halts ? { haltAt: 1 + Math.floor(random.next() * LAST_BOUNDARY) } : {}),
      };
      if (await runRacer(order)) killed += 1;
      if (!halts) return;
    }
  };
  await Promise.all(Array.from({ length: RACERS }, (_, racer) => lane(racer)));
  return killed;
}

async function linesOf(logs: string): Promise<readonly RaceLine[]> {
  const names = await readdir(logs);
  const texts = await Promise.all(names.map((name) => readFile(join(logs, name), "utf8")));
  return texts.flatMap((text) =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as RaceLine),
  );
}

async function bodiesOf(store: ObjectStore): Promise<ReadonlyMap<string, string>> {
  const bodies = new Map<string, string>();
  for (const key of RACE_KEYS) {
    const read = await store.get(key);
    if (read.kind === "found") bodies.set(key, read.object.body);
  }
  return bodies;
}

test(
  `loses nothing that was acknowledged through ${KILLS} kills (SEED=${SEED})`,
  { timeout: 300_000 + KILLS * 4_000 },
  async () => {
    const logs = await mkdtemp(join(folder, "logs-"));
    expect(await race(logs)).toBe(KILLS);

    const host = nodeHost();
    const store = await FileStore.open(join(folder, "store"), { host });
    const bodies = await bodiesOf(store);
    const lines = await linesOf(logs);
    expect(judgeRace(lines, bodies)).toEqual([]);
    // The race was one: most calls were answered, and some were lost races.
    expect(lines.filter((line) => line.kind === "answer" && line.outcome === "stored").length).toBeGreaterThan(
      KILLS / 2,
    );

    // The list says the same as the reads.
    const listed = await store.list("race/");
    expect(listed.objects.map(({ key }) => key).toSorted()).toEqual([...bodies.keys()].toSorted());
    for (const key of bodies.keys()) {
      for (const version of await store.versions(key)) {
        const read = await store.getVersion(key, version.versionId);
        if (!version.deleted) expect(read.kind).toBe("found");
      }
    }

    // No lock is left behind: every key can be written at once.
    const puts = await Promise.all(RACE_KEYS.map((key) => store.put(key, "free", "always")));
    expect(puts.map(({ kind }) => kind)).toEqual(RACE_KEYS.map(() => "stored"));

    // A killed call leaves two temporary files at most, and a later process removes them.
    const temporary = join(folder, "store", ".tmp");
    expect((await readdir(temporary)).length).toBeLessThanOrEqual(2 * KILLS);
    const later = { ...host, clock: { ...host.clock, now: () => host.clock.now() + HOURS_LATER_MS } };
    await (await FileStore.open(join(folder, "store"), { host: later })).put("after", "", "always");
    expect(await readdir(temporary)).toEqual([]);
  },
);
