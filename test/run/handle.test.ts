/** A bucket is closed in bounded time, whatever its store does. */
import { expect, test } from "vitest";
import { handleOf, nodeHost, type ObjectStore } from "../../src/index.ts";
import { leashStore } from "../../src/store/leash.ts";
import { errorOf } from "../client/setup.ts";
import { makeBench } from "../queue/fixtures.ts";

const bench = makeBench();
const storeThatEnds = (end: () => Promise<void>): ObjectStore => ({
  ...leashStore(bench.store, new AbortController().signal),
  [Symbol.asyncDispose]: end,
});

test("a close does not wait for ever for a store that is never disposed of, and says so", async () => {
  const told: string[] = [];
  const logger = { ...bench.queue.host.logger, warn: (message: string) => void told.push(message) };
  const handle = handleOf(
    storeThatEnds(() => new Promise(() => {})),
    { ...bench.queue.host, logger },
  );
  const before = bench.queue.host.clock.monotonic();
  await Promise.all([handle.close(), handle.close()]);
  expect(bench.queue.host.clock.monotonic() - before).toBe(10_000);
  expect(told).toEqual([expect.stringContaining("not disposed of in time")]);
});

test("a close rejects with what the disposal of the store throws, at once or later", async () => {
  const broken = new Error("sockets are stuck");
  for (const end of [
    () => Promise.reject(broken),
    () => {
      throw broken;
    },
  ])
    expect(await errorOf(handleOf(storeThatEnds(end), nodeHost()).close())).toBe(broken);
});
