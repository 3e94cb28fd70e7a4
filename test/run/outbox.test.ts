/** What the drivers of one run dispatch together. */
import { expect, test } from "vitest";
import type { Fact } from "../../src/run/facts.ts";
import { SharedDispatch } from "../../src/run/outbox.ts";

const LEARNED: readonly Fact[] = [{ fact: "begin" }];
const stamp = { task: "stamper", attempt: 1 };

/** A dispatch that the test answers. */
function dispatch() {
  let answer: (facts: readonly Fact[]) => void = () => {};
  let fail: (error: Error) => void = () => {};
  let sent = 0;
  const send = (): Promise<readonly Fact[]> => {
    sent += 1;
    return new Promise((resolve, reject) => {
      answer = resolve;
      fail = reject;
    });
  };
  return { send, answer: () => answer(LEARNED), fail: () => fail(new Error("away")), sent: () => sent };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("an entry is dispatched once, and everybody gets what was learned", async () => {
  const shared = new SharedDispatch();
  const { send, answer, sent } = dispatch();
  const first = shared.once("entry", stamp, "a", send);
  const second = shared.once("entry", stamp, "b", send);
  await turn();
  expect(sent()).toBe(1);
  answer();
  expect(await Promise.all([first, second])).toEqual([LEARNED, LEARNED]);
  expect(await shared.once("entry", stamp, "c", send)).toBe(LEARNED);
  expect(sent()).toBe(1);
  void shared.once("the same with another stamp", stamp, "c", send);
  expect(sent()).toBe(2);
});

test("the driver that stamped an entry comes first while it lives", async () => {
  const shared = new SharedDispatch();
  const [mine, others] = [dispatch(), dispatch()];
  const leave = shared.enter("stamper");
  const waits = shared.once("entry", stamp, "b", others.send);
  await turn();
  expect(others.sent()).toBe(0);
  const dispatched = shared.once("entry", stamp, "stamper", mine.send);
  mine.answer();
  expect(await dispatched).toBe(LEARNED);
  expect(await waits).toBe(LEARNED);
  const late = shared.once("later", stamp, "b", others.send);
  await turn();
  expect(others.sent()).toBe(0);
  leave();
  await turn();
  expect(others.sent()).toBe(1);
  others.answer();
  expect(await late).toBe(LEARNED);
});

test("what failed is tried by the others, who need not wait for the one who failed", async () => {
  const shared = new SharedDispatch();
  const [first, second] = [dispatch(), dispatch()];
  shared.enter("stamper");
  const failed = shared.once("entry", stamp, "stamper", first.send);
  const other = shared.once("entry", stamp, "b", second.send);
  first.fail();
  await expect(failed).rejects.toThrow("away");
  await turn();
  expect(second.sent()).toBe(1);
  second.answer();
  expect(await other).toBe(LEARNED);
});

test("a task that is driven twice lives until both drivers are over", async () => {
  const shared = new SharedDispatch();
  const { send, sent } = dispatch();
  const [first, second] = [shared.enter("stamper"), shared.enter("stamper")];
  void shared.once("entry", stamp, "b", send);
  first();
  await turn();
  expect(sent()).toBe(0);
  second();
  await turn();
  expect(sent()).toBe(1);
});

test("a task that is over is asked for once, one that is not is asked for again", async () => {
  const shared = new SharedDispatch();
  const asked: string[] = [];
  const ask = (isDriven: boolean) => async (task: string) => {
    asked.push(task);
    return isDriven;
  };
  expect(await shared.isDriven("a", ask(false))).toBe(false);
  expect(await Promise.all([shared.isDriven("a", ask(true)), shared.isDriven("a", ask(true))])).toEqual([true, true]);
  expect(await shared.isDriven("a", ask(false))).toBe(true);
  expect(asked).toEqual(["a", "a"]);
});
