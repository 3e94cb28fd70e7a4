/** What we write is read by the real package, whatever is in it. The numbers are those of docs/interop.md. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rescheduleClaim } from "../../src/queue/finish.ts";
import { submitTask } from "../../src/queue/submit.ts";
import { millisOf, taskCodec } from "../../src/queue/task.ts";
import { parseJson, toPlain } from "../../src/wire/json.ts";
import { Peer, type PeerTask } from "./peer.ts";
import { randomRecords, randomTasks, type Written } from "./random-records.ts";
import { type Bucket, type InteropServer, openServer, until, whyNoInterop } from "./server.ts";
import { reached } from "./helpers.ts";
import { take } from "./ts-worker.ts";

let server: InteropServer;

/** A bucket of these objects that only answers reads: what is at stake is the reader, and two thousand puts would take their time. */
async function serve(objects: readonly Written<unknown>[]): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const bodies = new Map(objects.map(({ key, body }) => [`/objects/${key}`, body]));
  const http = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "", "http://server").pathname);
    const body = bodies.get(path);
    if (body === undefined) return void response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
    response.writeHead(200, { etag: '"1"', "content-type": "application/json" }).end(body);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    stop: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

/** Equal but for the last digit of a float: Rust's parser is not exact. */
function alike(read: unknown, written: unknown): boolean {
  if (typeof read === "number" && typeof written === "number")
    return (
      Object.is(read, written) || Math.abs(read - written) <= 1e-15 * Math.abs(written) || Math.abs(written) < 1e-307
    );
  if (typeof read !== "object" || typeof written !== "object" || read === null || written === null)
    return read === written;
  const names = Object.keys(written);
  return (
    Array.isArray(read) === Array.isArray(written) &&
    Object.keys(read).length === names.length &&
    names.every((name) => Object.hasOwn(read, name) && alike((read as never)[name], (written as never)[name]))
  );
}

/** Without members that are null: Rust leaves out what is empty, a result that is null too. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (member === null ? [] : [[name, withoutNulls(member)]])),
  );
}

/** A member that Python gives as null where it is left out in the bucket. */
const orNull = (value: unknown): unknown => value ?? null;

describe.skipIf(whyNoInterop() !== undefined)("objects of ours in the hands of Python", () => {
  let bucket: Bucket;
  beforeAll(async () => {
    server = await openServer();
    bucket = await server.bucket({ versioned: true });
  });
  afterAll(() => server.stop());

  test("24: every version of a task that both sides changed is read by get_history, and by us", async () => {
    await using python = await Peer.start(bucket);
    const retryPolicy = { initialMs: 10, maxMs: 10, multiplier: 1, jitter: 0 };
    const task = await submitTask(bucket.queue, "shared", { n: 1 }, { retryPolicy });
    const shared = [[{ raise: "RetryableError", message: "again" }], [{ return: "done" }]];
    await python.work({ worker_id: "py", handlers: { shared: shared.slice(0, 1) }, options: { max_tasks: 1 } });
    await python.worked("py");
    await reached(bucket, task.id, "pending");
    const claim = await until("its delay is over", () => take(bucket.queue, task.id).catch(() => undefined));
    await rescheduleClaim(bucket.queue, claim, 0);
    await python.work({ worker_id: "py-2", handlers: { shared: shared.slice(1) }, options: { max_tasks: 1 } });
    await python.worked("py-2");
    const history = await python.call<PeerTask[]>("queue", "get_history", { task_id: task.id });
    const told = history.map(({ status, attempt, retry_count, reschedule_count }) => [
      status,
      attempt,
      retry_count,
      reschedule_count,
    ]);
    expect(told.toSorted((a, b) => Number(a[1]) - Number(b[1]))).toHaveLength(7);
    const key = `tasks/${task.shard}/${task.id}.json`;
    const ours: unknown[] = [];
    for (const { versionId } of await bucket.store.versions(key)) {
      const read = await bucket.store.getVersion(key, versionId);
      if (read.kind === "missing") throw new Error("a version is missing");
      const { status, attempt, retry_count, reschedule_count } = taskCodec.decode(read.object.body, key);
      ours.push([status, attempt, retry_count, reschedule_count]);
    }
    expect(ours.toReversed()).toEqual([
      ["pending", 0, 0, 0],
      ["running", 1, 0, 0],
      ["pending", 1, 1, 0],
      ["running", 2, 1, 0],
      ["pending", 2, 1, 1],
      ["running", 3, 1, 1],
      ["completed", 3, 1, 1],
    ]);
    expect(told.toSorted()).toEqual(ours.toSorted());
  });

  test("31: a thousand random tasks are read by Python, member by member", async () => {
    const written = randomTasks(1_000, 31);
    const objects = await serve(written);
    await using python = await Peer.start(bucket, { S3_ENDPOINT: objects.endpoint, S3_BUCKET: "objects" });
    const read = await Promise.all(written.map(({ value }) => python.get(value.id)));
    await objects.stop();
    const wrong = written.filter(({ body }, index) => {
      const theirs = read[index];
      const ours = toPlain(parseJson(body)) as Record<string, unknown>;
      if (theirs === null || theirs === undefined) return true;
      return !Object.entries(theirs).every(([name, value]) =>
        name.endsWith("_at") && typeof value === "string"
          ? millisOf(value) === millisOf(String(ours[name]))
          : alike(value, orNull(ours[name])),
      );
    });
    expect(wrong.map(({ body }) => body)).toEqual([]);
  });

  test("31: a thousand random records of runs are read by Python, step by step", async () => {
    const written = await randomRecords(1_000, 31);
    const objects = await serve(written);
    await using python = await Peer.start(bucket, { S3_ENDPOINT: objects.endpoint, S3_BUCKET: "objects" });
    const read = await Promise.all(
      written.map(({ value }) =>
        python.call<readonly [Record<string, unknown>, string]>("state", "get", { wf_id: value.id }),
      ),
    );
    await objects.stop();
    const wrong = written.filter(({ body }, index) => {
      const theirs = read[index]?.[0] ?? {};
      const ours = toPlain(parseJson(body)) as Record<string, unknown>;
      return !Object.entries(theirs).every(([name, value]) =>
        alike(withoutNulls(value), withoutNulls(orNull(ours[name === "workflow_type" ? "type" : name]))),
      );
    });
    expect(wrong.map(({ body }) => body)).toEqual([]);
  });
});
