/** Reading records of which another program wrote less than ours do, or more. */
import { expect, test } from "vitest";
import { z } from "zod";
import { stateKey } from "../../src/keys.ts";
import { decodeRecord, encodeRecord } from "../../src/run/record/codec.ts";
import { objectOf } from "../../src/run/record/shape.ts";

const AT = "2026-01-01T00:00:00+00:00";
const NEEDED: Readonly<Record<string, unknown>> = {
  id: "f",
  type: "trip",
  status: "running",
  created_at: AT,
  updated_at: AT,
};
const OPTIONAL: Readonly<Record<string, unknown>> = {
  definition_hash: "abc",
  current_steps: ["quote"],
  data: { x: 1 },
  steps: { quote: { status: "running", attempt: 1 } },
  signals: { go: { cursor: "c" } },
  error: { type: "StepFailed", message: "no" },
  orchestrator_task_id: "t",
};
const decode = (body: object): ReturnType<typeof decodeRecord> => decodeRecord(JSON.stringify(body), stateKey("f"));

test("a record with the least that buquet writes is read", () => {
  const record = decode(NEEDED);
  expect(record).toMatchObject({
    definition_hash: "",
    current_steps: [],
    steps: new Map(),
    signals: new Map(),
    rest: {},
  });
  expect(record.data.read()).toBeNull();
  expect(record.error).toBeUndefined();
});

test.each(Object.keys(OPTIONAL))("a record without %s is read, and what it holds is written back", (member) => {
  const { [member]: _left, ...body } = { ...NEEDED, ...OPTIONAL };
  expect(JSON.parse(encodeRecord(decode(body)))).toMatchObject(body);
});

test.each(Object.keys(NEEDED))("a record without %s is a data error that names the key", (member) => {
  const { [member]: _left, ...body } = { ...NEEDED, ...OPTIONAL };
  expect(() => decode(body)).toThrow(
    expect.objectContaining({ code: "data", message: expect.stringContaining("workflow/f/state.json") }),
  );
});

test("what cannot be read of a step is told with the name of the step, and what is wrong elsewhere too", () => {
  const steps = { quote: { status: "running", attempt: 1 }, book: { status: "running", attempt: "one" } };
  expect(() => decode({ ...NEEDED, ...OPTIONAL, steps, current_steps: [1] })).toThrow(
    expect.objectContaining({ message: expect.stringMatching(/current_steps\.0: .*; steps\.book\.attempt: /u) }),
  );
});

test("members that others wrote stay where they were", () => {
  const body = {
    ...NEEDED,
    ...OPTIONAL,
    steps: { quote: { worker: "theirs", status: "running", started_at: AT, attempt: 1, also: { x: 1.5 } } },
    theirs: [1],
  };
  const written = encodeRecord(decode(body));
  expect(JSON.parse(written)).toEqual(body);
  expect(written).toContain(JSON.stringify(body.steps));
});

test("a schema has exactly the members of its type", () => {
  interface Pair {
    readonly a: string;
    readonly b?: number;
  }
  const pair = objectOf<Pair>({ a: z.string(), b: z.number().optional() });
  expect(pair.parse({ a: "x", c: 1 })).toEqual({ a: "x" });
  // @ts-expect-error b is forgotten.
  objectOf<Pair>({ a: z.string() });
  // @ts-expect-error c is no member.
  objectOf<Pair>({ a: z.string(), b: z.number().optional(), c: z.string() });
  // @ts-expect-error a is a text.
  objectOf<Pair>({ a: z.number(), b: z.number().optional() });
  // @ts-expect-error a is never absent.
  objectOf<Pair>({ a: z.string().optional(), b: z.number().optional() });
});
