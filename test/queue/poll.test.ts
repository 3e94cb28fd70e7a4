/** Finding work. */
import { expect, test } from "vitest";
import { readyKey } from "../../src/keys.ts";
import { ReadyLister } from "../../src/queue/poll.ts";
import { type Bench, ID, makeBench, put, SPEC, START } from "./fixtures.ts";

const idOf = (shard: string, n: number): string => `${shard}0000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** Ready keys of tasks that nobody here runs, older than everything else. */
async function crowd(bench: Bench, shard: string, count: number): Promise<void> {
  for (let n = 1; n <= count; n += 1) await bench.store.put(readyKey(idOf(shard, n), START - 3_600_000), "", "always");
}

test("lists what is due over all shards with one request, oldest minute first", async () => {
  const bench = makeBench();
  const ids = [idOf("f", 1), idOf("0", 1), idOf("7", 1)];
  for (const [age, id] of ids.entries()) await put(bench, { ...SPEC, id, availableAt: START + (age - 2) * 60_000 });
  await put(bench, { ...SPEC, id: idOf("1", 9), availableAt: START + 60_000 });
  const found = await new ReadyLister().list(bench.queue);
  expect(found.map(({ id }) => id)).toEqual(ids);
  expect(found[0]?.foundAt).toBe(readyKey(ids[0] ?? "", START - 120_000));
});

test("leaves keys of no known form alone", async () => {
  const bench = makeBench();
  for (const key of ["ready/a/soon/x", "ready/a/0029923267/", "ready/x"]) await bench.store.put(key, "", "always");
  await put(bench);
  expect((await new ReadyLister().list(bench.queue)).map(({ id }) => id)).toEqual([ID]);
});

test("finds a task behind twelve older ones that nobody here runs (C-3)", async () => {
  const bench = makeBench();
  await crowd(bench, "a", 12);
  await put(bench);
  expect((await new ReadyLister().list(bench.queue)).map(({ id }) => id)).toContain(ID);
});

test("finds tasks of every shard behind thousands that nobody here runs, within one round (C-3)", async () => {
  const bench = makeBench();
  await crowd(bench, "0", 1_500);
  await crowd(bench, "a", 2_500);
  await put(bench);
  await put(bench, { ...SPEC, id: idOf("f", 1) });
  const lister = new ReadyLister();
  const seen = new Set<string>();
  let lists = 0;
  while (!(seen.has(ID) && seen.has(idOf("f", 1))) && lists < 40) {
    lists += 1;
    for (const { id } of await lister.list(bench.queue)) seen.add(id);
  }
  // One for all, sixteen shards, one more page for shard 0 and two for shard a.
  expect(lists).toBeLessThanOrEqual(1 + 16 + 1 + 2);
  expect(seen.size).toBe(4_002);
});

test("goes back to one request for all once the crowd is gone", async () => {
  const bench = makeBench();
  await crowd(bench, "0", 1_001);
  const lister = new ReadyLister();
  await lister.list(bench.queue);
  for (let n = 1; n <= 1_001; n += 1) await bench.store.delete(readyKey(idOf("0", n), START - 3_600_000));
  await put(bench, { ...SPEC, id: idOf("1", 1) });
  await put(bench, { ...SPEC, id: idOf("e", 1) });
  for (let turn = 0; turn < 16; turn += 1) await lister.list(bench.queue);
  expect(await lister.list(bench.queue)).toHaveLength(2);
});

test("does not go on behind tasks that are not due yet", async () => {
  const bench = makeBench();
  for (let n = 1; n <= 1_001; n += 1) await bench.store.put(readyKey(idOf("0", n), START + 3_600_000), "", "always");
  await put(bench);
  const lister = new ReadyLister();
  for (let turn = 0; turn < 11; turn += 1) await lister.list(bench.queue);
  expect((await lister.list(bench.queue)).map(({ id }) => id)).toEqual([ID]);
});
