/** The rule of retries. `vectors.test.ts` holds it against what buquet computed. */
import { expect, test } from "vitest";
import { backoffMs } from "../../src/wire/backoff.ts";
import { newTask, retryPolicyOf, taskCodec } from "../../src/queue/task.ts";
import { ID, SPEC, START } from "../queue/fixtures.ts";

const policy = { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0 };

test("is the maximum when the growth is beyond all floats, and never negative", () => {
  const huge = { ...policy, multiplier: 1e300 };
  expect(backoffMs(huge, 30, () => 0.5)).toBe(60_000);
  expect(backoffMs({ ...huge, initialMs: 0 }, 30, () => 0.5)).toBe(60_000);
  expect(backoffMs({ ...policy, multiplier: -2 }, 1, () => 0.5)).toBe(0);
});

test("does not grow after thirty retries", () => {
  const slow = { ...policy, maxMs: Number.MAX_SAFE_INTEGER, multiplier: 1.01 };
  expect(backoffMs(slow, 31, () => 0.5)).toBe(backoffMs(slow, 30, () => 0.5));
  expect(backoffMs(slow, 30, () => 0.5)).toBeGreaterThan(backoffMs(slow, 29, () => 0.5));
});

test("reads the rule of a task whatever form its numbers have, and writes it with the point of a float", () => {
  const made = newTask({ ...SPEC, retryPolicy: { ...policy, jitter: 7 } }, START);
  const body = taskCodec.encode(made);
  expect(body).toContain('"multiplier":2.0,"jitter_percent":1.0}');
  expect(retryPolicyOf(made)).toEqual({ ...policy, jitter: 1 });
  expect(retryPolicyOf(taskCodec.decode(body, `tasks/a/${ID}.json`))).toEqual({ ...policy, jitter: 1 });
  const theirs = body.replace('"multiplier":2.0,"jitter_percent":1.0}', '"multiplier":2e0,"jitter_percent":1}');
  expect(retryPolicyOf(taskCodec.decode(theirs, `tasks/a/${ID}.json`))).toEqual({ ...policy, jitter: 1 });
});
