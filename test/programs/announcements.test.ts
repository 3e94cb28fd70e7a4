/** Announcements of workers: who died without taking its own away is forgotten after a day. */
import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { ANNOUNCEMENTS_PREFIX, announcementKey, stateKey } from "../../src/keys.ts";
import { recordCodec } from "../../src/run/record/codec.ts";
import { isServedElsewhere, announcementCodec } from "../../src/programs/announcements.ts";
import { readDocument } from "../../src/store/document.ts";
import { leashStore } from "../../src/store/leash.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { createTestKit } from "../../src/testing/index.ts";

const NOW = 1_800_000_000_000;
const DAY_MS = 86_400_000;
const order = workflow("order").signal("go");

test("a check of versions deletes the announcements of workers that died more than a day ago", async () => {
  await using kit = await createTestKit({ workflows: [order] });
  const run = await kit.client.start(order);
  const read = await readDocument(kit.store, stateKey(run.id), recordCodec);
  if (read.kind === "missing") throw new Error("the run has no record");
  const serves = { name: "order", definition_hash: order.definitionHash, plan_hash: order.planHash };
  const announce = async (worker_id: string, ageMs: number): Promise<void> => {
    const seen = { worker_id, seen_at: NOW - ageMs, workflows: [serves] };
    await kit.store.put(announcementKey(worker_id), announcementCodec.encode(seen), "always");
  };
  for (const own of await keys(kit.store)) await kit.store.delete(own);
  await announce("dead-1", 2 * DAY_MS);
  await announce("dead-2", DAY_MS);
  await announce("late", DAY_MS - 1);
  await kit.store.put(announcementKey("unreadable"), "{", "always");

  expect(await isServedElsewhere(kit.store, read.value, NOW)).toBe(false);
  expect(await keys(kit.store)).toEqual([announcementKey("late"), announcementKey("unreadable")]);

  await announce("dead-1", 2 * DAY_MS);
  await announce("alive", 1_000);
  // The answer does not wait on whether they can be deleted.
  const stubborn: ObjectStore = {
    ...leashStore(kit.store, new AbortController().signal),
    delete: () => Promise.reject(new Error("no right to delete")),
  };
  expect(await isServedElsewhere(stubborn, read.value, NOW)).toBe(true);
  expect(await keys(kit.store)).toHaveLength(4);
});

async function keys(store: ObjectStore): Promise<readonly string[]> {
  return (await store.list(ANNOUNCEMENTS_PREFIX)).objects.map(({ key }) => key);
}
