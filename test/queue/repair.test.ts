/** Tasks that no index key leads to any more. */
import { expect, test } from "vitest";
import { leaseKey, readyKey, taskKey } from "../../src/keys.ts";
import { completeClaim } from "../../src/queue/finish.ts";
import { checkLeases } from "../../src/queue/monitor.ts";
import { repairTasks } from "../../src/queue/repair.ts";
import { type Bench, claim, LEASE_MS, makeBench, put, START } from "./fixtures.ts";

const idOf = (n: number): string => `${String(n).padStart(8, "0")}-0000-4000-8000-000000000000`;

/** Takes every index key away. */
async function blind(bench: Bench): Promise<void> {
  for (const prefix of ["ready/", "leases/"]) {
    for (const key of await bench.keys(prefix)) await bench.store.delete(key);
  }
}

test("gives an overdue pending task its ready key and an abandoned running one its lease key (C-4)", async () => {
  const bench = makeBench();
  await put(bench, { id: idOf(1) });
  await put(bench, { id: idOf(2) });
  await claim(bench, { id: idOf(2) });
  await put(bench, { id: idOf(3) });
  await completeClaim(bench.queue, await claim(bench, { id: idOf(3) }), null);
  await blind(bench);
  bench.pass(60_000);
  expect((await repairTasks(bench.queue)).repaired).toEqual([idOf(2)]);
  bench.pass(1);
  expect(await repairTasks(bench.queue)).toEqual({ repaired: [idOf(1), idOf(2)], next: undefined });
  expect(await bench.keys("ready/")).toEqual([readyKey(idOf(1), START)]);
  expect(await bench.keys("leases/")).toEqual([leaseKey(idOf(2), START + LEASE_MS)]);
  // From here on the ordinary monitor goes on.
  const expired: string[] = [];
  await checkLeases(bench.queue, {
    ownIds: new Set(),
    repaired: new Map(),
    onUnreadable: () => {},
    canRun: () => true,
    onExpired: async (id) => void expired.push(id),
  });
  expect(expired).toEqual([idOf(2)]);
});

test("writes nothing for tasks that are in order", async () => {
  const bench = makeBench();
  await put(bench, { id: idOf(1) });
  await put(bench, { id: idOf(2), availableAt: START + 3_600_000 });
  await put(bench, { id: idOf(3) });
  await claim(bench, { id: idOf(3) });
  let writes = 0;
  const counted = bench.through({
    put: (_key, _body, _condition, send) => {
      writes += 1;
      return send();
    },
  });
  expect(await repairTasks(counted)).toEqual({ repaired: [], next: undefined });
  expect(writes).toBe(0);
});

test("goes through the log page by page, past what it cannot read", async () => {
  const bench = makeBench();
  for (let n = 1; n <= 5; n += 1) await put(bench, { id: idOf(n) });
  await bench.store.put(taskKey(idOf(2)), "poison", "always");
  await blind(bench);
  bench.pass(120_000);
  const unreadable: string[] = [];
  const found: string[] = [];
  let after: string | undefined;
  let pages = 0;
  do {
    const page = await repairTasks(bench.queue, {
      limit: 2,
      onUnreadable: (key) => unreadable.push(key),
      ...(after === undefined ? {} : { after }),
    });
    found.push(...page.repaired);
    after = page.next;
    pages += 1;
  } while (after !== undefined);
  expect(pages).toBe(3);
  expect(found).toEqual([1, 3, 4, 5].map(idOf));
  expect(unreadable).toEqual([taskKey(idOf(2))]);
  expect(await bench.keys("ready/")).toHaveLength(4);
});
