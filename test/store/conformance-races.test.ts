/** The races of the conformance suite, each between real processes that start together. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, test } from "vitest";
import { nodeHost } from "../../src/host/node.ts";
import { openStore } from "../../src/store/open.ts";
import { S3Store } from "../../src/store/s3.ts";
import { storeRaces } from "../../src/testing/store-cases.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { compileFixture } from "./fixtures/compile.ts";
import {
  bestKind,
  chosenServers,
  CREDENTIALS,
  type OpenedServer,
  openServer,
  type ServerName,
} from "./fixtures/servers.ts";

const RACERS = 8;
const compiled = compileFixture("race-process.ts");
const opened = new Map<ServerName, OpenedServer>();
for (const name of chosenServers()) opened.set(name, await openServer(name));
const folder = await mkdtemp(join(tmpdir(), "buquet-race-"));
afterAll(async () => {
  compiled.remove();
  for (const one of opened.values()) if (one.kind === "present") await one.server.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Racer {
  readonly ready: Promise<void>;
  start(): void;
  readonly answer: Promise<unknown>;
}

function startRacer(url: string, name: string, prefix: string, racer: number): Racer {
  const child = spawn(process.execPath, [compiled.program, url, name, prefix, String(racer)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    },
  });
  let said = "";
  const answer = new Promise<unknown>((done, fail) => {
    child.once("close", (code) => {
      if (code === 0) done(JSON.parse(said.split("\n")[1] ?? ""));
      else fail(new Error(`racer ${racer} ended with ${code}`));
    });
  });
  const ready = new Promise<void>((done) => {
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.startsWith("ready\n")) done();
    });
  });
  return { ready: Promise.race([ready, answer.then(() => {})]), start: () => child.stdin.write("go\n"), answer };
}

async function runRace(
  race: (typeof storeRaces)[number],
  url: string,
  prefix: string,
  store: ObjectStore,
): Promise<void> {
  const racers = Array.from({ length: RACERS }, (_, racer) => startRacer(url, race.name, prefix, racer));
  await Promise.all(racers.map(({ ready }) => ready));
  for (const racer of racers) racer.start();
  const answers = await Promise.all(racers.map(({ answer }) => answer));
  await race.judge({ store, prefix }, answers);
}

for (const [index, race] of storeRaces.entries()) {
  const prefix = `race-${index}/`;
  test(`file: ${race.name}`, async () => {
    const url = `file:${folder}`;
    await using store = await openStore(url, nodeHost());
    await runRace(race, url, prefix, store);
  });
  for (const [name, one] of opened) {
    test(`s3 on ${name}: ${race.name}`, async (context) => {
      if (one.kind === "absent") return context.skip(one.reason);
      const { server } = one;
      const bucket = `races-${index}`;
      const url = await server.bucket(bucket, bestKind(name));
      const { endpoint, credentials } = server;
      await using store = await S3Store.open({ bucket, endpoint, credentials, host: nodeHost() });
      await runRace(race, url, prefix, store);
    });
  }
}
