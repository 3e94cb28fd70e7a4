/** The doctor on live servers: what it says of a safe one, and which are refused with which reason. */
import { afterAll, describe, expect, test } from "vitest";
import { startProxy } from "../store/fixtures/proxy.ts";
import {
  CREDENTIALS,
  knownFailures,
  openServer,
  type Server,
  type ServerName,
  urlOf,
} from "../store/fixtures/servers.ts";
import { tell } from "../cli/run.ts";

process.env["AWS_ACCESS_KEY_ID"] = CREDENTIALS.accessKeyId;
process.env["AWS_SECRET_ACCESS_KEY"] = CREDENTIALS.secretAccessKey;

async function on(name: ServerName, what: string, work: (server: Server) => Promise<void>): Promise<void> {
  const opened = await openServer(name);
  describe.skipIf(opened.kind === "absent")(`the doctor on ${name}`, () => {
    const server = opened.kind === "present" ? opened.server : ({} as Server);
    afterAll(() => server.stop());
    test(what, () => work(server));
  });
}

await on("minio", "calls a bucket safe, and says who was asked and when", async (server) => {
  const told = await tell("doctor", "--json", "--store", await server.bucket("one-bucket", "plain"));
  const { at, results, ...rest } = told.json() as { at: string; results: { name: string; ok: boolean }[] };
  expect(told.code).toBe(0);
  expect(rest).toMatchObject({ server: "MinIO", safe: true, versions: false });
  expect(new Date(at).toISOString()).toBe(at);
  const failed = results.filter(({ ok }) => !ok);
  expect(failed).toEqual([
    { ...failed[0], ok: false, optional: true, means: "no key of ours is the folder of another" },
  ]);
});

await on("versitygw", "refuses a bucket with versions: what was deleted could come back", async (server) => {
  const url = await server.bucket("one-bucket", "versioned");
  const told = await tell("doctor", "--store", url);
  expect(told.code).toBe(1);
  for (const name of knownFailures("versitygw", "versioned")) expect(told.stdout).toContain(name);
  expect(told.stdout).toMatch(/after a delete, .* +failed .*what was deleted could come back/);
  expect(told.stdout).toMatch(/is NOT safe: 1 check failed\n$/);
});

// The others refuse a request whose signed headers are missing.
await on("moto", "refuses a bucket behind something that drops the conditions", async (server) => {
  await server.bucket("one-bucket", "plain");
  const proxy = await startProxy(server.endpoint);
  proxy.reset(() => ({ kind: "without", headers: ["if-match", "if-none-match"] }));
  try {
    const told = await tell("doctor", "--store", urlOf("one-bucket", proxy.endpoint));
    expect(told.code).toBe(1);
    expect(told.stdout).toMatch(/puts if absent only once +failed .*the same run could be started twice/);
    expect(told.stdout).toMatch(/lets exactly one of many changers win +failed .*two workers at once could both/);
    expect(told.stdout).toMatch(/is NOT safe: \d+ checks failed\n$/);
  } finally {
    await proxy.stop();
  }
});
