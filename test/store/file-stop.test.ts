/**
 * A process is stopped (SIGSTOP) while it holds a lock and wakes when others went on, or wait: it robs nobody. WHOLE=1 stops it for a
 * real minute; else the clock of the others is put forward.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { FileStore } from "../../src/store/file.ts";
import { compileFixture } from "./fixtures/compile.ts";
import { WHOLE } from "../setting.ts";
import type { SleeperOrder } from "./fixtures/sleeper.ts";

const STOPPED_MS = 61_000;
const KEY = "a.json";

const compiled = compileFixture("sleeper.ts");
const folders: string[] = [];
const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  compiled.remove();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

interface Sleeper {
  /** Wakes it and answers what became of its put. */
  wake(): Promise<string>;
}

/** Starts a sleeper and waits until it is stopped. */
async function putToSleep(order: SleeperOrder): Promise<Sleeper> {
  const child = spawn(process.execPath, [compiled.program, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  let said = "";
  const stopping = new Promise<void>((done) => {
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("stopping\n")) done();
    });
  });
  const ended = new Promise<void>((done) => {
    child.once("close", () => done());
  });
  await Promise.race([stopping, ended]);
  // It says so right before it stops; the kernel says when it has.
  const isStopped = (): boolean => / T /.test(readFileSync(`/proc/${child.pid}/stat`, "utf8").replace(/^.*\)/, ""));
  while (child.exitCode === null && !isStopped()) await nodeHost().clock.sleep(1);
  return {
    wake: async () => {
      child.kill("SIGCONT");
      await ended;
      return said.replace("stopping\n", "").trim();
    },
  };
}

/** The host of somebody who looks a minute later: really, or by a clock that is put forward. Says when it starts to wait. */
function patientHost(): { readonly host: Host; readonly waits: Promise<void> } {
  const real = nodeHost();
  let waiting: () => void = () => {};
  const waits = new Promise<void>((done) => {
    waiting = done;
  });
  const clock = {
    ...real.clock,
    now: () => real.clock.now() + (WHOLE ? 0 : STOPPED_MS),
    sleep: (ms: number) => {
      waiting();
      return real.clock.sleep(ms);
    },
  };
  return { host: { ...real, clock }, waits };
}

async function setup(): Promise<{ folder: string; store: FileStore; etag: string; waits: Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "buquet-stop-"));
  folders.push(folder);
  const { host, waits } = patientHost();
  const store = await FileStore.open(folder, { host });
  const put = await store.put(KEY, "first", "absent");
  if (put.kind !== "stored") throw new Error(put.kind);
  return { folder, store, etag: put.etag, waits };
}

const places = [
  { name: "right after it took the lock", call: "open", path: KEY },
  { name: "before it keeps the old version", call: "link", path: ".versions" },
  { name: "before it looks whether its number is the highest", call: "readdir", path: ".locks" },
  { name: "before it puts its content in place", call: "rename", path: KEY },
] as const;

describe.runIf(process.platform === "linux")("a stopped holder of a lock", () => {
  for (const { name, call, path } of places) {
    test.concurrent(`of this machine keeps it, ${name}: others wait`, { timeout: 10 * STOPPED_MS }, async () => {
      const { folder, store, etag, waits } = await setup();
      const sleeper = await putToSleep({ folder, key: KEY, etag, call, path });
      let answered = false;
      const other = store.put(KEY, "the other's", { match: etag }).finally(() => {
        answered = true;
      });
      await Promise.race([waits, other]);
      if (WHOLE) await nodeHost().clock.sleep(STOPPED_MS);
      // Reads and other keys go on meanwhile.
      expect(await store.get(KEY)).toMatchObject({ object: { body: "first" } });
      expect(await store.put("another.json", "", "absent")).toMatchObject({ kind: "stored" });
      expect(answered).toBe(false);
      expect(await sleeper.wake()).toBe("stored");
      expect(await other).toEqual({ kind: "conflict" });
      expect(await store.get(KEY)).toMatchObject({ object: { body: "the sleeper's" } });
    });
  }

  for (const { name, call, path } of places.slice(0, 3)) {
    test.concurrent(
      `of another machine loses it after a minute, ${name}, and robs nobody`,
      { timeout: 10 * STOPPED_MS },
      async () => {
        const { folder, store, etag } = await setup();
        const sleeper = await putToSleep({ folder, key: KEY, etag, call, path, hostname: "elsewhere" });
        const other = await store.put(KEY, "the other's", { match: etag });
        expect(other).toMatchObject({ kind: "stored" });
        expect(await sleeper.wake()).toBe("conflict");
        expect(await store.get(KEY)).toMatchObject({ object: { body: "the other's" } });
        // The lock that it gave back was its own, not the one of who came after.
        expect(await store.put(KEY, "third", "always")).toMatchObject({ kind: "stored" });
      },
    );
  }
});
