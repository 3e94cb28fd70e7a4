/** Reading records of which another program wrote less than ours do. */
import { expect, test } from "vitest";
import { stateKey } from "../../src/keys.ts";
import { decodeRecord, encodeRecord } from "../../src/run/record/codec.ts";

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
