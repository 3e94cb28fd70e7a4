/** What the chains of one run carry out together. */
import { expect, test } from "vitest";
import { CarriedOut } from "../../src/run/carried.ts";

/** The answer, or "waits" while there is none. */
async function seen(answer: Promise<boolean>): Promise<boolean | "waits"> {
  await new Promise((resolve) => setImmediate(resolve));
  return Promise.race([answer, Promise.resolve("waits" as const)]);
}

test("what one chain has carried out is done for all", async () => {
  const carried = new CarriedOut();
  expect(await seen(carried.isDone("entry", "task"))).toBe(false);
  carried.done("entry");
  expect(await seen(carried.isDone("entry", "task"))).toBe(true);
});

test("others wait for the chain whose task stamped an entry, until it is done", async () => {
  const carried = new CarriedOut();
  carried.enter("task");
  const answer = carried.isDone("entry", "task");
  carried.done("another");
  expect(await seen(answer)).toBe("waits");
  carried.done("entry");
  expect(await seen(answer)).toBe(true);
});

test("they do not wait for a chain that could not, or that is over", async () => {
  const carried = new CarriedOut();
  const leave = carried.enter("task");
  const first = carried.isDone("entry", "task");
  carried.failed("entry");
  expect(await seen(first)).toBe(false);
  const second = carried.isDone("later", "task");
  expect(await seen(second)).toBe("waits");
  leave();
  expect(await seen(second)).toBe(false);
});

test("a task that is driven twice lives until both are over", async () => {
  const carried = new CarriedOut();
  const [first, second] = [carried.enter("task"), carried.enter("task")];
  const answer = carried.isDone("entry", "task");
  first();
  expect(await seen(answer)).toBe("waits");
  second();
  expect(await seen(answer)).toBe(false);
});
