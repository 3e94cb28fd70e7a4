/**
 * The S3 server on which both sides meet, with a fresh bucket for each test.
 *
 * moto by default. `INTEROP_S3_ENDPOINT` names another one that runs already (versitygw, MinIO …); `AWS_ACCESS_KEY_ID` and
 * `AWS_SECRET_ACCESS_KEY` are then its keys. `INTEROP_VERSIONS=off` makes buckets without versions where a test does not say which.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { type Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { QueueContext } from "../../src/queue/task.ts";
import { S3Store } from "../../src/store/s3.ts";
import { CREDENTIALS } from "../store/fixtures/moto.ts";

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
  /** A fresh bucket. @defaultValue versioned, unless `INTEROP_VERSIONS` is `off` */
  bucket(options?: { readonly versioned?: boolean }): Promise<Bucket>;
  stop(): Promise<void>;
}

const BUQUET = resolve(".cache/buquet/bin/python");
const MOTO = resolve(".cache/venv/bin/moto_server");

/** The Python of the virtual environment that holds the real package. */
export function pythonProgram(): string {
  return BUQUET;
}

/** Why the tests of this folder cannot run here; undefined: they can. Under `CI_REQUIRE_BUQUET=1` it is an error. */
export function whyNoInterop(): string | undefined {
  const reason = !existsSync(BUQUET)
    ? "the Python package buquet is not installed here; .ci/setup-buquet.sh installs it"
    : process.env["INTEROP_S3_ENDPOINT"] === undefined && !existsSync(MOTO)
      ? "moto is not installed here; .ci/setup-s3.sh installs it"
      : undefined;
  if (reason !== undefined && process.env["CI_REQUIRE_BUQUET"] === "1") throw new Error(reason);
  if (reason !== undefined) console.warn(`skipped: ${reason}`);
  return reason;
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Starts moto, or finds the server that the environment names. */
export async function openServer(): Promise<InteropServer> {
  const host = nodeHost();
  const named = process.env["INTEROP_S3_ENDPOINT"];
  let endpoint = named ?? "";
  let moto: ChildProcess | undefined;
  let credentials = CREDENTIALS;
  if (named === undefined) {
    const port = await freePort();
    endpoint = `http://127.0.0.1:${port}`;
    moto = spawn(MOTO, ["-H", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
  } else {
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
    if (AWS_ACCESS_KEY_ID === undefined || AWS_SECRET_ACCESS_KEY === undefined)
      throw new Error("INTEROP_S3_ENDPOINT needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY beside it");
    credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
  }
  const library = await import("@aws-sdk/client-s3");
  const admin = new library.S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials, maxAttempts: 1 });
  for (let tries = 0; ; tries += 1) {
    try {
      await admin.send(new library.ListBucketsCommand({}));
      break;
    } catch (error) {
      if (tries > 300) throw error;
      await host.clock.sleep(100);
    }
  }
  const opened: S3Store[] = [];
  return {
    endpoint,
    bucket: async ({ versioned = process.env["INTEROP_VERSIONS"] !== "off" } = {}) => {
      const name = `interop-${randomUUID()}`;
      await admin.send(new library.CreateBucketCommand({ Bucket: name }));
      if (versioned) {
        const VersioningConfiguration = { Status: "Enabled" } as const;
        await admin.send(new library.PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }));
      }
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
          AWS_ACCESS_KEY_ID: credentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
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
      admin.destroy();
      moto?.kill("SIGTERM");
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
