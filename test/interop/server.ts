/**
 * The S3 server on which both sides meet, with a fresh bucket for each test: the first of those that SERVERS names, moto by default.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { QueueContext } from "../../src/queue/task.ts";
import { S3Store } from "../../src/store/s3.ts";
import { bestKind, chosenServers, openServer as startServer, whyAbsent } from "../store/fixtures/servers.ts";

/** How much the clocks of the two sides may differ, in milliseconds: buquet's trails by up to a second. */
const SKEW_MS = 2_000;
const REGION = "us-east-1";

/** One bucket and our own access to it. */
export interface Bucket {
  readonly name: string;
  readonly versioned: boolean;
  readonly endpoint: string;
  readonly host: Host;
  readonly store: S3Store;
  /** What the modules of the queue ask for. */
  readonly queue: QueueContext;
  /** The environment by which the Python process, or any client that reads it, finds the bucket. */
  readonly env: Readonly<Record<string, string>>;
  /** All keys under a prefix. */
  keys(prefix: string): Promise<readonly string[]>;
  /** The text of an object; throws when it is missing. */
  body(key: string): Promise<string>;
}

export interface InteropServer {
  readonly endpoint: string;
  /** A fresh bucket. @defaultValue versioned, where the server's buckets with versions are safe */
  bucket(options?: { readonly versioned?: boolean }): Promise<Bucket>;
  stop(): Promise<void>;
}

const BUQUET = resolve(".cache/buquet/bin/python");

/** The Python of the virtual environment that holds the real package. */
export function pythonProgram(): string {
  return BUQUET;
}

const [SERVER = "moto"] = chosenServers();

/** Why the tests of this folder cannot run here; undefined: they can. Under `CI_REQUIRE_BUQUET=1` it is an error. */
export function whyNoInterop(): string | undefined {
  const reason = existsSync(BUQUET)
    ? whyAbsent(SERVER)
    : "the Python package buquet is not installed here; .ci/setup-buquet.sh installs it";
  if (reason !== undefined && process.env["CI_REQUIRE_BUQUET"] === "1") throw new Error(reason);
  if (reason !== undefined) console.warn(`skipped: ${reason}`);
  return reason;
}

/** Starts the server. */
export async function openServer(): Promise<InteropServer> {
  const host = nodeHost();
  const started = await startServer(SERVER);
  if (started.kind === "absent") throw new Error(started.reason);
  const { server } = started;
  const { endpoint, credentials } = server;
  const opened: S3Store[] = [];
  return {
    endpoint,
    bucket: async ({ versioned = bestKind(SERVER) === "versioned" } = {}) => {
      const name = `interop-${randomUUID()}`;
      await server.bucket(name, versioned ? "versioned" : "plain");
      // Not by its url: a kind of bucket that is refused there is one that tests may ask for.
      const store = await S3Store.open({ bucket: name, endpoint, region: REGION, credentials, host });
      opened.push(store);
      return {
        name,
        versioned,
        endpoint,
        host,
        store,
        queue: { store, host, skewMarginMs: SKEW_MS },
        env: {
          S3_BUCKET: name,
          S3_ENDPOINT: endpoint,
          S3_REGION: REGION,
          AWS_REGION: REGION,
          ...server.env,
          // moto's answer about versions is one that the Rust SDK refuses, whatever the bucket keeps.
          BUQUET_ALLOW_NO_VERSIONING: "1",
        },
        keys: async (prefix) => {
          const keys: string[] = [];
          for (let after: string | undefined; ;) {
            const page = await store.list(prefix, after === undefined ? {} : { after });
            keys.push(...page.objects.map(({ key }) => key));
            after = page.objects.at(-1)?.key;
            if (!page.truncated) return keys;
          }
        },
        body: async (key) => {
          const read = await store.get(key);
          if (read.kind === "missing") throw new Error(`${key} is missing`);
          return read.object.body;
        },
      };
    },
    stop: async () => {
      for (const store of opened) await store[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

/** Asks until the answer is not undefined. The limit only finds what hangs. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>, limitMs = 120_000): Promise<T> {
  const { clock } = nodeHost();
  const start = clock.monotonic();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (clock.monotonic() - start > limitMs) throw new Error(`waited ${limitMs} ms in vain for: ${what}`);
    await clock.sleep(25);
  }
}
